"""A run that several threads may use: each call holds a lock."""

import threading
from collections.abc import Iterable

from downloader.core.model import Attempt, Outcome
from downloader.engine.contract import AttemptContext, Run, RunProgress, Slot


class LockedRun(Run):
    """Another `Run`, behind a lock. ``lock``: shared by all who use that run; reentrant."""

    def __init__(self, run: Run, lock: "threading.RLock") -> None:
        self._run = run
        self._lock = lock
        self._context = run.context

    @property
    def context(self) -> AttemptContext:
        """See `Run`."""
        return self._context

    @property
    def jobs(self) -> int:
        """See `Run`."""
        return self._run.jobs

    @property
    def stopping(self) -> bool:
        """See `Run`."""
        return self._run.stopping

    @property
    def grace_over(self) -> bool:
        """See `Run`."""
        return self._run.grace_over

    @property
    def finished(self) -> bool:
        """See `Run`."""
        with self._lock:
            return self._run.finished

    @property
    def ready(self) -> int:
        """See `Run`."""
        with self._lock:
            return self._run.ready

    @property
    def limit(self) -> int:
        """See `Run`."""
        with self._lock:
            return self._run.limit

    @property
    def waker(self) -> int | None:
        """See `Run`."""
        return self._run.waker

    def progress(self) -> RunProgress:
        """See `Run`."""
        return self._run.progress()

    def explain(self) -> str:
        """See `Run`."""
        with self._lock:
            return self._run.explain()

    def wait(self) -> float:
        """See `Run`."""
        with self._lock:
            return self._run.wait()

    def tick(self) -> None:
        """See `Run`."""
        with self._lock:
            self._run.tick()

    def new_slot(self) -> Slot:
        """See `Run`."""
        with self._lock:
            return self._run.new_slot()

    def add_slot(self, slot: Slot) -> None:
        """See `Run`."""
        with self._lock:
            self._run.add_slot(slot)

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """See `Run`."""
        with self._lock:
            return self._run.take(max_attempts)

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`."""
        with self._lock:
            self._run.settle(outcomes)

    def wake(self) -> None:
        """See `Run`."""
        self._run.wake()

    def fail(self, error: BaseException) -> None:
        """See `Run`."""
        self._run.fail(error)
