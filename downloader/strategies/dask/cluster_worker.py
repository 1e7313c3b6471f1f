"""A worker of the cluster as the client sees it."""

from downloader.core.scheduling.dealing import Seat
from downloader.engine.contract import Slot
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats


class ClusterWorker:
    """A worker that is dealt to.

    ``address``: identifies the worker in the cluster. ``run``: identifies this opening of the worker, in its reports.
    ``heard``: when its last report came, or it was opened (monotonic seconds). ``slot``: its numbers, for displays.
    """

    def __init__(self, address: str, name: str, run: str, jobs: int) -> None:
        self.address = address
        self.name = name
        self.run = run
        self.seat = Seat(jobs)
        self.heard = 0.0
        self.slot = Slot(LocalStats(name=name), Cut())

    def show(self, now: float) -> None:
        """Bring the numbers for displays up to date: a bar for this worker where it has anything to do."""
        stats = self.slot.stats
        if not self.seat.parcels:
            stats.since = 0.0
        elif not stats.since:
            stats.since = now
