"""Functions to call when something is done: each is called once, also one that is added too late."""

import threading
from collections.abc import Callable


class DoneCallbacks:
    """The callbacks of something that is done once, as `concurrent.futures.Future` has them. Thread-safe."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []
        self._is_done = False
        self._lock = threading.Lock()

    def add(self, call: Callable[[], object]) -> None:
        """Call this function in `set_done`, in the thread that calls that; at once, if it is done already."""
        with self._lock:
            if not self._is_done:
                self._calls.append(call)
                return
        call()

    def set_done(self) -> None:
        """Call all functions. To be called once."""
        with self._lock:
            self._is_done = True
        for call in self._calls:
            call()
