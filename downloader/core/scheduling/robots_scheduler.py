"""The scheduler of a run that obeys robots.txt: it asks each server for that before anything else."""

from typing import Any

from downloader.core.model import Outcome, Status
from downloader.core.names.urls import host_of
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.robots_gate import Permission
from downloader.core.scheduling.scheduler import Scheduler
from downloader.errors import DownloadError


class ObedientScheduler(Scheduler):
    """A `Scheduler`. A robots.txt is an Attempt as any other: with slots, retries and a pace, but without a Result."""

    def __init__(self, agent: str, *arguments: Any, gap: float | None = None, **options: Any) -> None:
        """``agent``: our product token. The rest is that of `Scheduler`."""
        super().__init__(*arguments, gap=gap or 0.0, **options)
        self._permission = Permission(agent)

    @property
    def waiting(self) -> int:
        """Downloads read from the list and not yet started."""
        return super().waiting + self._permission.parked

    def _enqueue(self, entry: DownloadState) -> None:
        found = self._permission.look(entry)
        if isinstance(found, DownloadState):
            super()._enqueue(found)
        elif found is not None:
            self._end(entry, Status.FAILED, error=found)

    def _name(self, entry: DownloadState, outcome: Outcome) -> None:
        if entry.is_robots_txt:
            self._permit(entry, outcome, None)
        else:
            super()._name(entry, outcome)

    def _end(
        self,
        entry: DownloadState,
        status: Status,
        outcome: Outcome | None = None,
        reason: str = "",
        error: DownloadError | None = None,
    ) -> None:
        if entry.is_robots_txt:
            self._permit(entry, outcome, error)
        else:
            super()._end(entry, status, outcome, reason=reason, error=error)

    def _permit(self, asked: DownloadState, outcome: Outcome | None, error: DownloadError | None) -> None:
        """A robots.txt has come, or will not: the Downloads that waited for it go on."""
        parked, delay = self._permission.answered(asked, outcome, error)
        self._ready.slow_down(host_of(asked.url), delay)
        for entry in parked:
            self._again(entry)
