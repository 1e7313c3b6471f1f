"""The strategy that chooses: what the list and the machine show decides, at first and again while it runs.

| what is seen | what runs |
| --- | --- |
| libcurl (pycurl) is not installed | `async` |
| a list of a few files, several processors | an event loop over libcurl in each of so many threads: they may be large |
| anything else | one event loop over libcurl |
| … and it is busy all the time, with large files | more such loops, in threads: libcurl moves bytes without the interpreter |
| … and it is busy all the time, with small files, and many are left | processes, each with such a loop: `hybrid` |
| … and its files wait to be processed (`--process`), and many are left | the same: that may want the interpreter |

Threads start at once but share the interpreter, which small files need for most of their time; processes have one each,
but take 0.2 s to start. The first loop goes on beside them: it stands for one of the processors. `-v` says what was
chosen, and why.
"""

import importlib.util
import logging
import os
import threading
from collections.abc import Iterable
from typing import Any, ClassVar

from downloader.core.model import Attempt, End, Outcome
from downloader.engine.contract import Capabilities
from downloader.engine.processors import cores
from downloader.engine.run import Run
from downloader.engine.stats import Lane
from downloader.errors import UsageError

LOG = logging.getLogger("downloader")

FEW = 64
"""Files; a list that is no longer is spread over threads from the start."""

LOOK_EVERY = 0.1
BUSY = 0.9
"""Of `LOOK_EVERY`, how much a loop must not have waited, twice in a row, to be called busy."""

LARGE = 256 * 1024
"""Bytes of a mean file from which on threads do better than processes."""

HELD = 2
"""Files for each processor that may wait to be processed."""

WORTH = 1.0
"""Seconds that the rest of the list must take, as it goes now, for processes to be started."""

_HAS_CURL = importlib.util.find_spec("pycurl") is not None


class AutoStrategy:
    """Chooses, and changes its mind."""

    name: ClassVar[str] = "auto"
    about: ClassVar[str] = "chooses among multiplex, threads of it, and hybrid, by what it sees"
    library: ClassVar[str] = "pycurl (libcurl); async where that is missing"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40,
        most_jobs=256,
        segments=True,
        limit_rate=True,
        http_versions=("1.1", "2", "3") if _HAS_CURL else ("1.1",),
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        if not _HAS_CURL:
            from downloader.strategies.async_ import AsyncStrategy

            LOG.info("auto: async, for pycurl is not installed here")
            AsyncStrategy().drive(run)
            return
        _Team(run).drive()


