"""Plain numbers, added to by whoever moves bytes and sampled by whoever draws. No lock: each number has one writer."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Lane(Protocol):
    """What one worker is doing now. ``received`` counts all body bytes it ever took in; the rest is of its present file:
    ``done`` of ``size`` bytes (0: unknown) since ``since`` (monotonic seconds; 0: idle), last ``heard`` of in its body then.

    ``key``: of its Attempt. ``splittable``: others may take a part of it over. ``stop``, written by whoever decides so:
    the byte where it is to end (0: the end; negative: at once). ``task``: which place of an event loop it is; 0: of none.
    """

    received: int
    done: int
    size: int
    stop: int
    key: int
    splittable: bool
    since: float
    heard: float
    name: str
    task: int


@dataclass(slots=True)
class PlainLane:
    """A Lane of this process."""

    received: int = 0
    done: int = 0
    size: int = 0
    stop: int = 0
    key: int = -1
    splittable: bool = False
    since: float = 0.0
    heard: float = 0.0
    name: str = ""
    task: int = 0


class Moving(NamedTuple):
    """One file on its way, as sampled."""

    lane: int
    name: str
    done: int
    size: int
    since: float


@dataclass(slots=True)
class Counters:
    """The numbers of one run. ``total`` is None while the length of the list is unknown."""

    total: int | None = None
    done: int = 0
    skipped: int = 0
    failed: int = 0
    lanes: list[Lane] = field(default_factory=list)

    @property
    def ended(self) -> int:
        """Downloads that have their Result."""
        return self.done + self.skipped + self.failed

    @property
    def received(self) -> int:
        """Body bytes taken in so far."""
        return sum(lane.received for lane in self.lanes)

    def moving(self, now: float, longer_than: float = 1.0) -> list[Moving]:
        """The files that have been on their way for longer than so many seconds, the oldest first."""
        found = [
            Moving(number, lane.name, lane.done, lane.size, lane.since)
            for number, lane in enumerate(self.lanes)
            if lane.since and now - lane.since > longer_than
        ]
        return sorted(found, key=lambda item: item.since)


class Speed:
    """A number's growth a second, smoothed over some seconds. Times come in as arguments."""

    def __init__(self, over: float = 5.0) -> None:
        self._over = over
        self._at: float | None = None
        self._last = 0.0
        self.value = 0.0

    def sample(self, number: float, now: float) -> float:
        """The speed, now that the number is this."""
        if self._at is None or now <= self._at:
            self._at, self._last = now, number
            return self.value
        passed = now - self._at
        current = (number - self._last) / passed
        weight = min(1.0, passed / self._over) if self.value else 1.0
        self.value += weight * (current - self.value)
        self._at, self._last = now, number
        return self.value


ENOUGH = 10
"""Files that must have ended before the time for the rest is guessed."""


def seconds_left(counters: Counters, files_a_second: float) -> float | None:
    """How long the rest of the list takes at this speed; None while that cannot be said, as it cannot from a few files."""
    if counters.total is None or files_a_second <= 0:
        return None
    rest = max(0, counters.total - counters.ended)
    return rest / files_a_second if counters.ended >= ENOUGH or not rest else None


def time_left(seconds: float) -> str:
    """``1:05``, ``2:03:04``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
