"""Files that kill the process that works on them: they fail, and no other file does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer
from tests.support import processing_functions
from tests.support.files import assert_served_files
from tests.support.processes import assert_session_ended, wait_until, worker_processes

pytestmark = pytest.mark.slow

COUNT, SIZE, JOBS = 300, 2_000, 16
COMMAND = """
import sys
from downloader.cli.main import main
main(sys.argv[1:])
"""
AUTO = "from tests.support.constants import change_over_at_once\nchange_over_at_once()\n"
MULTIPROCESSING = b"multiprocessing.spawn"


def start(urls: list[str], folder: Path, strategy: str, *flags: str) -> "subprocess.Popen[str]":
    """`dl` in a session of its own; `auto` changes over to processes at its first look."""
    listing = folder.with_name("urls.txt")
    listing.write_text("\n".join(urls) + "\n")
    words = [str(listing), "-s", strategy, "-d", str(folder), "-j", "4" if strategy == "processes" else str(JOBS), *flags]
    report = ["--report", str(folder.with_name("report.jsonl")), "--progress", "none"]
    command = [sys.executable, "-c", (AUTO if strategy == "auto" else "") + COMMAND, *words, *report]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """What the report says of each file, by its name."""
    lines = [json.loads(line) for line in folder.with_name("report.jsonl").read_text().splitlines()]
    assert len({line["url"] for line in lines}) == len(lines)
    return {str(line["url"]).rpartition("/")[2].partition("?")[0]: line for line in lines}


@pytest.mark.parametrize("retries", ["0", "2"])
@pytest.mark.parametrize("strategy", ["hybrid", "gevent", "processes", "auto"])
def test_only_the_files_that_kill_their_worker_fail(server: TestServer, tmp_path: Path, strategy: str, retries: str) -> None:
    folder = tmp_path / "out"
    deadly = {"201.bin", "250.bin"} if retries == "2" else {"201.bin"}
    function = f"{processing_functions.__name__}:{'kills_over_two_files' if len(deadly) > 1 else 'kills_over_one_file'}"
    urls = [server.file(number, SIZE) for number in range(COUNT)]
    process = start(urls, folder, strategy, "--process", function, "--retries", retries)
    _, said = process.communicate(timeout=120)
    found = rows(folder)
    assert {name for name, row in found.items() if row["status"] == "failed"} == deadly, said
    assert Counter(row["status"] for row in found.values()) == {"done": COUNT - len(deadly), "failed": len(deadly)}
    assert all("the worker process died" in str(found[name]["error"]) for name in deadly)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert_session_ended(process)


@pytest.mark.parametrize("strategy", ["hybrid", "gevent", "processes", "auto"])
def test_a_worker_that_is_killed_once_costs_its_requests_and_no_file(server: TestServer, tmp_path: Path, strategy: str) -> None:
    folder = tmp_path / "out"
    process = start([server.file(number, SIZE, delay=0.05) for number in range(COUNT)], folder, strategy, "--retries", "0")
    module = (MULTIPROCESSING,) if strategy == "processes" else ()
    wait_until(lambda: worker_processes(process.pid, *module), "no worker starts", unless=lambda: process.poll() is not None)
    wait_until(lambda: folder.exists() and len(list(folder.iterdir())) > 50, "nothing comes")
    victim = worker_processes(process.pid, *module)[0]
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    found = rows(folder)
    assert Counter(row["status"] for row in found.values()) == {"done": COUNT}
    assert_served_files(folder, COUNT, SIZE)
    assert sum(int(str(row["attempts"])) - 1 for row in found.values()) <= JOBS  # what never began is not counted
    assert_session_ended(process)


def test_a_stop_while_suspects_wait_loses_no_result(server: TestServer, tmp_path: Path) -> None:
    """Each suspect is interrupted or fails, and everything else is as after any other stop."""
    folder = tmp_path / "out"
    urls = [server.file(number, SIZE, delay=0.1) for number in range(COUNT)]
    function = f"{processing_functions.__name__}:kills_over_every_file"
    process = start(urls, folder, "hybrid", "--process", function, "--grace", "1")
    wait_until(lambda: worker_processes(process.pid), "no worker starts", unless=lambda: process.poll() is not None)
    time.sleep(1.5)  # a stop at any moment must end well; by now there are suspects, unless the machine is very busy
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert {row["status"] for row in rows(folder).values()} <= {"failed"}
    assert_session_ended(process)
