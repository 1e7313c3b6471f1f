"""The strategy that chooses: what the list and the machine show decides, at first and again while it runs.

| what is seen | what runs |
| --- | --- |
| libcurl (pycurl) is not installed | `async` |
| files are processed (`--process`) | `hybrid`: a function that crashes must end a worker and not this process |
| a list of a few files, several processors | an event loop over libcurl in each of so many threads: the files may be large |
| a list of thousands of files, several processors | processes, each with such a loop, from the start: `hybrid` |
| anything else | one event loop over libcurl |
| … and it is busy all the time, with large files | more such loops, in threads: libcurl moves bytes without the interpreter |
| … and it is busy all the time, with small files, and many are left | processes, each with such a loop: `hybrid` |

Threads start at once but share the interpreter, which small files need for most of their time; processes have one each, but
take 0.2 s to start: a fast server sends thousands of files in that time, so a long list gets them before anything is measured.
The first loop goes on beside them: it stands for one of the processors. `-v` shows the choice and the reason. A function of the
caller's script is called in this process: another process would not find this function.
"""

import importlib.util
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from downloader.core.model import Attempt, Outcome
from downloader.core.scheduling.lost_batch import unstarted
from downloader.engine.contract import Capabilities, Run
from downloader.engine.locked_run import LockedRun
from downloader.engine.log import LOG
from downloader.engine.processors import cores
from downloader.errors import UsageError

if TYPE_CHECKING:
    from downloader.engine.workers.pool import WorkerPool

SHORT_LIST = 64
"""Files; a list that is no longer than this is spread over threads from the start."""

LONG_LIST = 4096
"""Files; a list that is at least this long gets its processes from the start."""

LOOK_SECONDS = 0.025
"""Seconds from one look at how busy the first loop is to the next."""

BUSY_SHARE = 0.9
"""A loop that did not wait for this part of `LOOK_SECONDS`, twice in a row, is called busy."""

LARGE_FILE = 256 * 1024
"""Bytes of a mean file from which on threads do better than processes."""

WORTH_SECONDS = 1.0
"""Processes are started only where the rest of the list takes so many seconds at the present speed."""

_HAS_CURL = importlib.util.find_spec("pycurl") is not None


class AutoStrategy:
    """Chooses, and changes its mind."""

    name: ClassVar[str] = "auto"
    about: ClassVar[str] = "chooses multiplex, several threads of it, or hybrid, depending on the list"
    library: ClassVar[str] = "pycurl (libcurl); async if pycurl is missing"
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

            LOG.info("auto: async, because pycurl is not installed")
            AsyncStrategy().drive(run)
            return
        process = run.context.config.process
        if process and not process.startswith("__main__:"):
            from downloader.strategies.hybrid import HybridStrategy

            LOG.info("auto: hybrid, because the files are processed")
            HybridStrategy().drive(run)
            return
        _Team(run).drive()


