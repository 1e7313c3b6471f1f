"""A name server that does not answer: a mount namespace of its own gives the command another resolv.conf."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer
from tests.support.processes import wait_until
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN if name not in ("auto", "threads", "dask")]
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "address"), [("auto", "127.0.0.78"), ("multiplex", "127.0.0.79"), ("hybrid", "127.0.0.80")]
)
def test_run_is_stopped_while_a_name_server_is_silent(tmp_path: Path, server: TestServer, strategy: str, address: str) -> None:
    """The question would last for minutes; the run ends after its grace time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        try:
            deaf.bind((address, 53))
        except OSError:
            pytest.skip("no name server may be put at port 53 here")
        (tmp_path / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:30 attempts:5\n")
        command = [sys.executable, "-m", "downloader", "http://one.example/a", server.file(1, 10), "-d", "out", "-s", strategy]
        dl = subprocess.Popen(
            [*namespace(tmp_path / "resolv.conf"), *command, "--grace", "0.1"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        deaf.recv(512)  # the name server has been asked
        other = tmp_path / "out" / "1.bin"  # its URL has no name
        wait_until(other.exists, "the other file is not fetched meanwhile", unless=lambda: dl.poll() is not None)
        dl.send_signal(signal.SIGINT)
        _, said = dl.communicate(timeout=60)
    assert dl.returncode == 130
    assert "stopped" in said
