"""Worker processes of `hybrid`, and of `auto` after it has changed over to them: killed, stopped, or not to be had."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.files import assert_served_files, names_in
from tests.support.processes import assert_session_ended, kill_and_wait, wait_until, worker_processes

pytestmark = pytest.mark.slow

CONSTANTS = "from tests.support.constants import auto, change_over_at_once, replace_constants, two_processors\n"
EAGER = CONSTANTS + "change_over_at_once()\n"
TWO = CONSTANTS + "two_processors()\n"

COMMAND = """
import sys
from downloader.cli.main import main
main(sys.argv[1:])
"""


def start(urls: list[str], folder: Path, strategy: str, *flags: str, before: str = EAGER) -> "subprocess.Popen[str]":
    """`dl` in a session of its own, with three in flight; ``before``: what is run before it."""
    listing = folder.with_name("urls.txt")
    listing.write_text("\n".join(urls) + "\n")
    words = [str(listing), "-s", strategy, "-d", str(folder), "-j", "3", "-v", *flags]
    report = ["--report", str(folder.with_name("report.jsonl"))]
    return subprocess.Popen(
        [sys.executable, "-c", before + COMMAND, *words, *report], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def slow_start(server: TestServer, strategy: str) -> list[str]:
    """What `auto` is to do while its processes start: what its first loop has begun by then stays there."""
    return [server.file(number, 100, delay=0.02) for number in range(1000, 1250)] if strategy == "auto" else []


def endless(server: TestServer) -> list[str]:
    """Files that would take minutes."""
    return [server.file(number, 300_000_000, rate=2_000_000) for number in range(6)]


def open_files(pid: int) -> list[str]:
    """What the open descriptors of a process are; empty where the process has gone, or is closing one of them."""
    with contextlib.suppress(OSError):
        return [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def busy_workers(process: "subprocess.Popen[str]") -> list[int]:
    """The worker processes of a run that have a part file open: they are up, and at work."""
    return [pid for pid in worker_processes(process.pid) if any(link.endswith(".part") for link in open_files(pid))]


def wait_until_busy(process: "subprocess.Popen[str]") -> None:
    """Wait until a worker process of the run is at work. Fails at once if the run has ended."""
    wait_until(lambda: busy_workers(process), "no worker works", unless=lambda: process.poll() is not None)


def results(folder: Path) -> list[tuple[str, str]]:
    """What became of each URL."""
    lines = folder.with_name("report.jsonl").read_text().splitlines()
    return sorted((json.loads(line)["url"], json.loads(line)["status"]) for line in lines)


BOTH = pytest.mark.parametrize("strategy", ["hybrid", "auto"])


@BOTH
@pytest.mark.parametrize("how_many", ["one", pytest.param("all", marks=pytest.mark.slow)])
def test_killed_workers_cost_retries_and_nothing_else(server: TestServer, tmp_path: Path, strategy: str, how_many: str) -> None:
    folder = tmp_path / "out"
    urls = [server.file(number, 2_500_000, rate=1_000_000) for number in range(9)]
    first = slow_start(server, strategy)
    process = start([*first, *urls], folder, strategy, "--retry-wait", "0.05", "--retries", "20")
    for _ in range(3):
        wait_until_busy(process)
        victims = busy_workers(process)
        victims = victims[:1] if how_many == "one" else victims
        kill_and_wait(*victims)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert f"{9 + len(first)} done, 0 skipped, 0 failed" in said
    assert "Traceback" not in said
    assert results(folder) == sorted((url, "done") for url in [*first, *urls])
    for path in folder.glob("1???.bin"):
        path.unlink()
    assert_served_files(folder, 9, 2_500_000)
    assert_session_ended(process)


@pytest.mark.slow
@BOTH
def test_many_small_files_and_workers_that_are_killed_all_the_time(server: TestServer, tmp_path: Path, strategy: str) -> None:
    folder = tmp_path / "out"
    count, size = 400, 20_000
    urls = [server.file(number, size, delay=0.01) for number in range(count)]
    process = start(urls, folder, strategy, "--retry-wait", "0.01", "--retries", "50")
    killed = 0
    while process.poll() is None and killed < 6:
        up = [pid for pid in worker_processes(process.pid) if "anon_inode:[eventpoll]" in open_files(pid)]  # their loops run
        time.sleep(0.1)
        for pid in up[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert results(folder) == sorted((url, "done") for url in urls)
    assert_served_files(folder, count, size)
    assert_session_ended(process)


@BOTH
def test_killed_parent_leaves_no_worker(server: TestServer, tmp_path: Path, strategy: str) -> None:
    folder = tmp_path / "out"
    process = start([*slow_start(server, strategy), *endless(server)], folder, strategy)
    wait_until_busy(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert_session_ended(process)


@pytest.mark.parametrize("times", [1, 2])
@BOTH
def test_interrupts_end_workers_too(server: TestServer, tmp_path: Path, strategy: str, times: int) -> None:
    folder = tmp_path / "out"
    grace = "0.3" if times == 1 else "600"
    urls = [*slow_start(server, strategy), *endless(server)]
    process = start(urls, folder, strategy, "--grace", grace, "--progress", "none")
    wait_until_busy(process)
    for number in range(times):
        if number:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "leaked" not in said
    assert_session_ended(process)
    names = sorted(name for name in names_in(folder) if not name.endswith(".bin"))
    assert any(name.endswith(".part") for name in names)
    if times == 1:
        kept = [name for name in names if name.endswith(".part")]
        assert names == sorted(kept + [f"{name}.meta" for name in kept])


# In a script


def run(script: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A script, as a user would write one to a file."""
    path = folder / "script.py"
    path.write_text(script)
    return subprocess.run([sys.executable, str(path), *words], capture_output=True, text=True, timeout=60, cwd=folder)


