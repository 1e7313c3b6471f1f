"""nginx as the test server: the same URLs and bytes as the built-in one; what it cannot do is told."""

import hashlib
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from downloader.testserver import content, nginx, nginx_config
from downloader.testserver.answers import MODIFIED
from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx
from downloader.testserver.server_errors import CannotStart, Unsupported, WrongQuery
from downloader.testserver.serving import ListenAddress
from tests.support.ports import free_port

try:
    PROGRAM = nginx.find()
except Unsupported as missing:
    pytest.skip(str(missing), allow_module_level=True)

NAMED = {"two": "files=2&size=10&seed=3"}
needs_echo = pytest.mark.skipif(PROGRAM.echo is None, reason="nginx's echo module is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Nginx]:
    """Plain http."""
    with Nginx(lists=NAMED) as running:
        yield running


def get(server: Nginx, url: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    """Body and header fields."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if server.cacert:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=server.cacert)))
    with urllib.request.build_opener(*handlers).open(urllib.request.Request(url, headers=fields), timeout=10) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def refused(server: Nginx, path: str) -> int:
    """The status that is no 200."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server, server.url + path)
    caught.value.close()
    return caught.value.code


def test_files_of_a_list_are_served(server: Nginx) -> None:
    query = "files=5&size=100000&spread=1&seed=2"
    urls = server.listing(query).splitlines()
    sums = server.sums(query)
    assert [url.partition("?")[2] for url in urls] == ["seed=2"] * 5
    for url in urls:
        assert hashlib.sha256(get(server, url)[0]).hexdigest() == sums[url.rpartition("/")[2].partition("?")[0]]


def test_paths_and_digests_are_those_of_the_built_in_server(server: Nginx) -> None:
    query = "files=5&size=1000&spread=1&rate=1000000"
    with TestServer() as other:
        assert server.listing(query).replace(server.url, "") == other.listing(query).replace(other.url, "")
        assert server.sums(query) == other.sums(query)
        assert server.file(1, 10).removeprefix(server.url) == other.file(1, 10).removeprefix(other.url)


def test_ranges_and_dates(server: Nginx) -> None:
    body, fields = get(server, server.file(4, 1000), Range="bytes=10-19")
    assert body == content.body(4, 10, 20)
    assert (fields["content-range"], fields["last-modified"]) == ("bytes 10-19/1000", MODIFIED)


def test_named_lists_and_pages(server: Nginx) -> None:
    assert get(server, f"{server.url}/list/two")[0].decode() == server.listing(NAMED["two"])
    sums = "".join(f"{digest}  {name}\n" for name, digest in server.sums(NAMED["two"]).items())
    assert get(server, f"{server.url}/sums/two")[0].decode() == sums
    assert get(server, f"{server.url}/list")[0].decode() == f"two  {NAMED['two']}\n"
    assert b"/file/SIZE/NUMBER.bin" in get(server, server.url)[0]
    assert get(server, f"{server.url}/ready")[0] == b""
    assert refused(server, "/list?files=1&size=1") == 400
    assert refused(server, "/file/10/999.bin") == 404
    assert refused(server, server.file(0, 10).removeprefix(server.url) + "?fail=503") == 400
    server.reset()


@needs_echo
def test_delay_is_before_the_head(server: Nginx) -> None:
    begun = time.monotonic()
    assert get(server, server.file(1, 10, delay=0.1, seed=2))[0] == content.body(1, 0, 10, 2)
    assert time.monotonic() - begun >= 0.1


@pytest.mark.slow
def test_rate_is_kept_in_whole_seconds(server: Nginx) -> None:
    begun = time.monotonic()
    assert len(get(server, server.file(1, 300_000, rate=100_000))[0]) == 300_000
    assert time.monotonic() - begun >= 1


def test_https() -> None:
    with Nginx(tls=True) as secure:
        assert secure.url.startswith("https://127.0.0.1:")
        assert get(secure, secure.file(1, 1000))[0] == content.body(1, 0, 1000)
        folder = Path(secure.cacert).parent
    assert not folder.exists()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("files=1&size=1&fail=cut", "does not support faults"),
        ("files=1&size=1&rate=0.5", "rates of whole bytes"),
        ("files=1&size=1&delay=0.0005", "whole milliseconds"),
        ("files=10&size=9999999999999", "are free"),
    ],
)
def test_what_it_cannot_do_is_told(server: Nginx, query: str, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        server.listing(query)
    if "free" not in says:
        assert says in nginx.objection(query)
        with pytest.raises(Unsupported, match=says):
            Nginx(lists={"a": query})


def test_late_answers_need_the_echo_module(monkeypatch: pytest.MonkeyPatch) -> None:
    without = PROGRAM._replace(echo=None)
    monkeypatch.setattr(nginx, "find", lambda: without)
    with Nginx() as plain, pytest.raises(Unsupported, match="libnginx-mod-http-echo"):
        plain.file(1, 1, delay=1)


def test_nginx_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "shutil", SimpleNamespace(which=lambda *_, **__: None))
    nginx.find.cache_clear()
    try:
        with pytest.raises(Unsupported, match="apt-get install nginx-light"):
            Nginx()
    finally:
        nginx.find.cache_clear()


