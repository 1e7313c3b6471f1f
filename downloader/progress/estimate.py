"""How fast it goes, how much there is, and how long the rest takes: what displays claim, in one place.

What cannot be known is not claimed. The total is known in bytes where every file that has not ended is on its way and
its length was told: at the end of a list, or for a few files from the start. Else files are counted.
"""

from collections import deque
from typing import NamedTuple

from downloader.engine.stats import RunStats

ENOUGH = 10
"""Files that must have ended lately before the time for the rest is guessed from their number."""

LATELY = 30.0
"""Seconds: what was longer ago says little. A second run ends what is there already a thousand times as fast."""

SETTLED = 1.0
"""Seconds for which bytes must have been coming before their speed says anything about the rest."""


class Speed:
    """A number's growth a second over the last seconds, so many at most. Times come in as arguments."""

    def __init__(self, over: float = 5.0) -> None:
        self._over = over
        self._samples: deque[tuple[float, float]] = deque()
        self.value = 0.0

    def sample(self, number: float, now: float) -> float:
        """The speed, now that the number is this."""
        samples = self._samples
        if samples and now <= samples[-1][0]:
            return self.value
        samples.append((now, number))
        while len(samples) > 2 and now - samples[1][0] >= self._over:
            samples.popleft()
        began, before = samples[0]
        if now > began:
            self.value = (number - before) / (now - began)
        return self.value


class Progress(NamedTuple):
    """How things stand. ``speed``: bytes a second. ``bytes_total``, ``seconds_left``: None where that cannot be said."""

    speed: float
    bytes_done: int
    bytes_total: int | None
    seconds_left: float | None


class Estimate:
    """Made for one run; told its numbers now and then."""

    def __init__(self) -> None:
        self._bytes = Speed()
        self._ended: deque[tuple[float, int]] = deque()
        self._came_at: float | None = None

    def sample(self, counters: RunStats, now: float) -> Progress:
        """How things stand now (monotonic seconds)."""
        received, ended = counters.received, counters.ended
        speed = self._bytes.sample(received, now)
        if received and self._came_at is None:
            self._came_at = now
        self._ended.append((now, ended))
        while len(self._ended) > 2 and now - self._ended[0][0] > LATELY:
            self._ended.popleft()
        files = counters.files()
        done = counters.done_bytes + sum(item.done for item in files)
        known = counters.total is not None and all(item.size for item in files) and ended + len(files) == counters.total
        total = counters.done_bytes + sum(item.size for item in files) if known and files else None
        return Progress(speed, done, total, self._left(counters, now, speed, done, total, sum(i.size - i.done for i in files)))

    def _left(self, counters: RunStats, now: float, speed: float, done: int, total: int | None, flying: int) -> float | None:
        if counters.total is not None and counters.ended >= counters.total:
            return 0.0
        trusted = speed if self._came_at is not None and now - self._came_at >= SETTLED else 0.0
        if total is not None:
            return max(0, total - done) / trusted if trusted > 0 else None
        began, before = self._ended[0]
        count = counters.ended - before
        if counters.total is None or count < ENOUGH or now <= began:
            return None
        by_files = (counters.total - counters.ended) * (now - began) / count
        return max(by_files, flying / trusted if trusted > 0 else 0.0)