UNGUARDED = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
import downloader
report = downloader.download(sys.argv[1:], "out"{more})
print("ran:", report.done, report.failures)
"""


def test_script_without_a_guard_is_run_once(server: TestServer, tmp_path: Path) -> None:
    urls = [server.file(number, 1000, delay=0.02) for number in range(1500)]
    done = run(EAGER + UNGUARDED.format(more=", jobs=8"), tmp_path, *urls)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ran: 1500 0") == 1
    assert done.stdout.count("processes (hybrid)") == 1
    assert done.stderr == ""
    assert_served_files(tmp_path / "out", 1500, 1000)


def test_interpreter_that_is_not_there_is_told(server: TestServer, tmp_path: Path) -> None:
    script = "import sys; sys.executable = '/nowhere/python'\n" + UNGUARDED.format(more=", strategy='hybrid'")
    done = run(script, tmp_path, server.file(1, 10))
    assert done.returncode == 1
    assert "UsageError: cannot start a worker process: /nowhere/python: No such file" in done.stderr
    assert done.stdout == ""


def test_interpreter_that_dies_is_told(server: TestServer, tmp_path: Path) -> None:
    script = "import sys; sys.executable = '/bin/false'\n" + UNGUARDED.format(more=", strategy='hybrid'")
    done = run(script, tmp_path, server.file(1, 10))
    assert done.returncode == 1
    assert "UsageError: worker processes die as soon as they start" in done.stderr


def test_interpreter_that_is_something_else_is_told(server: TestServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\nexec sleep 600\n")
    other.chmod(0o755)
    impatient = CONSTANTS + "from downloader.engine.workers import pool; replace_constants(pool, _START_SECONDS=0.2)\n"
    script = f"import sys; sys.executable = {str(other)!r}\n" + impatient + UNGUARDED.format(more=", strategy='hybrid'")
    done = run(script, tmp_path, server.file(1, 10))
    assert done.returncode == 1
    assert "UsageError: worker processes die as soon as they start" in done.stderr


@pytest.mark.parametrize("executable", ["/nowhere/python", "/bin/false", ""])
def test_auto_does_without_processes_where_none_can_be_had(server: TestServer, tmp_path: Path, executable: str) -> None:
    urls = [server.file(number, 1000, delay=0.02) for number in range(200)]
    script = f"import sys; sys.executable = {executable!r}\n" + EAGER + UNGUARDED.format(more=", jobs=4")
    done = run(script, tmp_path, *urls)
    assert done.returncode == 0, done.stderr
    assert "auto: no processes" in done.stdout
    assert "ran: 200 0" in done.stdout
    assert_served_files(tmp_path / "out", 200, 1000)


def test_error_of_the_callers_ends_the_run_and_its_workers(server: TestServer, tmp_path: Path) -> None:
    """Also one that looks like a worker's end: it is nobody's but the caller's."""
    script = """
import sys, downloader
from downloader.engine.workers import pool
from tests.support.constants import replace_constants
replace_constants(pool, _SHUTDOWN_SECONDS=600)  # the workers end because they are told to, and are not killed in the end
def complain(result):
    raise BrokenPipeError("the caller's own")
session = downloader.Downloader("out", strategy="hybrid", jobs=4).session(sys.argv[1:], complain)
try:
    session.start().join()
except BrokenPipeError as error:
    print("caught:", error)
"""
    urls = [server.file(0, 100), *(server.file(number, 50_000_000, rate=1_000_000) for number in range(1, 9))]
    started = time.monotonic()
    done = run(script, tmp_path, *urls)
    assert done.stdout == "caught: the caller's own\n", done.stderr
    assert time.monotonic() - started < 30  # and not the 50 s that the others would take


# What auto chooses


def chosen(tmp_path: Path, urls: list[str], before: str, *flags: str) -> str:
    """What it says about it."""
    process = start(urls, tmp_path / "out", "auto", *flags, before=before)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert len(names_in(tmp_path / "out")) == len(urls)
    return "\n".join(line for line in said.splitlines() if "auto:" in line)


def test_few_files_get_threads(server: TestServer, tmp_path: Path) -> None:
    said = chosen(tmp_path, [server.file(number, 1000) for number in range(5)], TWO)
    assert "5 files: one libcurl event loop in each of 2 threads" in said
    assert "processes" not in said


