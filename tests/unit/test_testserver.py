"""The built-in test server, as a client meets it: answers, faults seen on a raw socket, https, HTTP/2, launching."""

import asyncio
import base64
import hashlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pycurl
import pytest

from downloader.testserver import content, sending
from downloader.testserver.launch import TestServer
from downloader.testserver.sending import MAX_IN_MEMORY, MAX_SINGLE_PIECE
from downloader.testserver.server_errors import CannotStart, WrongQuery

NAMED = {"two": "files=2&size=10&seed=3", "spread": "files=5&size=1000&spread=1&delay=0.001"}
STREAMED = MAX_SINGLE_PIECE * 2
PIPED = MAX_IN_MEMORY + 1


class Said(NamedTuple):
    """What came over the wire until it ended. ``end``: "fin", "rst" or "whole"."""

    status: int
    fields: dict[str, str]
    body: bytes
    end: str


def ask(server: TestServer, url: str, method: str = "GET", **fields: str) -> Said:
    """Send one request on a connection of its own, and read until the end of the body, or of the connection."""
    lines = [
        f"{method} {url.removeprefix(server.url)} HTTP/1.1",
        "Host: test",
        *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items()),
    ]
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.settimeout(10)
        one = trusting(server).wrap_socket(plain, server_hostname="127.0.0.1") if server.cacert else plain
        with one:
            one.sendall("\r\n".join([*lines, "", ""]).encode())
            return read(one, method)


def trusting(server: TestServer) -> ssl.SSLContext:
    """A context that trusts this server alone."""
    return ssl.create_default_context(cafile=server.cacert)


def read(one: socket.socket, method: str) -> Said:
    """Up to the end of one answer, or of the connection."""
    status, fields, body, head, end = 0, {}, bytearray(), b"", "whole"
    try:
        while not status or (method != "HEAD" and len(body) < int(fields.get("content-length", 1 << 40))):
            more = one.recv(1 << 20)
            if not more:
                end = "fin"
                break
            if status:
                body += more
                continue
            head += more
            before, found, after = head.partition(b"\r\n\r\n")
            if found:
                first, *rest = before.decode().split("\r\n")
                status = int(first.split()[1])
                fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
                body += after
                if status in (204, 304):
                    break
    except ConnectionResetError:
        end = "rst"
    return Said(status, fields, bytes(body), end)


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    """Plain http, with named lists."""
    with TestServer(lists=NAMED) as running:
        yield running


@pytest.fixture(scope="module")
def secure() -> Iterator[TestServer]:
    """The same over https."""
    with TestServer(tls=True, lists=NAMED) as running:
        yield running


@pytest.mark.parametrize("size", [0, 1, 1000, STREAMED, PIPED])
def test_bytes_are_those_of_the_content_however_they_are_sent(server: TestServer, size: int) -> None:
    said = ask(server, server.file(3, size, seed=2))
    assert (said.status, said.end, said.fields["content-length"]) == (200, "whole", str(size))
    assert hashlib.sha256(said.body).hexdigest() == content.sha256(3, size, 2)


def test_ranges_of_what_is_piped(server: TestServer) -> None:
    said = ask(server, server.file(3, 2 * PIPED), range=f"bytes={PIPED - 5}-")
    assert (said.status, said.end) == (206, "whole")
    assert said.fields["content-range"] == f"bytes {PIPED - 5}-{2 * PIPED - 1}/{2 * PIPED}"
    assert said.body == content.body(3, PIPED - 5, 2 * PIPED)


