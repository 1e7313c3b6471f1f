"""Which Attempt starts next, and what an Outcome leads to.

The scheduler reads the list lazily (`window` Downloads ahead, so that one busy host does not hide the others behind it),
names each file, hands out Attempts as slots allow, and turns each Outcome into a Result or a further Attempt. It alone
knows about order, priorities, limits for each host, mirrors, retries and their waiting, and names already taken.

Pure: `now` and `chance` come in, values go out. A driver calls, from one thread::

    take(now, most) -> list[Attempt]     they share one slot, and are to run one after the other
    settle(outcome, now, chance)         exactly once for each Attempt taken
    results() -> list[Result]            what has ended since the last call
    wake_at                              when a waiting retry falls due
    progress(key, at, total, now)        how far an Attempt is that may be split; then `take` may split it, and
    cuts() -> list[(key, stop)]          says which running Attempts end elsewhere than they were told
    finished                             nothing is left, and nothing is under way; `space`: does it wait for a full folder?
"""

import math
from collections.abc import Iterator

from downloader.core.limits.slots import Limits
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.host_turns import HostTurns
from downloader.core.scheduling.retry import RetryPolicy, another_server_may_help
from downloader.core.scheduling.retry_queue import RetryQueue, Waiting
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.core.scheduling.segment_scheduler import SegmentScheduler
from downloader.core.scheduling.source_reader import NamedDownload, SourceReader
from downloader.core.scheduling.space_wait import FULL_AGAIN, SpaceWait
from downloader.errors import DownloadError, Interrupted, NoAnswer, WorkerError

WHOLE_FILES = SplitPolicy()
_Error = DownloadError | None


