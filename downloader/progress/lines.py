"""Progress where there is no terminal: a plain line every few seconds, or an object a line for programs."""

import json
from typing import IO

from downloader.core.amounts import clock, size
from downloader.core.text import printable
from downloader.engine.stats import RunStats
from downloader.progress.estimate import Estimate, Progress


class Display:
    """Shows nothing. The others extend it. ``period``: seconds between two calls of `update`."""

    period = 0.2

    def update(self, counters: RunStats, now: float) -> None:
        """Show how things stand. ``now``: monotonic seconds."""

    def say(self, text: str) -> None:
        """A line of text, beside the progress."""

    def close(self) -> None:
        """Show no more."""


def waiting(counters: RunStats, now: float) -> str:
    """What a run waits for, in words; empty where it waits for nothing."""
    if counters.full:
        return "the disk is full: waiting for space"
    found = counters.waiting
    if found is None:
        return ""
    seconds = max(1, round(found.due - now))
    again = f"again in {seconds} s" if seconds < 60 else f"again in {clock(seconds)} min"
    who = "1 file waits" if found.files == 1 else f"{found.files} files wait"
    first = "" if found.files == 1 else "the first "
    return f"{who}: {printable(found.reason)}, {first}{again}"


class _Lines(Display):
    every = 5.0

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream
        self._next: float | None = None
        self._estimate = Estimate()

    def update(self, counters: RunStats, now: float) -> None:
        progress = self._estimate.sample(counters, now)
        if self._next is None:
            self._next = now + self.every
        if now < self._next:
            return
        self._next = now + self.every
        self._write(self.text(counters, progress, now))

    def text(self, counters: RunStats, progress: Progress, now: float) -> str:
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


def amount(counters: RunStats, progress: Progress) -> str:
    """``12.3 of 45.0 MB``, or what has come where the total is not known."""
    if progress.bytes_total is None:
        return size(counters.received)
    return share(progress.bytes_done, progress.bytes_total)


def share(done: int, total: int) -> str:
    """``12.3 of 45.0 MB``, ``900.0 kB of 45.0 MB``."""
    part, whole = size(min(done, total)), size(total)
    unit = whole.rpartition(" ")[2]
    return f"{part.removesuffix(f' {unit}')} of {whole}" if part.endswith(f" {unit}") else f"{part} of {whole}"


class PlainLines(_Lines):
    """``120 of 1000 files, 12.3 MB, 4.1 MB/s, 0:32 left, 2 failed``."""

    def text(self, counters: RunStats, progress: Progress, now: float) -> str:
        total = "" if counters.total is None else f" of {counters.total}"
        parts = [f"{counters.ended}{total} files", amount(counters, progress), f"{size(progress.speed)}/s"]
        parts += [] if progress.seconds_left is None else [f"{clock(progress.seconds_left)} left"]
        parts += [f"{counters.failed} failed"] if counters.failed else []
        parts += [text] if (text := waiting(counters, now)) else []
        return ", ".join(parts)


class JsonProgress(_Lines):
    """One object a line; sizes in bytes, times in seconds.

    ``bytes``: what has come over the network in this run; ``bytes_done`` of ``bytes_total`` (null: unknown): what is there of
    the files that are done or on their way.
    """

    every = 1.0

    def text(self, counters: RunStats, progress: Progress, now: float) -> str:
        left, found = progress.seconds_left, counters.waiting
        return json.dumps(
            {
                "event": "progress",
                "total": counters.total,
                "done": counters.done,
                "skipped": counters.skipped,
                "failed": counters.failed,
                "bytes": counters.received,
                "bytes_done": progress.bytes_done,
                "bytes_total": progress.bytes_total,
                "bytes_per_second": round(progress.speed),
                "seconds_left": None if left is None else round(left, 1),
                "waiting": None
                if found is None
                else {"files": found.files, "reason": printable(found.reason), "seconds": round(max(0.0, found.due - now), 1)},
                "disk_full": counters.full,
                "moving": [
                    {"path": printable(item.name), "bytes": item.done, "size": item.size} for item in counters.long_running(now)
                ],
            }
        )

    def say(self, text: str) -> None:
        self._write(json.dumps({"event": "message", "text": text}))