def test_a_large_body_for_a_client_that_does_not_read_uses_no_memory(server: TestServer) -> None:
    size = 2_000_000_000
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(f"GET /file/{size}/1.bin HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        assert idle.recv(100)
        time.sleep(0.3)  # enough for 500 MB, if it were
        status = Path(f"/proc/{server.process.pid}/status")
        if not status.exists():
            pytest.skip("this system has no /proc")
        held = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(held) * 1024 < 300_000_000


@pytest.mark.parametrize("size", [100_000, PIPED])
def test_rate_is_kept_on_average(server: TestServer, size: int) -> None:
    """No upper bound: it may always be slower."""
    begun = time.monotonic()
    said = ask(server, server.file(1, size, rate=size * 4))
    assert time.monotonic() - begun >= 0.24
    assert said.body == content.body(1, 0, size)


def test_delay_is_before_the_head(server: TestServer) -> None:
    begun = time.monotonic()
    assert ask(server, server.file(1, 10, delay=0.1)).status == 200
    assert time.monotonic() - begun >= 0.1


def test_head_has_the_fields_and_no_body(server: TestServer) -> None:
    said = ask(server, server.file(1, 10), "HEAD")
    assert (said.status, said.body, said.fields["content-length"]) == (200, b"", "10")
    assert said.fields["etag"] == content.etag(1, 10)
    assert ask(server, server.file(1, 10), if_none_match=said.fields["etag"]).status == 304


def test_digest_is_told_when_asked_for(server: TestServer) -> None:
    digest = f"sha-256=:{base64.b64encode(bytes.fromhex(content.sha256(1, 10))).decode()}:"
    assert ask(server, server.file(1, 10) + "?digest=1").fields["repr-digest"] == digest
    partial = ask(server, server.file(1, 10), want_repr_digest="sha-256=5", range="bytes=2-3")
    assert partial.fields["repr-digest"] == digest  # of the representation, not of the part
    assert "repr-digest" not in ask(server, server.file(1, 10)).fields


@pytest.mark.parametrize("size", [1000, STREAMED, PIPED])
@pytest.mark.parametrize(("kind", "end"), [("cut", "fin"), ("reset", "rst")])
def test_body_that_ends_in_its_middle(server: TestServer, kind: str, end: str, size: int) -> None:
    said = ask(server, server.file(7, size, fail=kind))
    assert (said.status, said.fields["content-length"], said.end) == (200, str(size), end)
    half = content.body(7, 0, size // 2)
    # A reset overtakes what is on its way. When a body from a pipe ends early, the HTTP library drops what it has not sent yet.
    may_be_shorter = kind == "reset" or size == PIPED
    assert said.body == (half[: len(said.body)] if may_be_shorter else half)


@pytest.mark.parametrize("size", [1000, STREAMED, PIPED])
def test_body_that_stalls_in_its_middle(server: TestServer, size: int) -> None:
    half = content.body(7, 0, size // 2)
    with socket.create_connection(("127.0.0.1", server.port), 10) as one:
        one.sendall(
            f"GET {server.file(7, size, fail='stall').removeprefix(server.url)} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
        )
        got = bytearray()
        while not got.endswith(half[-100:]):
            more = one.recv(1 << 20)
            assert more
            got += more
        assert got.partition(b"\r\n\r\n")[2] == half
        one.settimeout(0.1)
        with pytest.raises(TimeoutError):
            one.recv(1)


@pytest.mark.parametrize("leaves", [True, False])
def test_stall_lasts_until_the_client_leaves_or_a_minute(monkeypatch: pytest.MonkeyPatch, leaves: bool) -> None:
    class Protocol:
        async def client_disconnect(self) -> None:
            await asyncio.sleep(0 if leaves else 3600)

    monkeypatch.setattr(sending, "STALL_SECONDS", 3600 if leaves else 0.01)

    async def seconds() -> float:
        began = time.monotonic()
        await asyncio.wait_for(sending._end_early(Protocol(), "", "stall"), 10)
        return time.monotonic() - began

    assert (0 if leaves else 0.01) <= asyncio.run(seconds()) < 10


def test_one_byte_that_is_cut_off_is_no_empty_file(server: TestServer) -> None:
    for seed in range(5):
        said = ask(server, server.file(7, 1, fail="cut", seed=seed))
        assert (said.fields["content-length"], said.body, said.end) == ("1", b"", "fin")


@pytest.mark.parametrize("size", [1000, STREAMED, PIPED])
@pytest.mark.parametrize("rate", [0, 1e9])
def test_corrupt_body_differs_in_one_byte(server: TestServer, size: int, rate: float) -> None:
    said = ask(server, server.file(7, size, fail="corrupt", rate=rate) + "&digest=1")
    right = content.body(7, 0, size)
    assert (
        [at for at in range(0, size, 1) if said.body[at : at + 1] != right[at : at + 1]] == [size // 2] if size < 5000 else True
    )
    assert said.body[: size // 2] == right[: size // 2]
    assert said.body[size // 2] != right[size // 2]
    assert said.body[size // 2 + 1 :] == right[size // 2 + 1 :]
    assert content.sha256(7, size) in base64.b64decode(said.fields["repr-digest"].split(":")[1]).hex()


def test_connection_that_is_dropped_says_nothing(server: TestServer) -> None:
    assert ask(server, server.file(7, 10, fail="drop")) == Said(0, {}, b"", "fin")
    assert ask(server, server.file(7, 10, fail="drop"), "HEAD").end == "fin"


def test_faults_leave_no_descriptor_behind(server: TestServer) -> None:
    folder = Path(f"/proc/{server.process.pid}/fd")
    if not folder.exists():
        pytest.skip("this system has no /proc")
    with socket.create_connection(("127.0.0.1", server.port)):
        before = len(list(folder.iterdir()))
        for seed in range(30):
            ask(server, server.file(7, 10, fail="drop", seed=seed))
        assert len(list(folder.iterdir())) < before + 10


def test_status_is_refused_with_leave_to_try_again_at_once(server: TestServer) -> None:
    for status in (503, 429, 404, 599):
        said = ask(server, server.file(7, 10, fail=str(status)))
        assert (said.status, said.fields["retry-after"]) == (status, "0")


def test_url_fails_three_times_at_most_and_anew_after_a_reset(server: TestServer) -> None:
    url = server.file(8, 10, fail="503")
    for method in ("GET", "POST"):
        assert ask(server, "/reset", method).status == 204
        assert [ask(server, url).status for _ in range(5)] == [503, 503, 503, 200, 503]
    server.reset()
    assert [ask(server, url).status for _ in range(4)] == [503, 503, 503, 200]


def test_lists_over_http_are_those_of_the_methods(server: TestServer) -> None:
    for name, query in NAMED.items():
        urls = server.listing(query)
        for path in (f"/list/{name}", f"/list?{query}"):
            assert text(server, path) == urls
        sums = "".join(f"{digest}  {file}\n" for file, digest in server.sums(query).items())
        assert text(server, f"/sums/{name}") == text(server, f"/sums?{query}") == sums
        for line in urls.splitlines():
            body = ask(server, line).body
            assert hashlib.sha256(body).hexdigest() == server.sums(query)[line.rpartition("/")[2].partition("?")[0]]
    assert text(server, "/list") == "".join(f"{name}  {query}\n" for name, query in NAMED.items())


def text(server: TestServer, path: str) -> str:
    """The body, under the server's own name and port, with curl's reading of chunks."""
    into = bytearray()
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, server.url + path)
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.WRITEFUNCTION, into.extend)
    if server.cacert:
        handle.setopt(pycurl.CAINFO, server.cacert)
    handle.perform()
    assert handle.getinfo(pycurl.RESPONSE_CODE) == 200
    handle.close()
    return into.decode()


def test_long_list_is_whole(server: TestServer) -> None:
    lines = text(server, "/list?files=60000&size=1").splitlines()
    assert lines == [f"{server.url}/file/1/{number}.bin" for number in range(60_000)]


def test_digests_of_a_range_of_files(server: TestServer) -> None:
    assert text(server, "/sums/10/5/2") == f"{content.sha256(5, 10)}  5.bin\n{content.sha256(6, 10)}  6.bin\n"


def test_list_names_the_host_that_was_asked(server: TestServer) -> None:
    assert ask(server, "/list/two").body.decode().startswith("http://test/file/10/0.bin")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/", 200, "/file/SIZE/NUMBER.bin"),
        ("/list?files=1", 400, "size= is missing"),
        ("/sums?size=1", 400, "files= is missing"),
        ("/file/1/1.bin?fail=oops", 400, "'oops'"),
        ("/list/none", 404, "not found"),
        ("/file/1/x.bin", 404, "not found"),
        ("/file/1/../1/1.bin", 404, "not found"),
        ("/other", 404, "not found"),
    ],
)
def test_pages_and_refusals(server: TestServer, path: str, status: int, says: str) -> None:
    said = ask(server, path)
    assert said.status == status
    assert says in said.body.decode()
    assert status == 200 or said.body.count(b"\n") == 1
    assert ask(server, path, "HEAD").status == status


def test_other_methods_are_refused(server: TestServer) -> None:
    said = ask(server, server.file(1, 1), "DELETE")
    assert (said.status, said.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("size", [1000, STREAMED, PIPED])
def test_https_serves_the_same(secure: TestServer, size: int) -> None:
    said = ask(secure, secure.file(3, size))
    assert hashlib.sha256(said.body).hexdigest() == content.sha256(3, size)
    half, got = content.body(3, 0, size // 2), ask(secure, secure.file(3, size, fail="cut")).body
    # When a body from a pipe ends early, the HTTP library drops what it has not encrypted yet: on a busy machine, that is some.
    assert got == half or (size == PIPED and got and half.startswith(got))
    assert ask(secure, secure.file(3, size, fail="drop")).status == 0
    assert text(secure, "/list/two").startswith(f"{secure.url}/file/10/0.bin?seed=3\n")
    secure.reset()


@pytest.mark.parametrize("size", [1000, STREAMED, PIPED])
def test_http2_over_tls_and_in_the_clear(server: TestServer, secure: TestServer, size: int) -> None:
    for one, version in ((secure, pycurl.CURL_HTTP_VERSION_2TLS), (server, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)):
        state = hashlib.sha256()
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, one.file(3, size))
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.HTTP_VERSION, version)
        handle.setopt(pycurl.WRITEFUNCTION, state.update)
        if one.cacert:
            handle.setopt(pycurl.CAINFO, one.cacert)
        handle.perform()
        assert handle.getinfo(pycurl.INFO_HTTP_VERSION) == pycurl.CURL_HTTP_VERSION_2_0
        assert state.hexdigest() == content.sha256(3, size)
        for kind in ("cut", "reset", "drop"):
            handle.setopt(pycurl.URL, one.file(3, size, fail=kind))
            with pytest.raises(pycurl.error):
                handle.perform()
        handle.close()


def test_server_tells_what_it_used(server: TestServer) -> None:
    if not Path("/proc").exists():
        pytest.skip("this system has no /proc")
    before = server.cpu_seconds()
    ask(server, "/sums/100000000/0/1")
    assert before < server.cpu_seconds() < 100
    assert 0 < server.cores <= (os.cpu_count() or 1)


def test_port_in_use_is_an_error_that_says_so(server: TestServer) -> None:
    with pytest.raises(CannotStart, match=f"port {server.port}: the port is in use"):
        TestServer(port=server.port)


def test_address_of_another_machine_and_wrong_lists_are_errors() -> None:
    with pytest.raises(CannotStart, match="cannot listen on 192\\.0\\.2\\.1"):
        TestServer(host="192.0.2.1", port=8080)
    with pytest.raises(WrongQuery):
        TestServer(lists={"a": "files=0"})


def test_port_can_be_taken_again_at_once() -> None:
    with TestServer() as first:
        ask(first, first.file(1, 10))
    with TestServer(port=first.port) as second:
        assert second.url == first.url
        assert ask(second, second.file(1, 10)).status == 200


def test_certificate_goes_with_its_server() -> None:
    with TestServer(tls=True) as running:
        folder = Path(running.cacert).parent
        assert [path.stat().st_mode & 0o077 for path in (folder, folder / "server.key")] == [0, 0]
    assert not folder.exists()
    with TestServer(tls=True) as killed:
        folder = Path(killed.cacert).parent
        killed.process.kill()
    assert not folder.exists()
