"""One file after the other, in one thread: the reference that the other strategies are measured against."""

from concurrent.futures import Future
from typing import ClassVar

from downloader.core.model import Outcome
from downloader.engine.blocking_driver import Batch, BlockingDriver, Watchdog
from downloader.engine.contract import Capabilities, Run
from downloader.engine.executor_loop import drive


class SerialStrategy:
    """An executor that runs each batch at once, in the caller's thread."""

    name: ClassVar[str] = "serial"
    about: ClassVar[str] = "one file after the other: the reference"
    library: ClassVar[str] = "requests"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=1, max_jobs=1, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        driver = BlockingDriver(run.context, run.new_slot())
        watchdog = Watchdog(lambda: run.grace_over)
        watchdog.watch(driver)
        watchdog.start()
        try:
            drive(run, [_InlineSlot(run, driver)])
        finally:
            watchdog.stop()
            driver.close()


class _InlineSlot:
    usable = True

    def __init__(self, run: Run, driver: BlockingDriver) -> None:
        self._run = run
        self._driver = driver

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Run the batch now; the future is done when this method returns."""
        future: Future[list[Outcome]] = Future()
        future.set_result(self._driver.run_batch(batch, lambda: self._run.stopping))
        return future

    def recover(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """There is no worker that could die: the error is a defect of this program."""
        raise error
