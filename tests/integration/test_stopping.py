"""Ctrl-C, SIGTERM and SIGKILL, as they hit the command: nothing is lost, nothing is left running."""

import os
import random
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from downloader.core.model import Outcome
from downloader.strategies.processes import _ProcessSlot
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import start_dl
from tests.support.files import assert_served_files, names_in, part_files_with_bytes
from tests.support.processes import assert_session_ended, kill_and_wait, wait_until, worker_processes
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply, serve
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BODY = content.body(1, 0, 4_000_000)
ROUNDS = 10


def hangs(connection: Connection, request: RecordedRequest) -> None:
    """Half of the body, then nothing."""
    connection.send(reply("200 OK", BODY[:2_500_000], length=len(BODY), ETag='"v1"'))
    connection.hang()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_the_run_in_good_order(
    strategy: str, scripted: MakeServer, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start_dl([f"{server.url}/{name}" for name in "abcdef"], folder, strategy, "--grace", "0.3")
    wait_until(lambda: part_files_with_bytes(folder), "nothing came")
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert "interrupted: run the same command again" in said
    assert "Traceback" not in said
    assert_session_ended(process)
    kept = [name for name in names_in(folder) if name.endswith(".part")]
    assert kept
    assert names_in(folder) == sorted(kept + [f"{name}.meta" for name in kept])


def test_two_signals_end_it_at_once(strategy: str, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start_dl([f"{server.url}/{name}" for name in "abcdef"], folder, strategy, "--grace", "600")
    wait_until(lambda: part_files_with_bytes(folder), "nothing came")
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    assert "stopping" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "leaked" not in said
    assert_session_ended(process)


def test_interrupted_run_goes_on_where_it_was(strategy: str, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start_dl([f"{server.url}/a"], folder, strategy, "--grace", "0.2")
    wait_until(lambda: part_files_with_bytes(folder), "nothing came")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    server.scripts = (serve(BODY, ETag='"v1"'),)
    again = start_dl([f"{server.url}/a"], folder, strategy)
    again.communicate(timeout=30)
    assert again.returncode == 0
    assert server.requests[-1].headers["if-range"] == '"v1"'
    assert (folder / "a").read_bytes() == BODY
    assert names_in(folder) == ["a"]


@pytest.mark.slow
def test_killed_worker_costs_a_retry_and_not_the_run(server: TestServer, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    urls = [server.file(number, 3_000_000, rate=2_000_000) for number in range(9)]
    process = start_dl(urls, folder, "processes")
    killed: set[int] = set()
    for _ in range(3):
        wait_until(lambda: part_files_with_bytes(folder) >= 2, "nothing came")
        workers = worker_processes(process.pid, b"spawn_main")
        victim = next(pid for pid in workers if pid not in killed)
        killed.add(victim)
        kill_and_wait(victim)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "9 done, 0 skipped, 0 failed" in said
    assert_served_files(folder, 9, 3_000_000)
    assert_session_ended(process)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(strategy: str, server: TestServer, tmp_path: Path) -> None:
    """SIGKILL at a random moment, then the same command until it is done; digests equal. The seed is in the message."""
    seed = int(os.environ.get("TEST_SEED", "0")) or random.randrange(1 << 30)
    chance = random.Random(seed)
    rounds = int(os.environ.get("TEST_ROUNDS", ROUNDS))
    urls = [server.file(number, 2_200_000, rate=6_000_000) for number in range(4)]
    for turn in range(rounds):
        folder = tmp_path / str(turn) / "out"
        folder.parent.mkdir()
        process = start_dl(urls, folder, strategy)
        time.sleep(chance.uniform(0.1, 1.0))
        process.kill()
        process.communicate(timeout=30)
        again = start_dl(urls, folder, strategy)
        _, said = again.communicate(timeout=60)
        assert again.returncode == 0, (seed, turn, said)
        assert_served_files(folder, 4, 2_200_000)
        assert list(folder.rglob(".dl-*")) == []
        assert_session_ended(process)
        assert_session_ended(again)


def test_batch_that_is_cancelled_at_the_end_of_a_run_is_no_dead_worker() -> None:
    slot = object.__new__(_ProcessSlot)
    slot._deaths = 1
    batch: Future[list[Outcome]] = Future()
    batch.cancel()
    slot._count_death(batch)  # would raise what Future prints as an error of ours
    assert slot._deaths == 1
