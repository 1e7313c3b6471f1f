"""Who is to be told when something is over: each once, also those who ask too late."""

import threading
from collections.abc import Callable


class EndNotice:
    """An end that comes once. Thread-safe."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []
        self._come = False
        self._lock = threading.Lock()

    def then(self, call: Callable[[], object]) -> None:
        """Call this when the end comes, in the thread that tells of it; at once, if it has come."""
        with self._lock:
            if not self._come:
                self._calls.append(call)
                return
        call()

    def tell(self) -> None:
        """It has come."""
        with self._lock:
            self._come = True
        for call in self._calls:
            call()
