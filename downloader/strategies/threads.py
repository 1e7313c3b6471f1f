"""A ThreadPoolExecutor: one thread, one `requests.Session` and one file at a time for each job.

Threads wait side by side, because waiting releases the GIL; but what they do for each request, they do in turn.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

from downloader.core.model import Outcome
from downloader.strategies.base import Capabilities
from downloader.strategies.pool import Batch, drive, run_batch
from downloader.strategies.run import Run
from downloader.transports.blocking import BlockingClient, Watchdog


class ThreadsStrategy:
    """Threads that share the scheduler's loop, each with connections of its own."""

    name: ClassVar[str] = "threads"
    about: ClassVar[str] = "a thread for each file in flight"
    library: ClassVar[str] = "requests, concurrent.futures.ThreadPoolExecutor"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=32, most_jobs=64, segments=True, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        watchdog = Watchdog(lambda: run.expired)
        local = threading.local()

        def connect() -> None:
            local.client = BlockingClient(run.job.client)
            watchdog.watch(local.client)

        watchdog.start()
        executor = ThreadPoolExecutor(run.jobs, "dl", connect)
        try:
            drive(run, [_ThreadLane(run, executor, local) for _ in range(run.jobs)])
        finally:
            executor.shutdown()
            watchdog.stop()
            for client in watchdog.clients:
                client.close()


class _ThreadLane:
    def __init__(self, run: Run, executor: ThreadPoolExecutor, local: threading.local) -> None:
        self._run = run
        self._executor = executor
        self._local = local
        self._lane = run.lane()

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch in whichever thread is free."""
        self._lane.name = batch[0].path
        return self._executor.submit(self._work, batch)

    def _work(self, batch: Batch) -> list[Outcome]:
        run = self._run
        return run_batch(batch, run.job, run.folder, self._local.client, self._lane, run.stopping.is_set, meter=run.meter)

    def lost(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """Threads do not die one by one: what was raised is a defect of ours."""
        raise error
