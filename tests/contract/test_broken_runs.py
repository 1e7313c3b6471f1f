"""A mistake in the program itself ends the run with the truth: no strategy hangs, and nothing is left behind."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloader import Downloader, HTTPStatusError, Interrupted, Result
from downloader.core.model import Attempt, End, Outcome, Status
from downloader.core.scheduling.scheduler import Scheduler
from downloader.engine import run as runs
from downloader.strategies import auto
from downloader.testserver.launch import TestServer
from tests.support.builds import replaces_internals
from tests.support.files import names_in
from tests.support.processes import wait_until
from tests.support.scripted import MakeServer, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

ENOUGH = 30.0
"""Seconds in which any run of these tests must have ended; none takes a tenth of it."""


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No thread of a run outlives it."""
    before = set(threading.enumerate())
    yield
    assert [thread.name for thread in threading.enumerate() if thread not in before and thread.name.startswith("dl-")] == []


@replaces_internals
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("nth", [1, 7])
def test_what_is_raised_when_attempts_are_taken_ends_the_run(
    strategy: str, nth: int, tmp_path: Path, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, take = [], Scheduler.take

    def broken(self: Scheduler, now: float, most: int = 1) -> list[Attempt]:
        batch = take(self, now, most)
        taken.append(len(batch))
        if sum(map(bool, taken)) >= nth:
            raise RuntimeError("a mistake of ours")
        return batch

    monkeypatch.setattr(Scheduler, "take", broken)
    session = Downloader(tmp_path, strategy=strategy, jobs=2).session([server.file(n, 3000) for n in range(300)])
    session.start()
    assert session.wait(ENOUGH), "the run hangs"
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        session.join()
    assert session.report.interrupted
    assert session.report.ended_by is session.error


@replaces_internals
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("thread", ["dl-run", "dl-loop"])
def test_an_error_in_one_loop_ends_all_loops(
    thread: str, tmp_path: Path, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Scheduler.take

    def broken(self: Scheduler, now: float, most: int = 1) -> list[Attempt]:
        batch = take(self, now, most)
        if batch and threading.current_thread().name == thread:
            raise RuntimeError("a mistake of ours")
        return batch

    monkeypatch.setattr(Scheduler, "take", broken)
    monkeypatch.setattr(auto, "cores", lambda: 2)
    server = scripted(lambda connection, asked: connection.hang())
    session = Downloader(tmp_path, strategy="auto", jobs=4).session([f"{server.url}/{number}" for number in range(8)])
    session.stats.total = 8  # so few that there is a loop for each processor
    session.start()
    assert session.wait(ENOUGH), "the run hangs"
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        session.join()


@pytest.mark.usefixtures("nothing_left")
def test_what_a_callers_function_raises_ends_the_run(strategy: str, tmp_path: Path, server: TestServer) -> None:
    def broken(result: object) -> None:
        raise RuntimeError("a mistake of the caller's")

    session = Downloader(tmp_path, strategy=strategy, jobs=2).session([server.file(n, 3000) for n in range(300)], broken)
    session.start()
    assert session.wait(ENOUGH), "the run hangs"
    with pytest.raises(RuntimeError, match="of the caller's"):
        session.join()


def test_a_name_that_the_locale_does_not_have_fails_that_file_alone(
    strategy: str, tmp_path: Path, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ascii_only(path: str) -> bytes:
        return path.encode("ascii")

    monkeypatch.setattr(runs, "ANY_NAME", False)
    monkeypatch.setattr(os, "fsencode", ascii_only)
    urls = [server.file(1, 10), f"{server.url}/f/caf%C3%A9.bin", server.file(2, 10)]
    report = Downloader(tmp_path, strategy=strategy, jobs=2).run(urls)
    monkeypatch.undo()
    assert names_in(tmp_path) == ["1.bin", "2.bin"]
    (failed,) = report.failed
    assert failed.status is Status.FAILED
    assert "the locale (ascii) has no such file name" in str(failed.error)
    assert report.exit_code == 3


def test_a_folder_that_says_no_is_asked_once_and_nothing_is_fetched(
    strategy: str, tmp_path: Path, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.statvfs_result((512, 512, 1000, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: full)
    report = Downloader(tmp_path, strategy=strategy, jobs=2).run([server.file(n, 10) for n in range(50)])
    assert (report.done, report.failures, report.received) == (0, 1, 0)
    assert report.ended_by is not None
    assert report.exit_code == 3


def test_what_waits_for_another_try_is_told_when_the_run_is_stopped(
    strategy: str, tmp_path: Path, scripted: MakeServer
) -> None:
    server = scripted(reply("503 Service Unavailable", Retry_After="60"))
    session = Downloader(tmp_path, strategy=strategy, jobs=2).session([f"{server.url}/{number}" for number in range(5)])
    session.start()
    wait_until(lambda: session.stats.waiting is not None and session.stats.waiting.files == 5, timeout=ENOUGH)
    session.stop()
    report = session.join()
    assert (report.failures, report.interrupted) == (5, True)
    assert all(isinstance(result.error, Interrupted) for result in report.failed)


def test_a_stop_noticed_by_take_loses_no_result(tmp_path: Path, scripted: MakeServer) -> None:
    server = scripted(reply("503 Service Unavailable", Retry_After="60"))
    told: list[Result] = []
    session = Downloader(tmp_path, strategy="serial").session([f"{server.url}/{number}" for number in range(3)], told.append)
    run = session.run
    for attempt in iter(lambda: next(iter(run.take()), None), None):
        error = HTTPStatusError(503, attempt.url, "", 60.0)
        run.settle([Outcome(attempt.key, End.FAILED, status=503, error=error)])
    run.stop()
    assert run.take() == []
    assert run.finished
    assert [type(result.error) for result in told] == [Interrupted] * 3