def test_one_file_and_one_processor_get_one_loop(server: TestServer, tmp_path: Path) -> None:
    said = chosen(tmp_path, [server.file(1, 1000)], TWO)
    assert "one libcurl event loop (multiplex)" in said
    (tmp_path / "other").mkdir()
    urls = [server.file(number, 1000) for number in range(5)]
    said = chosen(tmp_path / "other", urls, EAGER + "replace_constants(auto, cores=lambda: 1)\n")
    assert "one libcurl event loop (multiplex)" in said
    assert "threads" not in said
    assert "processes" not in said


def test_many_small_files_get_processes(server: TestServer, tmp_path: Path) -> None:
    said = chosen(tmp_path, [server.file(number, 1000, delay=0.01) for number in range(300)], EAGER)
    assert "one libcurl event loop (multiplex)" in said
    assert said.count("processes (hybrid)") == 1


def test_a_long_list_gets_processes_before_anything_is_measured(server: TestServer, tmp_path: Path) -> None:
    urls = [server.file(number, 1000, delay=0.01) for number in range(100)]
    said = chosen(tmp_path, urls, TWO + "replace_constants(auto, LONG_LIST=100, LOOK_SECONDS=1e9)\n")
    assert "100 files: processes (hybrid)" in said
    (tmp_path / "shorter").mkdir()
    said = chosen(tmp_path / "shorter", urls[1:], TWO + "replace_constants(auto, LONG_LIST=100, LOOK_SECONDS=1e9)\n")
    assert "processes" not in said


def test_a_list_of_unknown_length_gets_processes_when_it_has_lasted(server: TestServer, tmp_path: Path) -> None:
    """As many files are expected as there were so far."""
    urls = "".join(f"{server.file(number, 1000, delay=0.02)}\n" for number in range(200))
    for worth, expected in ((0.05, True), (60.0, False)):
        before = EAGER + f"replace_constants(auto, WORTH_SECONDS={worth})\n"
        words = ["-", "-s", "auto", "-d", str(tmp_path / str(worth)), "-j", "3", "-v"]
        command = [sys.executable, "-c", before + COMMAND, *words]
        done = subprocess.run(command, input=urls, capture_output=True, text=True, timeout=60, check=True)
        assert ("processes (hybrid)" in done.stderr) is expected


def test_many_large_files_get_threads(server: TestServer, tmp_path: Path) -> None:
    urls = [server.file(number, 20_000, delay=0.01) for number in range(100)]
    said = chosen(tmp_path, urls, EAGER + "replace_constants(auto, LARGE_FILE=0)\n")
    assert said.count("one libcurl event loop in each of 2 threads") == 1
    assert "processes" not in said


def test_what_is_soon_done_is_left_alone(server: TestServer, tmp_path: Path) -> None:
    urls = [server.file(number, 1000, delay=0.01) for number in range(150)]
    said = chosen(tmp_path, urls, EAGER + "replace_constants(auto, LOOK_SECONDS=0.1, WORTH_SECONDS=1e9)\n")
    assert "processes" not in said


def test_without_libcurl_there_is_asyncio(server: TestServer, tmp_path: Path) -> None:
    without = "import sys; sys.modules['pycurl'] = None\n"  # as if it were not installed
    said = chosen(tmp_path, [server.file(number, 1000) for number in range(5)], without)
    assert "async" in said


def test_large_file_among_small_ones_is_split_where_it_is_open(server: TestServer, tmp_path: Path) -> None:
    """Its Segments go to the process that has it, be that a worker or the one that deals."""
    small = [server.file(number, 1000, delay=0.02) for number in range(150)]
    large = [server.file(number, 6_000_000, rate=3_000_000) for number in range(200, 206)]
    urls = [url for index, url in enumerate(small) for url in ([url, large[index // 25]] if index % 25 == 0 else [url])]
    process = start(urls, tmp_path / "out", "auto", "--min-segment-size", "100k", "-j", "12")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "processes (hybrid)" in said
    assert "attempt failed" not in said
    for number in range(200, 206):
        assert (tmp_path / "out" / f"{number}.bin").read_bytes() == content.body(number, 0, 6_000_000)


def test_limit_holds_for_the_first_loop_and_the_processes_together(server: TestServer, tmp_path: Path) -> None:
    urls = [server.file(number, 20_000) for number in range(100)]
    started = time.monotonic()
    said = chosen(tmp_path, urls, EAGER, "--limit-rate", "1M")
    assert "processes (hybrid)" in said
    assert time.monotonic() - started >= 0.95 * 100 * 20_000 / 1_000_000


@pytest.mark.parametrize("strategy", ["hybrid"])
def test_nothing_waits_behind_a_slow_file(server: TestServer, tmp_path: Path, strategy: str) -> None:
    """What was dealt together with it, and not begun, is begun elsewhere: it has ended before the slow one has."""
    quick = [server.file(number, 100) for number in range(600)]
    slow = [server.file(1000, 100, delay=4.0)]
    process = start([*quick[:300], *slow, *quick[300:]], tmp_path / "out", strategy)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    order = [json.loads(line)["url"] for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert order[-1] == slow[0]