class _Team:
    """The loops of one run: in this thread, in further threads, in processes."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lock = threading.RLock()  # around the run, which only one thread at a time may use
        self.members: list[_LoopRun] = []
        self.workers: WorkerPool | None = None
        self.cores = cores()
        self.first_loop_only: list[Attempt] = []  # at Segments of files that the first loop has open
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        # No further thread or process can be started, or would help: only this process has the function for the files.
        self._no_more = bool(run.context.config.process)

    def drive(self) -> None:
        """Run until the run is finished."""
        run = self.run
        total = run.progress().total or 0
        several = self.cores > 1 and run.jobs > 1 and not self._no_more
        first = self._add()
        if several and 1 < total <= SHORT_LIST:
            self._add_threads(f"{total} files")
        elif several and total >= LONG_LIST:
            LOG.info("auto: %d files: processes (hybrid)", total)
            self._add_processes()
        else:
            LOG.info("auto: one libcurl event loop (multiplex)")
        try:
            first.loop.main()
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            for thread in self._threads:
                thread.join()
            if self.workers is not None:
                self.workers.close()
            for member in self.members:
                member.close()
            LOG.info("auto: %s", run.explain())
        if self._errors:
            raise self._errors[0]

    def _add(self) -> "_LoopRun":
        member = _LoopRun(self)
        self.members.append(member)
        return member

    def _add_threads(self, why: str) -> None:
        """Start a loop for each further processor."""
        LOG.info("auto: %s: one libcurl event loop in each of %d threads", why, self.cores)
        added = [self._add() for _ in range(self.cores - 1)]
        for member in added:
            thread = threading.Thread(target=self._run_loop, args=(member,), name="dl-loop", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                LOG.warning("auto: no further thread: %s", error)
                self._no_more = True
                self.members.remove(member)
                member.loop.close()
                member.close()
            else:
                self._threads.append(thread)

    def _run_loop(self, member: "_LoopRun") -> None:
        try:
            member.loop.main()
        except BaseException as error:  # noqa: BLE001 - the run's own thread raises it again
            self._errors.append(error)
            self.run.fail(error)

    def speed_up(self) -> None:
        """The first loop is busy: start threads or processes where they would help. The loop calls this with the lock held."""
        run = self.run
        has_more = self.workers is not None or len(self.members) > 1
        if has_more or self.cores < 2 or self._no_more or run.stopping:
            return
        progress = run.progress()
        bytes_each = progress.received / max(1, progress.done)
        if bytes_each >= LARGE_FILE:
            self._add_threads(f"busy, {int(bytes_each // 1000)} kB a file")
            return
        left = (progress.total or 2 * progress.ended) - progress.ended  # of an unknown number: as many as there were so far
        speed = progress.ended / max(run.context.clock() - self.members[0].began_at, 0.001)
        if left > max(SHORT_LIST, WORTH_SECONDS * speed):
            LOG.info("auto: busy, %.0f files a second, %d left: processes (hybrid)", speed, left)
            self._add_processes()

    def _add_processes(self) -> None:
        from downloader.strategies.hybrid import worker_pool

        workers = worker_pool(self.run, self.cores - 1)
        try:
            workers.start()
        except UsageError as error:
            self._do_without(error)
            return
        self.workers = workers
        self.members[0].loop.watch(workers.fileno(), self._on_message)

    def _do_without(self, error: UsageError) -> None:
        """There will be no processes; the loop that runs goes on."""
        LOG.warning("auto: no processes: %s", error.reason)
        self._no_more = True

    def fair_share(self) -> int:
        """Attempts in flight per loop at most: an equal share of the present limit, or of the files where there are fewer."""
        run, total = self.run, self.run.limit
        if run.ready:
            total = min(total, run.ready + sum(member.flying for member in self.members))
        return max(1, -(-total // len(self.members)))

    def deal(self, workers: "WorkerPool") -> bool:
        """Give each process its share of the slots. Whether the loop in this process may start Attempts, too."""
        share = max(1, self.run.limit // self.cores)
        if workers.ready:
            workers.deal(self.run.limit - share, self.first_loop_only)
        return not workers.ready or bool(self.first_loop_only) or self.members[0].flying < share

    def _on_message(self) -> None:
        workers = self.workers
        assert workers is not None  # noqa: S101 - it is its descriptor that was watched
        with self.lock:
            try:
                workers.turn(0)
            except UsageError as error:
                if workers.busy:
                    raise
                self.members[0].loop.unwatch(workers.fileno())
                workers.close()
                self.workers = None
                self._do_without(error)


class _LoopRun(LockedRun):
    """The `Run` of one loop of a team: the team's run behind a lock, and the loop's fair share of the Attempts."""

    def __init__(self, team: _Team) -> None:
        from downloader.engine.curl_loop import CurlLoop  # here: libcurl may not be installed

        super().__init__(team.run, team.lock)
        self._team = team
        self._waker, self._bell = os.pipe()
        self.flying = 0
        self.began_at = self._looked_at = self._context.clock()
        self._busy_looks = 0
        self._idle_before = 0.0
        self.loop: CurlLoop = CurlLoop(self)

    @property
    def waker(self) -> int:
        """See `Run`: another loop has left something to take, or the run is finished."""
        return self._waker

    def tick(self) -> None:
        """See `Run`."""
        with self._lock:
            self._run.tick()
            if self is self._team.members[0]:
                self._look()

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """See `Run`. A loop that has its fair share leaves the rest to the others."""
        team = self._team
        with self._lock:
            workers = team.workers
            if workers is not None and self is team.members[0] and not team.deal(workers):
                return []
            if len(team.members) > 1 and self.flying >= team.fair_share():
                return []
            batch = [team.first_loop_only.pop()] if team.first_loop_only else self._run.take(max_attempts)
            if batch and workers is not None and (workers.has(batch[0].same_process_as) or workers.was_lost(batch[0])):
                workers.hand_out(batch)
                return []
            self.flying += len(batch)
            if batch and self._run.stopping:
                self.settle(unstarted(batch))
                return []
            return batch

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`."""
        with self._lock:
            ended = list(outcomes)
            self.flying -= len(ended)
            self._run.settle(ended)
            if len(self._team.members) > 1 and (self._run.finished or self._run.ready):
                for member in self._team.members:
                    if member is not self:
                        member.ring()

    def wake(self) -> None:
        """See `Run`."""
        os.read(self._waker, 4096)

    def ring(self) -> None:
        """Wake this loop."""
        os.write(self._bell, b"x")

    def close(self) -> None:
        """Close the pipe: the loop has ended."""
        for descriptor in (self._waker, self._bell):
            os.close(descriptor)

    def _look(self) -> None:
        """Has this loop been busy lately?"""
        now = self._context.clock()
        passed = now - self._looked_at
        if passed < LOOK_SECONDS:
            return
        idle = self.loop.idle
        self._busy_looks = self._busy_looks + 1 if idle - self._idle_before < (1 - BUSY_SHARE) * passed else 0
        self._looked_at, self._idle_before = now, idle
        if self._busy_looks >= 2:
            self._busy_looks = 0
            self._team.speed_up()
