"""Plain numbers, added to by whoever moves bytes and sampled by whoever draws. No lock: each number has one writer."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Lane(Protocol):
    """What one worker is doing now. ``received`` counts all body bytes it ever took in; the rest is of its present file:
    ``done`` of ``size`` bytes (0: unknown) since ``since`` (monotonic seconds; 0: idle).
    """

    received: int
    done: int
    size: int
    since: float
    name: str


@dataclass(slots=True)
class PlainLane:
    """A Lane of this process."""

    received: int = 0
    done: int = 0
    size: int = 0
    since: float = 0.0
    name: str = ""


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
    retried: int = 0
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
