"""What would keep an event loop for long (a whole file to be hashed, a function of the user's) is done in threads beside it."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from downloader.engine.processors import cores
from downloader.transports.curl_client import CurlMulti

Then = Callable[[BaseException | None], None]


class LongWork:
    """Threads that wake a loop when they are done. Made when there is something to do, and of one loop."""

    def __init__(self, multi: CurlMulti) -> None:
        self._ended: deque[tuple[Then, BaseException | None]] = deque()
        self._ear, self._bell = os.pipe()
        self._threads = ThreadPoolExecutor(max(2, cores()), "dl-work")
        self.working = 0  # calls that threads have in hand, or will have
        multi.add_reader(self._ear, self._go_on)

    def submit(self, call: Callable[[], object], then: Then) -> None:
        """Call this in a thread, and ``then`` in the loop's, with what it raised."""
        self.working += 1

        def done(future: "Future[object]") -> None:
            self._ended.append((then, future.exception()))
            os.write(self._bell, b"x")

        self._threads.submit(call).add_done_callback(done)

    def _go_on(self) -> None:
        os.read(self._ear, 1)
        self.working -= 1
        then, error = self._ended.popleft()
        then(error)

    def close(self) -> None:
        """Wait for what is in hand. Nobody is told of it any more."""
        self._threads.shutdown()
        os.close(self._ear)
        os.close(self._bell)
