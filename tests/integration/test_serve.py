"""`dl serve`: what it prints works, and it ends in good order."""

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import downloader
from downloader.compare.scenarios import SCENARIOS
from downloader.testserver import nginx
from downloader.testserver.launch import TestServer
from downloader.testserver.server_errors import Unsupported
from tests.support.files import names_in

try:
    NGINX = bool(nginx.find())
except Unsupported:
    NGINX = False


@contextmanager
def serve(*words: str) -> "Iterator[subprocess.Popen[str]]":
    """The command, as a process. It is killed where the test fails."""
    command = [sys.executable, "-m", "downloader", "serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def greeting(process: "subprocess.Popen[str]") -> str:
    """All that it prints before it waits."""
    assert process.stdout is not None
    said = ""
    while "sha256sum" not in said:
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        said += line
    return said


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "0"],
        ["--port", "0", "--tls"],
        pytest.param(
            ["--port", "0", "--server", "nginx"], marks=pytest.mark.skipif(not NGINX, reason="nginx is not installed")
        ),
    ],
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_scenarios_are_served_until_a_signal(words: list[str], how: signal.Signals, tmp_path: Path) -> None:
    with serve(*words) as process:
        said = greeting(process)
        url = re.search(r"Serving test files on (\S+) until Ctrl-C", said)[1]  # type: ignore[index]
        cacert = (re.search(r"--cacert (\S+)", said) or ["", ""])[1]
        unable = {item.name: nginx.objection(item.query) for item in SCENARIOS} if "nginx" in words else {}
        unable = {name: why for name, why in unable.items() if why}
        for item in SCENARIOS:
            assert (f"{url}/list/{item.name} " in said) is (item.name not in unable)
        urls = fetch(f"{url}/list/latency", tmp_path / "list", cacert).decode().splitlines()
        assert len(urls) == next(item.files for item in SCENARIOS if item.name == "latency")
        sums = fetch(f"{url}/sums/latency", tmp_path / "sums", cacert).decode().splitlines()
        report = downloader.download(urls[:5], tmp_path / "files", cacert=cacert, strategy="multiplex")
        assert report.done == 5
        for line in sums[:5]:
            digest, name = line.split("  ")
            assert hashlib.sha256((tmp_path / "files" / name).read_bytes()).hexdigest() == digest
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err == "".join(f"dl serve: without the list {name}: {said}\n" for name, said in unable.items())


def fetch(url: str, folder: Path, cacert: str) -> bytes:
    """The body."""
    report = downloader.download([url], folder, cacert=cacert, strategy="multiplex")
    assert report.done == 1
    (name,) = names_in(folder)
    return (folder / name).read_bytes()


def test_port_in_use_is_wrong_usage(server: TestServer) -> None:
    with serve("--port", str(server.url.rpartition(":")[2])) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert "the port is in use" in err
    assert "--port 0" in err
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the server's process")
def test_server_that_ends_by_itself_is_told() -> None:
    with serve("--port", "0") as process:
        greeting(process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        os.kill(int(children.read_text()), signal.SIGKILL)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (4, "")
    assert "the test server ended unexpectedly" in err
