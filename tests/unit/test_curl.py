"""libcurl as a transport: what its Wires tell, what its errors mean, and who waits on which socket."""

import contextlib
import os
import resource
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import trustme

from downloader.core.http.messages import Head, Request
from downloader.errors import DownloadError, NameNotFound, NetworkError, PolicyError, ProtocolError, TLSError
from downloader.transports import curl_client as curl
from downloader.transports.base import ClientOptions
from downloader.transports.curl_client import CurlExchange, CurlMulti
from downloader.transports.polling import READ, WRITE, EpollPoller, Poller, SelectorPoller
from tests.support.ports import free_port
from tests.support.scripted import Connection, MakeServer, RecordedRequest, Script, SocksServer, answer, reply, reset

BODY = bytes(range(256)) * 20
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class RecordingReceiver:
    """A listener that records its calls, in their order."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as if new, for the next transfer."""
        self.told: list[str] = []
        self.heads: list[Head] = []
        self.data = b""
        self.error: DownloadError | None = None
        self.broken: Exception | None = None
        self.done = False
        self.at_head: Callable[[], bool] = lambda: True
        self.at_data: Callable[[], bool] = lambda: True

    def on_head(self, head: Head) -> bool:
        self.told.append("head")
        self.heads.append(head)
        return self.at_head()

    def on_data(self, data: bytes) -> bool:
        self.told.append("data")
        self.data += data
        return self.at_data()

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        self.told.append("done")
        self.error, self.broken, self.done = error, broken, True

    @property
    def head(self) -> Head:
        (head,) = self.heads
        return head


class Client:
    """A multi handle with what is under way on it."""

    def __init__(self, **options: object) -> None:
        self.options = ClientOptions(**{"connections": 2000, **options})  # type: ignore[arg-type]
        self.multi = CurlMulti(self.options)

    def start(
        self, url: str, ear: RecordingReceiver | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> tuple[CurlExchange, RecordingReceiver]:
        ear = ear or RecordingReceiver()
        exchange = CurlExchange(ear, self.options)
        self.multi.begin(exchange, Request(url, headers))
        return exchange, ear

    def turn_until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it does not end"
            self.multi.run_once(0.05)

    def get(
        self, url: str, ear: RecordingReceiver | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> RecordingReceiver:
        _, ear = self.start(url, ear, headers)
        self.turn_until(lambda: ear.done)
        return ear


@pytest.fixture(params=["epoll", "selectors"])
def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, scripted: MakeServer
) -> Iterator[Callable[..., Client]]:
    """Makes clients, over either way to wait; closed before the servers are."""
    if request.param == "epoll" and not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    monkeypatch.setattr(curl, "new_poller", {"epoll": EpollPoller, "selectors": SelectorPoller}[request.param])
    made: list[Client] = []

    def make(**options: object) -> Client:
        made.append(Client(**options))
        return made[-1]

    yield make
    for item in made:
        item.multi.close()


def error_of(url: str, **options: object) -> DownloadError:
    """What the request fails with."""
    one = Client(**options)
    try:
        error = one.get(url).error
    except DownloadError as refused:
        error = refused
    finally:
        one.multi.close()
    assert error is not None
    return error


def test_head_is_told_before_the_body_and_the_body_before_the_end(client: Callable[..., Client], scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY, ETag='"v1"', X_Other="no"))
    ear = client().get(f"{server.url}/a", headers=(("Accept", "*/*"), ("X-Empty", "")))
    assert (ear.told[0], ear.told[-1], set(ear.told[1:-1])) == ("head", "done", {"data"})
    assert ear.head == Head(200, (("Content-Length", str(len(BODY))), ("ETag", '"v1"')))
    assert (ear.data, ear.error, ear.broken) == (BODY, None, None)
    sent = server.requests[0].headers
    del sent["user-agent"]  # pycurl names itself where nothing else does
    assert sent == {"host": f"127.0.0.1:{server.port}", "accept": "*/*", "x-empty": ""}


