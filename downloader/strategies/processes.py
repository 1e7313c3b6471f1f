"""ProcessPoolExecutor with spawn: real parallelism, at the price of starting interpreters and of pickling what goes across.

Each lane is an executor of one process, so that a worker that is killed breaks nothing but itself. Attempts go out and
Outcomes come back in batches that take about 50 ms. What must be seen at once goes through shared memory: each worker
adds up its bytes there, says which Attempt of its batch it has begun, and reads there whether the run is to stop.
"""

import multiprocessing
import multiprocessing.connection
import os
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ClassVar

from downloader.core.model import End, Outcome
from downloader.engine.blocking_driver import Batch, run_batch
from downloader.engine.contract import Capabilities, WorkerConfig
from downloader.engine.executor_loop import drive
from downloader.engine.processors import cores
from downloader.engine.rate_limiter import SharedRateLimiter, shared_file
from downloader.engine.run import Run
from downloader.engine.workers.shared_memory import EXPIRED, STOPPING, SharedLane, numbers
from downloader.engine.workers.signals import ignore_terminal_signals, terminal_signals_blocked
from downloader.errors import UsageError
from downloader.storage.folder import Folder
from downloader.transports.requests_client import BlockingClient, Watchdog

_HOPELESS = 3
"""So many workers in a row that died before they ended anything: there is something wrong with the machine, not with a file."""


class ProcessesStrategy:
    """Worker processes, each with one file at a time."""

    name: ClassVar[str] = "processes"
    about: ClassVar[str] = "a process for each file in flight"
    library: ClassVar[str] = "requests, concurrent.futures.ProcessPoolExecutor"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=max(4, 2 * cores()), files_per_job=12, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where no worker can be started."""
        context = multiprocessing.get_context("spawn")
        shared = numbers(context, run.jobs)
        watch = _Stopper(run, shared)
        watch.start()
        with shared_file(run.config.is_limited) as rates:
            # Before the signals are blocked: the first of them starts multiprocessing's tracker, which unblocks them.
            lanes = [_ProcessLane(run, context, shared, number, rates) for number in range(run.jobs)]
            with terminal_signals_blocked():
                try:
                    drive(run, lanes, batches=True)
                finally:
                    for lane in lanes:
                        lane.close()
                    watch.stop()


class _Stopper(Watchdog):
    """Tells the workers through shared memory that the run is to stop. It has no clients of its own."""

    def __init__(self, run: Run, shared: Any) -> None:
        def tell() -> bool:
            if run.stopping.is_set():
                shared[0] = EXPIRED if run.expired else STOPPING
            return False

        super().__init__(tell)


class _ProcessLane:
    """An executor of one process, made anew when that process dies."""

    usable = True

    def __init__(self, run: Run, context: Any, shared: Any, number: int, rates: str) -> None:
        self._run = run
        self._rates = rates
        self._context = context
        self._shared = shared
        self._number = number
        self._numbers = SharedLane(shared, number)
        self._deaths = 0
        self._executor = self._start()
        run.counters.lanes.append(self._numbers)

    def _start(self) -> ProcessPoolExecutor:
        arguments = (self._run.config, self._shared, self._number, self._rates)
        return ProcessPoolExecutor(1, mp_context=self._context, initializer=_begin_worker, initargs=arguments)

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch; the process starts with the first."""
        self._numbers.name = batch[0].path
        self._numbers.begun = -1
        try:
            future = self._executor.submit(_work, batch)
        except BrokenProcessPool as error:  # it died while it was idle
            future = Future()
            future.set_exception(error)
        future.add_done_callback(self._count_death)
        return future

    def _count_death(self, future: "Future[list[Outcome]]") -> None:
        if not future.cancelled():  # as it is where the run ends by an error
            self._deaths = 0 if future.exception() is None else self._deaths + 1

    def lost(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """The process died: the Attempt that it was at is lost, of those before it we were not told, the rest was not begun."""
        if not isinstance(error, BrokenProcessPool):
            raise error
        begun = int(self._numbers.begun)
        if self._deaths >= _HOPELESS and begun < 0 and not self._run.stopping.is_set():
            raise UsageError(
                "worker processes die as soon as they start",
                hint="a script that uses strategy='processes' must start it below `if __name__ == '__main__':`",
            )
        self._executor.shutdown(wait=False)
        self._numbers.since = 0.0
        self._executor = self._start()
        ends = [End.UNREPORTED] * max(0, begun) + [End.WORKER_LOST] * (begun >= 0) + [End.UNSTARTED] * (len(batch) - begun - 1)
        return [Outcome(item.key, end) for item, end in zip(batch, ends, strict=True)]

    def close(self) -> None:
        """End the process."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class _OrphanWatchdog(Watchdog):
    """A Watchdog that ends its process as soon as the parent is gone, killed perhaps: nobody is left to work for."""

    def pause(self, seconds: float) -> bool:
        parent = multiprocessing.parent_process()
        if parent is not None and multiprocessing.connection.wait([parent.sentinel], seconds):
            os._exit(1)
        return False


class _Worker:
    """What one worker process has: made once, by the initializer."""

    def __init__(self, config: WorkerConfig, shared: Any, number: int, rates: str) -> None:
        self.config = config
        self.rate_limiter = SharedRateLimiter(config.limit_rate, config.limit_rate_per_host, rates) if rates else None
        self.folder = Folder(config.root)
        self.client = BlockingClient(config.client)
        self.numbers = SharedLane(shared, number)
        self._shared = shared
        watchdog = _OrphanWatchdog(self._expired)
        watchdog.watch(self.client)
        watchdog.start()

    def _expired(self) -> bool:
        return bool(self._shared[0] >= EXPIRED)

    def stopped(self) -> bool:
        """Whether no further Attempt is to be begun."""
        return bool(self._shared[0] >= STOPPING)

    def begun(self, index: int) -> None:
        """Say which Attempt of the batch is under way."""
        self.numbers.begun = index


_worker: _Worker | None = None


def _begin_worker(config: WorkerConfig, shared: Any, number: int, rates: str) -> None:
    global _worker
    ignore_terminal_signals()
    _worker = _Worker(config, shared, number, rates)


def _work(batch: Batch) -> list[Outcome]:
    worker = _worker
    assert worker is not None  # noqa: S101 - the initializer has run
    return run_batch(
        batch, worker.config, worker.folder, worker.client, worker.numbers, worker.stopped, worker.begun, worker.rate_limiter
    )
