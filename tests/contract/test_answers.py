"""Every strategy understands every answer alike: what a well-behaved server says, and what only a socket can say."""

import hashlib
import time
from collections.abc import Callable

import pytest

from downloader import (
    AuthError,
    HTTPStatusError,
    IntegrityError,
    NetworkError,
    PolicyError,
    ProtocolError,
    Status,
    TLSError,
)
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.fetching import Fetch, only_error
from tests.support.files import files_below
from tests.support.ports import free_port
from tests.support.scripted import Connection, MakeServer, RecordedRequest, Script, answer, reply, reset
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BODY = content.body(7, 0, 5000)
BIG = content.body(8, 0, 3_000_000)


def test_files_of_all_sizes_arrive_byte_for_byte(fetch: Fetch, server: TestServer) -> None:
    sizes = [0, 1, 10_240, 65_536, 1_048_576, 1_048_577, 5_000_000]
    report = fetch([server.file(number, size) for number, size in enumerate(sizes)])
    assert [report.done, report.skipped, report.failures] == [len(sizes), 0, 0]
    for number, size in enumerate(sizes):
        assert hashlib.sha256((fetch.folder / f"{number}.bin").read_bytes()).hexdigest() == content.sha256(number, size)
    assert files_below(fetch.folder) == [f"{number}.bin" for number in range(len(sizes))]
    assert report.bytes == report.received == sum(sizes)


def test_result_tells_what_happened(fetch: Fetch, server: TestServer) -> None:
    (result,) = fetch([server.file(3, 1000)]).results
    assert (result.status, result.path, result.bytes, result.http_status) == (Status.DONE, "3.bin", 1000, 200)
    assert (result.attempts, result.etag, result.final_url) == (1, '"3-3e8"', server.file(3, 1000))
    assert result.elapsed > 0
    assert result.error is None


def test_file_gets_the_servers_time_unless_told_otherwise(fetch: Fetch, server: TestServer) -> None:
    before = time.time() - 60
    fetch([server.file(1, 10)])
    assert (fetch.folder / "1.bin").stat().st_mtime == 1445412480  # Wed, 21 Oct 2015 07:28:00 GMT
    fetch([server.file(2, 10)], mtime=False)
    assert (fetch.folder / "2.bin").stat().st_mtime > before


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", HTTPStatusError),
        ("401 Unauthorized", AuthError),
        ("403 Forbidden", AuthError),
        ("404 Not Found", HTTPStatusError),
        ("407 Proxy Authentication Required", AuthError),
        ("410 Gone", HTTPStatusError),
        ("501 Not Implemented", HTTPStatusError),
        ("203 Other", ProtocolError),
        ("304 Not Modified", ProtocolError),
    ],
)
def test_status_that_no_other_try_would_change(fetch: Fetch, scripted: MakeServer, status: str, kind: type) -> None:
    server = scripted(reply(status, length=0 if status[0] == "4" else None))
    report = fetch([f"{server.url}/a"])
    assert type(only_error(report)) is kind
    assert report.failed[0].http_status == int(status[:3])
    assert len(server.requests) == 1
    assert files_below(fetch.folder) == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 529])
def test_status_that_another_try_may_change_is_tried_again(fetch: Fetch, scripted: MakeServer, status: int) -> None:
    server = scripted(reply(f"{status} Later"), reply(f"{status} Later"), reply("200 OK", BODY))
    report = fetch([f"{server.url}/a"])
    assert (report.done, report.results[0].attempts) == (1, 3)
    assert (fetch.folder / "a").read_bytes() == BODY


def test_a_file_fails_after_its_last_retry(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("503 Service Unavailable"))
    report = fetch([f"{server.url}/a"], retries=3)
    assert isinstance(only_error(report), HTTPStatusError)
    assert len(server.requests) == report.failed[0].attempts == 4


def test_retry_after_is_obeyed_up_to_the_cap(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("503 Later", Retry_After="3600"), reply("200 OK", BODY))
    started = time.monotonic()
    assert fetch([f"{server.url}/a"], max_retry_after=0.3).done == 1
    assert time.monotonic() - started >= 0.3


CUT_OFF = answer(reply("200 OK", BIG[:2_500_000], length=len(BIG), ETag='"v1"'))


