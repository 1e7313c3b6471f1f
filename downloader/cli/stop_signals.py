"""SIGINT (Ctrl-C) and SIGTERM: the first signal stops the run gracefully, the second ends the program at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

GRACEFUL = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """A context manager that handles the signals while it is entered. For the main thread only.

    The first signal calls ``stop``. The second calls ``abort``, then ends the process. ``received``: the number of the first
    signal, or None.
    """

    def __init__(self, stop: Callable[[], None], abort: Callable[[], None]) -> None:
        self._stop = stop
        self._abort = abort
        self._before: dict[signal.Signals, Any] = {}
        self.received: int | None = None

    @property
    def exit_code(self) -> int | None:
        """128 plus the number of the signal (130 or 143); None if there was no signal."""
        return None if self.received is None else 128 + self.received

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            try:
                self._abort()
            finally:
                os._exit(128 + number)  # worker processes notice the end of their parent, and end too
        self.received = number
        self._stop()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in GRACEFUL}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
