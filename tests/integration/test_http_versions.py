"""HTTP/1.1, 2 and 3 against a real server: caddy, on loopback, with a certificate of our own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from downloader.testserver import content
from tests.support.files import assert_served_files, part_files_with_bytes
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.strategies import quick_for_each_transport

CADDY = shutil.which("caddy")
FILES = 20
SIZE = 50_000
LARGE = 6_000_000

CONFIG = """
{{
    admin off
    auto_https off
    default_sni 127.0.0.1
    grace_period 1s
    servers {{
        protocols {protocols}
    }}
}}
https://127.0.0.1:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    root * {folder}/files
    file_server
    log {{
        output file {folder}/access.log
        format json
    }}
}}
"""


class Caddy:
    """A server of files that speaks some versions of HTTP."""

    def __init__(self, folder: Path, protocols: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._seen = 0
        files = folder / "files"
        files.mkdir()
        for number in range(FILES):
            (files / f"{number}.bin").write_bytes(content.body(number, 0, SIZE))
        (files / "large.bin").write_bytes(content.body(100, 0, LARGE))
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        (folder / "Caddyfile").write_text(CONFIG.format(protocols=protocols, port=self.port, folder=folder))
        assert CADDY is not None
        command = [CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        homes = {name: str(folder / "home") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        self.said = (folder / "said.txt").open("wb")
        self.process = subprocess.Popen(command, stdout=self.said, stderr=self.said, env={**os.environ, **homes})
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, (self.folder / "said.txt").read_text()
            assert time.monotonic() < deadline, "caddy does not start"
            time.sleep(0.05)

    def url(self, name: object) -> str:
        """Of one of its files."""
        return f"https://127.0.0.1:{self.port}/{name}"

    def seen(self, count: int) -> list[dict[str, Any]]:
        """What it has answered since the last time: wait until there are so many, and forget them."""
        log = self.folder / "access.log"
        deadline = time.monotonic() + 10
        lines = log.read_text().splitlines() if log.exists() else []
        while len(lines) - self._seen < count and time.monotonic() < deadline:
            time.sleep(0.02)
            lines = log.read_text().splitlines() if log.exists() else []
        new, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in new]

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.said.close()


@pytest.fixture(scope="module")
def caddies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Caddy]]:
    """Servers by the versions that they speak; each is started once."""
    if CADDY is None:
        pytest.skip("caddy is not installed here")
    made: dict[str, Caddy] = {}
    with ExitStack() as stack:

        def speaking(protocols: str) -> Caddy:
            if protocols not in made:
                made[protocols] = Caddy(tmp_path_factory.mktemp("caddy"), protocols)
                stack.callback(made[protocols].close)
            made[protocols].seen(0)
            return made[protocols]

        yield speaking


def command(server: Caddy, folder: Path, urls: list[str], *flags: str) -> list[str]:
    """`dl` with these URLs."""
    listing = folder / "urls.txt"
    listing.write_text("\n".join(urls) + "\n")
    cacert = str(server.folder / "ca.pem")
    return [sys.executable, "-m", "downloader", str(listing), "-d", str(folder / "out"), "--cacert", cacert, *flags]


def dl(server: Caddy, folder: Path, urls: list[str], *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(command(server, folder, urls, *flags), capture_output=True, text=True, timeout=60)


def spoken(entries: list[dict[str, Any]]) -> set[str]:
    """The versions in which it was asked."""
    return {entry["request"]["proto"] for entry in entries}


def connections(entries: list[dict[str, Any]]) -> int:
    """From how many ports."""
    return len({entry["request"]["remote_port"] for entry in entries})


SMALL = range(FILES)
VERSIONS = [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0"), ("--http3", "HTTP/3.0")]


@pytest.mark.quick_for("auto", "multiplex")
@pytest.mark.parametrize(("flag", "version"), VERSIONS)
@pytest.mark.parametrize("strategy", ["auto", "multiplex", "hybrid"])
def test_version_that_was_asked_for_is_spoken(
    caddies: Callable[[str], Caddy], tmp_path: Path, strategy: str, flag: str, version: str
) -> None:
    server = caddies("h1 h2 h3")
    done = dl(server, tmp_path, [server.url(f"{number}.bin") for number in SMALL], flag, "-s", strategy)
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)
    entries = server.seen(FILES)
    assert spoken(entries) == {version}
    assert len(entries) == FILES


def test_https_is_spoken_in_version_2_where_it_is_offered(caddies: Callable[[str], Caddy], tmp_path: Path) -> None:
    for protocols, version in (("h1 h2 h3", "HTTP/2.0"), ("h1 h2", "HTTP/2.0"), ("h1", "HTTP/1.1")):
        server = caddies(protocols)
        folder = tmp_path / protocols.replace(" ", "")
        folder.mkdir()
        done = dl(server, folder, [server.url(f"{number}.bin") for number in SMALL])
        assert done.returncode == 0, done.stderr
        assert_served_files(folder / "out", FILES, SIZE)
        assert spoken(server.seen(FILES)) == {version}


@pytest.mark.parametrize(("flag", "version"), VERSIONS[1:])
def test_files_share_one_connection(caddies: Callable[[str], Caddy], tmp_path: Path, flag: str, version: str) -> None:
    server = caddies("h1 h2 h3")
    done = dl(server, tmp_path, [server.url(f"{number}.bin") for number in SMALL], flag, "-s", "multiplex", "-j", "20")
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)
    entries = server.seen(FILES)
    assert (spoken(entries), connections(entries)) == ({version}, 1)


def test_version_1_takes_a_connection_for_each_that_is_in_flight(caddies: Callable[[str], Caddy], tmp_path: Path) -> None:
    server = caddies("h1 h2 h3")
    flags = ["--http1.1", "-s", "multiplex", "-j", "4", "--limit-rate", "1M"]
    assert dl(server, tmp_path, [server.url(f"{number}.bin") for number in SMALL], *flags).returncode == 0
    assert_served_files(tmp_path / "out", FILES, SIZE)
    assert connections(server.seen(FILES)) == 4


@pytest.mark.parametrize("protocols", ["h1 h2", "h1"])
def test_version_3_falls_back_where_the_server_has_none(
    caddies: Callable[[str], Caddy], tmp_path: Path, protocols: str
) -> None:
    server = caddies(protocols)
    done = dl(server, tmp_path, [server.url(f"{number}.bin") for number in SMALL], "--http3")
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)
    assert spoken(server.seen(FILES)) == {"HTTP/2.0" if "h2" in protocols else "HTTP/1.1"}


@pytest.mark.parametrize(("flag", "version"), VERSIONS)
def test_interrupted_file_goes_on_where_it_was(
    caddies: Callable[[str], Caddy], tmp_path: Path, flag: str, version: str
) -> None:
    server = caddies("h1 h2 h3")
    urls = [server.url("large.bin")]
    slow = [flag, "--limit-rate", "1500k", "--grace", "0.1", "--segments", "1"]
    process = subprocess.Popen(command(server, tmp_path, urls, *slow), stderr=subprocess.PIPE, text=True)
    part = tmp_path / "out" / "large.bin.part"
    wait_until(lambda: part_files_with_bytes(tmp_path / "out"), "nothing came", timeout=20)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    held = part.stat().st_size
    assert 0 < held < LARGE
    done = dl(server, tmp_path, urls, flag, "--segments", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "large.bin").read_bytes() == content.body(100, 0, LARGE)
    last = server.seen(2)[-1]
    assert (last["status"], last["size"], last["request"]["proto"]) == (206, LARGE - held, version)


@pytest.mark.parametrize(("flag", "version"), VERSIONS)
def test_segments_come_over_any_version(caddies: Callable[[str], Caddy], tmp_path: Path, flag: str, version: str) -> None:
    server = caddies("h1 h2 h3")
    flags = [flag, "--segments", "4", "--min-segment-size", "100k", "--limit-rate", "12M"]
    done = dl(server, tmp_path, [server.url("large.bin")], *flags)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "large.bin").read_bytes() == content.body(100, 0, LARGE)
    entries = server.seen(2)
    assert spoken(entries) == {version}
    assert {entry["status"] for entry in entries} == {200, 206}


def test_unknown_authority_is_told_over_any_version(caddies: Callable[[str], Caddy], tmp_path: Path) -> None:
    server = caddies("h1 h2 h3")
    for flag, _ in VERSIONS:
        done = subprocess.run(
            [sys.executable, "-m", "downloader", server.url("0.bin"), "-d", str(tmp_path), flag, "--retries", "0"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 5, done.stderr
        assert "certificate" in done.stderr


@quick_for_each_transport
@pytest.mark.parametrize("strategy", ["async", "threads", "serial"])
@pytest.mark.parametrize("flag", ["--http2", "--http3"])
def test_strategy_that_does_not_speak_it_says_so(tmp_path: Path, strategy: str, flag: str) -> None:
    words = ["https://127.0.0.1:9/x", "-d", str(tmp_path), "-s", strategy, flag]
    done = subprocess.run([sys.executable, "-m", "downloader", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"{strategy} does not support HTTP/{flag[-1]}" in done.stderr