@pytest.mark.parametrize(
    ("raw", "status", "headers", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, {"content-length": "0"}, b""),
        (b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n", 204, {"etag": "x"}, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", 200, {"content-length": "3"}, b"abc"),
        (b"HTTP/1.0 200 OK\r\nETag: x\r\n\r\nabc", 200, {"etag": "x"}, b"abc"),
        (b'HTTP/1.1 200 OK\nContent-Length: 3\nETag: "a"\n\nabc', 200, {"content-length": "3", "etag": '"a"'}, b"abc"),
        (b"HTTP/1.1 200 OK\r\nX-Foo: HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc", 200, {"content-length": "3"}, b"abc"),
        (b'HTTP/1.1 200 OK\r\nETag: "a\r\n b"\r\nContent-Length: 3\r\n\r\nabc', 200, {"etag": '"a b"'}, b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 404, {"content-length": "2"}, b"no"),
        (
            b'HTTP/1.1 103 Early Hints\r\nETag: "early"\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            200,
            {"content-length": "3"},
            b"abc",
        ),
        (CHUNKED + b"3\r\nabc\r\n0\r\nETag: trailer\r\n\r\n", 200, {"transfer-encoding": "chunked"}, b"abc"),
        (CHUNKED + b"0\r\nETag: trailer\r\nContent-Length: 9\r\n\r\n", 200, {"transfer-encoding": "chunked"}, b""),
        (CHUNKED + b"0\r\n\r\n", 200, {"transfer-encoding": "chunked"}, b""),
    ],
    ids=[
        *("empty", "no content", "no reason", "HTTP/1.0", "bare line feeds", "HTTP/ in a field", "folded", "100", "103 twice"),
        *("trailers", "trailers after nothing", "empty chunked"),
    ],
)
def test_head_is_the_last_one_without_trailers(
    scripted: MakeServer, raw: bytes, status: int, headers: dict[str, str], body: bytes
) -> None:
    one = Client()
    ear = one.get(scripted(answer(raw)).url + "/a")
    one.multi.close()
    assert (ear.error, ear.broken, ear.data) == (None, None, body)
    assert ear.head.status == status
    found = {name.lower(): value for name, value in ear.head.headers}
    assert headers.items() <= found.items()
    assert ("etag" in found) == ("etag" in headers)


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nETag: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-"]
)
def test_interim_answer_is_never_told_as_the_head(scripted: MakeServer, raw: bytes) -> None:
    one = Client()
    ear = one.get(scripted(answer(raw)).url + "/a")
    one.multi.close()
    assert (ear.told, ear.broken) == (["done"], None)  # no head: whoever waits for one knows that this is too early


