"""Odd and malformed answers: each has one meaning under every strategy, as docs/answers.md says."""

from collections.abc import Callable

import pytest

from tests.support.fetching import Fetch
from tests.support.scripted import Connection, RecordedRequest, ScriptedServer, answer
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

B = b"0123456789" * 5
OK = b"HTTP/1.1 200 OK\r\n"
SIZE = b"Content-Length: 50\r\n"
REST = SIZE + b"\r\n" + B
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"32\r\n" + B + b"\r\n"
BODY = CHUNKED + CHUNK
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /other\r\n"

FILE, EMPTY, BAD, CUT = ("done", 50, False), ("done", 0, False), ("ProtocolError", 0, False), ("NetworkError", 0, True)
"""What it comes to: the file or the class of the error, bytes, whether it was tried again for that error."""

CASES = {
    "RFC 9112 6.3, 8.6: lengths": {
        OK + SIZE + REST: FILE,  # twice the same
        OK + b"Content-Length: 50, 50\r\n\r\n" + B: FILE,
        OK + b"Content-Length: 050\r\n" + REST: FILE,
        OK + b"Content-Length:\t50 \r\n\r\n" + B: FILE,
        OK + b"Content-Length: 49\r\n" + REST: BAD,
        OK + b"Content-Length: 50, 49\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 50,\r\n\r\n" + B: BAD,
        OK + b"Content-Length: +50\r\n\r\n" + B: BAD,
        OK + b"Content-Length: -50\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 0x32\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 5_0\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 5 0\r\n\r\n" + B: BAD,
        OK + b"Content-Length:\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 5\xb2\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n" + B: BAD,
        OK + b"Content-Length: 60\r\n\r\n" + B: CUT,
        OK + REST + b"and more": FILE,
        OK + b"\r\n" + B: FILE,  # until the connection is closed
    },
    "RFC 9112 2.2, 5: lines of a head": {
        OK.replace(b"\r", b"") + REST.replace(b"\r", b""): FILE,
        OK + b"X: a\n" + REST: FILE,
        OK + b"X: a\r\n b\r\n\tc\r\n" + REST: FILE,
        OK + b"Content-Length:\r\n 50\r\n\r\n" + B: FILE,
        OK + b"X: \xe9\xff\x01\r\n" + REST: FILE,
        OK + b"X: a\r\n" * 400 + REST: FILE,
        OK + b" X: a\r\n" + REST: BAD,
        OK + b"\tX: a\r\n" + REST: BAD,
        OK + b"  \r\n" + REST: BAD,
        OK + b"X : a\r\n" + REST: BAD,
        OK + b"Content-Length : 50\r\n\r\n" + B: BAD,
        OK + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n": BAD,
        OK + b": a\r\n" + REST: BAD,
        OK + b"garbage\r\n" + REST: BAD,
        OK + SIZE + b"garbage\r\n\r\n" + B: BAD,
        OK + b"X(Y): a\r\n" + REST: BAD,
        OK + b"X Y: a\r\n" + REST: BAD,
        OK + b"X\xe9: a\r\n" + REST: BAD,
        OK + b"X: a\0b\r\n" + REST: BAD,
        OK + b"X\0Y: a\r\n" + REST: BAD,
        OK + b"X: a\rY: b\r\n" + REST: BAD,
        OK + b"X: a\r\r\n" + REST: BAD,
        OK + OK + REST: BAD,
    },
    "RFC 9112 4: status lines": {
        b"HTTP/1.0 200 OK\r\n" + REST: FILE,
        b"HTTP/1.1 200\r\n" + REST: FILE,
        b"HTTP/1.1 200 \xe9\r\n" + REST: FILE,
        b"HTTP/1.1 200 O\0K\r\n" + REST: BAD,
        b"HTTP/1.1  200 OK\r\n" + REST: BAD,
        b"HTTP/1.1\t200\tOK\r\n" + REST: BAD,
        b" " + OK + REST: BAD,
        b"\r\n" + OK + REST: BAD,
        b"HTTP/1.2 200 OK\r\n" + REST: BAD,
        b"HTTP/2.0 200 OK\r\n" + REST: BAD,
        b"HTTP/0.9 200 OK\r\n" + REST: BAD,
        b"http/1.1 200 OK\r\n" + REST: BAD,
        b"ICY 200 OK\r\n" + REST: BAD,
        B: BAD,  # HTTP/0.9
        b"HTTP/1.1 000 OK\r\n" + REST: BAD,
        b"HTTP/1.1 99 OK\r\n" + REST: BAD,
        b"HTTP/1.1 1000 OK\r\n" + REST: BAD,
        b"HTTP/1.1 200x OK\r\n" + REST: BAD,
        b"HTTP/1.1 +200 OK\r\n" + REST: BAD,
        b"HTTP/1.1 999 No\r\n" + REST: ("HTTPStatusError", 0, False),
        b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + OK + REST: FILE,
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" + OK + REST: BAD,
    },
    "RFC 9112 6.1, 7: codings and chunks": {
        OK + b"Transfer-Encoding: identity\r\n" + REST: BAD,
        OK + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNK + b"0\r\n\r\n": BAD,
        OK + b"Transfer-Encoding: gzip\r\n\r\n" + B: BAD,
        OK + b"Transfer-Encoding: chunked\r\n" + REST: BAD,
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n": FILE,
        CHUNKED + b"32 ; a=b\r\n" + B + b"\r\n0;z\r\n\r\n": FILE,
        CHUNKED + b"0032\n" + B + b"\n0\n\n": FILE,
        CHUNKED + b" 32\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"0x32\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"-32\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"3_2\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"FFFFFFFFFFFFFFFF\r\n" + B: BAD,
        CHUNKED + b";a=b\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"31\r\n" + B + b"\r\n0\r\n\r\n": BAD,
        CHUNKED + b"32\r\n" + B + b"XX0\r\n\r\n": BAD,
        BODY: CUT,
        BODY + b"0": CUT,
        BODY + b"0\r\n": CUT,
        BODY + b"0\r\nX: a\r\n": CUT,
        BODY + b"0\r\nX: a\n\r\n": FILE,
        BODY + b"0\r\nContent-Length: 3\r\n\r\n": FILE,
        BODY + b"0\r\nX: a\0b\r\n\r\n": BAD,
        BODY + b"0\r\nX: a\rb\r\n\r\n": BAD,
        BODY + b"0\r\nX: a\r\n b\r\n\r\n": BAD,
        BODY + b"0\r\ngarbage\r\n\r\n": BAD,
        BODY + b"0\r\n\r\nand more": FILE,
    },
    "RFC 9110 15: what has no body, and what is not wanted": {
        b"HTTP/1.1 204 No Content\r\n" + SIZE + b"\r\n": EMPTY,
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": EMPTY,
        b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": EMPTY,
        b"HTTP/1.1 205 Reset Content\r\n" + REST: BAD,
        MOVED + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n": FILE,
        MOVED + b"Transfer-Encoding: chunked\r\n\r\nzz": FILE,
        MOVED + SIZE + b"\r\nshort": FILE,
        MOVED + b"Location: /elsewhere\r\n" + REST: BAD,
        MOVED + b"Content-Length: many\r\n\r\n": BAD,
        b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nzz": ("HTTPStatusError", 0, False),
        b"HTTP/1.1 503 No\r\nContent-Length: many\r\n\r\n": BAD,
    },
}


@pytest.mark.parametrize("rule", CASES)
def test_odd_answer_has_one_meaning(fetch: Fetch, scripted: Callable[..., ScriptedServer], rule: str) -> None:
    answers = list(CASES[rule])

    def script(connection: Connection, request: RecordedRequest) -> None:
        data = OK + REST if request.path == "/other" else answers[int(request.path.removeprefix("/"))]
        answer(data)(connection, request)

    server = scripted(script)
    report = fetch([f"{server.url}/{number}" for number in range(len(answers))], retries=5)
    found = {}
    for result in report.results:
        number = int(result.url.rpartition("/")[2])
        kind = "done" if result.error is None else type(result.error).__name__
        again = result.error is not None and result.error.retryable and result.attempts == 6
        found[answers[number]] = (kind, result.bytes, again)
        if result.error is None:
            assert (fetch.folder / str(number)).read_bytes() == B[: result.bytes]
    assert found == CASES[rule]