def resuming(etag: str = '"v1"', body: bytes = BIG) -> Script:
    """Serves ranges properly, for a file that has this ETag."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        start = request.start
        if start == 0 or request.headers.get("if-range") != etag:
            connection.send(reply("200 OK", body, ETag=etag))
            return
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        connection.send(reply("206 Partial Content", body[start:], ETag=etag, Content_Range=where))

    return script


def test_body_cut_off_is_resumed_where_it_stopped(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(CUT_OFF, resuming())
    report = fetch([f"{server.url}/a"])
    assert (report.done, report.results[0].attempts) == (1, 2)
    assert 0 < server.requests[1].start <= 2_500_000  # what a library had in its buffers may be lost with the connection
    assert server.requests[1].headers["if-range"] == '"v1"'
    assert (fetch.folder / "a").read_bytes() == BIG
    assert report.received == len(BIG)  # nothing came twice
    assert files_below(fetch.folder) == ["a"]


def test_file_that_changed_meanwhile_is_never_mixed(fetch: Fetch, scripted: MakeServer) -> None:
    other = content.body(9, 0, len(BIG))
    server = scripted(CUT_OFF, resuming('"v2"', other))
    assert fetch([f"{server.url}/a"]).done == 1
    assert (fetch.folder / "a").read_bytes() == other


@pytest.mark.parametrize("fields", [{}, {"ETag": 'W/"weak"'}], ids=["no validator", "weak validator"])
def test_without_a_strong_validator_it_starts_again(fetch: Fetch, scripted: MakeServer, fields: dict[str, str]) -> None:
    server = scripted(answer(reply("200 OK", BIG[:2_500_000], length=len(BIG), **fields)), reply("200 OK", BIG, **fields))
    assert fetch([f"{server.url}/a"]).done == 1
    assert "range" not in server.requests[1].headers
    assert (fetch.folder / "a").read_bytes() == BIG


def test_last_modified_serves_where_there_is_no_etag(fetch: Fetch, scripted: MakeServer) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    cut_off = reply("200 OK", BIG[:2_500_000], length=len(BIG), Last_Modified=date, Date="Wed, 21 Oct 2015 09:00:00 GMT")
    server = scripted(answer(cut_off), partial(lambda at: (at, 3_000_000, 3_000_000)))
    assert fetch([f"{server.url}/a"]).done == 1
    assert server.requests[1].headers["if-range"] == date
    assert (fetch.folder / "a").read_bytes() == BIG


Span = tuple[int, int, int]


def partial(span: Callable[[int], Span], **fields: str) -> Script:
    """A 206 for the span (start, stop, total) that is made of where the request wanted to begin."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        start, stop, total = span(request.start)
        where = f"bytes {start}-{stop - 1}/{total}"
        connection.send(reply("206 Partial Content", BIG[start:stop], Content_Range=where, **fields))

    return script


def unlike_its_range(connection: Connection, request: RecordedRequest) -> None:
    """A 206 whose body is longer than its Content-Range says."""
    start = request.start
    where = f"bytes {start}-{start + 9}/{len(BIG)}"
    connection.send(reply("206 Partial Content", BIG[start:], Content_Range=where, ETag='"v1"'))


@pytest.mark.parametrize(
    "second",
    [
        partial(lambda at: (at - 1000, 3_000_000, 3_000_000), ETag='"v1"'),
        partial(lambda at: (at + 1000, 3_000_000, 3_000_000), ETag='"v1"'),
        partial(lambda at: (at, 3_000_000, 4_000_000), ETag='"v1"'),
        partial(lambda at: (at, 3_000_000, 3_000_000), ETag='"v2"'),
        unlike_its_range,
        answer(reply("206 Partial Content", BIG[2_000_000:], ETag='"v1"', Content_Range="octets 2000000-2999999/3000000")),
        answer(reply("206 Partial Content", BIG[2_000_000:], ETag='"v1"')),
        answer(reply("416 Range Not Satisfiable", Content_Range="bytes */3000000")),
        answer(reply("416 Range Not Satisfiable")),
    ],
    ids=["too early", "too late", "total", "validator", "length", "unit", "no range", "416 total", "416 bare"],
)
def test_range_that_was_not_asked_for_starts_again_at_zero(fetch: Fetch, scripted: MakeServer, second: Script) -> None:
    server = scripted(CUT_OFF, second, resuming())
    report = fetch([f"{server.url}/a"])
    assert report.failed == []
    assert "range" in server.requests[1].headers
    assert "range" not in server.requests[2].headers
    assert (fetch.folder / "a").read_bytes() == BIG