class _Team:
    """Loops of one run: in this thread, in further threads, in processes."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lock = threading.RLock()  # around the run, which is of one thread
        self.shares: list[_Share] = []
        self.sharded: Any = None
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self.cores = cores()
        self.others: list[Attempt] = []  # at Segments of files that the first loop has open
        self._hopeless = False

    def drive(self) -> None:
        """Run until the run is finished."""
        total = self.run.counters.total
        first = self._add()
        if total is not None and 1 < total <= FEW and self.cores > 1 and self.run.jobs > 1 and not self.run.config.process:
            self._add_threads(f"{total} files")
        else:
            LOG.info("auto: one event loop over libcurl (multiplex)")
        try:
            first.loop.main()
        except BaseException as error:
            self.run.fail(error)
            raise
        finally:
            for thread in self._threads:
                thread.join()
            if self.sharded is not None:
                self.sharded.close()
            for share in self.shares:
                share.close()
            LOG.info("auto: %s", self.run.scheduler.explain())
        if self._errors:
            raise self._errors[0]

    def _add(self) -> "_Share":
        share = _Share(self)
        self.shares.append(share)
        return share

    def _add_threads(self, why: str) -> None:
        """A loop for each further processor."""
        LOG.info("auto: %s: an event loop over libcurl in each of %d threads", why, self.cores)
        added = [self._add() for _ in range(self.cores - 1)]
        for share in added:
            thread = threading.Thread(target=self._run_loop, args=(share,), name="dl-loop", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                LOG.warning("auto: no further thread: %s", error)
                self._hopeless = True
                self.shares.remove(share)
                share.loop.multi.close()
                share.close()
            else:
                self._threads.append(thread)

    def _run_loop(self, share: "_Share") -> None:
        try:
            share.loop.main()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the run's thread
            self._errors.append(error)
            self.run.fail(error)

    def change(self) -> None:
        """The first loop is busy: is there something that would go faster? Called by it, with the lock held."""
        run = self.run
        if self.cores < 2 or self._hopeless or self.sharded is not None or len(self.shares) > 1 or run.stopping.is_set():
            return
        if run.config.process.startswith("__main__:"):
            return  # another process would not find it
        counters = run.counters
        done = max(1, counters.done)
        if counters.received / done >= LARGE and not run.config.process:
            self._add_threads(f"busy, {counters.received // done // 1000} kB a file")
            return
        left = None if counters.total is None else counters.total - counters.ended
        speed = counters.ended / max(run.clock() - self.shares[0].began, 0.001)
        few = 0 if run.config.process else FEW
        if left is None or left > max(few, WORTH * speed):
            from downloader.strategies.hybrid import sharded

            LOG.info("auto: busy, %.0f files a second, %s left: processes (hybrid)", speed, "many" if left is None else left)
            workers = sharded(run, self.cores - 1)
            try:
                workers.start()
            except UsageError as error:
                self._do_without(error)
                return
            self.sharded = workers
            self.shares[0].loop.multi.listen(workers.fileno(), self._turn)

    def _do_without(self, error: UsageError) -> None:
        """There will be no processes; the loop that runs goes on."""
        LOG.warning("auto: no processes: %s", error.reason)
        self._hopeless = True

    def fair_share(self) -> int:
        """How many each loop may have in flight: its part of all that is there, or of the slots, for files may be split."""
        scheduler, there = self.run.scheduler, self.run.scheduler.max_in_flight
        if scheduler.waiting:
            there = min(there, scheduler.waiting + sum(share.flying for share in self.shares))
        return max(1, -(-there // len(self.shares)))

    def deal(self) -> bool:
        """Give each process its share of the slots; whether the loop here has not had its own yet."""
        at_once = self.run.scheduler.max_in_flight
        share = max(1, at_once // self.cores)
        most = at_once - share
        if self.run.config.process:
            most = min(most, HELD * (self.cores - 1))  # what one has fetched, no other can process
        self.sharded.deal(most, self.others)
        return bool(self.others) or self.shares[0].flying < share

    def _turn(self) -> None:
        with self.lock:
            try:
                self.sharded.turn(0)
            except UsageError as error:
                if self.sharded.busy:
                    raise
                self.shares[0].loop.multi.unlisten(self.sharded.fileno())
                self.sharded.close()
                self.sharded = None
                self._do_without(error)


class _Share:
    """What one loop of a team is given as its Run. See `downloader.engine.contract.Run`."""

    def __init__(self, team: _Team) -> None:
        from downloader.strategies.multiplex import Loop

        run = team.run
        self._team = team
        self._run = run
        self.config, self.folder, self.jobs, self.rate_limiter, self.clock = (
            run.config,
            run.folder,
            run.jobs,
            run.rate_limiter,
            run.clock,
        )
        self.stopping = run.stopping
        self.waker, self._bell = os.pipe()
        self.flying = 0
        self._busy = 0
        self.began = self._looked = run.clock()
        self._idle = 0.0
        self._slow = False  # what processes the files
        self.loop = Loop(self)

    def lane(self) -> Lane:
        """See `Run`."""
        with self._team.lock:
            return self._run.lane()

    @property
    def expired(self) -> bool:
        """See `Run`."""
        return self._run.expired

    @property
    def finished(self) -> bool:
        """See `Run`."""
        with self._team.lock:
            return self._run.finished

    def wake(self) -> None:
        """See `Run`."""
        os.read(self.waker, 4096)

    def ring(self) -> None:
        """Wake this loop: there may be something to take, or nothing any more."""
        os.write(self._bell, b"x")

    def close(self) -> None:
        """Its loop has ended."""
        for descriptor in (self.waker, self._bell):
            os.close(descriptor)

    def take(self, most: int = 1) -> list[Attempt]:
        """See `Run`. A loop that has its fair share leaves what there is to the others."""
        team = self._team
        with team.lock:
            if self is team.shares[0]:
                self._look()
                if team.sharded is not None and team.sharded.ready and not team.deal():
                    return []
            if len(team.shares) > 1 and self.flying >= team.fair_share():
                return []
            if self.config.process and self._is_full():
                return []
            batch = [team.others.pop()] if team.others else self._run.take(most)
            if batch and team.sharded is not None and team.sharded.runs(batch[0].same_process_as):
                team.sharded.hand(batch)
                return []
            self.flying += len(batch)
            if self.stopping.is_set() and batch:
                self.settle([Outcome(attempt.key, End.UNSTARTED) for attempt in batch])
                return []
            return batch

    def _is_full(self) -> bool:
        """Whether this loop has as many files as it should, where they wait to be processed, or nobody knows if they will."""
        enough, waiting = HELD * self._team.cores, self.loop.working
        if waiting == 0 or waiting >= self._team.cores:  # between these it stays as it was
            self._slow = waiting > 0
        return self.flying >= enough and (self._slow or self._run.counters.done < enough)

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`."""
        with self._team.lock:
            ended = list(outcomes)
            self.flying -= len(ended)
            self._run.settle(ended)
            if len(self._team.shares) > 1 and (self._run.finished or self._run.scheduler.waiting):
                for share in self._team.shares:
                    if share is not self:
                        share.ring()

    def wait(self) -> float:
        """See `Run`."""
        with self._team.lock:
            return self._run.wait()

    def _look(self) -> None:
        """Has this loop had anything to wait for lately? What waits for a thread to process it is not that."""
        now = self._run.clock()
        passed = now - self._looked
        if passed < LOOK_EVERY:
            return
        idle = self.loop.multi.idle
        behind = bool(self.config.process) and self.loop.working >= self._team.cores and self._run.counters.done > 0
        self._busy = self._busy + 1 if behind or idle - self._idle < (1 - BUSY) * passed else 0
        self._looked, self._idle = now, idle
        if self._busy >= 2:
            self._busy = 0
            self._team.change()
