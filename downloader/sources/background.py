"""Sources that never block: a thread reads the list, or a pause is asked for."""

import threading
from collections.abc import Callable, Iterator

from downloader.core.model import Download

PUT_SECONDS = 0.2
"""Seconds after which a thread that waits for space in the queue checks whether the source was closed."""

_END = object()


class BackgroundSource:
    """An iterator that never blocks: a thread reads ``source``, and None means that no Download is available now.

    ``read_ahead``: Downloads that the thread reads in advance at most. ``is_paused``: while this returns True, None is
    returned. An exception of the source ends the iteration, and is in ``error`` afterwards.
    """

    def __init__(self, source: Iterator[Download], read_ahead: int = 1024, is_paused: Callable[[], bool] | None = None) -> None:
        self._is_paused = is_paused
        self.error: Exception | None = None
        import queue  # here, and below: only this class needs it

        self._queue: queue.Queue[object] = queue.Queue(read_ahead)
        self._closed = False
        self._thread = threading.Thread(target=self._read, args=(source,), name="dl-source", daemon=True)
        self._thread.start()

    def _read(self, source: Iterator[Download]) -> None:
        try:
            for download in source:
                self._put(download)
                if self._closed:
                    return
        except Exception as error:  # noqa: BLE001 - a caller's iterator may raise anything; the caller gets it
            self.error = error
        finally:
            self._put(_END)

    def _put(self, item: object) -> None:
        import queue

        while not self._closed:
            try:
                self._queue.put(item, timeout=PUT_SECONDS)
                return
            except queue.Full:
                continue

    def close(self) -> None:
        """Stop reading the source."""
        self._closed = True

    def __iter__(self) -> Iterator[Download | None]:
        return self

    def __next__(self) -> Download | None:
        if self._is_paused is not None and self._is_paused():
            return None
        if self._queue.empty():  # nobody else takes from it
            return None
        item = self._queue.get_nowait()
        if item is _END:
            self._queue.put(_END)
            raise StopIteration
        assert isinstance(item, Download)  # noqa: S101 - nothing else is put in
        return item


def pausable(source: Iterator[Download], is_paused: Callable[[], bool]) -> Iterator[Download | None]:
    """The same Downloads; None instead, while ``is_paused`` returns True."""
    for download in source:
        while is_paused():
            yield None
        yield download
