"""Started from a shell that ignores Ctrl-C, as a script's background does: all three commands take it none the less."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer
from tests.support.processes import wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process does is read from /proc")


def start(*words: str, cwd: Path) -> "subprocess.Popen[str]":
    """`dl` with these words, from a shell that ignores SIGINT."""
    return subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "downloader", *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def handles_sigint(process: "subprocess.Popen[str]") -> bool:
    """Whether it has a handler for SIGINT."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGINT - 1) & 1)


def interrupted(process: "subprocess.Popen[str]", at_work: Callable[[], bool]) -> tuple[int, str]:
    """Its exit code and what it said on standard error, after one SIGINT."""
    with process:
        try:
            ready = "the command is not ready"
            wait_until(lambda: at_work() and handles_sigint(process), ready, 60, unless=lambda: process.poll() is not None)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    return process.returncode, said


def test_fetching_is_interrupted(tmp_path: Path, server: TestServer) -> None:
    process = start(server.file(0, 100, delay=30), "-s", "multiplex", "--grace", "0", "-d", "files", cwd=tmp_path)
    code, said = interrupted(process, lambda: True)
    assert code == 130
    assert "Traceback" not in said


def test_comparing_is_interrupted(tmp_path: Path) -> None:
    words = ["--files", "1", "--latency", "30", "-s", "multiplex", "-d", "files"]
    process = start("compare", *words, cwd=tmp_path)
    code, said = interrupted(process, lambda: any((tmp_path / "files").glob("*/files")))
    assert (code, said.strip()) == (130, "dl: interrupted")
    assert list((tmp_path / "files").iterdir()) == []


def test_serving_is_interrupted(tmp_path: Path) -> None:
    process = start("serve", "--port", "0", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Serving test files")
    code, said = interrupted(process, lambda: True)
    assert (code, said) == (0, "")
