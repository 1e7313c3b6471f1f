"""A name server that does not answer: a mount namespace of its own gives the command another resolv.conf."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN if name not in ("auto", "threads")]
SILENT = "nameserver 127.0.0.77\noptions timeout:1 attempts:1\n"  # nobody listens there


def namespace(resolv: Path) -> list[str]:
    """What to put before a command so that it resolves names as this file says. Skips where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed")
    before = [unshare, "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv)]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace may be made here")
    return before


@pytest.mark.parametrize("strategy", ["auto", "threads", *SLOW])
def test_silent_name_server_is_tried_again(tmp_path: Path, server: TestServer, strategy: str) -> None:
    """A name server that is away for a moment must not fail the rest of a list for good; what needs no name is fetched."""
    (tmp_path / "resolv.conf").write_text(SILENT)
    good = [server.file(number, 1000) for number in range(5)]
    dead = [f"http://one.example/{number}" for number in range(5)] + [f"http://host{number}.example/x" for number in range(5)]
    (tmp_path / "urls.txt").write_text("\n".join(url for pair in zip(dead, good * 2, strict=True) for url in pair))
    flags = ["-s", strategy, "--retries", "2", "--retry-wait", "0.01", "--report", "report.jsonl", "-q"]
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", *flags]
    done = subprocess.run(
        [*namespace(tmp_path / "resolv.conf"), *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4, done.stderr
    found = {item["url"]: item for item in map(json.loads, (tmp_path / "report.jsonl").read_text().splitlines())}
    assert {found[url]["status"] for url in good} == {"done"}
    assert {(found[url]["error"]["class"], found[url]["attempts"]) for url in dead} == {("NetworkError", 3)}
