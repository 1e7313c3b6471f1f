"""Post-processing under attack: what users' functions do that none should."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer

FUNCTIONS = r"""
import asyncio, os, subprocess, time
from pathlib import Path

class BadText(Exception):
    def __str__(self): raise ValueError("no text")
class BadShown:
    def __repr__(self): raise ValueError("cannot be shown")

def keyboard(part): raise KeyboardInterrupt
def generator_exit(part): raise GeneratorExit
def cancelled(part): raise asyncio.CancelledError
def bad_text(part): raise BadText()
def surrogate(part): raise ValueError("name \udcff")
def bad_shown(part): return BadShown()
def runs_true(part): return subprocess.run(["true"]).returncode
def replaces(part):
    other = part.with_name("other"); other.write_bytes(b"short"); os.replace(other, part)
def flips(part):
    data = bytes(byte ^ 0x55 for byte in part.read_bytes())
    with part.open("r+b") as stream: stream.write(data)
def flips_and_dies(part):
    flips(part)
    if not os.path.exists("once"): Path("once").touch(); os.kill(os.getpid(), 9)
def flips_slowly(part):
    flips(part)
    with open("calls", "a") as calls: calls.write("x")
    if not os.path.exists("once"): Path("once").touch(); time.sleep(2.5)
def truncates(part): os.truncate(part, 10)
"""

LARGE = 1_500_000
pytestmark = pytest.mark.slow
Run = Callable[..., tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path, strategy: str, workers_find_modules: None) -> Run:
    (tmp_path / "odd.py").write_text(FUNCTIONS)

    def go(urls: list[str], function: str, *more: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-q", "-s", strategy, "--retry-wait", "0.05"]
        command += ["--report", "r.jsonl", *(["--process", f"odd:{function}"] if function else []), *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=40)
        return done, [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]

    return go


@pytest.mark.parametrize("function", ["keyboard", "generator_exit", "cancelled", "bad_text", "surrogate"])
def test_whatever_is_raised_fails_its_file_alone(run: Run, server: TestServer, function: str) -> None:
    done, lines = run([server.file(number, size) for number, size in enumerate((0, 5000, LARGE))], function)
    assert "Traceback" not in done.stderr
    assert (done.returncode, len(lines)) == (11, 3)
    assert {(line["error"]["class"], line["attempts"]) for line in lines} == {("ProcessError", 1)}


def test_value_that_cannot_be_shown_breaks_no_report(run: Run, server: TestServer) -> None:
    done, lines = run([server.file(number, 5000) for number in range(3)], "bad_shown")
    assert "Traceback" not in done.stderr
    assert len(lines) == 3
    assert {line["attempts"] for line in lines} == {1}


def test_function_may_start_programs(run: Run, server: TestServer) -> None:
    done, _ = run([server.file(0, 5000)], "runs_true")
    assert done.returncode == 0, done.stderr


def test_part_that_was_replaced_is_never_resumed(run: Run, server: TestServer, tmp_path: Path) -> None:
    run([server.file(0, LARGE)], "replaces", "--retries", "0")
    done, _ = run([server.file(0, LARGE)], "")
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "out/0.bin").read_bytes()
    assert found in (b"short", content.body(0, 0, LARGE))  # either; but never a mixture


def flipped() -> bytes:
    return bytes(byte ^ 0x55 for byte in content.body(0, 0, LARGE))


def test_worker_that_dies_in_the_function_does_not_process_twice(
    run: Run, server: TestServer, tmp_path: Path, strategy: str
) -> None:
    done, _ = run([server.file(0, LARGE)], "flips_and_dies")
    if strategy not in ("processes", "hybrid", "auto", "gevent", "dask"):
        assert done.returncode == -9  # it was dl itself; the same command goes on
        done, _ = run([server.file(0, LARGE)], "flips_and_dies")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/0.bin").read_bytes() == flipped()


def test_timeout_is_not_of_processing(run: Run, server: TestServer, tmp_path: Path) -> None:
    done, _ = run([server.file(0, LARGE)], "flips_slowly", "--timeout", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text() == "x"
    assert (tmp_path / "out/0.bin").read_bytes() == flipped()


def test_bytes_are_the_size_of_the_file(run: Run, server: TestServer) -> None:
    _, (line,) = run([server.file(0, 5000)], "truncates")
    assert line["bytes"] == 10  # README: "bytes (the file's size)"
