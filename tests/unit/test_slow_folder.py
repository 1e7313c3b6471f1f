"""When a folder counts as slow, and the threads of a loop that wait for one."""

import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from downloader.engine.attempt.commands import STORAGE_THREADS, Call
from downloader.engine.long_calls import LongCalls
from downloader.engine.processors import cores
from downloader.storage.folder import COUNTED_SECONDS, FAST_SECONDS, SLOW_SECONDS, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A folder."""
    made = Folder(str(tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("seconds", "is_slow"),
    [
        ([], False),
        ([FAST_SECONDS / 5] * 100, False),
        ([FAST_SECONDS / 5] * 20 + [60.0], False),  # one, however long it took
        ([60.0], False),
        ([COUNTED_SECONDS] * 3, True),
        ([0.003] * 5, True),
        ([0.003, 0.0001] * 20, True),  # on average
        ([SLOW_SECONDS * 0.9] * 1000, False),
        ([SLOW_SECONDS * 1.1] * 100, True),
        ([0.003] * 20 + [(SLOW_SECONDS + FAST_SECONDS) / 2] * 1000, True),  # it does not change all the time
        ([0.003] * 20 + [FAST_SECONDS / 5] * 30, False),
        ([60.0] * 20 + [FAST_SECONDS / 5] * 30, False),
    ],
)
def test_folder_is_slow_while_names_take_long_on_average(folder: Folder, seconds: list[float], is_slow: bool) -> None:
    for each in seconds:
        folder.naming_took(each)
    assert folder.is_slow is is_slow


class _Multi:
    """The loop of the calls: `turn` waits until a call has ended."""

    def add_reader(self, descriptor: int, call: Callable[[], object]) -> None:
        """See `CurlMulti`."""
        self.descriptor, self.call = descriptor, call

    def turn(self) -> None:
        """Wait for the end of a call."""
        assert select.select([self.descriptor], [], [], 30)[0]
        self.call()


def test_calls_that_wait_run_together() -> None:
    multi: Any = _Multi()
    calls, ended = LongCalls(multi), []
    all_wait = threading.Barrier(STORAGE_THREADS)
    for _ in range(STORAGE_THREADS):
        calls.submit(Call(lambda: all_wait.wait(30), long=True, waits=True), ended.append)
    while len(ended) < STORAGE_THREADS:
        multi.turn()
    assert ended == [None] * STORAGE_THREADS
    calls.close()


def test_calls_that_work_are_as_many_as_processors_though_others_wait() -> None:
    multi: Any = _Multi()
    calls, ended, lock, go_on = LongCalls(multi), [], threading.Lock(), threading.Event()
    running = most = 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go_on.wait(30)
        with lock:
            running -= 1
        raise OSError("as it came")

    count = 4 * max(2, cores())
    for _ in range(count):
        calls.submit(Call(work, long=True), ended.append)
    waited: list[object] = []
    calls.submit(Call(lambda: None, long=True, waits=True), waited.append)
    while not waited:  # although every thread that works is taken
        multi.turn()
    assert ended == []
    go_on.set()
    while len(ended) < count:
        multi.turn()
    assert {str(error) for error in ended} == {"as it came"}
    assert most <= max(2, cores())
    calls.close()