def test_wrong_queries_and_ports_are_told(server: Nginx) -> None:
    with pytest.raises(WrongQuery):
        server.listing("files=0")
    with pytest.raises(CannotStart, match="the port is in use"):
        Nginx(port=server.port)


def test_it_tells_what_it_used_and_ends_with_its_owner(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import os, sys, urllib.request; from downloader.testserver.nginx import Nginx\n"
        f"server = Nginx(port={port}); url = server.file(1, 20_000_000)\n"
        "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "[opener.open(url).read() for _ in range(10)]\n"
        "print(server.cpu_seconds(), server.cores, server._folder, flush=True)\n"
        "os._exit(9)"  # as if it were killed
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr
    used, cores, folder = done.stdout.split()
    assert float(cores) >= 1
    assert float(used) > 0 or not Path("/proc").exists()
    deadline = time.monotonic() + 20
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with Nginx(port=port):
        pass


def test_directives_can_be_added() -> None:
    added = nginx_config.Additions(
        server="location /added/ { return 200 $answer; }", http="map $arg_word $answer { default none; some some; }"
    )
    with Nginx(added=added) as running:
        assert [get(running, f"{running.url}/added/{query}")[0] for query in ("", "?word=some")] == [b"none", b"some"]
        assert get(running, running.file(1, 1000))[0] == content.body(1, 0, 1000)


@pytest.mark.parametrize("http2", [False, True])
def test_http2_is_offered_unless_told_otherwise(http2: bool) -> None:
    with Nginx(tls=True, http2=http2) as running:
        context = ssl.create_default_context(cafile=running.cacert)
        context.set_alpn_protocols(["h2", "http/1.1"])
        plain = socket.create_connection(("127.0.0.1", running.port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            assert secure.selected_alpn_protocol() == ("h2" if http2 and PROGRAM.http2 else "http/1.1")


@pytest.mark.parametrize(
    ("version", "certified", "listens", "directive"),
    [
        ((1, 22, 1), True, "listen 127.0.0.1:80 ssl http2 backlog", False),
        ((1, 25, 1), True, "listen 127.0.0.1:80 ssl backlog", True),
        ((1, 25, 1), False, "listen 127.0.0.1:80 backlog", False),
    ],
)
def test_http2_is_asked_for_as_the_version_knows_it(
    version: tuple[int, ...], certified: bool, listens: str, directive: bool
) -> None:
    program = nginx_config.Program("nginx", version, http2=True, echo=None)
    files = nginx_config.Files(Path("/a"), Path("/b"), Path("/c")) if certified else None
    limits = nginx_config.NginxLimits(1, 1024)
    text = nginx_config.text(program, ListenAddress("127.0.0.1", 80), Path("/f"), Path("/c"), files, limits, root=False)
    assert listens in text
    assert ("http2 on;" in text) is directive
