"""What downloads in a worker of a cluster: a thread with an event loop over libcurl, fed with parcels by the client.

The client makes every decision. A worker that hears nothing of the client for the time of its lease ends what it does, and
reports nothing more: the client has dealt these Attempts to others by then.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from downloader.core.model import Attempt, Outcome
from downloader.engine.contract import POLL_SECONDS, AttemptContext, Run, RunProgress, Slot
from downloader.engine.control import Cut
from downloader.engine.curl_loop import CurlLoop
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import LocalStats
from downloader.engine.workers.parcels import Ended, Parcels
from downloader.storage.opening import open_storage
from downloader.strategies.dask.messages import (
    GRACE_OVER,
    RUNNING,
    STOPPING,
    TOPIC,
    Engagement,
    WorkerReport,
    pack_report,
    unpack_parcels,
)

RETURN_SECONDS = 1.0
"""After so many seconds on one parcel, a worker returns the Attempts of it that it has not started: they can run elsewhere."""

MAX_ENDED = 256
"""So many Outcomes are reported at once, without waiting for the next report."""

SIGNS_OF_LIFE = 5
"""A worker reports at least so often in the time of its lease."""

Publish = Callable[[str, dict[str, object]], None]


class EngineRun(Run):
    """The `Run` of a worker's event loop.

    Args:
        context: what every Attempt needs.
        engagement: see `Engagement`.
        publish: sends an event to the client; from any thread.
    """

    def __init__(self, context: AttemptContext, engagement: Engagement, publish: Publish) -> None:
        self._context = context
        self._engagement = engagement
        self._publish = publish
        self._inbox: deque[bytes] = deque()
        self._waker, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._parcels = Parcels(whole=False)
        self._stats: list[LocalStats] = []
        self._ended: list[Ended] = []
        self._ended_count = 0
        self._reported_at = self._looked_at = time.monotonic()
        self._lease_until = self._reported_at + engagement.lease
        self._state = RUNNING
        self._closing = False
        self._bell_lock = threading.Lock()  # so that nobody rings after the pipe was closed

    # --- called from the thread of the Dask worker

    def add(self, data: bytes) -> bool:
        """Parcels have come. Returns False where the lease is over."""
        if self.is_over:
            return False
        self._inbox.append(data)
        self._ring()
        return True

    def renew(self, state: int) -> bool:
        """The client has told the state of the run. Returns False where the lease is over."""
        if self.is_over:
            return False
        self._lease_until = time.monotonic() + self._engagement.lease
        if state != self._state:
            self._state = state
            self._ring()
        return True

    def close(self) -> None:
        """The client needs this worker no longer."""
        self._closing = True
        self._ring()

    def _ring(self) -> None:
        with self._bell_lock, suppress(BlockingIOError):  # a pipe that is full wakes the loop in any case
            if self._bell >= 0:
                os.write(self._bell, b"x")

    @property
    def is_over(self) -> bool:
        """Whether the worker must do nothing more for this run. From any thread."""
        return self._closing or time.monotonic() >= self._lease_until

    # --- called from the thread of the loop

    @property
    def context(self) -> AttemptContext:
        """See `Run`."""
        return self._context

    @property
    def jobs(self) -> int:
        """See `Run`."""
        return self._engagement.jobs

    @property
    def waker(self) -> int:
        """See `Run`: parcels, or another state of the run."""
        return self._waker

    @property
    def stopping(self) -> bool:
        """See `Run`."""
        return self._state >= STOPPING or self.is_over

    @property
    def grace_over(self) -> bool:
        """See `Run`."""
        return self._state >= GRACE_OVER or self.is_over

    @property
    def finished(self) -> bool:
        """See `Run`: the client needs this worker no longer, and nothing runs."""
        return self.is_over and not self._parcels.running

    @property
    def ready(self) -> int:
        """See `Run`: of this worker's parcels."""
        return self._parcels.waiting

    @property
    def limit(self) -> int:
        """See `Run`: the client sends no more than may run."""
        return self._engagement.jobs

    @property
    def received(self) -> int:
        """Body bytes so far."""
        return sum([stats.received for stats in self._stats])

    def progress(self) -> RunProgress:
        """See `Run`: the client alone counts files."""
        return RunProgress(None, 0, 0, self.received)

    def explain(self) -> str:
        """See `Run`."""
        return "the client decides how many Attempts are in flight"

    def new_slot(self) -> Slot:
        """See `Run`."""
        stats = LocalStats()
        self._stats.append(stats)
        return Slot(stats, Cut())

    def add_slot(self, slot: Slot) -> NoReturn:
        """See `Run`."""
        raise NotImplementedError("the loop of a worker makes no slots of its own")

    def fail(self, error: BaseException) -> NoReturn:
        """See `Run`."""
        raise error

    def wake(self) -> None:
        """See `Run`: take what has come."""
        os.read(self._waker, 4096)
        now = time.monotonic()
        while self._inbox:
            for number, attempts in unpack_parcels(self._inbox.popleft()):
                self._parcels.add(number, attempts, now)

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """See `Run`: the next Attempt of a parcel of which none runs now."""
        parcels = self._parcels
        if not parcels.can_start:
            return []
        if self.stopping:
            parcels.return_idle()
            return []
        return [parcels.take()[1]]

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`."""
        for outcome in outcomes:
            self._parcels.settle(outcome)

    def tick(self) -> None:
        """See `Run`: report what has ended."""
        now = time.monotonic()
        if now - self._looked_at > POLL_SECONDS:
            self._looked_at = now
            self._parcels.return_late(now, RETURN_SECONDS)
        for number, outcomes in self._parcels.reports():
            self._ended.append((number, outcomes))
            self._ended_count += len(outcomes)
        if now >= self._report_due or self._ended_count >= MAX_ENDED:
            self.report(now)

    @property
    def _report_due(self) -> float:
        settled = self._engagement
        is_soon = self._ended or settled.config.max_total  # with a limit, the client must know what runs have received
        return self._reported_at + (settled.report_seconds if is_soon else settled.lease / SIGNS_OF_LIFE)

    def report(self, now: float, problem: str = "") -> None:
        """Publish what has ended since the last report, unless the worker must do nothing more."""
        if self.is_over:
            return
        data = pack_report(WorkerReport(self.received, self._ended, problem))
        self._ended, self._ended_count, self._reported_at = [], 0, now
        self._publish(TOPIC, {"run": self._engagement.run, "report": data})

    def wait(self) -> float:
        """See `Run`."""
        if self._parcels.can_start:
            return 0.0
        return min(POLL_SECONDS, max(0.0, self._report_due - time.monotonic()))

    def dispose(self) -> None:
        """Close what the run has opened. Only after the loop."""
        self._closing = True
        with self._bell_lock:
            os.close(self._waker)
            os.close(self._bell)
            self._bell = -1
        self._context.folder.close()


class Engine:
    """The thread that downloads for one run. Raises DownloadError where the folder cannot be opened.

    ``publish``: sends an event to the client. ``ended``: called in the thread, at its end.
    """

    def __init__(self, engagement: Engagement, publish: Publish, ended: Callable[[], object]) -> None:
        config = engagement.config
        folder = open_storage(config.root, config.store, elsewhere=True)
        folder.set_was_empty(engagement.was_empty)
        limited = config.is_rate_limited
        self._rates = RateLimiter(config.limit_rate, config.limit_rate_per_host, config.own_rates) if limited else None
        context = AttemptContext(config, folder, self._rates, byte_budget=config.new_byte_budget())
        self._run = run = EngineRun(context, engagement, publish)
        folder.end_when(lambda: run.grace_over)
        self._ended = ended
        self._is_over = threading.Event()
        threading.Thread(target=self._main, name="dl-engine", daemon=True).start()

    def _main(self) -> None:
        run = self._run
        try:
            CurlLoop(run).main()
        except Exception as error:  # noqa: BLE001 - the client is told, and deals these Attempts to others
            run.report(time.monotonic(), f"{type(error).__name__}: {error}")
        finally:
            self._ended()
            self._is_over.set()
            run.dispose()

    def add(self, data: bytes) -> bool:
        """Take these parcels. Returns False where the lease is over."""
        return self._run.add(data)

    def renew(self, state: int) -> bool:
        """Go on for another lease. Returns False where it is over."""
        return self._run.renew(state)

    def set_share(self, share: float) -> bool:
        """Keep this part of the rate limit from now on. Returns False where the lease is over."""
        if self._run.is_over:
            return False
        if self._rates is not None:
            self._rates.part = share
        return True

    def wait(self) -> None:
        """Wait until the thread has ended."""
        self._is_over.wait()

    def close(self) -> None:
        """End everything."""
        self._run.close()
