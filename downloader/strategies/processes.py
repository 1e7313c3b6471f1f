"""ProcessPoolExecutor with spawn: real parallelism, at the price of starting interpreters and of pickling what goes across.

Each slot is an executor of one process, so that a worker that is killed breaks nothing but itself. Attempts go out and Outcomes
come back in batches that take about 50 ms. What must be seen at once goes through shared memory: each worker counts its bytes
there, tells which Attempt of its batch it has started, and reads there whether the run is to stop.
"""

import multiprocessing
import multiprocessing.connection
import os
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ClassVar

from downloader.core.model import Outcome
from downloader.core.scheduling.lost_batch import lost_batch
from downloader.engine.address_space import has_room_for_threads
from downloader.engine.blocking_driver import Batch, BlockingDriver, Watchdog
from downloader.engine.contract import DEATHS_TO_GIVE_UP, AttemptContext, Capabilities, Run, Slot, WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.executor_loop import drive, none_started
from downloader.engine.processors import cores
from downloader.engine.rate_limiter import SharedRateLimiter, shared_file
from downloader.engine.workers.shared_memory import GRACE_OVER, STOPPING, SharedMemory, SharedStats
from downloader.engine.workers.signals import ignore_terminal_signals, terminal_signals_blocked
from downloader.errors import UsageError
from downloader.storage.opening import open_storage


class ProcessesStrategy:
    """Worker processes, each with one file at a time."""

    name: ClassVar[str] = "processes"
    about: ClassVar[str] = "a process for each file in flight"
    library: ClassVar[str] = "requests, concurrent.futures.ProcessPoolExecutor"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=max(4, 2 * cores()), files_per_job=12, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where no worker can be started."""
        spawn = multiprocessing.get_context("spawn")
        memory = SharedMemory.for_spawned(spawn, run.jobs)

        def tell_state() -> None:
            if run.stopping:
                memory.state = GRACE_OVER if run.grace_over else STOPPING

        with shared_file(run.context.config.is_rate_limited) as rates_path:
            # Before the signals are blocked: the first of them starts multiprocessing's tracker, which unblocks them.
            slots = [_ProcessSlot(run, spawn, memory, number, rates_path) for number in range(run.jobs)]
            with terminal_signals_blocked():
                try:
                    drive(run, slots, batches=True, on_tick=tell_state)
                finally:
                    tell_state()  # where the loop broke off: the workers end what they still run
                    for slot in slots:
                        slot.close()


class _ProcessSlot:
    """An executor of one process, which is replaced when that process dies."""

    usable = True
    _is_started = False

    def __init__(self, run: Run, spawn: Any, memory: SharedMemory, number: int, rates_path: str) -> None:
        self._run = run
        self._rates_path = rates_path
        self._spawn = spawn
        self._memory = memory
        self._number = number
        self._stats = SharedStats(memory, number)
        self._deaths = 0
        self._executor = self._start()
        run.add_slot(Slot(self._stats, Cut()))  # an order to end is never needed: files are fetched in one piece

    def _start(self) -> ProcessPoolExecutor:
        arguments = (self._run.context.config, self._memory, self._number, self._rates_path)
        return ProcessPoolExecutor(1, mp_context=self._spawn, initializer=_begin_worker, initargs=arguments)

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch; the process starts with the first batch, where the system has room for its two threads here."""
        if not self._is_started and self._number > 0 and not has_room_for_threads(2):
            self.usable = False
            return none_started(batch)
        self._is_started = True
        self._stats.names = {attempt.key: attempt.path for attempt in batch}
        self._memory.set_started(self._number, -1)
        try:
            future = self._executor.submit(_work, batch)
        except BrokenProcessPool as error:  # the process died while it was idle
            future = Future()
            future.set_exception(error)
        future.add_done_callback(self._count_death)
        return future

    def _count_death(self, future: "Future[list[Outcome]]") -> None:
        if not future.cancelled():  # as it is where the run ends by an error
            self._deaths = 0 if future.exception() is None else self._deaths + 1

    def recover(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """The process died: start another. See `lost_batch` for the Attempts."""
        if not isinstance(error, BrokenProcessPool):
            raise error
        started = self._memory.started(self._number)
        if self._deaths >= DEATHS_TO_GIVE_UP and started < 0 and not self._run.stopping:
            raise UsageError(
                "worker processes die as soon as they start",
                hint="a script that uses strategy='processes' must start it below `if __name__ == '__main__':`",
            )
        self._executor.shutdown(wait=False)
        self._memory.make_idle(self._number)
        self._executor = self._start()
        return lost_batch(batch, started)

    def close(self) -> None:
        """End the process."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class _OrphanWatchdog(Watchdog):
    """A Watchdog that ends its process as soon as the parent process is gone: nobody is left to work for."""

    def pause(self, seconds: float) -> bool:
        parent = multiprocessing.parent_process()
        if parent is not None and multiprocessing.connection.wait([parent.sentinel], seconds):
            os._exit(1)
        return False


class _Worker:
    """What one worker process has: made once, by the initializer."""

    def __init__(self, config: WorkerConfig, memory: SharedMemory, number: int, rates_path: str) -> None:
        self._memory = memory
        self._number = number
        rates = config.limit_rate, config.limit_rate_per_host, rates_path, config.own_rates
        rate_limiter = SharedRateLimiter(*rates) if rates_path else None
        storage, budget = open_storage(config.root, config.store), config.new_byte_budget()
        storage.end_when(lambda: memory.state >= GRACE_OVER)
        context = AttemptContext(config, storage, rate_limiter, byte_budget=budget)
        self._driver = BlockingDriver(context, Slot(SharedStats(memory, number), Cut()))
        watchdog = _OrphanWatchdog(lambda: memory.state >= GRACE_OVER)
        watchdog.watch(self._driver)
        watchdog.start()

    def run_batch(self, batch: Batch) -> list[Outcome]:
        """Run a batch, and tell the parent which Attempt is under way."""

        def on_start(index: int) -> None:
            self._memory.set_started(self._number, index)

        return self._driver.run_batch(batch, lambda: self._memory.state >= STOPPING, on_start)


_worker: _Worker | None = None


def _begin_worker(config: WorkerConfig, memory: SharedMemory, number: int, rates_path: str) -> None:
    global _worker
    ignore_terminal_signals()
    _worker = _Worker(config, memory, number, rates_path)


def _work(batch: Batch) -> list[Outcome]:
    assert _worker is not None  # noqa: S101 - the initializer has run
    return _worker.run_batch(batch)
