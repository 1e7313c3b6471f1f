"""Ctrl-C, SIGTERM and SIGKILL, as they hit the command: nothing is lost, nothing is left running."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from downloader.core.model import Outcome
from downloader.strategies.processes import _ProcessSlot
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.scripted import Asked, Connection, ScriptedServer, reply

Make = Callable[..., ScriptedServer]
BODY = content.body(1, 0, 4_000_000)
ROUNDS = 10


def start(urls: list[str], folder: Path, strategy: str, *flags: str) -> "subprocess.Popen[str]":
    """`dl`, in a session of its own, so that all its processes can be found again."""
    listing = folder.with_name("urls.txt")
    listing.write_text("\n".join(urls) + "\n")
    command = [sys.executable, "-m", "downloader", str(listing), "-s", strategy, "-d", str(folder), *flags]
    if strategy != "serial":
        command += ["-j", "3"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def members(session: int) -> list[int]:
    """The processes of a session that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def ended_alone(process: "subprocess.Popen[str]") -> None:
    """No process of the run is left."""
    wait_until(lambda: not members(process.pid), f"stray processes: {members(process.pid)}")


def hangs(connection: Connection, asked: Asked) -> None:
    """Half of the body, then nothing."""
    connection.send(reply("200 OK", BODY[:2_500_000], length=len(BODY), ETag='"v1"'))
    connection.hang()


def received(folder: Path, count: int = 1) -> Callable[[], bool]:
    """Whether so many part files hold something."""

    def check() -> bool:
        if not folder.exists():
            return False
        found = 0
        for path in folder.iterdir():
            if path.name.endswith(".part"):
                with contextlib.suppress(FileNotFoundError):  # it has just got its final name
                    found += path.stat().st_size > 0
        return found >= count

    return check


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_the_run_in_good_order(
    strategy: str, scripted: Make, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start([f"{server.url}/{name}" for name in "abcdef"], folder, strategy, "--grace", "0.3")
    wait_until(received(folder), "nothing came")
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert "interrupted: run the same command again" in said
    assert "Traceback" not in said
    ended_alone(process)
    kept = [name for name in os.listdir(folder) if name.endswith(".part")]
    assert kept
    assert sorted(os.listdir(folder)) == sorted(kept + [f"{name}.meta" for name in kept])


def test_two_signals_end_it_at_once(strategy: str, scripted: Make, tmp_path: Path) -> None:
    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start([f"{server.url}/{name}" for name in "abcdef"], folder, strategy, "--grace", "600")
    wait_until(received(folder), "nothing came")
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    assert "stopping" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "leaked" not in said
    ended_alone(process)


def test_interrupted_run_goes_on_where_it_was(strategy: str, scripted: Make, tmp_path: Path) -> None:
    def rest(connection: Connection, asked: Asked) -> None:
        at = int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        where = f"bytes {at}-{len(BODY) - 1}/{len(BODY)}"
        status, fields = ("206 Partial Content", {"Content_Range": where}) if at else ("200 OK", {})
        connection.send(reply(status, BODY[at:], ETag='"v1"', **fields))

    server = scripted(hangs)
    folder = tmp_path / "out"
    process = start([f"{server.url}/a"], folder, strategy, "--grace", "0.2")
    wait_until(received(folder), "nothing came")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    server.scripts = (rest,)
    again = start([f"{server.url}/a"], folder, strategy)
    again.communicate(timeout=30)
    assert again.returncode == 0
    assert server.asked[-1].headers["if-range"] == '"v1"'
    assert (folder / "a").read_bytes() == BODY
    assert os.listdir(folder) == ["a"]


@pytest.mark.slow
def test_killed_worker_costs_a_retry_and_not_the_run(server: TestServer, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    urls = [server.file(number, 3_000_000, rate=2_000_000) for number in range(9)]
    process = start(urls, folder, "processes")
    killed: set[int] = set()
    for _ in range(3):
        wait_until(received(folder, 2), "nothing came")
        workers = [pid for pid in members(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        victim = next(pid for pid in workers if pid not in killed)
        killed.add(victim)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim: victim not in members(process.pid), "it does not die")  # type: ignore[misc]
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "9 done, 0 skipped, 0 failed" in said
    check(folder, 9, 3_000_000)
    ended_alone(process)


def check(folder: Path, count: int, size: int) -> None:
    """All files are there, byte for byte, and nothing else is."""
    assert sorted(os.listdir(folder)) == sorted(f"{number}.bin" for number in range(count))
    for number in range(count):
        digest = hashlib.sha256((folder / f"{number}.bin").read_bytes()).hexdigest()
        assert digest == content.sha256(number, size), number


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
        process = start(urls, folder, strategy)
        time.sleep(chance.uniform(0.1, 1.0))
        process.kill()
        process.communicate(timeout=30)
        again = start(urls, folder, strategy)
        _, said = again.communicate(timeout=60)
        assert again.returncode == 0, (seed, turn, said)
        check(folder, 4, 2_200_000)
        ended_alone(process)
        ended_alone(again)


def test_batch_that_is_cancelled_at_the_end_of_a_run_is_no_dead_worker() -> None:
    slot = object.__new__(_ProcessSlot)
    slot._deaths = 1
    batch: Future[list[Outcome]] = Future()
    batch.cancel()
    slot._count_death(batch)  # would raise what Future prints as an error of ours
    assert slot._deaths == 1
