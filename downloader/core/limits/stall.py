"""When a transfer is too slow, or silent. Times come in as arguments."""


class StallDetector:
    """Notices a stall: fewer than ``limit`` bytes a second over ``window`` seconds. Times come in as arguments."""

    __slots__ = ("_bytes", "_limit", "_since", "_window")

    def __init__(self, limit: int, window: float, now: float) -> None:
        self._limit = limit
        self._window = window
        self._since = now
        self._bytes = 0

    def stalled(self, count: int, now: float) -> bool:
        """Count bytes that came by ``now``; True when a whole window has passed with too few."""
        self._bytes += count
        if now - self._since < self._window:
            return False
        slow = self._bytes < self._limit * (now - self._since)
        self._since, self._bytes = now, 0
        return slow and self._window > 0

    def ignore_pause(self, seconds: float) -> None:
        """For so many seconds nothing was read, to keep a rate limit: this time does not count."""
        self._since += seconds


def silent(heard: float, now: float, allowed: float) -> bool:
    """Whether no data received for as long as is allowed (seconds). ``heard``: when something last came; 0: no wait."""
    return 0 < heard <= now - allowed
