"""The scheduler of a run with ``--obey-robots``: it fetches the robots.txt of each server before anything else from there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from downloader.core.limits.slots import Limits
from downloader.core.model import Download, Outcome, Status
from downloader.core.names.namer import Namer
from downloader.core.names.urls import host_of
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.robots_gate import RobotsGate
from downloader.core.scheduling.scheduler import READ_AHEAD_WINDOW, WHOLE_FILES, Scheduler
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.errors import DownloadError

if TYPE_CHECKING:  # few runs have these
    from downloader.core.limits.host_table import HostTable
    from downloader.core.names.checksum_list import ChecksumList


class RobotsScheduler(Scheduler):
    """A `Scheduler` that obeys robots.txt.

    A robots.txt is fetched by an ordinary Attempt, with slots, retries and pacing, but has no Result.

    Args:
        agent: the product token that the rules are matched with.
        gap: see `Scheduler`, as for the other arguments; a Crawl-delay that is longer is obeyed.
    """

    def __init__(
        self,
        agent: str,
        source: Iterator[Download | None],
        slots: Limits,
        retry: RetryPolicy,
        *,
        split: SplitPolicy = WHOLE_FILES,
        checksum_list: "ChecksumList | None" = None,
        probe: bool = False,
        namer: Namer | None = None,
        fail_fast: bool = False,
        host_failures: int = 0,
        wait_for_space: bool = False,
        window: int = READ_AHEAD_WINDOW,
        gap: float | None = None,
        own_gaps: "HostTable[float] | None" = None,
    ) -> None:
        super().__init__(  # each by its name, because mypyc passes `**options` wrongly to a compiled method
            source,
            slots,
            retry,
            split=split,
            checksum_list=checksum_list,
            probe=probe,
            namer=namer,
            fail_fast=fail_fast,
            host_failures=host_failures,
            wait_for_space=wait_for_space,
            window=window,
            gap=gap or 0.0,
            own_gaps=own_gaps,
        )
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
