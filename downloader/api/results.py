"""The Results of a run one by one, for an ordinary loop: an iterator that stops the run when it is left."""

import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from downloader.api.watched_run import WatchedRun
from downloader.core.model import Result
from downloader.core.report import Report

AHEAD = 1000
"""Results that may wait for a slow consumer; when there are so many, no more of the list is read."""


class Results:
    """an iterator over the Results of a run, each as soon as it is complete: the return value of `downloader.stream`.

    Leaving the loop early stops the run; running files have the grace time to finish. `close` stops the run, as does the end
    of a ``with`` block, and ``break`` if nothing else refers to the iterator. An error that ends the run is raised after the
    last Result. If the consumer is slow, about a thousand Results are buffered; then the list is not read any further.
    Several threads may take Results from one iterator; each Result goes to one of them.
    """

    _over = True

    def __init__(self, observed: WatchedRun, arrived: "SimpleQueue[Result | None]") -> None:
        """``arrived``: where the Results of this run come in, and None at its end."""
        self._observed = observed
        self._arrived = arrived
        self._reader = threading.get_ident()
        self._over = False

    @property
    def report(self) -> Report:
        """The counts so far. It keeps no Results: they are the caller's."""
        return self._observed.session.report

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        if self._over:
            raise StopIteration
        self._reader = threading.get_ident()
        try:
            result = self._arrived.get()
        except BaseException:  # an interrupt, while nothing came
            self.close()
            raise
        if result is not None:
            return result
        self._over = True
        self._arrived.put(None)  # for another thread that may wait
        self._observed.join()
        raise StopIteration

    def close(self) -> None:
        """Stop the run, if it has not ended, and wait until it has."""
        self._over = True
        self._observed.stop()
        with suppress(RuntimeError):  # called by a thread of the run, which cannot wait for itself
            while not self._observed.wait(1.0):
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._over or sys.is_finalizing():  # in the latter case the threads of the run are gone
            return
        if threading.get_ident() == self._reader:
            self.close()
        else:  # a collection of garbage, in whatever thread: nobody is to be held up
            self._observed.stop()