class Scheduler:
    """``probe``: ask the server for each name first. ``cut_dirs``: see `default_path`. ``host_failures``: see `Reachability`.
    ``wait_for_space``: a full folder does not end the run. ``gap``: see `SlotLeases`."""

    def __init__(
        self,
        source: Iterator[Download | None],
        slots: Limits,
        retry: RetryPolicy,
        *,
        split: SplitPolicy = WHOLE_FILES,
        sums: ChecksumList | None = None,
        probe: bool = False,
        cut_dirs: int | None = None,
        fail_fast: bool = False,
        host_failures: int = 0,
        wait_for_space: bool = False,
        window: int = 1024,
        gap: float | None = None,
    ) -> None:
        self._intake = SourceReader(source, sums, probe, cut_dirs)
        self._retry = retry
        self._fail_fast = fail_fast
        self._window = max(window, 2 * slots.in_all)
        self._ready = HostTurns(slots, host_failures, gap)
        self._waiting = RetryQueue()
        self.space = SpaceWait(wait_for_space)
        self._running: dict[int, DownloadState] = {}
        self._splits = SegmentScheduler(split, self._ready, retry)
        self._results: list[Result] = []
        self._now = -math.inf  # of the last `take`
        self._cut_short = self.stopped = self.failed_fast = False
        self.waits = 0.0  # until the Download that was settled last is tried again
        self.ended_by: DownloadError | None = None  # what ended the run before the list was done

    @property
    def in_flight(self) -> int:
        """Attempts taken and not yet settled."""
        return len(self._running)

    @property
    def at_once(self) -> int:
        """How many may be in flight now."""
        return self._ready.slots.in_all

    def explain(self) -> str:
        """A line about how many may be in flight, and why."""
        return self._ready.slots.explain()

    @property
    def waiting(self) -> int:
        """Downloads read from the list and ready to start."""
        return len(self._ready)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, or the run was stopped and all that ran has ended."""
        if self._running:
            return False
        return self.stopped or (self._intake.exhausted and not self._ready and not self._waiting)

    @property
    def complete(self) -> bool:
        """Every Download of the list has its Result."""
        return self._intake.exhausted and not (self._cut_short or self._running or self._ready or self._waiting)

    @property
    def wake_at(self) -> float | None:
        """When something may be startable that is not now: the next retry, or a Source that had nothing."""
        if self.space.waits:
            return self.space.due
        times = self._splits.times(self._now) + self._ready.times
        if (soonest := self._waiting.soonest) is not None:
            times.append(soonest)
        if self._intake.ask_again is not None:
            times.append(self._intake.ask_again)
        return min(times, default=None)

    def stop(self) -> None:
        """Start nothing more. What was begun and waits for another try ends here; what was not begun gets no Result."""
        if self.stopped:
            return
        self.stopped = True
        queued = self._ready.clear()
        self._cut_short = not self._intake.exhausted or bool(queued or self._waiting)
        for entry in sorted(queued + self._waiting.clear(), key=lambda entry: entry.order):
            self._interrupt(entry)
        self._splits.stop()

    def _interrupt(self, entry: DownloadState) -> None:
        self._cut_short = True
        if entry.number:
            error = Interrupted("stopped before the next attempt", public_url(entry.url), "run the same command again")
            self._end(entry, Status.FAILED, error=error)

    def retrying(self) -> Waiting | None:
        """What waits for another try; None where nothing does."""
        return self._waiting.summary()

    def results(self) -> list[Result]:
        """The Results since the last call, in order of completion."""
        results, self._results = self._results, []
        return results

    def take(self, now: float, most: int = 1) -> list[Attempt]:
        """Up to ``most`` Attempts for one host, to be run in turn in one slot. Empty: none may start now."""
        if self.stopped or self.space.waits:
            return []
        self._now = now
        most = self._ready.at(now, most)
        for entry in self._waiting.due(now) if self._waiting else ():
            self._enqueue(entry)
        if self._splits and (segment := self._segment(now)):
            return segment
        if not self._intake.exhausted and len(self._ready) <= self._window // 2:
            self._refill(now)
        if self._ready.slots.free <= 0:
            return []
        while (host := self._ready.next_host()) is None:
            if not self._refill(now):  # only busy hosts so far: read on, another may come
                return self._segment(now) if self._splits and self._splits.split(now) else []
        return [self._start(entry) for entry in self._ready.begin(host, most, now)]

    def _start(self, entry: DownloadState) -> Attempt:
        entry.number += 1
        entry.tries += 1
        self._running[entry.key] = entry
        return entry.attempt(entry.key, entry.url)

    def progress(self, key: int, at: int, total: int, now: float, paused: float = 0.0, beyond: int = 0) -> None:
        """A running Attempt that may be split is at this byte of ``total``.

        ``paused``: see `Running.reached`; ``beyond``: bytes that were there before, behind that byte.
        """
        entry = self._running.get(key)
        if entry is not None and not self.stopped:
            self._splits.progress(entry, key, at, total, now, paused, beyond)

    def sample(self, now: float, received: int) -> None:
        """So many body bytes have come in by now: what the limits learn from."""
        self._ready.sample(now, received)

    def done_in_segments(self) -> dict[str, int]:
        """Of each file that is fetched in Segments now: how many bytes are there, by its path."""
        return self._splits.done() if self._splits else {}

    def cuts(self) -> list[tuple[int, int]]:
        """Running Attempts that end elsewhere than they were told: their keys, and where (negative: at once)."""
        return self._splits.cuts()

    def _segment(self, now: float) -> list[Attempt]:
        """An Attempt at a Segment that waits to be asked for: before anything else, so that files get ended."""
        begun = self._splits.begin(now)
        if begun is None:
            return []
        entry, key, url, segment, beside = begun
        entry.number += 1
        self._running[key] = entry
        self._ready.begin_segment(key, host_of(url), now)
        return [entry.attempt(key, url, segment, beside, self._splits.is_mirror(entry, url))]

    def _enqueue(self, entry: DownloadState) -> None:
        if not self._ready.push(host_of(entry.url), entry):
            self._give_up(entry)

    def _give_up(self, entry: DownloadState, outcome: Outcome | None = None) -> None:
        """No further try at this host: the Download goes on at a mirror elsewhere, or ends."""
        if self._ready.without(entry):
            self._again(entry)
        else:
            self._end(entry, Status.FAILED, outcome, error=self._ready.reach.error(host_of(entry.url), public_url(entry.url)))

    def _refill(self, now: float) -> bool:
        """Read some more of the list; whether there was any."""
        intake, room = self._intake, self._window - max(self.waiting, len(self._results))
        if self.stopped or not intake.may_have(now) or len(self._waiting) >= 16 * self._window:
            return False
        if room <= 0:
            if self._results:
                intake.ask_again = now  # duplicates by the thousand: let them be told first
            return False
        some = False
        for admitted in intake.read(now, room):
            some = True
            self._place(admitted)
            if self.stopped:
                break
        return some

    def settle(self, outcome: Outcome, now: float, chance: float) -> None:
        """What an Outcome leads to: a Result, a further Attempt at once, or one after `waits` seconds. ``chance`` in [0, 1)."""
        self.waits = 0.0
        entry = self._running.pop(outcome.key)
        for other in self._ready.settled(outcome, now):
            self._give_up(other)
        entry.received += outcome.received
        entry.elapsed += outcome.elapsed
        if self._splits and entry.key in self._splits:
            decided = self._splits.settle(entry, outcome, now, chance, self.stopped)
            if decided is None:
                return
            outcome = decided
        match outcome.end:
            case End.COMPLETE:
                self._end(entry, Status.DONE, outcome)
            case End.EXISTS | End.NOT_MODIFIED:
                self._end(entry, Status.SKIPPED, outcome, reason=outcome.end.value)
            case End.NAMED:
                self._name(entry, outcome)
            case End.UNREPORTED:
                entry.repeated = True
                entry.tries -= 1
                self._again(entry)
            case End.SEGMENT:  # no Attempt runs, and yet some Segment is missing: one for all that is left
                entry.tries -= 1
                entry.fresh = False
                self._again(entry, now, entry.due - now)
            case End.UNSTARTED:
                entry.number -= 1
                entry.tries -= 1
                self._again(entry)
            case End.INTERRUPTED:
                self._cut_short = True
                self._end(entry, Status.FAILED, outcome, error=outcome.error)
            case End.RESTART:
                entry.fresh = True
                entry.tries -= 1  # what follows is the try that counts, and it cannot end like this again
                self._again(entry)
            case End.LOST | End.FAILED:
                self._failed(entry, outcome, now, chance)

    def _place(self, admitted: NamedDownload) -> None:
        entry, error, duplicate = admitted
        if error is None and not duplicate:
            self._again(entry)
        else:
            self._end(entry, Status.FAILED if error else Status.SKIPPED, reason="" if error else "duplicate", error=error)

    def _name(self, entry: DownloadState, outcome: Outcome) -> None:
        entry.tries -= 1
        self._place(self._intake.rename(entry, outcome.name))

    def _failed(self, entry: DownloadState, outcome: Outcome, now: float, chance: float) -> None:
        error = outcome.error or WorkerError("the worker process died", public_url(entry.url))
        entry.failed(error)
        if self.stopped:
            self._end(entry, Status.FAILED, outcome, error=error)
        elif error.ends_run and self.space.takes(error, now):
            entry.tries -= 1
            self._again(entry, now, FULL_AGAIN, error)
        elif error.ends_run:
            self.ended_by = error
            self._end(entry, Status.FAILED, outcome, error=error)
            self.stop()
        elif isinstance(error, NoAnswer) and self._ready.reach.is_given_up(host_of(entry.url)):
            self._give_up(entry, outcome)
        elif self._retry.allows(error, entry.tries, entry.mismatches, entry.losses):
            entry.turn += 1
            self._again(entry, now, self._retry.wait_for(error, entry.tries, chance), error)
        elif len(entry.urls) > 1 and another_server_may_help(error):
            entry.urls.remove(entry.url)  # this mirror is of no use; the others get their tries
            entry.tries = 0
            self._again(entry)
        else:
            self._end(entry, Status.FAILED, outcome, error=error)

    def _again(self, entry: DownloadState, now: float = 0.0, wait: float = 0.0, error: DownloadError | None = None) -> None:
        if self.stopped:
            self._interrupt(entry)
        elif wait > 0:
            self.waits = wait
            self._waiting.push(entry, now + wait, error)
        else:
            self._enqueue(entry)

    def _end(
        self, entry: DownloadState, status: Status, outcome: Outcome | None = None, reason: str = "", error: _Error = None
    ) -> None:
        if status is Status.FAILED and self._fail_fast and not self.stopped:
            self.failed_fast = True
            self.stop()
        self._results.append(entry.result(status, outcome, reason, error))
