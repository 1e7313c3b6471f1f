"""Ctrl-C and SIGTERM: once, the run ends in good order; twice, the program ends at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

GRACEFUL = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """While entered, the first signal calls ``stop``, the second ``abort`` and then exits. For the main thread only."""

    def __init__(self, stop: Callable[[], None], abort: Callable[[], None]) -> None:
        self._stop = stop
        self._abort = abort
        self._before: dict[signal.Signals, Any] = {}
        self.received: int | None = None

    @property
    def exit_code(self) -> int | None:
        """128 and the signal's number (130, 143); None where there was none."""
        return None if self.received is None else 128 + self.received

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            try:
                self._abort()
            finally:
                os._exit(128 + number)  # workers see that their parent is gone and end too
        self.received = number
        self._stop()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in GRACEFUL}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
