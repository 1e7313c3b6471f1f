"""The numbers that worker processes and their parent share: statistics of each slot, orders to end, and the state of the run.

The memory is an array of doubles, which count exactly up to 2**53: one number for the run (`RUNNING`, `STOPPING` or
`GRACE_OVER`), then `WIDTH` numbers for each slot. No lock is needed, because each number has one writer: the parent writes the
state of the run and the orders, the worker writes everything else. Between two batches of a slot, the parent resets `started`.
"""

import math
import mmap
import os
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from downloader.engine.contract import Slot
from downloader.engine.control import Cut

RUNNING, STOPPING, GRACE_OVER = 0.0, 1.0, 2.0

WIDTH = 12
_RECEIVED, _DONE, _SIZE, _KEY, _SPLITTABLE, _SINCE, _PAUSED, _BEYOND, _STARTED, _PLACE, _CUT_KEY, _CUT_STOP = range(WIDTH)


class Numbers(Protocol):
    """An array of doubles."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> float: ...
    def __setitem__(self, index: int, value: float, /) -> None: ...


class SharedMemory:
    """The array, in memory that several processes have mapped. Picklable where multiprocessing made it."""

    def __init__(self, numbers: Any) -> None:
        self.numbers: Numbers = numbers

    @classmethod
    def for_spawned(cls, context: Any, slots: int) -> "SharedMemory":
        """Memory for processes that a multiprocessing ``context`` starts."""
        return cls(context.RawArray("d", 1 + WIDTH * slots))

    @classmethod
    def mapped(cls, descriptor: int, slots: int) -> "SharedMemory":
        """The same in an open file, for every process that has inherited its descriptor."""
        size = 8 * (1 + WIDTH * slots)
        if os.fstat(descriptor).st_size < size:
            os.truncate(descriptor, size)
        return cls(memoryview(mmap.mmap(descriptor, size)).cast("d"))

    @property
    def state(self) -> float:
        """`RUNNING`, `STOPPING` or `GRACE_OVER`."""
        return self.numbers[0]

    @state.setter
    def state(self, value: float) -> None:
        self.numbers[0] = value

    def set_started(self, slot: int, index: int) -> None:
        """Worker: the Attempt at this index of the slot's batch is under way; -1: none is."""
        self.numbers[1 + WIDTH * slot + _STARTED] = index

    def started(self, slot: int) -> int:
        """Parent: the index that the worker has set."""
        return int(self.numbers[1 + WIDTH * slot + _STARTED])

    def make_idle(self, slot: int) -> None:
        """Parent: the worker of this slot has died, and nothing runs in the slot."""
        at = 1 + WIDTH * slot
        self.numbers[at + _SINCE] = self.numbers[at + _SPLITTABLE] = 0
        self.numbers[at + _STARTED] = -1

    def close(self) -> None:
        """Unmap the memory. What was counted stays readable."""
        view = self.numbers
        if isinstance(view, memoryview):
            self.numbers = array("d", view)
            mapping: Any = view.obj
            view.release()
            mapping.close()


def _number(index: int, kind: Callable[[float], Any]) -> Any:
    def read(self: "SharedStats") -> Any:
        try:
            return kind(self.memory.numbers[self.at + index])
        except ValueError:  # the memory was closed at this very moment: its last numbers are kept
            return kind(self.memory.numbers[self.at + index])

    def write(self: "SharedStats", value: float) -> None:
        self.memory.numbers[self.at + index] = value

    return property(read, write)


class SharedStats:
    """The `SlotStats` of one slot, in shared memory. ``names``: the path of each Attempt's file, by key, in this process."""

    if TYPE_CHECKING:
        received: int
        done: int
        size: int
        key: int
        splittable: bool
        since: float
        paused: float
        beyond: int
        place: int
    else:
        received = _number(_RECEIVED, int)
        done = _number(_DONE, int)
        size = _number(_SIZE, int)
        key = _number(_KEY, int)
        splittable = _number(_SPLITTABLE, bool)
        since = _number(_SINCE, float)
        paused = _number(_PAUSED, float)
        beyond = _number(_BEYOND, int)
        place = _number(_PLACE, int)

    def __init__(self, memory: SharedMemory, slot: int, names: dict[int, str] | None = None) -> None:
        self.memory = memory
        self.at = 1 + WIDTH * slot
        self.names = {} if names is None else names
        self.heard = 0.0  # the parent has no use for it

    @property
    def name(self) -> str:
        """The path of the present file; empty where this process does not know it."""
        return self.names.get(self.key, "")

    @name.setter
    def name(self, value: str) -> None:
        self.names = {self.key: value}


class SharedCut(Cut):
    """Parent: the order to a slot of a worker process. `MirroredSlot.copy` brings it to the worker's own `Cut`."""

    __slots__ = ("_at", "_memory")

    def __init__(self, memory: SharedMemory, slot: int) -> None:
        super().__init__()
        self._memory = memory
        self._at = 1 + WIDTH * slot
        self.clear()

    def end_at(self, key: int, stop: int) -> None:
        """See `Cut`. The key is written last, so that the worker never sees one Attempt's offset under another's key."""
        numbers, at = self._memory.numbers, self._at
        if numbers[at + _CUT_KEY] != key:
            numbers[at + _CUT_KEY] = math.nan
        numbers[at + _CUT_STOP] = stop
        numbers[at + _CUT_KEY] = key
        super().end_at(key, stop)

    def clear(self) -> None:
        """See `Cut`."""
        self._memory.numbers[self._at + _CUT_KEY] = math.nan
        super().clear()


class MirroredSlot:
    """Worker: a slot in its own memory, and its copy in shared memory, where writing costs five times as much."""

    __slots__ = ("_at", "_memory", "_received_before", "_shared", "slot")

    def __init__(self, slot: Slot, memory: SharedMemory, number: int) -> None:
        self.slot = slot
        self._shared = SharedStats(memory, number)
        self._received_before = self._shared.received  # by a worker that has died
        self._memory = memory
        self._at = 1 + WIDTH * number

    def copy(self) -> None:
        """Copy the statistics to shared memory, and the parent's order, if it names the present Attempt, to the slot."""
        own, shared, numbers = self.slot.stats, self._shared, self._memory.numbers
        if own.since and numbers[self._at + _CUT_KEY] == own.key:
            self.slot.cut.end_at(own.key, int(numbers[self._at + _CUT_STOP]))
        shared.received = self._received_before + own.received
        shared.done, shared.size = own.done, own.size
        if shared.key != own.key:
            shared.splittable = False  # as long as it is the key of the Attempt before
            shared.key = own.key
        shared.splittable, shared.since = own.splittable, own.since
        shared.paused, shared.beyond = own.paused, own.beyond
