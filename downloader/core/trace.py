"""When and where an Attempt ran: what `--trace` writes."""

from msgspec import Struct


class Trace(Struct, frozen=True, array_like=True):
    """When and where an Attempt ran: monotonic seconds, which all processes of a machine share; ``head``: 0 where none came.

    ``process`` and ``thread`` are the system's numbers; ``task`` tells the places of one event loop apart.
    """

    number: int
    segment: int
    process: int
    thread: int
    task: int
    started: float
    head: float
    ended: float
