"""The Results of a run one by one, for an ordinary loop: an iterator that stops the run when it is left."""

import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from downloader.api.watched_run import WatchedRun
from downloader.core.model import Result
from downloader.core.report import Report

MAX_WAITING_RESULTS = 1000
"""Results that wait for a slow consumer; at this number, no more of the list is read."""


class Results:
    """The Results of a run that has started, each as its file ends: what `downloader.stream` returns.

    Leaving the loop early stops the run: running files may end within the setting ``grace`` (seconds). `close` and the end of a
    ``with`` block stop it at once; ``break`` does, if nothing else refers to the iterator. While the consumer is slow, about a
    thousand Results wait for it; then no more of the list is read. Several threads may take Results from one iterator; each
    Result goes to one of them.

    Raises:
        Exception: what broke the run, after its last Result; see `downloader.download`.

    Example::

        with downloader.stream(urls, "data") as results:
            for result in results:
                print(result.status, result.path)
                if results.report.failures > 10:
                    break
    """

    _is_exhausted = True  # until the constructor has succeeded: `__del__` runs even if it has not

    def __init__(self, watched: WatchedRun, queue: "SimpleQueue[Result | None]") -> None:
        """``queue``: receives the Results of this run, and None at its end."""
        self._watched = watched
        self._queue = queue
        self._reader = threading.get_ident()
        self._is_exhausted = False

    @property
    def report(self) -> Report:
        """The counts so far. It keeps no Results: the caller has them."""
        return self._watched.run.report

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        if self._is_exhausted:
            raise StopIteration
        self._reader = threading.get_ident()
        try:
            result = self._queue.get()
        except BaseException:  # such as KeyboardInterrupt, while no Result was there
            self.close()
            raise
        if result is not None:
            return result
        self._is_exhausted = True
        self._queue.put(None)  # for other threads that wait
        self._watched.join()
        raise StopIteration

    def close(self) -> None:
        """Stop the run if it has not ended, and wait for its end. May be called repeatedly."""
        self._is_exhausted = True
        self._watched.stop()
        with suppress(RuntimeError):  # called by a thread of the run, which cannot wait for itself
            while not self._watched.wait(1.0):
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._is_exhausted or sys.is_finalizing():  # at the end of the interpreter the threads of the run are gone
            return
        if threading.get_ident() == self._reader:
            self.close()
        else:  # a garbage collection, in any thread: it must not wait
            self._watched.stop()
