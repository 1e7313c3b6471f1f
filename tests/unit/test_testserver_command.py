"""`dl-testserver` as a process, what it costs to import, and the fixture for other projects."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer


def command(*words: str) -> "subprocess.Popen[str]":
    """`dl-testserver`, as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "downloader.testserver", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, None])
def test_command_ends_in_good_order(how: signal.Signals | None) -> None:
    words = ["--tls", "--list", "a=files=1&size=1", *([] if how else ["--until-eof"])]
    with command(*words) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("https://127.0.0.1:")
        authority = Path(process.stdout.readline().strip().removeprefix("certificate authority: "))
        assert authority.exists()
        if how:
            process.send_signal(how)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert not authority.parent.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "99999"], "'99999' is not a port from 0 to 65535"),
        (["--port", "x"], "'x' is not a port from 0 to 65535"),
        (["--list", "a"], "expected NAME=QUERY"),
        (["--list", "a=files=1"], "the list a: a list needs files= and size="),
        (["--host", "no.such.host.invalid"], "cannot listen on 'no.such.host.invalid'"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
    ],
)
def test_command_says_what_is_wrong(words: list[str], says: str) -> None:
    with command(*words) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_command_on_a_port_in_use_says_one_line(server: TestServer) -> None:
    with command("--port", str(server.port)) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == f"dl-testserver: cannot listen on 127.0.0.1, port {server.port}: the port is in use\n"


def test_command_warns_of_other_addresses_than_loopback() -> None:
    with command("--host", "0.0.0.0") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert url.startswith("http://127.0.0.1:")
    assert err.startswith("dl-testserver: listening on 0.0.0.0: other machines can reach the server")


def test_server_costs_nothing_of_the_package() -> None:
    code = "import downloader.testserver.app, sys; print(*[n for n in sys.modules if n.startswith('downloader.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    others = {name for name in done.stdout.split() if not name.startswith("downloader.testserver")}
    assert others <= {"downloader._version"}


def test_fixture_is_for_other_projects(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["downloader.testserver.fixture"]\n')
    (tmp_path / "test_it.py").write_text(
        "import urllib.request\n"
        "from downloader.testserver import content\n"
        "def test_it(download_server):\n"
        "    with urllib.request.urlopen(download_server.file(1, 1000)) as answer:\n"
        "        assert answer.read() == content.body(1, 0, 1000)\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
