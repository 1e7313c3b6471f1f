"""Does one piece of work for each item in several threads at once: for work during which Python's lock is released.

Items whose work takes long, such as large files, are taken one by one, each by whichever thread is free. Items that need few
microseconds are taken in batches, and one thread at a time works on such a batch: threads that release and take Python's
lock all the time would be slower than one.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from downloader.engine.processors import cores

Item = TypeVar("Item")
Done = TypeVar("Done")

TICK_SECONDS = 0.2
"""Seconds between two calls of ``on_tick`` while nothing is finished."""

BATCH_SECONDS = 0.005
"""A thread takes more items at once while they need less than this together, and fewer otherwise."""

MIN_BATCH, MAX_BATCH = 16, 64
"""Items of a batch that only one thread at a time works on; items that a thread takes at most."""

END_SECONDS = 5.0
"""Seconds that threads get to end after a stop. A thread that waits for a dead network disk does not keep the process alive."""


class Parallel(Generic[Item, Done]):
    """Calls ``work`` with each item, in as many threads as there are processors. Iterate over it to get what ``work`` returns.

    The items are taken lazily, so they may be read from a long file. What ``work`` returned comes in the order in which the
    work ended.

    Args:
        items: read by one thread at a time.
        work: called with an item; must return soon after ``stop`` is set.
        stop: set when the iteration ends, for whatever reason.
        on_tick: called by the thread that iterates, some times a second while it waits.
        threads: number of threads; 0: as many as processors.
    """

    def __init__(
        self,
        items: Iterator[Item],
        work: Callable[[Item], Done],
        stop: threading.Event,
        on_tick: Callable[[], None] = lambda: None,
        threads: int = 0,
    ) -> None:
        self._items = items
        self._work = work
        self._stop = stop
        self._on_tick = on_tick
        self._taking = threading.Lock()
        self._batching = threading.Lock()
        self._results: SimpleQueue[list[Done] | BaseException | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads or cores())]

    def __iter__(self) -> Iterator[Done]:
        """What ``work`` returned. An exception of ``work``, or of the iterator of items, is raised here."""
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        try:
            while running:
                try:
                    result = self._results.get(timeout=TICK_SECONDS)
                except Empty:
                    self._on_tick()
                    continue
                if result is None:
                    running -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield from result
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(END_SECONDS)

    def _run(self) -> None:
        size = 1
        try:
            while not self._stop.is_set():
                with self._batching if size >= MIN_BATCH else nullcontext():
                    started = time.monotonic()
                    results = [self._work(item) for item in self._take(size)]
                    took = time.monotonic() - started
                if not results:
                    break
                self._results.put(results)
                size = min(MAX_BATCH, 2 * size) if took < BATCH_SECONDS else max(1, size // 2)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that iterates
            self._results.put(error)  # before the stop, which makes other threads raise errors of their own
            self._stop.set()
        else:
            self._results.put(None)

    def _take(self, count: int) -> list[Item]:
        """The next items, at most so many; none after a stop."""
        with self._taking:
            return [] if self._stop.is_set() else list(islice(self._items, count))
