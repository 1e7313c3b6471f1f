"""Plain numbers, added to by whoever moves bytes and sampled by whoever draws. No lock: each number has one writer."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from downloader.core.scheduling.retry_queue import Waiting


class Lane(Protocol):
    """What one worker is doing now. ``received`` counts all body bytes it ever took in; the rest is of its present file:
    at byte ``done`` of ``size`` (0: unknown) since ``since`` (monotonic seconds; 0: idle), last ``heard`` of in its body then.

    ``key``: of its Attempt. ``splittable``: others may take a part of it over. ``stop``, written by whoever decides so:
    the byte where it is to end (0: the end; negative: at once). ``task``: which place of an event loop it is; 0: of none.
    ``paused``: seconds that it took nothing, to keep to a rate, in its present file. ``beyond``: bytes of the file that
    were there before and lie behind the byte that it is at.
    """

    received: int
    done: int
    size: int
    stop: int
    key: int
    splittable: bool
    since: float
    heard: float
    paused: float
    beyond: int
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
    paused: float = 0.0
    beyond: int = 0
    name: str = ""
    task: int = 0


class Moving(NamedTuple):
    """One file on its way, as sampled: ``done`` of ``size`` bytes are there (0: unknown)."""

    name: str
    done: int
    size: int
    since: float


@dataclass(slots=True)
class Counters:
    """The numbers of one run. ``total`` is None while the length of the list is unknown.

    ``done_bytes``: of the files that are done. ``in_segments``: bytes that are there of files that come in Segments, by path.
    ``waiting``: what waits for another try. ``full``: the run waits for space.
    """

    total: int | None = None
    done: int = 0
    skipped: int = 0
    failed: int = 0
    done_bytes: int = 0
    lanes: list[Lane] = field(default_factory=list)
    in_segments: dict[str, int] = field(default_factory=dict)
    waiting: Waiting | None = None
    full: bool = False

    @property
    def ended(self) -> int:
        """Downloads that have their Result."""
        return self.done + self.skipped + self.failed

    @property
    def received(self) -> int:
        """Body bytes taken in so far."""
        return sum(lane.received for lane in self.lanes)

    def files(self) -> list[Moving]:
        """The files that are on their way, each once, however many Attempts are at it; the oldest first."""
        found: dict[str, Moving] = {}
        in_segments = self.in_segments
        for lane in self.lanes:
            since, name = lane.since, lane.name
            if not since:
                continue
            there = in_segments.get(name)
            item = Moving(name, int(lane.done + lane.beyond) if there is None else there, int(lane.size), since)
            other = found.get(name)
            if other is not None:
                item = Moving(name, max(item.done, other.done), max(item.size, other.size), min(since, other.since))
            found[name] = item
        return sorted(found.values(), key=lambda item: item.since)

    def moving(self, now: float, longer_than: float = 1.0) -> list[Moving]:
        """Of `files`, those that have been on their way for longer than so many seconds."""
        return [item for item in self.files() if now - item.since > longer_than]
