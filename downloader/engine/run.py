"""The run of this process: the scheduler with a clock, a folder, statistics, and somebody to tell."""

import math
import sys
from collections.abc import Callable, Iterable

from downloader.core.model import Attempt, End, Outcome, Result, Status
from downloader.core.names.exists_policy import apply_exists_policy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.text import printable
from downloader.engine.attempt.failure import unwritable_name
from downloader.engine.contract import POLL_SECONDS, AttemptContext, Run, RunProgress, Slot
from downloader.engine.control import Cut
from downloader.engine.log import LOG
from downloader.engine.stats import LocalStats, RunStats
from downloader.errors import TotalReached

SAMPLE_SECONDS = 0.02
"""Seconds from one sampling of the statistics, which the scheduler learns from, to the next."""

_DONE, _SKIPPED = Status.DONE, Status.SKIPPED

ANY_NAME = sys.getfilesystemencoding() == "utf-8"
"""Whether a file name may hold any character; under other locales it may not."""

SKIPS_PER_TAKE = 256
"""At most so many batches of existing files are skipped in one `take`, so that the strategy's loop is not blocked."""


class LocalRun(Run):
    """One run in this process. Used by one thread, but for `stop`, `fail` and the properties that say so.

    Attributes:
        stats: the numbers that displays sample.
        scheduler: decides which Attempt starts next, and what an Outcome leads to.
        broken: what broke the run; None while nothing has.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        context: AttemptContext,
        jobs: int,
        stats: RunStats,
        emit: Callable[[Result], None],
        *,
        grace: float = 3.0,
        on_attempt: Callable[[Outcome], None] | None = None,
        emit_recorded: Callable[[int], None] | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        """Make a run that has not begun.

        Args:
            scheduler: decides which Attempt starts next, and what an Outcome leads to.
            context: what every Attempt needs.
            jobs: Attempts in flight at most.
            stats: where the run counts.
            emit: called with each Result.
            grace: seconds that running Attempts get after a stop.
            on_attempt: called with each Outcome; None: with none.
            emit_recorded: called with numbers of skipped files, where the reader only counts them.
            jitter: gives random numbers in [0, 1), for the waiting time of retries; None: a generator of its own.
        """
        self._context = context
        self._jobs = jobs
        self.stats = stats
        self.broken: BaseException | None = None
        self.scheduler = scheduler
        self._clock = context.clock
        self._emit = emit
        self._grace = grace
        self._on_attempt = on_attempt
        self._emit_recorded = emit_recorded or (lambda count: None)
        self._jitter = jitter
        self._stopping, self._stop_at = False, 0.0
        self._folder_checked = self._take_again = self._any_splittable = False
        self._sampled_at, self._settled_bytes = 0.0, 0
        self._max_total = float(context.config.max_total) or math.inf
        self._slots: list[Slot] = []
        self._cuts: dict[int, int] = {}

    @property
    def context(self) -> AttemptContext:
        """See `Run`."""
        return self._context

    @property
    def jobs(self) -> int:
        """See `Run`."""
        return self._jobs

    @property
    def waker(self) -> None:
        """See `Run`: nothing arrives from outside at a run of this process."""

    def new_slot(self) -> Slot:
        """See `Run`."""
        slot = Slot(LocalStats(), Cut())
        self.add_slot(slot)
        return slot

    def add_slot(self, slot: Slot) -> None:
        """See `Run`."""
        self._slots.append(slot)
        self.stats.slots.append(slot.stats)

    def wake(self) -> None:
        """See `Run`."""

    def stop(self) -> None:
        """Start nothing more, and end what runs within the grace time. From any thread, any number of times. Rule 4."""
        if not self._stopping:
            self._stop_at = self._clock() + self._grace
            self._stopping = True

    def fail(self, error: BaseException) -> None:
        """See `Run`."""
        self.broken = self.broken or error
        self.stop()

    @property
    def stopping(self) -> bool:
        """See `Run`."""
        return self._stopping

    @property
    def grace_over(self) -> bool:
        """See `Run`."""
        return self._stopping and (self.broken is not None or self._clock() >= self._stop_at)

    @property
    def finished(self) -> bool:
        """See `Run`."""
        return self.broken is not None or self.scheduler.finished

    @property
    def ready(self) -> int:
        """See `Run`."""
        return self.scheduler.waiting

    @property
    def limit(self) -> int:
        """See `Run`."""
        return self.scheduler.max_in_flight

    def progress(self) -> RunProgress:
        """See `Run`."""
        stats = self.stats
        return RunProgress(stats.total, stats.done, stats.ended, stats.received)

    def explain(self) -> str:
        """See `Run`."""
        return self.scheduler.explain()

    def wait(self) -> float:
        """See `Run`."""
        if self._take_again or self.scheduler.finished:
            return 0.0
        wake_at = self.scheduler.wake_at
        longest = SAMPLE_SECONDS if self._max_total < math.inf else POLL_SECONDS / 4 if self._any_splittable else POLL_SECONDS
        return longest if wake_at is None else min(longest, max(0.0, wake_at - self._clock()))

    def tick(self) -> None:
        """See `Run`."""
        self._heed_stop()
        now = self._clock()
        if now - self._sampled_at >= SAMPLE_SECONDS:
            self._sample(now)

    def _heed_stop(self) -> bool:
        """Whether the run is to stop. Tells the scheduler so, once: files that wait for another try end then."""
        if not self._stopping:
            return False
        if not self.scheduler.stopped:
            self.scheduler.stop()
            self._emit_results()
        return True

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """See `Run`. Existing files that are to be skipped are settled here, before any Attempt."""
        if self._heed_stop():
            return []
        self._take_again = False
        for _ in range(SKIPS_PER_TAKE):
            now = self._clock()
            if now - self._sampled_at >= SAMPLE_SECONDS:
                self._sample(now)
            batch = self.scheduler.take(now, max_attempts)
            if self._any_splittable and (cuts := self.scheduler.segments.cuts()):
                self._cuts.update(cuts)
                self._order_cuts()
            if self.scheduler.stopped:
                self.stop()
            self._emit_results()
            if not batch:
                return []
            attempts = [admitted for attempt in batch if (admitted := self._admit(attempt)) is not None]
            if attempts:
                return [] if not self._folder_checked and self._folder_refuses(attempts) else attempts
        self._take_again = True
        return []

    def _random(self) -> float:
        if self._jitter is None:
            import random  # here: few runs need it

            self._jitter = random.Random().random  # noqa: S311 - no secret
        return self._jitter()

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`."""
        self._heed_stop()
        now = self._clock()
        for outcome in outcomes:
            if self._on_attempt is not None:
                self._on_attempt(outcome)
            self._settled_bytes += outcome.received
            self.scheduler.settle(outcome, now, self._random() if outcome.error is not None else 0.0)
            if outcome.error is not None and LOG.is_on:
                again = f"; again in {self.scheduler.retry_delay:.1f} s" if self.scheduler.retry_delay else ""
                LOG.info("attempt failed: %s%s", printable(str(outcome.error)), again)
            elif outcome.reason and LOG.is_on:
                LOG.info("begin again at zero: %s: %s", printable(outcome.final_url), outcome.reason)
            self._withdraw_cut(outcome.key)
        if self.scheduler.stopped:
            self.stop()
        if now - self._sampled_at >= SAMPLE_SECONDS or self._settled_bytes > self._max_total:
            self._sample(now)
        elif self.stats.waiting is not None:
            self.stats.waiting = self.scheduler.retrying()  # so that no file is counted as waiting and as ended
        self._emit_results()

    def _sample(self, now: float) -> None:
        """Tell the scheduler how many bytes have come, and how far the Attempts are whose files may be split."""
        self._sampled_at = now
        scheduler, stats = self.scheduler, self.stats
        scheduler.sample(now, received := stats.received)
        if self._max_total < max(received, self._settled_bytes) and not scheduler.finished:
            self._end_at_total(now)
        if scheduler.space.is_due(now):
            scheduler.space.check(self._context.folder.free_bytes(), now)
        stats.full, stats.waiting = scheduler.space.is_full, scheduler.retrying()
        stats.in_segments = scheduler.segments.bytes_present()
        self._any_splittable = False
        for slot in stats.slots if self._context.config.policy.may_split else ():
            if not slot.splittable:  # as most are: to read numbers of another process takes time
                continue
            key, done, size, paused, beyond = int(slot.key), int(slot.done), int(slot.size), slot.paused, int(slot.beyond)
            if slot.splittable and slot.key == key:  # the slot may have begun another file meanwhile
                self._any_splittable = True
                scheduler.segments.progress(key, done, size, now, paused, beyond, slot.heard)
        if self._cuts:
            self._order_cuts()

    def _end_at_total(self, now: float) -> None:
        """Too much was received: what runs ends without grace time, in which a body without an end would go on."""
        if not self._stopping and self.scheduler.ended_by is None:
            self.scheduler.ended_by = TotalReached.after(int(self._max_total))
        self._stopping, self._stop_at = True, now

    def _order_cuts(self) -> None:
        """Order running Attempts to end earlier; repeated with each sample, because an Attempt may be just beginning."""
        for stats, cut in self._slots:
            key = int(stats.key)
            stop = self._cuts.get(key) if stats.since else None
            if stop is not None:
                cut.end_at(key, stop)

    def _withdraw_cut(self, key: int) -> None:
        """The Attempt has ended: another one at the same file may get the same key, and the same slot."""
        if self._cuts.pop(key, None) is not None:
            for _, cut in self._slots:
                if cut.stop_of(key) is not None:
                    cut.clear()

    def _admit(self, attempt: Attempt) -> Attempt | None:
        """The Attempt, if its file is still wanted; else it is settled here. Rule 3: a final name is a complete file."""
        if not ANY_NAME and (refusal := unwritable_name(attempt)) is not None:
            self.scheduler.settle(refusal, self._clock(), 0.0)
            return None
        folder = self._context.folder
        if attempt.is_probe or attempt.keep_body or folder.has_nothing_of(attempt):
            return attempt
        admitted = apply_exists_policy(attempt, folder.existing(attempt.path), self._context.config.on_exists)
        if isinstance(admitted, Attempt):
            return admitted
        self.scheduler.settle(admitted, self._clock(), 0.0)
        self._cuts.pop(attempt.key, None)
        return None

    def _folder_refuses(self, batch: list[Attempt]) -> bool:
        """Before the first request: whether no file can be written at all. The batch is settled then."""
        if any(attempt.verify_existing for attempt in batch):
            return False  # existing files are verified first: perhaps nothing has to be written
        self._folder_checked = True
        error = self._context.folder.write_problem()
        if error is None:
            return False
        self.settle(Outcome(attempt.key, End.FAILED, path=attempt.path, error=error) for attempt in batch)
        return True

    def _emit_results(self) -> None:
        logged, stats = LOG.is_on, self.stats
        if self.scheduler.reader.recorded:
            count = self.scheduler.reader.take_recorded()
            stats.skipped += count
            self._emit_recorded(count)
        for result in self.scheduler.results():
            if result.status is _DONE:
                stats.done += 1
                stats.done_bytes += result.bytes
            elif result.status is _SKIPPED:
                stats.skipped += 1
            else:
                stats.failed += 1
            if logged:
                what = result.error or result.reason or f"{result.bytes} bytes"
                LOG.info("%s %s: %s", result.status.value, printable(result.path or result.url), printable(str(what)))
            self._emit(result)
