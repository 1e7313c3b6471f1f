"""How many may run at once, in all and at each host; and how slow is too slow. Arithmetic only."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Slots:
    """Counts what is in flight. ``in_all`` and ``per_host`` are at least 1."""

    in_all: int
    per_host: int
    in_flight: int = 0
    at_host: dict[str, int] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """Slots left in all."""
        return self.in_all - self.in_flight

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if there is one in all and one there."""
        held = self.at_host.get(host, 0)
        if self.in_flight >= self.in_all or held >= self.per_host:
            return False
        self.at_host[host] = held + 1
        self.in_flight += 1
        return True

    def release(self, host: str) -> None:
        """Give one back."""
        held = self.at_host[host] - 1
        if held:
            self.at_host[host] = held
        else:
            del self.at_host[host]
        self.in_flight -= 1


def batch_size(seconds_each: float, waiting: int, lanes: int, target: float = 0.05, most: int = 64) -> int:
    """How many Attempts to hand to one worker at a time, where handing over is costly (`processes`).

    So many that a batch takes about ``target`` seconds, but never more than this worker's share of what waits, so
    that at the end of the list no worker sits idle beside a long batch.
    """
    by_time = most if seconds_each * most <= target else int(target / seconds_each)
    share = -(-waiting // max(lanes, 1))
    return max(1, min(by_time, share, most))


class SpeedGate:
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
