"""The memory that a worker process and its parent share: here both sides are in one process."""

import multiprocessing
import tempfile

import pytest

from downloader.engine.contract import Slot
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats
from downloader.engine.workers.shared_memory import GRACE_OVER, RUNNING, MirroredSlot, SharedCut, SharedMemory, SharedStats


@pytest.fixture
def memory() -> SharedMemory:
    """Room for two slots."""
    return SharedMemory.for_spawned(multiprocessing.get_context("spawn"), 2)


def running(key: int, **numbers: float) -> Slot:
    """A worker's slot with an Attempt under way."""
    stats = LocalStats(key=key, since=1.0)
    for name, value in numbers.items():
        setattr(stats, name, value)
    return Slot(stats, Cut())


def test_the_parent_sees_the_numbers_of_the_worker(memory: SharedMemory) -> None:
    slot = running(7, received=10, done=20, size=30, paused=0.5, beyond=3, splittable=True)
    MirroredSlot(slot, memory, 1).copy()
    shown = SharedStats(memory, 1, {7: "a/b.bin"})
    assert (shown.key, shown.received, shown.done, shown.size, shown.beyond) == (7, 10, 20, 30, 3)
    assert (shown.since, shown.paused, shown.splittable, shown.name) == (1.0, 0.5, True, "a/b.bin")
    assert SharedStats(memory, 0).received == 0


def test_bytes_of_a_worker_that_has_died_still_count(memory: SharedMemory) -> None:
    first, shown = running(7, received=10), SharedStats(memory, 0)
    MirroredSlot(first, memory, 0).copy()
    memory.make_idle(0)
    second = running(8, received=5)
    again = MirroredSlot(second, memory, 0)
    again.copy()
    assert shown.received == 15
    second.stats.received = 7
    again.copy()
    assert shown.received == 17


def test_an_order_reaches_the_attempt_that_it_names(memory: SharedMemory) -> None:
    slot, order = running(7), SharedCut(memory, 0)
    mirrored = MirroredSlot(slot, memory, 0)
    order.end_at(7, 500)
    mirrored.copy()
    assert slot.cut.stop_of(7) == 500
    order.end_at(7, 400)
    mirrored.copy()
    assert slot.cut.stop_of(7) == 400


def test_an_order_to_another_attempt_is_not_obeyed(memory: SharedMemory) -> None:
    slot, order = running(8), SharedCut(memory, 0)
    order.end_at(7, 500)
    MirroredSlot(slot, memory, 0).copy()
    assert slot.cut.order is None


def test_an_order_that_was_withdrawn_does_not_end_the_next_attempt_at_the_same_file(memory: SharedMemory) -> None:
    slot, order = running(7), SharedCut(memory, 0)
    mirrored = MirroredSlot(slot, memory, 0)
    order.end_at(7, 500)
    mirrored.copy()
    order.clear()
    slot.cut.clear()  # the next Attempt has begun
    mirrored.copy()
    assert slot.cut.order is None


def test_what_was_counted_stays_readable_when_the_memory_is_closed() -> None:
    with tempfile.TemporaryFile() as file:
        memory = SharedMemory.mapped(file.fileno(), 1)
        MirroredSlot(running(7, received=10), memory, 0).copy()
        memory.state = GRACE_OVER
        memory.make_idle(0)
        memory.close()
    shown = SharedStats(memory, 0)
    assert (shown.received, shown.since, memory.state) == (10, 0.0, GRACE_OVER)


def test_a_new_memory_says_that_the_run_goes_on(memory: SharedMemory) -> None:
    assert memory.state == RUNNING
    memory.set_started(1, 3)
    assert (memory.started(0), memory.started(1)) == (0, 3)
    memory.make_idle(1)
    assert memory.started(1) == -1
