"""A folder that answers late, as a network file system does: no event loop waits for it, and all else stays as it is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer

LOOPS = [
    *("multiplex", "async"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("auto", "hybrid", "gevent")),
]
SIZE, LARGE = 5000, 6_000_000


class SlowFolder:
    """Runs `dl` where each name of a file is late: see `tests.support.slow_folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.records, self.out = folder, folder / "records", folder / "out"
        self.records.mkdir()
        (folder / "sitecustomize.py").write_text("from tests.support.slow_folder import install\ninstall()\n")
        path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
        self.environ = {**os.environ, "PYTHONPATH": path, "SLOW_FOLDER": str(self.records)}

    def start(self, server: TestServer, names: Iterable[str], strategy: str, *more: str) -> "subprocess.Popen[str]":
        """Start `dl` with a list of files of these names: small ones, but for those that begin with ``large``."""
        sizes = [(name, LARGE if name.startswith("large") else SIZE) for name in names]
        lines = [f"{server.file(number, size)}\n  out={name}" for number, (name, size) in enumerate(sizes)]
        (self.folder / "urls.txt").write_text("\n".join(lines))
        command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-q", "-s", strategy, *more]
        options: Any = {"cwd": self.folder, "env": self.environ, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*command, "--report", "report.jsonl", "--retries", "0"], **options)

    def results(self) -> dict[int, dict[str, Any]]:
        """The Result of each file, by the number of the file."""
        lines = [json.loads(line) for line in (self.folder / "report.jsonl").read_text().splitlines()]
        results = {int(line["url"].rpartition("/")[2].removesuffix(".bin")): line for line in lines}
        assert len(results) == len(lines), "a URL has more than one Result"
        return results

    def met(self, strategy: str) -> list[str]:
        """The names that met a fault, of which each loop has to know by then that the folder is slow.

        A process of `hybrid` or `auto` may have begun so late that its loop does not know this yet.
        """
        may_be_early = strategy in ("hybrid", "auto")
        return [name.partition("-")[2] for name in self.recorded("*-" if may_be_early else "late-")]

    def recorded(self, prefix: str) -> list[str]:
        """The records that begin so."""
        return sorted(path.name for path in self.records.glob(f"{prefix}*"))


@pytest.fixture
def slow(tmp_path: Path) -> SlowFolder:
    """See `SlowFolder`."""
    return SlowFolder(tmp_path)


def ordinary(count: int) -> list[str]:
    """Names that meet no fault."""
    return [f"{number}.bin" for number in range(count)]


def ended(result: dict[str, Any]) -> tuple[str, str]:
    """How a file ended: its status, and the class of its error."""
    return result["status"], (result.get("error") or {}).get("class", "")


@pytest.mark.parametrize("strategy", LOOPS)
def test_a_loop_names_many_files_at_the_same_time(slow: SlowFolder, server: TestServer, strategy: str) -> None:
    process = slow.start(server, ordinary(300), strategy, "-j", "64")
    assert process.communicate(timeout=120)[1] == ""
    assert (process.returncode, slow.recorded("impatient"), slow.recorded("together")) == (0, [], ["together"])
    results = slow.results()
    assert len(results) == len(list(slow.out.glob("*.bin"))) == 300
    for number, result in results.items():
        assert ended(result) == ("done", "")
        assert (slow.out / f"{number}.bin").read_bytes() == content.body(number, 0, SIZE)


@pytest.mark.parametrize("strategy", LOOPS)
def test_blocks_of_large_files_are_written_in_threads_in_their_order(
    slow: SlowFolder, server: TestServer, strategy: str
) -> None:
    names = [*ordinary(150), *(f"large-{number}.bin" for number in range(6))]
    process = slow.start(server, names, strategy, "-j", "32", "--process", "tests.support.processing_functions:digest")
    assert process.communicate(timeout=120)[1] == ""
    assert (process.returncode, slow.recorded("impatient")) == (0, [])
    for number, name in enumerate(names[150:], 150):
        assert (slow.out / name).read_bytes() == content.body(number, 0, LARGE)


@pytest.mark.parametrize("strategy", LOOPS)
def test_a_name_that_fails_in_a_thread_fails_as_in_line(slow: SlowFolder, server: TestServer, strategy: str) -> None:
    faults = ["taken-1.bin", "broken-1.bin"]
    names = [*ordinary(150), *faults, *(f"more-{number}.bin" for number in range(50))]
    process = slow.start(server, names, strategy, "-j", "32")
    assert process.communicate(timeout=120)[1].count("broken-1.bin") == 1
    assert process.returncode == 3
    assert (slow.recorded("impatient"), sorted(slow.met(strategy))) == ([], sorted(faults))
    results = slow.results()
    assert len(results) == len(names)
    assert ended(results[150]) == ("skipped", "")
    assert ended(results[151]) == ("failed", "StorageError")
    assert {ended(result) for number, result in results.items() if number not in (150, 151)} == {("done", "")}
    assert (slow.out / "taken-1.bin").read_bytes() == b""  # the other program's file
    assert not (slow.out / "broken-1.bin").exists()


@pytest.mark.parametrize("fault", ["full-1.bin", "readonly-1.bin"])
@pytest.mark.parametrize("strategy", LOOPS)
def test_a_folder_that_fails_in_a_thread_ends_the_run(slow: SlowFolder, server: TestServer, strategy: str, fault: str) -> None:
    process = slow.start(server, [*ordinary(150), fault, *(f"more-{number}.bin" for number in range(50))], strategy, "-j", "32")
    message = process.communicate(timeout=120)[1]
    assert (process.returncode, slow.recorded("impatient"), slow.met(strategy)) == (3, [], [fault])
    assert message.count("cannot write") == 1, message
    results = slow.results()
    assert ended(results[150])[0] == "failed"
    done = {f"{number}.bin" for number, result in results.items() if number < 150 and ended(result)[0] == "done"}
    assert done == {path.name for path in slow.out.glob("*.bin") if not path.name.startswith("more")}


@pytest.mark.parametrize("strategy", LOOPS)
def test_a_file_whose_name_is_late_is_done_though_the_run_was_stopped(
    slow: SlowFolder, server: TestServer, strategy: str
) -> None:
    process = slow.start(server, [*ordinary(150), "held-1.bin"], strategy, "-j", "32", "--grace", "0.1")
    until = time.monotonic() + 60
    while len(list(slow.out.glob("*.bin"))) < 150 or not slow.met(strategy):
        assert time.monotonic() < until, (process.poll(), slow.recorded(""))
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # the grace time is over then, or nearly so: both must end well
    (slow.records / "go").touch()
    process.communicate(timeout=60)
    results = slow.results()
    assert {ended(result) for result in results.values()} == {("done", "")}
    assert len(results) == 151
    assert (slow.out / "held-1.bin").read_bytes() == content.body(150, 0, SIZE)
    assert slow.recorded("impatient") == []
