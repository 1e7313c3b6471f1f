"""One file after the other, in one thread: the reference that the others are measured against."""

from concurrent.futures import Future
from typing import ClassVar

from downloader.core.model import Outcome
from downloader.engine.blocking_driver import Batch, run_batch
from downloader.engine.contract import Capabilities
from downloader.engine.executor_loop import drive
from downloader.engine.run import Run
from downloader.transports.requests_client import BlockingClient, Watchdog


class SerialStrategy:
    """An executor that runs the call at once."""

    name: ClassVar[str] = "serial"
    about: ClassVar[str] = "one file after the other: the reference"
    library: ClassVar[str] = "requests"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=1, max_jobs=1, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        client = BlockingClient(run.config.client)
        watchdog = Watchdog(lambda: run.expired)
        watchdog.watch(client)
        watchdog.start()
        try:
            drive(run, [_Inline(run, client)])
        finally:
            watchdog.stop()
            client.close()


class _Inline:
    usable = True

    def __init__(self, run: Run, client: BlockingClient) -> None:
        self._run = run
        self._client = client
        self._lane = run.lane()

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Run the batch now; the future is done when this returns."""
        self._lane.name = batch[0].path
        future: Future[list[Outcome]] = Future()
        run = self._run
        future.set_result(
            run_batch(
                batch, run.config, run.folder, self._client, self._lane, run.stopping.is_set, rate_limiter=run.rate_limiter
            )
        )
        return future

    def lost(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """There is no worker to lose: what was raised is a defect of ours."""
        raise error
