"""Other programs in `dl compare`: each fetches a list under the names that are expected, and reads nothing of the user's."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import trustme
from pytest_httpserver import HTTPServer

from downloader.compare import peers
from downloader.compare.measurements import ResultRow
from downloader.compare.scenarios import MIB, PYTHON_WORK, Scenario
from downloader.errors import UsageError
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.ports import free_port
from tests.support.scripted import ScriptedServer, reply, serve

pytestmark = pytest.mark.slow

SIZE = 3000
TINY = Scenario("tiny", "nothing", "nothing", files=3, size=SIZE)
FAULTY = Scenario("faulty", "nothing", "nothing", files=1, size=SIZE, fail="503,cut", share=0.5)
INSTALLED = peers.installed()


@pytest.fixture(params=list(peers.PEERS))
def peer(request: pytest.FixtureRequest) -> str:
    """Each peer that is installed."""
    name: str = request.param
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    return name


def call(row: ResultRow, scenario: Scenario, urls: list[str], where: Path, cacert: str) -> "subprocess.CompletedProcess[str]":
    """Run a peer, with `where` for its home, so that what it reads or leaves there is seen."""
    listing, folder = where / "urls.txt", where / "files"
    folder.mkdir(exist_ok=True)
    listing.write_text("".join(f"{url}\n" for url in urls))
    words = peers.command(row, scenario, listing, folder, cacert)
    environment = {**os.environ, "HOME": str(where)}
    return subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def run(row: ResultRow, scenario: Scenario, urls: list[str], where: Path, cacert: str = "") -> dict[str, bytes]:
    """What a peer fetched, by the last component of the URL's path; it was quiet, and left nothing elsewhere."""
    before = {path.name for path in where.iterdir()}
    done = call(row, scenario, urls, where, cacert)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "" or scenario.fail
    assert {path.name for path in where.iterdir()} - before <= {"urls.txt", "urls.txt.curl", "urls.txt.plain", "files"}
    return {path.name.partition("?")[0]: path.read_bytes() for path in (where / "files").iterdir()}


@pytest.mark.parametrize("which", [0, 1])
def test_list_is_fetched_under_the_names_of_its_paths(peer: str, which: int, server: TestServer, tmp_path: Path) -> None:
    row = peers.rows(TINY, 2, [peer])[which]
    urls = [server.file(0, SIZE), server.file(1, SIZE, delay=0.01), server.file(2, SIZE, rate=1e6) + "&x=a/b"]
    assert run(row, TINY, urls, tmp_path) == {f"{number}.bin": content.body(number, 0, SIZE) for number in range(3)}


def test_options_of_a_list_are_no_urls(peer: str, server: TestServer, tmp_path: Path) -> None:
    (row, _), first, second = peers.rows(TINY, 2, [peer]), server.file(0, SIZE), server.file(1, SIZE)
    lines = ["# a comment", f"{first}\t{first}?mirror", "  max-tries=3", f"{second}", "\tmax-tries=3"]
    wanted = {"0.bin": content.body(0, 0, SIZE), "1.bin": content.body(1, 0, SIZE)}
    assert run(row, TINY, lines, tmp_path) == wanted


def test_certificate_is_verified_with_the_given_authority_only(peer: str, tmp_path: Path) -> None:
    secure = msgspec.structs.replace(TINY, tls=True)
    if not peers.rows(secure, 2, [peer]):
        pytest.skip(f"{peer} is not called for https")
    with _https(tmp_path / "ca.pem") as url:
        row, _ = peers.rows(secure, 2, [peer])
        assert call(row, secure, [url], tmp_path, "").returncode != 0
        assert run(row, secure, [url], tmp_path, str(tmp_path / "ca.pem")) == {"a.bin": b"secret" * 500}


@pytest.mark.slow
def test_faults_are_survived(peer: str, scripted: Callable[..., ScriptedServer], tmp_path: Path) -> None:
    if peer == "wget2":
        pytest.skip("wget2 takes a 503 for final, and what was cut off for complete")
    body = bytes(range(250)) * 12
    server = scripted(reply("503 Busy"), reply("200 OK", body[:500], len(body)), serve(body))
    row = peers.rows(FAULTY, 2, [peer])[0]
    assert run(row, FAULTY, [f"{server.url}/a.bin?fail=503"], tmp_path) == {"a.bin": body}
    assert len(server.requests) > 2


def test_settings_of_the_user_are_not_read(peer: str, server: TestServer, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    spoiled = {".curlrc": f"proxy = {nowhere}", ".wget2rc": f"http-proxy={nowhere}", ".axelrc": f"http_proxy={nowhere}"}
    spoiled[".aria2/aria2.conf"] = f"all-proxy={nowhere}"
    for name, text in spoiled.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert run(peers.rows(TINY, 2, [peer])[0], TINY, [server.file(0, SIZE)], tmp_path) == {"0.bin": content.body(0, 0, SIZE)}


def test_peers_are_called_as_they_come_and_with_as_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "installed", lambda: dict.fromkeys(peers.PEERS, "1"))
    found = [(row.strategy, row.how, row.jobs, row.peer) for row in peers.rows(TINY, 7)]
    assert found == [
        ("aria2c", "defaults", 5, True),
        ("aria2c", "-j 7", 7, True),
        ("curl", "defaults", 50, True),
        ("curl", "--parallel-max 7 --parallel-immediate", 7, True),
        ("wget2", "defaults", 5, True),
        ("wget2", "--max-threads=7", 7, True),
        ("axel", "defaults", 4, True),
        ("axel", "-n 7", 7, True),
    ]
    assert {row.jobs for row in peers.rows(TINY, 0) if row.how != "defaults"} == {40}
    large = msgspec.structs.replace(TINY, files=2, size=8 * MIB)
    assert [row.how for row in peers.rows(large, 8, ["aria2c"])] == ["defaults", "-j 8 -x 4 -s 4 -k 1M"]


def test_what_a_peer_cannot_do_it_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "installed", lambda: dict.fromkeys(peers.PEERS, "1"))
    assert peers.rows(msgspec.structs.replace(TINY, process=PYTHON_WORK), 7) == []
    for changes in ({"files": 17}, {"tls": True}):
        names = {row.strategy for row in peers.rows(msgspec.structs.replace(TINY, **changes), 7)}
        assert names == {"aria2c", "curl", "wget2"}
    monkeypatch.setattr(peers, "installed", lambda: {"curl": "8"})
    assert {row.strategy for row in peers.rows(TINY, 7)} == {"curl"}
    assert peers.rows(TINY, 7, ["wget2"]) == []
    with pytest.raises(UsageError, match="unknown peer: 'wget'"):
        peers.rows(TINY, 7, ["wget"])


@pytest.mark.skipif(not INSTALLED, reason="no peer is installed")
def test_versions_are_told() -> None:
    assert all(version[:1].isdigit() for version in INSTALLED.values())


@contextmanager
def _https(ca: Path) -> Iterator[str]:
    """The URL of a file on a server whose authority is written to this file."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with HTTPServer("localhost", 0, ssl_context=context) as server:
        server.expect_request("/a.bin").respond_with_data(b"secret" * 500)
        yield server.url_for("/a.bin")
