"""Which Attempt starts next, and what an Outcome leads to.

The scheduler reads the list lazily (``window`` Downloads ahead, so that a busy host does not hide the others behind it),
names each file, starts Attempts as slots allow, and turns each Outcome into a Result or into a further Attempt. It alone
decides about order, priorities, limits of hosts, mirrors, retries with their delays, and names that are already taken.

It is pure: the time and random numbers come in as arguments, values go out. A driver calls it from one thread::

    take(now, max_attempts) -> list[Attempt]   they share one slot, and run one after the other
    settle(outcome, now, jitter)               exactly once for each Attempt taken
    results() -> list[Result]                  what has ended since the last call
    wake_at                                    when `take` may return something although nothing was settled
    finished                                   nothing is left to do
    segments.progress(...), segments.cuts()    where an Attempt is whose file may be split; where running Attempts end now
    space.is_due(now), space.check(...)        while the run waits for space in a full folder

Its parts: `SourceReader` reads and names, `ReadyQueue` holds what may start, `RetryQueue` what waits for its next try,
`SegmentScheduler` what is fetched in Segments, `RetryPolicy` decides about another try.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from downloader.core.limits.slots import Limits
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.names.namer import Namer
from downloader.core.names.urls import public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.ready_queue import ReadyQueue
from downloader.core.scheduling.retry import NextStep, RetryPolicy, failure_of
from downloader.core.scheduling.retry_queue import RetryQueue, Waiting
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.core.scheduling.segment_scheduler import SegmentScheduler
from downloader.core.scheduling.source_reader import SourceReader
from downloader.core.scheduling.space_wait import SPACE_RETRY_DELAY, SpaceWait
from downloader.errors import DownloadError, Interrupted, NoAnswer

if TYPE_CHECKING:  # few runs have these
    from downloader.core.limits.host_table import HostTable
    from downloader.core.names.checksum_list import ChecksumList

WHOLE_FILES = SplitPolicy()
_Error = DownloadError | None
_COMPLETE, _DONE = End.COMPLETE, Status.DONE

READ_AHEAD_WINDOW = 1024  # Downloads that are read ahead


class Scheduler:
    """Decides what starts, and what follows from each Outcome.

    ``reader``: reads the list. ``segments``: files that are fetched in Segments. ``space``: whether it waits for a full folder.
    ``stopped``: nothing starts any more. ``failed_fast``: because a file failed. ``ended_by``: the error that ended the run
    before the list was done. ``retry_delay``: seconds until the Download that was settled last is tried again, if it is.

    Args:
        source: yields the Downloads; None where none is available at the moment.
        slots: how many Attempts may be in flight, in all and at each host.
        retry: how often and after which delays failed Attempts are repeated.
        split: how files may be split into Segments.
        checksum_list, probe, namer: see `SourceReader`.
        fail_fast: the first Download that fails ends the run.
        host_failures: after so many unanswered Attempts a host is given up; 0: never. See `Reachability`.
        wait_for_space: a full folder does not end the run.
        window: number of Downloads that are read ahead.
        gap, own_gaps: see `ReadyQueue`.
    """

    def __init__(
        self,
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
        self.reader = SourceReader(source, checksum_list, probe, namer, max(window, 2 * slots.max_in_flight))
        self._retry = retry
        self._fail_fast = fail_fast
        self._ready = ReadyQueue(slots, host_failures, gap, own_gaps)
        self._retries = RetryQueue()
        self._running: dict[int, DownloadState] = {}  # by the key of the Attempt
        self.segments = SegmentScheduler(split, self._ready, retry, self._running)
        self._results: list[Result] = []
        self._last_take = -math.inf
        self.space = SpaceWait(wait_for_space)
        self._cut_short = self.stopped = self.failed_fast = False
        self.retry_delay = 0.0
        self.ended_by: DownloadError | None = None

    @property
    def max_in_flight(self) -> int:
        """How many Attempts may be in flight now."""
        return self._ready.slots.max_in_flight

    def explain(self) -> str:
        """One line for logs: how many Attempts may be in flight, and why."""
        return self._ready.slots.explain()

    @property
    def waiting(self) -> int:
        """Downloads that were read from the list and are ready to start."""
        return len(self._ready)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, or the run was stopped and all that ran has ended."""
        if self._running:
            return False
        return self.stopped or (self.reader.exhausted and not self._ready and not self._retries)

    @property
    def complete(self) -> bool:
        """Every Download of the list has its Result."""
        return self.reader.exhausted and not (self._cut_short or self._running or self._ready or self._retries)

    @property
    def wake_at(self) -> float | None:
        """When `take` may return something although nothing was settled: monotonic seconds; None: not by time alone."""
        if self.space.is_waiting:
            return self.space.next_check
        due = min(self._retries.next_due, self._ready.next_due, self.segments.next_due(self._last_take))
        if self.reader.ask_again is not None:
            due = min(due, self.reader.ask_again)
        return None if due == math.inf else due

    def stop(self) -> None:
        """Start nothing more. Downloads that wait for another try fail now; those that were never started get no Result."""
        if self.stopped:
            return
        self.stopped = True
        ready = self._ready.clear()
        self._cut_short = not self.reader.exhausted or bool(ready or self._retries)
        for entry in sorted(ready + self._retries.clear(), key=lambda entry: entry.order):
            self._interrupt(entry)
        self.segments.stop()

    def _interrupt(self, entry: DownloadState) -> None:
        self._cut_short = True
        if entry.attempts_made:
            error = Interrupted("stopped before the next attempt", public_url(entry.url), "run the same command again")
            self._end(entry, Status.FAILED, error=error)

    def retrying(self) -> Waiting | None:
        """The Downloads that wait for their next try; None where there are none."""
        return self._retries.summary()

    def results(self) -> list[Result]:
        """The Results since the last call, in order of completion."""
        results, self._results = self._results, []
        return results

    def take(self, now: float, max_attempts: int = 1) -> list[Attempt]:
        """Attempts that start now.

        Args:
            now: monotonic seconds; never less than before.
            max_attempts: at most so many are returned.

        Returns:
            Attempts at one host, which share one slot and are to be run one after the other; empty if none may start.
        """
        if self.stopped or self.space.is_waiting:
            return []
        self._last_take = now
        if self._ready.is_paced:
            self._ready.advance(now)
            max_attempts = 1
        if self._retries.next_due <= now:
            for entry in self._retries.pop_due(now):
                self._enqueue(entry)
        if self.segments.split_files and (segment := self.segments.start_next(now)):  # first, so that files get completed
            return segment
        if not self.reader.exhausted and len(self._ready) <= self.reader.window // 2:
            self._refill(now, max_attempts)
        if self._ready.slots.free <= 0:
            return []
        while not (entries := self._ready.start(max_attempts, now)):
            if not self._refill(now, max_attempts):  # only busy hosts so far: read on, another may come
                return self.segments.start_next(now, split=True) if self.segments.split_files else []
        running = self._running
        for entry in entries:
            running[entry.key] = entry
            if entry.detailed:
                entry.note_start(now)
        return [entry.start() for entry in entries]

    def sample(self, now: float, received: int) -> None:
        """Tell the limits, and the rules of Segments, that ``received`` body bytes have come in by now, in all."""
        self._ready.sample(now, received)
        self.segments.sample(now, received)

    def _enqueue(self, entry: DownloadState) -> None:
        if not self._ready.push(entry):
            self._leave_host(entry)

    def _leave_host(self, entry: DownloadState, outcome: Outcome | None = None) -> None:
        """The host of the next URL is given up: go on at a mirror elsewhere, or fail."""
        if self._ready.drop_given_up_urls(entry):
            self._requeue(entry)
        else:
            self._end(entry, Status.FAILED, outcome, error=self._ready.given_up_error(entry))

    def _refill(self, now: float, taken: int) -> bool:
        """Read some more of the list; returns whether there was any."""
        some = False
        if self.stopped:
            return False
        for read in self.reader.read_ahead(now, self.waiting, len(self._retries), len(self._results), taken):
            some = True
            self._place(read)
            if self.stopped:
                break
        return some

    def _place(self, read: DownloadState | Result) -> None:
        if isinstance(read, DownloadState):
            self._requeue(read)
        else:
            self._finish(read)

    def settle(self, outcome: Outcome, now: float, jitter: float) -> None:
        """Record how an Attempt ended: this leads to a Result, or to a further Attempt after `retry_delay` seconds.

        Args:
            outcome: of an Attempt that was taken, once for each.
            now: monotonic seconds.
            jitter: a random number, uniform in [0, 1), for the backoff.
        """
        self.retry_delay = 0.0
        entry = self._running.pop(outcome.key)
        for other in self._ready.ended(outcome, now):
            self._leave_host(other)
        entry.received += outcome.received
        entry.elapsed += outcome.elapsed
        if entry.detailed:
            entry.note_try(outcome)
        if entry.key in self.segments.split_files:
            final = self.segments.ended(outcome, entry, now, jitter)
            if final is None:
                return
            outcome = final
        if outcome.end is _COMPLETE:  # before the others: members of an Enum are read slowly through their class
            self._end(entry, _DONE, outcome)
            return
        match outcome.end:
            case End.EXISTS | End.NOT_MODIFIED:
                self._end(entry, Status.SKIPPED, outcome, reason=outcome.end.value)
            case End.WORKER_LOST | End.FAILED:
                self._failed(entry, outcome, now, jitter)
            case End.INTERRUPTED:
                self._cut_short = True
                self._end(entry, Status.FAILED, outcome, error=outcome.error)
            case End.NAME_LEARNED:
                entry.note_unfinished(outcome.end)
                self._rename(entry, outcome)
            case End.SEGMENT_DONE:  # no Attempt runs, and yet a Segment is missing: one Attempt fetches all that is left
                entry.note_unfinished(outcome.end)
                self._requeue(entry, now, entry.resume_due - now)
            case End.UNREPORTED | End.MAYBE_STARTED | End.UNSTARTED | End.MUST_RESTART:
                entry.note_unfinished(outcome.end)
                self._requeue(entry)

    def _rename(self, entry: DownloadState, outcome: Outcome) -> None:
        self._place(self.reader.rename(entry, outcome.proposed_name))

    def _failed(self, entry: DownloadState, outcome: Outcome, now: float, jitter: float) -> None:
        error = failure_of(outcome, entry.url)
        entry.note_failure(error)
        if self.stopped:
            self._end(entry, Status.FAILED, outcome, error=error)
        elif error.ends_run and self.space.begins(error, now):
            entry.tries_counted -= 1
            self._requeue(entry, now, SPACE_RETRY_DELAY, error)
        elif error.ends_run:
            self.ended_by = error
            self._end(entry, Status.FAILED, outcome, error=error)
            self.stop()
        elif isinstance(error, NoAnswer) and self._ready.is_given_up(entry):
            self._leave_host(entry, outcome)
        else:
            match entry.next_step(error, self._retry):
                case NextStep.RETRY:
                    self._requeue(entry, now, self._retry.delay(error, entry.tries_counted, jitter), error)
                case NextStep.OTHER_URL:
                    self._requeue(entry)
                case NextStep.FAIL:
                    self._end(entry, Status.FAILED, outcome, error=error)

    def _requeue(self, entry: DownloadState, now: float = 0.0, delay: float = 0.0, error: _Error = None) -> None:
        """Let an entry start again, after a delay; where the run was stopped, it ends."""
        if self.stopped:
            self._interrupt(entry)
        elif delay > 0:
            self.retry_delay = delay
            self._retries.push(entry, now + delay, error)
        else:
            self._enqueue(entry)

    def _end(
        self, entry: DownloadState, status: Status, outcome: Outcome | None = None, reason: str = "", error: _Error = None
    ) -> None:
        self._finish(entry.result(status, outcome, reason, error))

    def _finish(self, result: Result) -> None:
        if self._fail_fast and not self.stopped and result.status is Status.FAILED:
            self.failed_fast = True
            self.stop()
        self._results.append(result)
