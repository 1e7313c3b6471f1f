"""A strategy's whole interface to the rest: what it takes Attempts from, and settles Outcomes with."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from downloader.core.existing import admit
from downloader.core.model import Attempt, Outcome, Result, Status
from downloader.core.naming import printable
from downloader.core.scheduler import Scheduler
from downloader.progress.counters import Counters, Lane, PlainLane
from downloader.storage.folder import Folder
from downloader.strategies.base import POLL, Job
from downloader.strategies.meter import Meter

LOG = logging.getLogger("downloader")

LOOK_EVERY = 0.02
"""Seconds from one look at the counters, for what the scheduler learns from them, to the next."""

LOOK_AHEAD = 256
"""Files found to be there already that are settled in one go, before a strategy's own loop is let on."""


@dataclass(slots=True)
class Run:
    """One run under way: the scheduler with a clock, a folder and somebody to tell. Used by one thread, but for `stop`.

    ``jobs``: in flight at most. ``splits``: files may be fetched in several Segments. ``on_attempt``: called with each Outcome.
    """

    scheduler: Scheduler
    job: Job
    folder: Folder
    jobs: int
    counters: Counters
    emit: Callable[[Result], None]
    grace: float = 3.0
    chance: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - jitter, no secret
    clock: Callable[[], float] = time.monotonic
    stopping: threading.Event = field(default_factory=threading.Event)
    splits: bool = False
    meter: Meter | None = None
    waker: int | None = None
    on_attempt: Callable[[Outcome], None] | None = None
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

    @property
    def expired(self) -> bool:
        """The grace time after a stop is over: what still runs is to be ended."""
        return self.stopping.is_set() and self.clock() >= self._stop_at

    @property
    def finished(self) -> bool:
        """Nothing is left to do."""
        if self.stopping.is_set():
            self.scheduler.stop()
        return self.scheduler.finished

    def take(self, most: int = 1) -> list[Attempt]:
        """Attempts to run now, one after the other in one slot (`most` at most); empty where none may start."""
        if self.stopping.is_set():
            self.scheduler.stop()
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
                return attempts
        self._hurry = True
        return []

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Feed back what became of Attempts."""
        if self.stopping.is_set():
            self.scheduler.stop()
        now = self.clock()
        for outcome in outcomes:
            if outcome.error is not None and LOG.isEnabledFor(logging.INFO):
                LOG.info("attempt failed: %s", printable(str(outcome.error)))
            if self.on_attempt is not None:
                self.on_attempt(outcome)
            self.scheduler.settle(outcome, now, self.chance() if outcome.error is not None else 0.0)
            self._cuts.pop(outcome.key, None)
        if self.scheduler.stopped:
            self.stop()
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
        self.scheduler.sample(now, self.counters.received)
        self._split = False
        for lane in self.counters.lanes if self.splits else ():
            key, at, size = int(lane.key), int(lane.done), int(lane.size)
            if lane.splittable and lane.key == key:  # still: a lane may go on to another file at any moment
                self._split = True
                self.scheduler.progress(key, at, size, now)
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
        first = self.folder.empty and attempt.number == 1  # what comes in meanwhile is seen when the file gets its name
        if first or attempt.probe or attempt.kept:
            return attempt
        existing = self.folder.look(attempt.path)
        admitted = admit(attempt, existing, self.job.on_exists)
        if isinstance(admitted, Attempt):
            return admitted
        self.scheduler.settle(admitted, self.clock(), 0.0)
        self._cuts.pop(attempt.key, None)
        return None

    def _tell(self) -> None:
        told = LOG.isEnabledFor(logging.INFO)
        for result in self.scheduler.results():
            if result.status is Status.DONE:
                self.counters.done += 1
            elif result.status is Status.SKIPPED:
                self.counters.skipped += 1
            else:
                self.counters.failed += 1
            if told:
                what = result.error or result.reason or f"{result.bytes} bytes"
                LOG.info("%s %s: %s", result.status.value, printable(result.path or result.url), printable(str(what)))
            self.emit(result)
