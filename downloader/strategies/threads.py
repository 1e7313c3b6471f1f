"""A ThreadPoolExecutor of one thread for each file in flight: each thread has a `requests.Session` of its own.

Threads wait side by side, because waiting releases the GIL; but what they do for each request, they do in turn. Where the
system gives no further thread, the run goes on with the threads that it has.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

from downloader.core.model import Outcome
from downloader.engine.address_space import has_room_for_threads
from downloader.engine.blocking_driver import Batch, BlockingDriver, Watchdog
from downloader.engine.contract import Capabilities, Run
from downloader.engine.executor_loop import drive, none_started
from downloader.errors import UsageError


class ThreadsStrategy:
    """Threads that share the scheduler's loop, each with connections of its own."""

    name: ClassVar[str] = "threads"
    about: ClassVar[str] = "a thread for each file in flight"
    library: ClassVar[str] = "requests, concurrent.futures.ThreadPoolExecutor"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=32, most_jobs=64, segments=True, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where not one thread can be started."""
        watchdog = Watchdog(lambda: run.grace_over)
        watchdog.start()
        slots = [_ThreadSlot(run, watchdog, is_first=number == 0) for number in range(run.jobs)]
        try:
            drive(run, slots)
        finally:
            for slot in slots:
                slot.close()
            watchdog.stop()


class _ThreadSlot:
    usable = True

    def __init__(self, run: Run, watchdog: Watchdog, is_first: bool) -> None:
        self._run = run
        self._watchdog = watchdog
        self._is_first = is_first
        self._executor = ThreadPoolExecutor(1, "dl")
        self._driver: BlockingDriver | None = None
        self._slot = run.new_slot()

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch in the thread."""
        if self._driver is None and not self._is_first and not has_room_for_threads(1):
            return self._refuse(batch)
        if self._driver is None:
            self._driver = BlockingDriver(self._run.context, self._slot)
            self._watchdog.watch(self._driver)
        try:
            return self._executor.submit(self._driver.run_batch, batch, lambda: self._run.stopping)
        except RuntimeError:  # the system gives no further thread
            if self._is_first:
                raise UsageError("cannot start a thread", hint="free some memory, or try --strategy serial") from None
            return self._refuse(batch)

    def _refuse(self, batch: Batch) -> "Future[list[Outcome]]":
        self.usable = False
        return none_started(batch)

    def recover(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """A thread does not die on its own: the error is a defect of this program."""
        raise error

    def close(self) -> None:
        """Wait for the thread, and close its connections."""
        self._executor.shutdown()
        if self._driver is not None:
            self._driver.close()
