"""A strategy's whole interface to the rest: what it takes Attempts from, and settles Outcomes with."""

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from downloader.core.model import Attempt, End, Outcome, Result, Status
from downloader.core.names.exists_policy import apply_exists_policy
from downloader.core.names.urls import public_url
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.text import printable
from downloader.engine.contract import POLL, WorkerConfig
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import Counters, Lane, PlainLane
from downloader.errors import StorageError
from downloader.storage.folder import Folder

LOG = logging.getLogger("downloader")

LOOK_EVERY = 0.02
"""Seconds from one look at the counters, for what the scheduler learns from them, to the next."""

ANY_NAME = sys.getfilesystemencoding() == "utf-8"
"""Whether names of files may hold any character; in other locales they may not."""

LOOK_AHEAD = 256
"""Files found to be there already that are settled in one go, before a strategy's own loop is let on."""


@dataclass(slots=True)
class Run:
    """One run under way: the scheduler with a clock, a folder and somebody to tell. Used by one thread, but for `stop`.

    ``jobs``: in flight at most. ``on_attempt``: called with each Outcome.
    """

    scheduler: Scheduler
    config: WorkerConfig
    folder: Folder
    jobs: int
    counters: Counters
    emit: Callable[[Result], None]
    grace: float = 3.0
    chance: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - jitter, no secret
    clock: Callable[[], float] = time.monotonic
    stopping: threading.Event = field(default_factory=threading.Event)
    rate_limiter: RateLimiter | None = None
    waker: int | None = None
    on_attempt: Callable[[Outcome], None] | None = None
    broken: BaseException | None = None
    _checked: bool = False
    _stop_at: float = 0.0
    _hurry: bool = False
    _looked: float = 0.0
    _split: bool = False
    _cuts: dict[int, int] = field(default_factory=dict)

    def lane(self) -> Lane:
        """A new Lane, for one more place in a strategy's loop."""
        self.counters.lanes.append(PlainLane())
        return self.counters.lanes[-1]

    def wake(self) -> None:
        """What to call when ``waker``, a descriptor, can be read; a run of this process has none."""

    def stop(self) -> None:
        """From any thread: start nothing more, and end what runs within the grace time. Rule 4."""
        if not self.stopping.is_set():
            self._stop_at = self.clock() + self.grace
            self.stopping.set()

    def fail(self, error: BaseException) -> None:
        """From any thread: the run is broken, for nobody knows what became of the Attempts that were in hand. It ends now."""
        self.broken = self.broken or error
        self.stop()

    @property
    def expired(self) -> bool:
        """The grace time after a stop is over: what still runs is to be ended."""
        return self.stopping.is_set() and (self.broken is not None or self.clock() >= self._stop_at)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, or nothing can be done any more."""
        self._heed_stop()
        return self.broken is not None or self.scheduler.finished

    def _heed_stop(self) -> bool:
        """Whether the run is to stop; the scheduler is told so, and what was begun and waits for another try ends here."""
        if not self.stopping.is_set():
            return False
        if not self.scheduler.stopped:
            self.scheduler.stop()
            self._tell()
        return True

    def take(self, most: int = 1) -> list[Attempt]:
        """Attempts to run now, one after the other in one slot (`most` at most); empty where none may start."""
        if self._heed_stop():
            return []
        self._hurry = False
        for _ in range(LOOK_AHEAD):
            now = self.clock()
            if now - self._looked >= LOOK_EVERY:
                self._look(now)
            batch = self.scheduler.take(now, most)
            if self._split and (cuts := self.scheduler.cuts()):
                self._cuts.update(cuts)
                self._cut()
            if self.scheduler.stopped:
                self.stop()
            self._tell()
            if not batch:
                return []
            attempts = [ready for attempt in batch if (ready := self._admit(attempt)) is not None]
            if attempts:
                return [] if not self._checked and self._refused(attempts) else attempts
        self._hurry = True
        return []

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """BackgroundSource back what became of Attempts."""
        self._heed_stop()
        now = self.clock()
        for outcome in outcomes:
            if self.on_attempt is not None:
                self.on_attempt(outcome)
            self.scheduler.settle(outcome, now, self.chance() if outcome.error is not None else 0.0)
            if outcome.error is not None and LOG.isEnabledFor(logging.INFO):
                again = f"; again in {self.scheduler.waits:.1f} s" if self.scheduler.waits else ""
                LOG.info("attempt failed: %s%s", printable(str(outcome.error)), again)
            self._cuts.pop(outcome.key, None)
        if self.scheduler.stopped:
            self.stop()
        if now - self._looked >= LOOK_EVERY:
            self._look(now)
        elif self.counters.waiting is not None:
            self.counters.waiting = self.scheduler.retrying()  # so that no file is counted as waiting and as ended
        self._tell()

    def wait(self) -> float:
        """Seconds until something may be startable that is not now, `POLL` at most."""
        if self._hurry or self.scheduler.finished:
            return 0.0
        wake = self.scheduler.wake_at
        longest = POLL / 4 if self._split else POLL
        return longest if wake is None else min(longest, max(0.0, wake - self.clock()))

    def _look(self, now: float) -> None:
        """Tell the scheduler how much has come in, and how far those are that may be split."""
        self._looked = now
        scheduler, counters = self.scheduler, self.counters
        scheduler.sample(now, counters.received)
        if scheduler.space.is_due(now):
            scheduler.space.look(self.folder.room(), now)
        counters.full, counters.waiting = scheduler.space.waits, scheduler.retrying()
        counters.in_segments = scheduler.done_in_segments()
        self._split = False
        for lane in counters.lanes if self.config.policy.may_split else ():
            key, at, size, paused, beyond = int(lane.key), int(lane.done), int(lane.size), lane.paused, int(lane.beyond)
            if lane.splittable and lane.key == key:  # still: a lane may go on to another file at any moment
                self._split = True
                scheduler.progress(key, at, size, now, paused, beyond)
        if self._cuts:
            self._cut()

    def _cut(self) -> None:
        """Tell running Attempts where they end now; again at each look, for one may just be beginning."""
        for lane in self.counters.lanes:
            stop = self._cuts.get(int(lane.key)) if lane.since else None
            if stop is not None and lane.stop != stop:
                lane.stop = stop

    def _admit(self, attempt: Attempt) -> Attempt | None:
        """The Attempt, if its file is still wanted; else it is settled here. Rule 3: a final name is a complete file."""
        if not ANY_NAME and (refusal := _unwritable(attempt)) is not None:
            self.scheduler.settle(refusal, self.clock(), 0.0)
            return None
        if attempt.probe or attempt.kept or self.folder.has_nothing_of(attempt):
            return attempt
        existing = self.folder.look(attempt.path)
        admitted = apply_exists_policy(attempt, existing, self.config.on_exists)
        if isinstance(admitted, Attempt):
            return admitted
        self.scheduler.settle(admitted, self.clock(), 0.0)
        self._cuts.pop(attempt.key, None)
        return None

    def _refused(self, batch: list[Attempt]) -> bool:
        """Before the first request: whether no file can be written at all; the batch is settled then."""
        if any(attempt.check for attempt in batch):  # of files that are there: perhaps nothing is to be written
            return False
        self._checked = True
        error = self.folder.objection()
        if error is None:
            return False
        self.settle(Outcome(attempt.key, End.FAILED, path=attempt.path, error=error) for attempt in batch)
        return True

    def _tell(self) -> None:
        told = LOG.isEnabledFor(logging.INFO)
        for result in self.scheduler.results():
            if result.status is Status.DONE:
                self.counters.done += 1
                self.counters.done_bytes += result.bytes
            elif result.status is Status.SKIPPED:
                self.counters.skipped += 1
            else:
                self.counters.failed += 1
            if told:
                what = result.error or result.reason or f"{result.bytes} bytes"
                LOG.info("%s %s: %s", result.status.value, printable(result.path or result.url), printable(str(what)))
            self.emit(result)


def _unwritable(attempt: Attempt) -> Outcome | None:
    """The Outcome of an Attempt whose file's name the locale has no bytes for; None where it has."""
    try:
        os.fsencode(attempt.path)
    except UnicodeEncodeError as error:
        what = f"the locale ({error.encoding}) has no such file name: {attempt.path!a}"
        failure = StorageError(what, public_url(attempt.url), "use a UTF-8 locale (LC_ALL=C.UTF-8), or give a name with out=")
        return Outcome(attempt.key, End.FAILED, error=failure)
    return None
