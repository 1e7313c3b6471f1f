"""Progress without a terminal: a plain line every few seconds, or one JSON object per line for programs."""

from typing import IO

from downloader.core.amounts import clock, size
from downloader.core.text import printable
from downloader.engine.stats import RunStats
from downloader.progress.display import Display
from downloader.progress.estimate import Estimate, ProgressEstimate


def waiting(stats: RunStats, now: float) -> str:
    """What a run waits for, in words; empty if it waits for nothing. ``now``: monotonic seconds."""
    if stats.full:
        return "the disk is full: waiting for space"
    wait = stats.waiting
    if wait is None:
        return ""
    seconds = max(1, round(wait.due - now))
    again = f"again in {seconds} s" if seconds < 60 else f"again in {clock(seconds)} min"
    who = "1 file waits" if wait.files == 1 else f"{wait.files} files wait"
    first = "" if wait.files == 1 else "the first "
    return f"{who}: {printable(wait.reason)}, {first}{again}"


class _Lines(Display):
    every = 5.0

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream
        self._next: float | None = None
        self._estimate = Estimate()

    def update(self, stats: RunStats, now: float) -> None:
        progress = self._estimate.sample(stats, now)
        if self._next is None:
            self._next = now + self.every
        if now < self._next:
            return
        self._next = now + self.every
        self._write(self.text(stats, progress, now))

    def text(self, stats: RunStats, progress: ProgressEstimate, now: float) -> str:
        """The line to print."""
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
            self._stream = None  # the reader has closed it; the downloads continue


def amount(stats: RunStats, progress: ProgressEstimate) -> str:
    """``12.3 of 45.0 MB``, or the number of received bytes if the total is unknown."""
    if progress.bytes_total is None:
        return size(stats.received)
    return share(progress.bytes_done, progress.bytes_total)


def share(done: int, total: int) -> str:
    """``12.3 of 45.0 MB``, ``900.0 kB of 45.0 MB``."""
    done_text, total_text = size(min(done, total)), size(total)
    unit = f" {total_text.rpartition(' ')[2]}"
    number = done_text.removesuffix(unit) if done_text.endswith(unit) else done_text
    return f"{number} of {total_text}"


class PlainLines(_Lines):
    """``120 of 1000 files, 12.3 MB, 4.1 MB/s, 0:32 left, 2 failed``."""

    def text(self, stats: RunStats, progress: ProgressEstimate, now: float) -> str:
        total = "" if stats.total is None else f" of {stats.total}"
        parts = [f"{stats.ended}{total} files", amount(stats, progress), f"{size(progress.speed)}/s"]
        parts += [] if progress.seconds_left is None else [f"{clock(progress.seconds_left)} left"]
        parts += [f"{stats.failed} failed"] if stats.failed else []
        parts += [text] if (text := waiting(stats, now)) else []
        return ", ".join(parts)


class JsonProgress(_Lines):
    """One JSON object per line; sizes in bytes, times in seconds.

    ``bytes``: the bytes that this run has received. ``bytes_done``: the bytes of the files that are done or in progress, out of
    ``bytes_total`` (null: unknown).
    """

    every = 1.0

    def text(self, stats: RunStats, progress: ProgressEstimate, now: float) -> str:
        seconds_left, wait = progress.seconds_left, stats.waiting
        import json  # here, and below: only this display needs it

        return json.dumps(
            {
                "event": "progress",
                "total": stats.total,
                "done": stats.done,
                "skipped": stats.skipped,
                "failed": stats.failed,
                "bytes": stats.received,
                "bytes_done": progress.bytes_done,
                "bytes_total": progress.bytes_total,
                "bytes_per_second": round(progress.speed),
                "seconds_left": None if seconds_left is None else round(seconds_left, 1),
                "waiting": None
                if wait is None
                else {"files": wait.files, "reason": printable(wait.reason), "seconds": round(max(0.0, wait.due - now), 1)},
                "disk_full": stats.full,
                "moving": [
                    {"path": printable(item.name), "bytes": item.done, "size": item.size} for item in stats.long_running(now)
                ],
            }
        )

    def say(self, text: str) -> None:
        import json

        self._write(json.dumps({"event": "message", "text": text}))
