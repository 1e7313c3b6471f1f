"""The scheduler of a run with gates: it asks for something else before a Download starts, such as robots.txt or a checksum."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from downloader.core.limits.slots import Limits
from downloader.core.model import Download, Outcome, Status
from downloader.core.names.namer import Namer
from downloader.core.names.urls import host_of
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.gate import Gate
from downloader.core.scheduling.retry import RetryPolicy, failure_of
from downloader.core.scheduling.scheduler import READ_AHEAD_WINDOW, WHOLE_FILES, Scheduler
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.errors import DownloadError

if TYPE_CHECKING:  # few runs have these
    from downloader.core.limits.host_table import HostTable
    from downloader.core.names.checksum_list import ChecksumList


class GatedScheduler(Scheduler):
    """A `Scheduler` that shows each Download to some gates before it starts. See `downloader.core.scheduling.gate`.

    Args:
        gates: in this order. What one gate asks for is shown to the others, too.
        gap: see `Scheduler`, as for the other arguments. None: a gate that asks for slower requests has no effect.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
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
            gap=gap,
            own_gaps=own_gaps,
        )
        self._gates = tuple(gates)

    @property
    def waiting(self) -> int:
        """Downloads that were read from the list and have not started yet."""
        return super().waiting + sum([gate.parked for gate in self._gates])

    def _enqueue(self, entry: DownloadState) -> None:
        for gate in self._gates:
            decision = gate.admit(entry)
            if decision is entry:
                continue
            if isinstance(decision, DownloadState):
                self._enqueue(decision)
            elif decision is not None:
                self._end(entry, Status.FAILED, error=decision)
            return
        super()._enqueue(entry)

    def _gate_of(self, entry: DownloadState) -> Gate | None:
        """The gate that has asked for this entry; None for a Download of the list."""
        if not entry.keep_body:
            return None
        return next((gate for gate in self._gates if gate.asked_for(entry)), None)

    def _rename(self, entry: DownloadState, outcome: Outcome) -> None:
        gate = self._gate_of(entry)
        if gate is not None:
            self._release_parked(gate, entry, outcome, None)
        else:
            super()._rename(entry, outcome)

    def _failed(self, entry: DownloadState, outcome: Outcome, now: float, jitter: float) -> None:
        gate, error = self._gate_of(entry), failure_of(outcome, entry.url)
        if gate is not None and gate.gives_up(entry, error):
            self._release_parked(gate, entry, outcome, error)
        else:
            super()._failed(entry, outcome, now, jitter)

    def _end(
        self,
        entry: DownloadState,
        status: Status,
        outcome: Outcome | None = None,
        reason: str = "",
        error: DownloadError | None = None,
    ) -> None:
        gate = self._gate_of(entry)
        if gate is not None:
            self._release_parked(gate, entry, outcome, error)
        else:
            super()._end(entry, status, outcome, reason=reason, error=error)

    def _release_parked(self, gate: Gate, entry: DownloadState, outcome: Outcome | None, error: DownloadError | None) -> None:
        parked, gap = gate.answered(entry, outcome, error)
        if gap:
            self._ready.slow_down(host_of(entry.url), gap)
        for waiting in parked:
            self._requeue(waiting)
