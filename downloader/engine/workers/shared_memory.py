"""What worker processes and their parent see at once, through shared memory: counters, and whether the run is to stop.

The array: one number for the run (0, or what `STOPPING` and `EXPIRED` stand for), then `WIDTH` numbers for each lane.
"""

import mmap
import os
from typing import Any

from downloader.engine.stats import PlainLane

WIDTH = 12
_RECEIVED, _DONE, _SIZE, _STOP, _TOLD, _KEY, _SPLITTABLE, _SINCE, _HEARD, _PAUSED, _BEYOND, _BEGUN = range(WIDTH)
STOPPING, EXPIRED = 1.0, 2.0


def numbers(context: Any, lanes: int) -> Any:
    """Shared memory for so many lanes, for processes that multiprocessing starts. Doubles count exactly up to 2**53."""
    return context.RawArray("d", 1 + WIDTH * lanes)


def mapped(descriptor: int, lanes: int) -> Any:
    """The same in an open file, for whoever has inherited its descriptor."""
    size = 8 * (1 + WIDTH * lanes)
    if os.fstat(descriptor).st_size < size:
        os.truncate(descriptor, size)
    return memoryview(mmap.mmap(descriptor, size)).cast("d")


def begun_at(lane: int) -> int:
    """Where a lane's ``begun`` stands: which Attempt of its shard is under way."""
    return 1 + WIDTH * lane + _BEGUN


def _slot(index: int) -> Any:
    def read(self: Any) -> float:
        try:
            value: float = self._shared[self._at + index]
        except ValueError:  # the run is over, and its memory given back
            return 0
        return value if index in (_SINCE, _HEARD, _PAUSED) else int(value)

    def write(self: Any, value: float) -> None:
        self._shared[self._at + index] = value

    return property(read, write)


class SharedLane:
    """A Lane whose numbers are in shared memory: one process writes them, another samples them."""

    __slots__ = ("_at", "_shared", "name", "task")

    def __init__(self, shared: Any, number: int) -> None:
        self._shared = shared
        self._at = 1 + WIDTH * number
        self.name = ""
        self.task = 0

    received = _slot(_RECEIVED)
    done = _slot(_DONE)
    size = _slot(_SIZE)
    stop = _slot(_STOP)
    told = _slot(_TOLD)
    key = _slot(_KEY)
    splittable = _slot(_SPLITTABLE)
    since = _slot(_SINCE)
    heard = _slot(_HEARD)
    paused = _slot(_PAUSED)
    beyond = _slot(_BEYOND)
    begun = _slot(_BEGUN)


class NamedLane(SharedLane):
    """A worker's lane as its parent sees it: named by the Attempt that it says it runs."""

    __slots__ = ("_paths",)

    def __init__(self, shared: object, number: int, paths: dict[int, str]) -> None:
        super().__init__(shared, number)
        self._paths = paths

    @property
    def name(self) -> str:
        """The path of what is on its way there."""
        return self._paths.get(int(self.key), "")

    @name.setter
    def name(self, value: str) -> None:
        """It goes by the key."""


class MirroredLane(PlainLane):
    """A Lane of a worker's own, brought to shared memory now and then: writing there costs five times as much."""

    __slots__ = ("_seen",)

    def __init__(self, shared: Any, number: int) -> None:
        super().__init__()
        self._seen = SharedLane(shared, number)

    def mirror(self) -> None:
        """Show the parent where this is, and take from it where it is to end."""
        seen = self._seen
        if seen.key == self.key and self.since and seen.stop != seen.told:
            self.stop = int(seen.stop)
        seen.received, seen.done, seen.size, seen.heard = self.received, self.done, self.size, self.heard
        if seen.key != self.key:
            seen.splittable = 0  # of the one before
            seen.key = self.key
        seen.stop = seen.told = self.stop
        seen.splittable, seen.since = self.splittable, self.since
        seen.paused, seen.beyond = self.paused, self.beyond
