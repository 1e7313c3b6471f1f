"""The bytes of an answer, in pieces of any size: what is passed on, and where it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.http import framing
from downloader.core.http.framing import Framing, head_lines, usual_head
from downloader.core.http.headers import MAX_HEAD_BYTES, wanted_lines
from downloader.errors import ProtocolError

BODY = bytes(range(256)) * 3
OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    OK + b"Content-Length: 768\r\n\r\n" + BODY: b"HTTP/1.1 200 -\r\nContent-Length: 768\r\n\r\n" + BODY,
    b"HTTP/1.0 200 OK\nX: a\nETag: b\n\n" + BODY: b"HTTP/1.0 200 -\r\nETag: b\r\n\r\n" + BODY,
    b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204\r\nConnection: close\r\n\r\n": b"HTTP/1.1 204 -\r\nConnection: close\r\n\r\n",
}
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n0100;x\r\n" + BODY[:256] + b"\r\n200\n" + BODY[256:] + b"\n0\r\nX: y\r\n\r\n"


def in_pieces(data: bytes, sizes: list[int]) -> tuple[bytes, Framing]:
    """What comes of the data in pieces of these sizes, the last of them again and again."""
    framing, found, at = Framing(), b"", 0
    while at < len(data):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        found += framing.feed(data[at : at + size])
        at += size
    return found, framing


def unchunked(data: bytes) -> bytes:
    """The body of chunks in their plainest form."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body


@given(st.sampled_from(list(ANSWERS)), st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_pieces_of_any_size_make_the_same_answer(data: bytes, sizes: list[int]) -> None:
    found, framing = in_pieces(data, sizes)
    assert found == ANSWERS[data]
    assert (framing.broken, framing.excess) == (None, False)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_chunks_are_passed_on_in_their_plainest_form(sizes: list[int]) -> None:
    found, framing = in_pieces(CHUNKED, sizes)
    head, _, rest = found.partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 -\r\nTransfer-Encoding: chunked"
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert unchunked(rest) == BODY
    assert framing.broken is None


def test_what_comes_after_the_answer_is_dropped_and_told() -> None:
    for data in (*list(ANSWERS)[::2], CHUNKED):
        framing = Framing()
        whole = framing.feed(data)
        assert Framing().feed(data + b"more") == whole
        assert framing.feed(b"more") == b""
        assert framing.excess


def test_what_came_before_a_mistake_is_passed_on() -> None:
    framing = Framing()
    assert framing.feed(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").startswith(b"HTTP/1.1 404 -\r\n")
    assert isinstance(framing.broken, ProtocolError)


@pytest.mark.parametrize(
    "start",
    [
        OK,
        b"HTTP/1.1 100 C\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_head_or_trailers_without_end_are_cut_off(start: bytes) -> None:
    framing = Framing()
    framing.feed(start)
    for _ in range(MAX_HEAD_BYTES // 1000 + 1):
        framing.feed(b"X: " + b"y" * 997)
    assert isinstance(framing.broken, ProtocolError)


def test_folded_lines_are_put_together() -> None:
    assert head_lines("HTTP/1.1 200 OK\nETag: a\n  b\n\tc\nX: d") == (200, ["ETag: a b c", "X: d"])


HEAD_LINES = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/2 206\r\n",
            b"HTTP/1.1 100 Continue\r\n",
            b"HTTP/1.1 099 X\r\n",
            b"HTTP/0.9 200 OK\r\n",
            b'ETag:  "a b" \t\r\n',
            b"etag:\r\n",
            b"Server: x\r\n",
            b"Content-Length: 10\n",
            b"Content-Length: 11\r\n",
            b"Content-Length : 12\r\n",
            b" folded\r\n",
            b"no field\r\n",
            b"X: a\0b\r\n",
            b"X: a\rb\r\n",
            b"Date: \xe9\r\n",
            b"\r\n",
            b"\n",
        ]
    ),
    max_size=6,
)


@given(HEAD_LINES)
def test_the_short_way_to_a_head_has_the_result_of_the_long_one(lines: list[bytes]) -> None:
    lines = [b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n"] if len(lines) % 2 else lines
    head = usual_head(lines)
    assert head == usual_head(lines)  # now from memory
    if head is not None:
        text = b"".join(lines).decode("latin-1").replace("\r\n", "\n")
        status, fields = head_lines(text.removesuffix("\n\n"))
        assert (head.status, head.headers) == (status, wanted_lines(fields))


def test_most_heads_take_the_short_way_and_its_memory_is_bounded() -> None:
    for number in range(5000):
        head = usual_head([OK, b"Server: x\r\n", b'ETag: "%d"\r\n' % number, b"Content-Length: 5\r\n", b"\r\n"])
        assert head is not None
        assert head.headers == (("ETag", f'"{number}"'), ("Content-Length", "5"))
    assert len(framing._fields) <= framing._REMEMBERED_LINES


def test_a_head_that_is_long_or_not_final_takes_the_long_way() -> None:
    assert usual_head([]) is None
    assert usual_head([b"HTTP/1.1 100 Continue\r\n", b"\r\n"]) is None
    assert usual_head([OK, *[b"X-%d: y\r\n" % number for number in range(MAX_HEAD_BYTES // 10)], b"\r\n"]) is None