def test_too_large_a_head_is_refused(client: Callable[..., Client], scripted: MakeServer) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 7000) for n in range(20))
    ear = client().get(scripted(answer(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")).url)
    assert ear.heads == []
    assert isinstance(ear.broken, ProtocolError)


# What its errors mean


def reset_in_body(connection: Connection, request: RecordedRequest) -> None:
    connection.send(reply("200 OK", BODY, length=None))
    time.sleep(0.05)
    connection.reset()


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (reset, NetworkError, "connection reset"),
        (reset_in_body, NetworkError, "connection reset"),
        (answer(b""), NetworkError, "closed before an answer"),
        (answer(reply("200 OK", b"abc", length=9)), NetworkError, "truncated"),
        (answer(CHUNKED + b"9\r\nabc"), NetworkError, "truncated"),
        (answer(CHUNKED + b"3\r\nabcXX"), ProtocolError, "malformed"),
        (answer(CHUNKED + b"zz\r\nabc"), ProtocolError, "malformed"),
        (answer(CHUNKED + b"fffffffffffffffff1\r\nabc"), ProtocolError, "malformed"),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: zz\r\n\r\nabc"), ProtocolError, "malformed"),
        (answer(b"HTTP/1.1 200 OK\r\nA\0b: c\r\n\r\nabc"), ProtocolError, "malformed"),
        (answer(b"HTTP/2 200 OK\r\nContent-Length: 1\r\n\r\na"), ProtocolError, "malformed"),
        (answer(b"220 smtp.example ESMTP\r\n\r\n"), ProtocolError, "malformed"),
        (answer(b"HTTP/1.1 abc No\r\n\r\n"), ProtocolError, "malformed"),
        (answer(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000), ProtocolError, "malformed"),
    ],
)
def test_error_of_an_answer(scripted: MakeServer, script: Script, kind: type, said: str) -> None:
    error = error_of(f"{scripted(script).url}/a")
    assert type(error) is kind
    assert said in error.reason
    assert error.url.endswith("/a")


def test_error_of_a_way_to_the_server(scripted: MakeServer) -> None:
    assert error_of(f"http://127.0.0.1:{free_port()}/").reason == "connection refused"
    assert type(error_of(f"http://{'x' * 64}.invalid/")) is NameNotFound  # too long a label: no name server is asked
    for url in ("http://127.0.0.1:99999/", "http://[::1/", "http://a b/"):
        assert isinstance(error_of(url), PolicyError), url
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        error = error_of(f"http://127.0.0.1:{full.getsockname()[1]}/", connect_timeout=0.3)
        for other in others:
            other.close()
    assert error.reason == "no connection within 0.3 s"


def test_error_of_a_handshake(scripted: MakeServer) -> None:
    def secure(*scripts: object) -> str:
        return scripted(*scripts, answers_at_once=True).url.replace("http:", "https:")

    assert isinstance(error_of(secure(b"HTTP/1.1 400 Bad\r\n\r\n")), TLSError)
    for script in (reset, answer(b"")):
        error = error_of(secure(script))
        assert (type(error), error.reason) == (NetworkError, "connection reset")


def test_error_of_a_certificate() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        error = error_of(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    assert isinstance(error, TLSError)
    assert "does not verify" in error.reason
    assert "--cacert" in error.hint


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (answer(reply("407 Proxy Authentication Required", b"no")), "the proxy cannot be used: HTTP 407"),
        (answer(reply("502 Bad Gateway", b"no")), "the proxy cannot be used: HTTP 502"),
        (reset, "connection reset"),
    ],
)
def test_error_of_a_tunnel(scripted: MakeServer, script: Script, said: str) -> None:
    proxy = scripted(script)
    error = error_of("https://127.0.0.1:1/a", proxy=proxy.url)
    assert isinstance(error, NetworkError)
    assert error.reason == f"through the proxy: {said}"
    assert proxy.requests[0].line == "CONNECT 127.0.0.1:1 HTTP/1.1"


def test_error_of_a_proxy(scripted: MakeServer) -> None:
    for proxy in (f"socks5://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"):
        assert error_of("http://127.0.0.1:1/", proxy=proxy).reason == "through the proxy: connection refused"
    junk = scripted(answer(b"junk"), answers_at_once=True)
    error = error_of("http://127.0.0.1:1/", proxy=f"socks5://127.0.0.1:{junk.port}")
    assert error.reason == "through the proxy: the proxy cannot be used"


def test_a_transfer_without_a_descriptor_fails_and_does_not_hang() -> None:
    one = Client()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ear = one.start(f"http://127.0.0.1:{free_port()}/")[1]
    probe = os.dup(0)
    os.close(probe)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
        one.turn_until(lambda: ear.done)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        one.multi.close()
    assert isinstance(ear.error, NetworkError)
    assert ear.error.reason in ("too many open files", "connection failed")  # libcurl may not say why


# Proxies


