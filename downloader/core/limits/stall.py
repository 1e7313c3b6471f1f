"""When a transfer is too slow, or silent. Pure: times come in as arguments."""


class StallDetector:
    """Detects a stall: fewer than ``limit`` bytes a second over ``window`` seconds.

    Args:
        limit: bytes a second.
        window: seconds; 0: nothing is a stall.
        now: monotonic seconds.
    """

    __slots__ = ("_bytes", "_limit", "_since", "_window")

    def __init__(self, limit: int, window: float, now: float) -> None:
        self._limit = limit
        self._window = window
        self._since = now
        self._bytes = 0

    def stalled(self, count: int, now: float) -> bool:
        """Count bytes that came by ``now``. True if a whole window has passed with too few."""
        self._bytes += count
        if now - self._since < self._window:
            return False
        slow = self._bytes < self._limit * (now - self._since)
        self._since, self._bytes = now, 0
        return slow and self._window > 0

    def ignore_pause(self, seconds: float) -> None:
        """Do not count these seconds, in which the rate limit paused the transfer: the server is not to blame for them."""
        self._since += seconds


def silent(heard: float, now: float, allowed: float) -> bool:
    """Whether no byte came for longer than allowed.

    Args:
        heard: when the last byte came (monotonic seconds); 0: none is waited for.
        now: monotonic seconds.
        allowed: seconds without a byte.
    """
    return 0 < heard <= now - allowed
