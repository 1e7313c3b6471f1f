"""Estimates the speed, the total number of bytes and the remaining time, for all displays.

The total number of bytes is known only if every file that has not ended is being transferred and has a known length: at the
end of a list, or from the start with a few files. Otherwise the displays count files.
"""

from collections import deque
from typing import NamedTuple

from downloader.engine.stats import RunStats

MIN_ENDED_FILES = 10
"""The number of files that must have ended within `FILE_RATE_WINDOW` before the remaining time is estimated from their rate."""

FILE_RATE_WINDOW = 30.0
"""Seconds: older samples are ignored. A second run, for example, first skips the existing files, a thousand times as fast."""

MIN_TRANSFER_TIME = 1.0
"""Seconds since the first byte after which the speed is used to estimate the remaining time."""


class WindowedRate:
    """The growth of a number per second, over a sliding window of ``window`` seconds. Times are arguments."""

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._samples: deque[tuple[float, float]] = deque()
        self.value = 0.0

    def sample(self, number: float, now: float) -> float:
        """Add the current value of the number, and return its growth per second. ``now``: monotonic seconds."""
        samples = self._samples
        if samples and now <= samples[-1][0]:
            return self.value
        samples.append((now, number))
        while len(samples) > 2 and now - samples[1][0] >= self._window:
            samples.popleft()
        oldest_time, oldest_number = samples[0]
        if now > oldest_time:
            self.value = (number - oldest_number) / (now - oldest_time)
        return self.value


class ProgressEstimate(NamedTuple):
    """The progress of a run. ``speed``: bytes per second. ``bytes_total``, ``seconds_left``: None where they are unknown."""

    speed: float
    bytes_done: int
    bytes_total: int | None
    seconds_left: float | None


class Estimate:
    """Estimates the progress of one run from samples of its counters."""

    def __init__(self) -> None:
        self._bytes = WindowedRate()
        self._ended_samples: deque[tuple[float, int]] = deque()
        self._first_byte_at: float | None = None

    def sample(self, stats: RunStats, now: float) -> ProgressEstimate:
        """The progress at the time ``now`` (monotonic seconds)."""
        received, ended = stats.received, stats.ended
        speed = self._bytes.sample(received, now)
        if received and self._first_byte_at is None:
            self._first_byte_at = now
        self._ended_samples.append((now, ended))
        while len(self._ended_samples) > 2 and now - self._ended_samples[0][0] > FILE_RATE_WINDOW:
            self._ended_samples.popleft()
        files = stats.files()
        done = stats.done_bytes + sum(item.done for item in files)
        known = stats.total is not None and all(item.size for item in files) and ended + len(files) == stats.total
        total = stats.done_bytes + sum(item.size for item in files) if known and files else None
        missing = sum(item.size - item.done for item in files)
        return ProgressEstimate(speed, done, total, self._seconds_left(stats, now, speed, done, total, missing))

    def _seconds_left(
        self, stats: RunStats, now: float, speed: float, done: int, total: int | None, missing: int
    ) -> float | None:
        if stats.total is not None and stats.ended >= stats.total:
            return 0.0
        reliable_speed = speed if self._first_byte_at is not None and now - self._first_byte_at >= MIN_TRANSFER_TIME else 0.0
        if total is not None:
            return max(0, total - done) / reliable_speed if reliable_speed > 0 else None
        oldest_time, oldest_ended = self._ended_samples[0]
        count = stats.ended - oldest_ended
        if stats.total is None or count < MIN_ENDED_FILES or now <= oldest_time:
            return None
        by_files = (stats.total - stats.ended) * (now - oldest_time) / count
        return max(by_files, missing / reliable_speed if reliable_speed > 0 else 0.0)
