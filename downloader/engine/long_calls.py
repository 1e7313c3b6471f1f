"""Calls that would block an event loop for long (hashing a whole file, a function of the user's), made in threads."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from downloader.engine.processors import cores
from downloader.transports.curl_client import CurlMulti

Then = Callable[[BaseException | None], None]


class LongCalls:
    """Threads of one loop, made with the first call. They wake the loop when a call has ended."""

    def __init__(self, multi: CurlMulti) -> None:
        self._ended: deque[tuple[Then, BaseException | None]] = deque()
        self._reader, self._writer = os.pipe()
        self._threads = ThreadPoolExecutor(max(2, cores()), "dl-work")
        self.working = 0  # calls that threads make, or will make
        multi.add_reader(self._reader, self._on_end)

    def submit(self, call: Callable[[], object], then: Then) -> None:
        """Make a call in a thread; then call ``then`` in the loop's thread, with the exception that was raised, or None."""
        self.working += 1

        def done(future: "Future[object]") -> None:
            self._ended.append((then, future.exception()))
            os.write(self._writer, b"x")

        self._threads.submit(call).add_done_callback(done)

    def _on_end(self) -> None:
        os.read(self._reader, 1)
        self.working -= 1
        then, error = self._ended.popleft()
        then(error)

    def close(self) -> None:
        """Wait for the calls that were begun. Nobody is told of their end any more."""
        self._threads.shutdown()
        os.close(self._reader)
        os.close(self._writer)
