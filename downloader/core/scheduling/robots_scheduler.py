"""The scheduler of a run with ``--obey-robots``: it fetches the robots.txt of each server before anything else from there."""

from typing import Any

from downloader.core.model import Outcome, Status
from downloader.core.names.urls import host_of
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.robots_gate import RobotsGate
from downloader.core.scheduling.scheduler import Scheduler
from downloader.errors import DownloadError


class RobotsScheduler(Scheduler):
    """A `Scheduler` that obeys robots.txt.

    A robots.txt is fetched by an ordinary Attempt, with slots, retries and pacing, but has no Result.

    Args:
        agent: the product token that the rules are matched with.
        gap: see `Scheduler`; a Crawl-delay that is longer is obeyed.
    """

    def __init__(self, agent: str, *arguments: Any, gap: float | None = None, **options: Any) -> None:
        base: Any = Scheduler  # as Any, because mypyc passes ``**options`` wrongly to a method that it knows
        base.__init__(self, *arguments, gap=gap or 0.0, **options)
        self._gate = RobotsGate(agent)

    @property
    def waiting(self) -> int:
        """Downloads that were read from the list and have not started yet."""
        return super().waiting + self._gate.parked

    def _enqueue(self, entry: DownloadState) -> None:
        decision = self._gate.admit(entry)
        if isinstance(decision, DownloadState):
            super()._enqueue(decision)
        elif decision is not None:
            self._end(entry, Status.FAILED, error=decision)

    def _rename(self, entry: DownloadState, outcome: Outcome) -> None:
        if entry.is_robots_txt:
            self._release_parked(entry, outcome, None)
        else:
            super()._rename(entry, outcome)

    def _end(
        self,
        entry: DownloadState,
        status: Status,
        outcome: Outcome | None = None,
        reason: str = "",
        error: DownloadError | None = None,
    ) -> None:
        if entry.is_robots_txt:
            self._release_parked(entry, outcome, error)
        else:
            super()._end(entry, status, outcome, reason=reason, error=error)

    def _release_parked(self, robots_txt: DownloadState, outcome: Outcome | None, error: DownloadError | None) -> None:
        parked, delay = self._gate.answered(robots_txt, outcome, error)
        self._ready.slow_down(host_of(robots_txt.url), delay)
        for entry in parked:
            self._requeue(entry)
