"""What a worker process does with the parcels that its parent sends, seen from the parent's end of the socket."""

import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloader.core.http.messages import TransferPolicy
from downloader.core.model import Attempt, End, Outcome
from downloader.engine.contract import AttemptContext, WorkerConfig
from downloader.engine.workers import process as worker
from downloader.engine.workers.channel import Channel
from downloader.engine.workers.parcels import Ended
from downloader.engine.workers.process import WorkerRun
from downloader.engine.workers.shared_memory import STOPPING, SharedMemory
from downloader.storage.folder import Folder
from downloader.transports.base import ClientOptions

ATTEMPTS = [Attempt(number, 1, f"http://h/{number}", f"http://h/{number}", str(number)) for number in range(3)]


class Bench:
    """A worker with one slot, that was sent one parcel of three Attempts and has begun the first."""

    def __init__(self, root: Path) -> None:
        ours, theirs = socket.socketpair()
        self.parent: Channel[Ended] = Channel(ours, blocking=False, kind=Ended)
        self.memory = SharedMemory.for_spawned(multiprocessing.get_context("spawn"), 1)
        self.sock = theirs
        config = WorkerConfig(str(root), TransferPolicy(), ClientOptions())
        self.run = WorkerRun(theirs, AttemptContext(config, Folder(str(root))), self.memory, 0, 1)
        self.parent.send([(0, ATTEMPTS)])
        self.run.wake()
        assert self.run.take() == ATTEMPTS[:1]

    def back(self) -> list[tuple[int, list[tuple[int, End]]]]:
        """What has come back: the slots, and how their Attempts ended."""
        messages = self.parent.receive()
        return [(slot, [(item.key, item.end) for item in outcomes]) for ended in messages for slot, outcomes in ended]

    def close(self) -> None:
        """Close both ends."""
        self.parent.close()
        self.sock.close()
        self.run.context.folder.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """See `Bench`."""
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_parcel_comes_back_when_all_of_it_has_ended(bench: Bench) -> None:
    for number in range(3):
        assert bench.back() == []
        bench.run.settle([Outcome(number, End.COMPLETE)])
        bench.run.take()
    assert bench.back() == [(0, [(0, End.COMPLETE), (1, End.COMPLETE), (2, End.COMPLETE)])]


def test_after_a_stop_what_was_not_begun_comes_back_unstarted(bench: Bench) -> None:
    bench.memory.state = STOPPING
    bench.run.settle([Outcome(0, End.COMPLETE)])
    assert bench.run.take() == []
    assert bench.back() == [(0, [(0, End.COMPLETE), (1, End.UNSTARTED), (2, End.UNSTARTED)])]


def test_what_waits_behind_a_slow_file_goes_back_to_the_parent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BATCH_SECONDS", -1.0)  # whatever runs is slow
    bench.run.tick()
    assert bench.back() == [(0, [(1, End.UNSTARTED), (2, End.UNSTARTED)])]
    bench.run.settle([Outcome(0, End.COMPLETE)])
    assert bench.back() == [(0, [(0, End.COMPLETE)])]
