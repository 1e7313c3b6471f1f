"""When and where an Attempt ran, for ``--trace``."""

from msgspec import Struct


class Trace(Struct, frozen=True, array_like=True):
    """When and where one Attempt ran.

    ===========  =======================================================================================================
    field        meaning
    ===========  =======================================================================================================
    ``number``   that of the Attempt
    ``segment``  first byte of its Segment
    ``process``  the system's number of the process
    ``thread``   the system's number of the thread
    ``task``     which of the concurrent places of an event loop it was; 0 without an event loop
    ``started``  monotonic seconds, which all processes of a machine share
    ``head``     when the head of the first response came; 0: none did
    ``ended``    when it ended
    ===========  =======================================================================================================
    """

    number: int
    segment: int
    process: int
    thread: int
    task: int
    started: float
    head: float
    ended: float