def test_plain_proxy_is_asked_for_the_whole_url(client: Callable[..., Client], scripted: MakeServer) -> None:
    proxy = scripted(reply("200 OK", BODY))
    one = client(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
    for url in ("http://host.invalid/a", "http://host.invalid/b%2fc"):
        assert one.get(url).data == BODY
    assert [request.path for request in proxy.requests] == ["http://host.invalid/a", "http://host.invalid/b%2fc"]
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_host_without_proxy_is_asked_itself_after_one_with(client: Callable[..., Client], scripted: MakeServer) -> None:
    proxy, server = scripted(reply("200 OK", BODY)), scripted(reply("200 OK", BODY))
    one = client(proxies=(("http", proxy.url), ("no", "127.0.0.1")))
    exchange, ear = one.start("http://host.invalid/a")
    one.turn_until(lambda: ear.done)
    ear.forget()
    one.multi.begin(exchange, Request(f"{server.url}/b", ()))
    one.turn_until(lambda: ear.done)
    assert [request.path for request in proxy.requests] == ["http://host.invalid/a"]
    assert [request.path for request in server.requests] == ["/b"]


def test_head_of_a_tunnel_is_not_the_answers(scripted: MakeServer) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def tunnel(connection: Connection, request: RecordedRequest) -> None:
        connection.send(b'HTTP/1.1 200 Connected\r\nETag: "proxy"\r\n\r\n')
        with context.wrap_socket(connection.sock, server_side=True) as secure:
            assert b"GET /a%2fb HTTP/1.1\r\n" in secure.recv(65536)
            secure.sendall(reply("404 Not Found", b"no", ETag='"server"'))
            with contextlib.suppress(OSError):
                secure.recv(1)

    proxy = scripted(tunnel)
    with authority.cert_pem.tempfile() as cacert:
        one = Client(proxy=proxy.url, cacert=cacert)
        ear = one.get("https://127.0.0.1:1/a%2fb", headers=(("Authorization", "Bearer secret"), ("X-One", "1")))
        one.multi.close()
    assert ear.error is None
    assert ear.head == Head(404, (("Content-Length", "2"), ("ETag", '"server"')))
    assert {"authorization", "x-one"}.isdisjoint(proxy.requests[0].headers)  # they are for the server


@pytest.mark.parametrize(("scheme", "wanted"), [("socks5", "127.0.0.1"), ("socks5h", "localhost")])
def test_socks_proxy_leads_there(scripted: MakeServer, scheme: str, wanted: str) -> None:
    server = scripted(reply("200 OK", BODY))
    socks = SocksServer(server.port)
    one = Client(proxy=f"{scheme}://127.0.0.1:{socks.port}")
    ear = one.get(f"http://{wanted}:{server.port}/a")
    one.multi.close()
    socks.close()
    assert (ear.head.status, ear.data) == (200, BODY)
    assert socks.targets == [f"{wanted}:{server.port}"]


# Holding, ending, using again


def in_two(first: int, gate: threading.Event, body: bytes) -> Script:
    """Sends the second part of a body when the test lets it."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", body[:first], length=len(body)))
        gate.wait(20)
        connection.send(body[first:])

    return script


LONG = BODY * 60


def paused_transfer(one: Client, scripted: MakeServer) -> tuple[CurlExchange, RecordingReceiver]:
    """A transfer that is held while more has come: libcurl keeps it."""
    gate = threading.Event()
    server = scripted(in_two(50_000, gate, LONG))
    exchange, ear = one.start(f"{server.url}/a")
    one.turn_until(lambda: len(ear.data) == 50_000)
    exchange.pause()
    gate.set()
    one.turn_until(lambda: exchange._has_pending_data)
    for _ in range(5):
        one.multi.run_once(0.01)
    assert (len(ear.data), ear.done) == (50_000, False)
    return exchange, ear


def test_held_data_is_brought_again(client: Callable[..., Client], scripted: MakeServer) -> None:
    one = client(read_bytes=4096)
    exchange, ear = paused_transfer(one, scripted)
    exchange.resume()
    one.turn_until(lambda: ear.done)
    assert (ear.data, ear.error) == (LONG, None)


def test_holding_after_every_piece_loses_nothing(client: Callable[..., Client], scripted: MakeServer) -> None:
    one = client(read_bytes=4096)
    exchange, ear = paused_transfer(one, scripted)
    held_now = [True]

    def hold() -> bool:
        exchange.pause()
        held_now[0] = True
        return True

    ear.at_data = hold

    def ended() -> bool:
        if held_now[0]:
            held_now[0] = False
            exchange.resume()
        return ear.done

    one.turn_until(ended)
    assert (ear.data, ear.error) == (LONG, None)
    assert ear.told.count("data") > 10


@pytest.mark.parametrize("how", ["stop", "raise"])
def test_listener_may_end_it_in_what_is_brought_again(client: Callable[..., Client], scripted: MakeServer, how: str) -> None:
    """libcurl says so with an error of the call that lets it go on; that is no error of the loop."""
    one = client(read_bytes=4096)
    exchange, ear = paused_transfer(one, scripted)

    def end() -> bool:
        if how == "raise":
            raise KeyError("mine")
        return False

    ear.at_data = end
    exchange.resume()
    one.turn_until(lambda: ear.done)
    assert isinstance(ear.broken, KeyError) == (how == "raise")
    other = one.get(scripted(reply("200 OK", BODY)).url)
    assert (other.data, other.error) == (BODY, None)


@pytest.mark.parametrize("where", ["at_head", "at_data"])
def test_what_a_listener_raises_ends_its_own_transfer(client: Callable[..., Client], scripted: MakeServer, where: str) -> None:
    gate = threading.Event()
    server = scripted(in_two(1000, gate, BODY))
    one = client()
    ears = [RecordingReceiver(), RecordingReceiver(), RecordingReceiver()]

    def fail() -> bool:
        raise KeyError("mine")

    setattr(ears[1], where, fail)
    for ear in ears:
        one.start(f"{server.url}/a", ear)
    one.turn_until(lambda: ears[1].done)
    gate.set()
    one.turn_until(lambda: all(ear.done for ear in ears))
    assert isinstance(ears[1].broken, KeyError)
    assert [(ear.data, ear.error, ear.broken) for ear in (ears[0], ears[2])] == [(BODY, None, None)] * 2


def unwanted(ear: RecordingReceiver) -> None:
    ear.at_head = lambda: False


def enough(ear: RecordingReceiver) -> None:
    ear.at_data = lambda: False


def broken(ear: RecordingReceiver) -> None:
    def fail() -> bool:
        raise KeyError("mine")

    ear.at_data = fail


@pytest.mark.parametrize(
    ("script", "change"),
    [
        (reply("200 OK", BODY), None),
        (reply("404 Not Found", b"no"), None),
        (reply("302 Found", b"there"), unwanted),
        (answer(reply("200 OK", BODY * 100)), unwanted),
        (answer(reply("200 OK", BODY)), enough),
        (answer(reply("200 OK", BODY)), broken),
        (answer(reply("200 OK", BODY, length=9999)), None),
        (answer(CHUNKED + b"zz\r\n"), None),
        (reset, None),
        (answer(b""), None),
    ],
    ids=["done", "404", "unwanted", "unwanted and long", "enough", "broken", "truncated", "malformed", "reset", "closed"],
)
def test_wire_serves_again_after_any_end(
    client: Callable[..., Client],
    scripted: MakeServer,
    script: Script | bytes,
    change: Callable[[RecordingReceiver], None] | None,
) -> None:
    server = scripted(script, reply("200 OK", BODY[::-1], ETag='"2"'))
    one = client()
    ear = RecordingReceiver()
    if change is not None:
        change(ear)
    exchange, _ = one.start(f"{server.url}/a", ear)
    one.turn_until(lambda: ear.done)
    ear.forget()
    one.multi.begin(exchange, Request(f"{server.url}/b%2f", ()))
    one.turn_until(lambda: ear.done)
    assert (ear.error, ear.broken, ear.data) == (None, None, BODY[::-1])
    assert ear.head.headers == (("Content-Length", str(len(BODY))), ("ETag", '"2"'))
    assert server.requests[1].path == "/b%2f"


def test_wire_asks_for_the_right_file_after_one_with_an_encoded_name(
    client: Callable[..., Client], scripted: MakeServer
) -> None:
    server = scripted(reply("200 OK", BODY))
    one = client()
    exchange, ear = one.start(f"{server.url}/a%2fb")
    one.turn_until(lambda: ear.done)
    ear.forget()
    one.multi.begin(exchange, Request(f"{server.url}/c", ()))
    one.turn_until(lambda: ear.done)
    assert [request.path for request in server.requests] == ["/a%2fb", "/c"]


def test_wire_serves_again_after_it_was_abandoned(client: Callable[..., Client], scripted: MakeServer) -> None:
    gate = threading.Event()
    server = scripted(in_two(1000, gate, BODY), reply("200 OK", BODY))
    one = client()
    exchange, ear = one.start(f"{server.url}/a")
    one.turn_until(lambda: ear.data)
    exchange.pause()
    one.multi.abandon(exchange)
    one.multi.abandon(exchange)  # nothing to do
    gate.set()
    assert not ear.done
    ear.forget()
    one.multi.begin(exchange, Request(f"{server.url}/b", ()))
    one.turn_until(lambda: ear.done)
    assert (ear.data, ear.error) == (BODY, None)


def test_connection_is_used_again_where_the_answer_came_to_its_end(client: Callable[..., Client], scripted: MakeServer) -> None:
    connections: list[int] = []

    def noted(connection: Connection, request: RecordedRequest) -> None:
        connections.append(connection.sock.getpeername()[1])
        connection.send(reply("200 OK", BODY * (100 if request.path == "/long" else 1)))

    server = scripted(noted)
    one = client()
    for number in range(4):
        ear = RecordingReceiver()
        ear.at_head = lambda number=number: number != 2  # type: ignore[misc]  # short: its rest is read
        assert one.get(f"{server.url}/{number}", ear).error is None
    assert len(set(connections)) == 1
    ear = RecordingReceiver()
    ear.at_head = lambda: False
    one.get(f"{server.url}/long", ear)  # too long to be read for nothing
    one.get(f"{server.url}/5")
    assert len(set(connections)) == 2


def test_idle_connection_that_the_server_closes_costs_nothing(client: Callable[..., Client], scripted: MakeServer) -> None:
    close_now = threading.Event()

    def once(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BODY))
        if request.path == "/first":
            close_now.wait(20)
            connection.sock.close()

    server = scripted(once)
    one = client()
    assert one.get(f"{server.url}/first").data == BODY
    close_now.set()
    for _ in range(5):
        one.multi.run_once(0.02)
    began = time.process_time()
    one.multi.run_once(0.2)  # it waits: what the idle connection has to say was heard, once
    assert time.process_time() - began < 0.1
    for number in range(3):
        ear = one.get(f"{server.url}/{number}")
        assert (ear.data, ear.error) == (BODY, None)


def test_a_thousand_and_a_half_connections_at_once(client: Callable[..., Client]) -> None:
    """perform() with select() would stop at 1,024."""
    count = 1500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 200  # both ends are ours
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"only {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def serve() -> None:
        socks = [listener.accept()[0] for _ in range(count)]  # all are in flight before any is answered
        for sock in socks:
            sock.recv(65536)
            sock.sendall(reply("200 OK", b"x"))
        ended.wait(30)
        for sock in socks:
            sock.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    one = client()
    try:
        ears = [one.start(f"http://127.0.0.1:{listener.getsockname()[1]}/{number}")[1] for number in range(count)]
        one.turn_until(lambda: all(ear.done for ear in ears), 60)
        assert sum(ear.data == b"x" for ear in ears) == count
    finally:
        ended.set()
        thread.join(10)
        listener.close()
        one.multi.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Pollers


@pytest.fixture(params=["epoll", "selectors"])
def waiting(request: pytest.FixtureRequest) -> Iterator[Poller]:
    """Each poller."""
    if request.param == "epoll" and not hasattr(select, "epoll"):
        pytest.skip("there is no epoll here")
    made: Poller = EpollPoller() if request.param == "epoll" else SelectorPoller()
    yield made
    made.close()


def test_poller_reports_what_is_ready(waiting: Poller) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiting.watch(ours.fileno(), READ)
        assert waiting.wait(0) == []
        theirs.send(b"x")
        assert waiting.wait(1) == [(ours.fileno(), READ)]
        waiting.watch(ours.fileno(), READ | WRITE)
        assert waiting.wait(1) == [(ours.fileno(), READ | WRITE)]
        waiting.watch(ours.fileno(), WRITE)
        assert waiting.wait(1) == [(ours.fileno(), WRITE)]
        waiting.unwatch(ours.fileno())
        assert waiting.wait(0) == []
        assert waiting.wait(0) == []
        waiting.watch(ours.fileno(), READ)
        assert waiting.wait(1) == [(ours.fileno(), READ)]


def test_poller_tells_of_the_other_sides_end(waiting: Poller) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        waiting.watch(ours.fileno(), READ)
        theirs.close()
        ((descriptor, mask),) = waiting.wait(1)
        assert descriptor == ours.fileno()
        assert mask & READ


@pytest.mark.parametrize("forgotten", [False, True])
def test_number_of_a_closed_descriptor_may_be_anothers(waiting: Poller, forgotten: bool) -> None:
    first = socket.socketpair()
    number = first[0].fileno()
    waiting.watch(number, READ)
    if forgotten:
        waiting.unwatch(number)
    for sock in first:
        sock.close()
    second = socket.socketpair()
    assert number in (second[0].fileno(), second[1].fileno())
    ours, theirs = second if second[0].fileno() == number else second[::-1]
    with ours, theirs:
        assert waiting.wait(0) == []
        waiting.watch(number, READ)
        assert waiting.wait(0) == []
        theirs.send(b"x")
        assert waiting.wait(1) == [(number, READ)]


def test_poller_forgets_what_it_never_knew(waiting: Poller) -> None:
    waiting.unwatch(12345)
    assert waiting.wait(0) == []


def test_what_else_is_listened_to_is_called(client: Callable[..., Client], scripted: MakeServer) -> None:
    one, called = client(), [0]
    ours, theirs = socket.socketpair()

    def call() -> None:
        ours.recv(1)
        called[0] += 1

    with ours, theirs:
        one.multi.add_reader(ours.fileno(), call)
        theirs.send(b"ab")
        one.turn_until(lambda: called[0] == 2)
        assert one.get(scripted(reply("200 OK", BODY)).url).data == BODY
        one.multi.remove_reader(ours.fileno())
        theirs.send(b"c")
        one.multi.run_once(0.05)
        assert called[0] == 2


def test_waits_end_with_what_comes_and_not_before(client: Callable[..., Client], scripted: MakeServer) -> None:
    """Nothing is asked again and again: the time spent is spent waiting."""
    gate = threading.Event()
    one = client()
    _, ear = one.start(scripted(in_two(1000, gate, BODY)).url)
    one.turn_until(lambda: len(ear.data) == 1000)
    stamps = [time.monotonic()]
    for _ in range(3):
        one.multi.run_once(0.1)
        stamps.append(time.monotonic())
    idle = sum(after - before for before, after in pairwise(stamps))
    assert idle > 0.2
    gate.set()
    one.turn_until(lambda: ear.done)
    assert ear.data == BODY
