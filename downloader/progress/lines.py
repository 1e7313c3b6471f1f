"""Progress where there is no terminal: a plain line every few seconds, or an object a line for programs."""

import json
from typing import IO

from downloader.core.naming import printable
from downloader.progress.counters import Counters, Speed, seconds_left, time_left


class Display:
    """Shows nothing. The others extend it. ``period``: seconds between two calls of `update`."""

    period = 0.2

    def update(self, counters: Counters, now: float) -> None:
        """Show how things stand. ``now``: monotonic seconds."""

    def say(self, text: str) -> None:
        """A line of text, beside the progress."""

    def close(self) -> None:
        """Show no more."""


class _Lines(Display):
    every = 5.0

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream
        self._next: float | None = None
        self._bytes = Speed()
        self._started = 0.0

    def update(self, counters: Counters, now: float) -> None:
        speed = self._bytes.sample(counters.received, now)
        if self._next is None:
            self._next, self._started = now + self.every, now
        left = seconds_left(counters, counters.ended / max(now - self._started, 1e-3))
        if now < self._next:
            return
        self._next = now + self.every
        self._write(self.text(counters, speed, left, now))

    def text(self, counters: Counters, speed: float, left: float | None, now: float) -> str:
        """The line."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        self._write(text)

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None  # nobody reads it any more; the downloads go on


class PlainLines(_Lines):
    """``120 of 1000 files, 12.3 MB, 4.1 MB/s, 0:32 left, 2 failed``."""

    def text(self, counters: Counters, speed: float, left: float | None, now: float) -> str:
        total = "" if counters.total is None else f" of {counters.total}"
        rest = "" if left is None else f", {time_left(left)} left"
        failed = f", {counters.failed} failed" if counters.failed else ""
        return f"{counters.ended}{total} files, {counters.received / 1e6:.1f} MB, {speed / 1e6:.1f} MB/s{rest}{failed}"


class JsonProgress(_Lines):
    """One object a line; sizes in bytes, times in seconds."""

    every = 1.0

    def text(self, counters: Counters, speed: float, left: float | None, now: float) -> str:
        return json.dumps(
            {
                "event": "progress",
                "total": counters.total,
                "done": counters.done,
                "skipped": counters.skipped,
                "failed": counters.failed,
                "bytes": counters.received,
                "bytes_per_second": round(speed),
                "seconds_left": None if left is None else round(left, 1),
                "moving": [
                    {"path": printable(item.name), "bytes": item.done, "size": item.size} for item in counters.moving(now)
                ],
            }
        )

    def say(self, text: str) -> None:
        self._write(json.dumps({"event": "message", "text": text}))
