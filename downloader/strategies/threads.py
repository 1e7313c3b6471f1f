"""A ThreadPoolExecutor of one thread for each config: one `requests.Session` and one file at a time in each.

Threads wait side by side, because waiting releases the GIL; but what they do for each request, they do in turn. Where the
system gives no further thread, those that there are go on.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

from downloader.core.model import End, Outcome
from downloader.engine.blocking_driver import Batch, run_batch
from downloader.engine.contract import Capabilities
from downloader.engine.executor_loop import drive
from downloader.engine.run import Run
from downloader.errors import UsageError
from downloader.transports.requests_client import BlockingClient, Watchdog


class ThreadsStrategy:
    """Threads that share the scheduler's loop, each with connections of its own."""

    name: ClassVar[str] = "threads"
    about: ClassVar[str] = "a thread for each file in flight"
    library: ClassVar[str] = "requests, concurrent.futures.ThreadPoolExecutor"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=32, most_jobs=64, segments=True, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where not one thread can be started."""
        watchdog = Watchdog(lambda: run.expired)
        watchdog.start()
        lanes = [_ThreadLane(run, watchdog, first=number == 0) for number in range(run.jobs)]
        try:
            drive(run, lanes)
        finally:
            for lane in lanes:
                lane.close()
            watchdog.stop()


class _ThreadLane:
    usable = True

    def __init__(self, run: Run, watchdog: Watchdog, first: bool) -> None:
        self._run = run
        self._watchdog = watchdog
        self._first = first
        self._executor = ThreadPoolExecutor(1, "dl")
        self._client: BlockingClient | None = None
        self._lane = run.lane()

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch in the thread."""
        if self._client is None:
            self._client = BlockingClient(self._run.config.client)
            self._watchdog.watch(self._client)
        self._lane.name = batch[0].path
        try:
            return self._executor.submit(self._work, batch, self._client)
        except RuntimeError:  # can't start new thread
            self.usable = False
            if self._first:
                raise UsageError("cannot start a thread", hint="free some memory, or try --strategy serial") from None
            failed: Future[list[Outcome]] = Future()
            failed.set_result([Outcome(attempt.key, End.UNSTARTED) for attempt in batch])
            return failed

    def _work(self, batch: Batch, client: BlockingClient) -> list[Outcome]:
        run = self._run
        return run_batch(batch, run.config, run.folder, client, self._lane, run.stopping.is_set, rate_limiter=run.rate_limiter)

    def lost(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """Threads do not die one by one: what was raised is a defect of ours."""
        raise error

    def close(self) -> None:
        """Wait for the thread, and close its connections."""
        self._executor.shutdown()
        if self._client is not None:
            self._client.close()
