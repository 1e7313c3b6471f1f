"""Calls that would block an event loop for long, made in threads.

There are two kinds. Some calls keep a processor busy (hashing a whole file, a function of the user's): as many of these run at
the same time as there are processors. The others wait for slow storage: many more of these run at the same time.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from downloader.engine.address_space import possible_threads
from downloader.engine.attempt.commands import STORAGE_THREADS, Call
from downloader.engine.processors import cores
from downloader.transports.curl_client import CurlMulti

Then = Callable[[BaseException | None], None]


class LongCalls:
    """Threads of one loop, made as calls come. They wake the loop when a call has ended."""

    def __init__(self, multi: CurlMulti) -> None:
        self._ended: deque[tuple[Then, BaseException | None]] = deque()
        self._reader, self._writer = os.pipe()
        self._threads = ThreadPoolExecutor(max(2, cores()), "dl-work")
        self._storage_threads = ThreadPoolExecutor(possible_threads(STORAGE_THREADS), "dl-storage")
        multi.add_reader(self._reader, self._on_end)

    def submit(self, command: Call, then: Then) -> None:
        """Make a call in a thread; then call ``then`` in the loop's thread, with the exception that was raised, or None."""

        def done(future: "Future[object]") -> None:
            self._ended.append((then, future.exception()))
            os.write(self._writer, b"x")

        threads = self._storage_threads if command.waits else self._threads
        threads.submit(command.call).add_done_callback(done)

    def _on_end(self) -> None:
        os.read(self._reader, 4096)
        while self._ended:  # also of a call whose byte has not come yet
            then, error = self._ended.popleft()
            then(error)

    def close(self) -> None:
        """Wait for the calls that were begun. Nobody is told of their end any more."""
        self._threads.shutdown()
        self._storage_threads.shutdown()
        os.close(self._reader)
        os.close(self._writer)