def test_200_to_a_range_request_is_the_whole_file(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(CUT_OFF, reply("200 OK", BIG, ETag='"v1"'))
    assert fetch([f"{server.url}/a"]).done == 1
    assert (fetch.folder / "a").read_bytes() == BIG


def test_416_for_what_is_complete_already(fetch: Fetch, scripted: MakeServer) -> None:
    """The run was killed between the last byte and the rename: all is there but the name."""
    server = scripted(CUT_OFF, reply("416 Range Not Satisfiable", Content_Range=f"bytes */{len(BIG)}", ETag='"v1"'))
    fetch([f"{server.url}/a"], retries=0)
    (fetch.folder / "a.part").write_bytes(BIG)
    report = fetch([f"{server.url}/a"])
    assert (report.done, report.bytes, report.received) == (1, len(BIG), 0)
    assert server.requests[1].headers["range"] == f"bytes={len(BIG)}-"
    assert (fetch.folder / "a").read_bytes() == BIG
    assert files_below(fetch.folder) == ["a"]


def test_partial_answer_shorter_than_asked_goes_on_from_there(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(CUT_OFF, partial(lambda at: (at, 2_800_000, 3_000_000), ETag='"v1"'), resuming())
    assert fetch([f"{server.url}/a"]).done == 1
    assert server.requests[2].headers["range"] == "bytes=2800000-"
    assert (fetch.folder / "a").read_bytes() == BIG


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content"])
def test_answer_without_content_is_an_empty_file(fetch: Fetch, scripted: MakeServer, status: str) -> None:
    """Also where there was a part of a file: nothing of that is left, or appended to."""
    server = scripted(CUT_OFF, f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    assert fetch([f"{server.url}/a"], retries=0).failures == 1
    report = fetch([f"{server.url}/a", f"{server.url}/b"])
    assert report.failed == []
    assert [(fetch.folder / name).read_bytes() for name in ("a", "b")] == [b"", b""]
    assert files_below(fetch.folder) == ["a", "b"]


def drip(data: bytes, pause: float = 0.0) -> Script:
    """One byte at a time."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        for at in range(len(data)):
            if not connection.send(data[at : at + 1]):
                return
            if pause:
                time.sleep(pause)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        answer(reply("200 OK", BODY)),
        answer(reply("200 OK", BODY, length=None)),
        answer(CHUNKED + b"1388\r\n" + BODY + b"\r\n0\r\n\r\n"),
        answer(CHUNKED + b"3e8;x=y\r\n" + BODY[:1000] + b"\r\nFA0\r\n" + BODY[1000:] + b"\r\n0\r\nTrailer: x\r\n\r\n"),
        drip(reply("200 OK", BODY)),
        answer(b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
        answer(reply("200 OK", BODY).replace(b"Content-Length", b"content-length")),
        answer(reply("200 OK", BODY, X_Many="y" * 4000)),
        answer(b"HTTP/1.1 100 Continue\r\n\r\n" + reply("200 OK", BODY)),
        answer(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2 + reply("200 OK", BODY)),
        answer(reply("200 OK", BODY, X_Long="y" * 20_000)),
    ],
    ids=[
        "length",
        "until close",
        "chunked",
        "chunks",
        "one byte at a time",
        "1.0",
        "lower case",
        "long field",
        "100",
        "103",
        "longer field",
    ],
)
def test_every_framing_gives_the_same_file(fetch: Fetch, scripted: MakeServer, script: Script) -> None:
    server = scripted(script)
    report = fetch([f"{server.url}/a"])
    assert report.failed == []
    assert (fetch.folder / "a").read_bytes() == BODY


def reset_in_body(connection: Connection, request: RecordedRequest) -> None:
    """A body that ends where the connection does, but the connection is reset."""
    connection.send(reply("200 OK", BODY, length=None))
    time.sleep(0.05)  # a reset that comes with the data would take it along
    connection.reset()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (reset, NetworkError),
        (answer(b""), NetworkError),
        (reset_in_body, NetworkError),
        (answer(reply("200 OK", BODY, Transfer_Encoding="chunked")), ProtocolError),
        (answer(reply("200 OK", BODY, length=None, Transfer_Encoding="gzip, chunked")), ProtocolError),
        (answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000), (ProtocolError, NetworkError)),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Le"), NetworkError),
        (answer(b"HTTP/1.1 200 OK\r\nETag: x\r\n"), NetworkError),
        (answer(reply("200 OK", BODY, length=len(BODY) + 1)), NetworkError),
        (answer(CHUNKED + b"1388\r\n" + BODY), NetworkError),
        (answer(CHUNKED + b"1388\r\n" + BODY + b"\r\n"), NetworkError),
        (answer(reply("200 OK", BODY, length=None, Content_Length="10, 20")), ProtocolError),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Length: 4999\r\n\r\n" + BODY), ProtocolError),
        (answer(reply("200 OK", BODY, length=-5)), ProtocolError),
        (answer(reply("200 OK", BODY, length=None, Content_Length="many")), ProtocolError),
        (answer(b"220 smtp.example ESMTP\r\n\r\n"), ProtocolError),
        (answer(b"HTTP/1.1 200 OK\r\n" + b"X-Flood: yes\r\n" * 20_000 + b"\r\n"), ProtocolError),
        (answer(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"y" * 2_000_000), ProtocolError),
        (
            answer(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 7000) for n in range(40)) + b"\r\n"),
            ProtocolError,
        ),
        (answer(CHUNKED + b"zz\r\n" + BODY), (ProtocolError, NetworkError)),
        (answer(reply("206 Partial Content", BODY, Content_Range=f"bytes 0-4999/{len(BODY)}")), ProtocolError),
    ],
    ids=[
        *(
            "reset",
            "closed",
            "reset in an endless body",
            "chunked and length",
            "other coding",
            "100 without end",
            "half a line",
            "half a head",
            "short",
            "unended chunk",
            "no last chunk",
            "two lengths in one",
            "two lengths",
        ),
        *("negative length", "length in words", "not HTTP", "many fields", "endless field", "large head", "bad chunk"),
        "unasked 206",
    ],
)
def test_broken_answer_is_an_error_and_leaves_no_file(fetch: Fetch, scripted: MakeServer, script: Script, kind: type) -> None:
    server = scripted(script)
    report = fetch([f"{server.url}/a"], retries=0)
    assert isinstance(only_error(report), kind)
    assert files_below(fetch.folder) == []


def test_stall_is_an_error(fetch: Fetch, scripted: MakeServer) -> None:
    def stall(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BODY[:100], length=5000))
        connection.hang()

    server = scripted(stall)
    report = fetch([f"{server.url}/a"], retries=0, low_speed_time=0.5)
    assert isinstance(only_error(report), NetworkError)
    assert only_error(report).reason == "no data received for 0.5 s"
    assert report.results[0].elapsed >= 0.5


def test_stall_before_the_head_is_an_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(lambda connection, request: connection.hang())
    report = fetch([f"{server.url}/a"], retries=0, low_speed_time=0.5)
    assert isinstance(only_error(report), NetworkError)
    assert only_error(report).reason == "no data received for 0.5 s"
    assert report.results[0].elapsed >= 0.5


def test_trickle_below_the_low_speed_limit_is_an_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(drip(reply("200 OK", BODY), 0.02))
    settings = {"retries": 0, "low_speed_time": 0.5, "low_speed_limit": 10_000}
    assert isinstance(only_error(fetch([f"{server.url}/a"], **settings)), NetworkError)


def test_head_that_never_ends_is_cut_off(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 50, 0.1))
    settings = {"retries": 0, "low_speed_time": 0.5, "connect_timeout": 0.5}
    assert isinstance(only_error(fetch([f"{server.url}/a"], **settings)), NetworkError)


def test_timeout_holds_for_an_attempt_as_a_whole(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(drip(reply("200 OK", BODY), 0.02))
    error = only_error(fetch([f"{server.url}/a"], retries=0, timeout=0.6))
    assert isinstance(error, NetworkError)
    assert "exceeded its time limit" in error.reason


def test_refused_port_is_a_network_error(fetch: Fetch) -> None:
    error = only_error(fetch([f"http://127.0.0.1:{free_port()}/a"]))
    assert isinstance(error, NetworkError)
    assert error.reason == "connection refused"


def test_name_that_does_not_resolve_is_a_network_error(fetch: Fetch) -> None:
    assert isinstance(only_error(fetch(["http://does-not-exist.invalid/a"], retries=0)), NetworkError)


def test_plain_server_behind_https_is_a_tls_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n", answers_at_once=True)
    assert isinstance(only_error(fetch([f"{server.url}/a".replace("http:", "https:")], retries=0)), TLSError)


ENDLESS = {
    "trailers": (CHUNKED + b"1388\r\n" + BODY + b"\r\n0\r\n", b"X-More: yes\r\n"),
    "chunk extension": (CHUNKED + b"1388\r\n" + BODY + b"\r\n5;x=", b"y"),
    "error page": (reply("404 Not Found", length=10_000), b"z"),
    "redirect page": (reply("302 Found", length=10_000, Location="/b"), b"z"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_brings_no_body_is_a_stall_however_busy(fetch: Fetch, scripted: MakeServer, kind: str) -> None:
    first, more = ENDLESS[kind]

    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(first)
        while connection.send(more):
            time.sleep(0.02)

    server = scripted(script)
    report = fetch([f"{server.url}/a"], retries=0, low_speed_time=0.5, max_redirects=1)
    assert report.failures == 1
    assert files_below(fetch.folder) == []


def test_host_is_what_stands_before_the_path(fetch: Fetch, scripted: MakeServer) -> None:
    meant, other = scripted(reply("200 OK", BODY)), scripted(reply("200 OK", BODY))
    report = fetch([f"{meant.url}?next=x@127.0.0.1:{other.port}/file"], header=["Authorization: secret"])
    assert report.done == 1
    assert meant.requests[0].path == f"/?next=x@127.0.0.1:{other.port}/file"
    assert other.requests == []


@pytest.mark.parametrize("target", ["/a/../b", "/%7Ex", "/x?y=%2f%2F", "/%2e%2e/x", "/a//b/./c", "/a;b=c,d", "/[x]?[y]|"])
def test_target_is_sent_as_it_was_written(fetch: Fetch, scripted: MakeServer, target: str) -> None:
    """A signed URL is good for these very bytes."""
    server = scripted(reply("200 OK", BODY))
    assert fetch([f"{server.url}{target}"]).done == 1
    assert server.requests[0].path == target.replace("|", "%7C")


def test_bytes_of_a_redirect_are_sent_as_they_came(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("302 Found", Location="/caf\u00c3\u00a9"), reply("200 OK", BODY))
    assert fetch([f"{server.url}/a"]).done == 1
    assert server.requests[1].path == "/caf%C3%A9"


def test_redirects_are_followed_and_counted(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("302 Found", b"gone", Location="/b?c=1"), reply("301 Moved", Location="d"), reply("200 OK", BODY))
    report = fetch([f"{server.url}/a"])
    assert [request.path for request in server.requests] == ["/a", "/b?c=1", "/d"]
    assert report.results[0].final_url == f"{server.url}/d"
    assert (fetch.folder / "a").read_bytes() == BODY


def test_redirect_loop_is_a_protocol_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("302 Found", Location="/a"))
    assert isinstance(only_error(fetch([f"{server.url}/a"], max_redirects=4)), ProtocolError)
    assert len(server.requests) == 5


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "javascript:1"])
def test_redirect_to_another_scheme_is_refused(fetch: Fetch, scripted: MakeServer, target: str) -> None:
    server = scripted(reply("302 Found", Location=target))
    assert isinstance(only_error(fetch([f"{server.url}/a"])), PolicyError)


def test_credentials_do_not_follow_to_another_origin(fetch: Fetch, scripted: MakeServer) -> None:
    other = scripted(reply("200 OK", BODY))
    server = scripted(reply("302 Found", Location=f"{other.url}/b"))
    headers = ["Authorization: Bearer secret", "Cookie: a=b", "X-Api-Key: k", "Referer: http://r/"]
    assert fetch([f"{server.url}/a"], header=headers).done == 1
    assert server.requests[0].headers["authorization"] == "Bearer secret"
    assert {"authorization", "cookie", "x-api-key"}.isdisjoint(other.requests[0].headers)
    assert other.requests[0].headers["referer"] == "http://r/"


def test_request_says_what_it_should(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    url = f"{server.url}/a%20b/c;d?e=%2F&f".replace("http://", "http://user:p%40ss@")
    fetch([url], user_agent="tester/1", header=["X-One: 1"])
    asked = server.requests[0]
    assert asked.line == "GET /a%20b/c;d?e=%2F&f HTTP/1.1"
    assert asked.headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert asked.headers["accept-encoding"] == "identity"
    assert (asked.headers["user-agent"], asked.headers["x-one"]) == ("tester/1", "1")
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


def test_header_lines_are_all_sent_in_order(fetch: Fetch, scripted: MakeServer) -> None:
    """Two lines of one name are two lines; one of a name that we would send ourselves takes its place."""
    server = scripted(reply("200 OK", BODY))
    mine = ["X-Test: a", "x-test: b", "Cookie: c=1", "X-Test: c", "accept: text/*", "User-Agent: me/1"]
    assert fetch([f"{server.url}/a"], header=mine).done == 1
    sent = [(name.lower(), value) for name, value in server.requests[0].lines]
    assert [value for name, value in sent if name == "x-test"] == ["a", "b", "c"]
    assert sorted(value for name, value in sent if name in ("accept", "user-agent")) == ["me/1", "text/*"]
    assert ("cookie", "c=1") in sent


def test_encoded_body_is_kept_as_it_came(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY, Content_Encoding="gzip"))
    assert fetch([f"{server.url}/a"]).done == 1
    assert (fetch.folder / "a").read_bytes() == BODY


def test_set_cookie_is_not_sent_back(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY, Set_Cookie="a=b; Path=/"))
    assert fetch([f"{server.url}/a", f"{server.url}/b"], jobs=1).done == 2
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def digest_field(body: bytes) -> str:
    """Repr-Digest, RFC 9530."""
    import base64

    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def test_servers_digest_is_verified(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY, Repr_Digest=digest_field(BODY)))
    assert fetch([f"{server.url}/a"]).done == 1


def test_wrong_digest_is_tried_once_more_from_zero_and_then_fails(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY, Repr_Digest=digest_field(b"other"), ETag='"v1"'))
    error = only_error(fetch([f"{server.url}/a"], retries=5))
    assert isinstance(error, IntegrityError)
    assert len(server.requests) == 2
    assert "range" not in server.requests[1].headers
    assert files_below(fetch.folder) == []


def test_resumed_file_is_verified_as_a_whole(fetch: Fetch, scripted: MakeServer) -> None:
    cut = answer(reply("200 OK", BIG[:2_500_000], length=len(BIG), ETag='"v1"', Repr_Digest=digest_field(BIG)))

    def rest(connection: Connection, request: RecordedRequest) -> None:
        start = request.start
        where = f"bytes {start}-{len(BIG) - 1}/{len(BIG)}"
        connection.send(reply("206 Partial", b"x" * (len(BIG) - start), ETag='"v1"', Content_Range=where))

    server = scripted(cut, rest, reply("200 OK", BIG, ETag='"v1"', Repr_Digest=digest_field(BIG)))
    assert fetch([f"{server.url}/a"]).done == 1
    assert (fetch.folder / "a").read_bytes() == BIG
    assert len(server.requests) == 3


def test_part_of_an_earlier_run_is_resumed(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(CUT_OFF, resuming())
    assert fetch([f"{server.url}/a"], retries=0).failures == 1
    assert files_below(fetch.folder) == ["a.part", "a.part.meta"]
    held = (fetch.folder / "a.part").stat().st_size
    assert fetch([f"{server.url}/a"]).done == 1
    assert server.requests[1].start == held > 0
    assert (fetch.folder / "a").read_bytes() == BIG
    assert files_below(fetch.folder) == ["a"]
