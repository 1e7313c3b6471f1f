"""What a client and the workers of a cluster tell each other.

The client calls functions in a worker (`downloader.strategies.dask.remote`); a worker publishes events under `TOPIC`. Nothing
is a task of Dask, so nothing of the list or of the settings is kept in Dask's task graph, in its logs, or in a dump of it.
"""

from typing import Any

from msgspec import Struct

from downloader.core.scheduling.dealing import Parcel
from downloader.engine.workers.codec import pack, unpacker
from downloader.engine.workers.parcels import Ended

TOPIC = "downloader"
"""The topic of all events: Dask never forgets a topic, so all runs share one."""

RUNNING, STOPPING, GRACE_OVER = 0, 1, 2
"""The states of a run, as far as workers know them: nothing more starts; what runs ends at once."""


class Engagement(Struct, frozen=True):
    """What a worker is given when it is opened for a run. Pickled, because a configuration may hold any value.

    ``run``: identifies the run, and this opening of it. ``config``: a `WorkerConfig`. ``jobs``: Attempts in flight at most.
    ``lease``: seconds that the worker goes on without hearing of the client. ``report_seconds``: from one report to the next.
    """

    run: str
    config: Any
    was_empty: bool
    jobs: int
    lease: float
    report_seconds: float


class WorkerReport(Struct, array_like=True):
    """What a worker has done since its last report. ``received``: body bytes since it was opened."""

    received: int
    ended: list[Ended]
    problem: str = ""
    """Why the worker ends; empty: it goes on."""


pack_parcels = pack
unpack_parcels = unpacker(list[Parcel])
pack_report = pack
unpack_report = unpacker(WorkerReport)
