"""The test server's answers, as a granian RSGI application.

==========================  ==========================================================================================
``/file/SIZE/NUMBER.bin``   a file; ``?delay=SECONDS`` before its first byte, ``?rate=BYTES`` a second at most
``/sums/SIZE/FIRST/COUNT``  ``digest  NUMBER.bin`` lines for so many files, in sha256sum's format
``/ready``                  204, at once
==========================  ==========================================================================================

Files have a strong ETag and a Last-Modified date; GET and HEAD; one byte range (RFC 9110 section 14), If-Range,
If-None-Match, If-Modified-Since.
"""

import asyncio
import re
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from downloader.testserver import content

MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
_MODIFIED_AT = parsedate_to_datetime(MODIFIED)
_FILE = re.compile(r"/file/(\d{1,13})/(\d{1,9})\.bin")
_SUMS = re.compile(r"/sums/(\d{1,13})/(\d{1,9})/(\d{1,6})")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TICK = 0.02
_IN_ONE_PIECE = 256 * 1024

Pairs = list[tuple[str, str]]


class Reply(NamedTuple):
    """What to answer: a status, header fields, and which bytes of the file (none: no body)."""

    status: int
    headers: Pairs
    start: int = 0
    stop: int = 0


def reply(number: int, size: int, request: Any) -> Reply:
    """What a request for a file is answered with. ``request``: header fields, by lower-case name, with ``get``."""
    tag = content.etag(number, size)
    headers = [("etag", tag), ("last-modified", MODIFIED), ("accept-ranges", "bytes")]
    if _not_modified(request, tag):
        return Reply(304, headers)
    headers.append(("content-type", "application/octet-stream"))
    span = _span(request.get("range"), size) if request.get("if-range") in (None, tag, MODIFIED) else None
    if span is None:
        return Reply(200, [*headers, ("content-length", str(size))], 0, size)
    start, stop = span
    if start >= stop:
        return Reply(416, [*headers, ("content-range", f"bytes */{size}"), ("content-length", "0")])
    where = ("content-range", f"bytes {start}-{stop - 1}/{size}")
    return Reply(206, [*headers, where, ("content-length", str(stop - start))], start, stop)


def _not_modified(request: Any, tag: str) -> bool:
    asked = request.get("if-none-match")
    if asked is not None:
        return asked == "*" or tag in (item.strip().removeprefix("W/") for item in asked.split(","))
    since = request.get("if-modified-since")
    if since is None or request.get("range") is not None:
        return False
    try:
        return parsedate_to_datetime(since) >= _MODIFIED_AT
    except (ValueError, TypeError):
        return False


def _span(value: str | None, size: int) -> tuple[int, int] | None:
    """The range asked for, empty where it cannot be satisfied; None for none, or for one that is to be ignored."""
    match = _RANGE.fullmatch(value) if value else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1 if last else size)


class Application:
    """RSGI: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md, version 1."""

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        path = scope.path
        match = _FILE.fullmatch(path)
        if scope.method not in ("GET", "HEAD"):
            protocol.response_empty(405, [("allow", "GET, HEAD"), ("content-length", "0")])
        elif match is not None:
            await self._file(scope, protocol, int(match[2]), int(match[1]))
        elif (match := _SUMS.fullmatch(path)) is not None:
            size, first, count = (int(item) for item in match.groups())
            lines = [f"{content.sha256(number, size)}  {number}.bin\n" for number in range(first, first + count)]
            protocol.response_str(200, [("content-type", "text/plain")], "".join(lines))
        elif path == "/ready":
            protocol.response_empty(204, [])
        else:
            protocol.response_str(404, [("content-type", "text/plain")], "not found\n")

    async def _file(self, scope: Any, protocol: Any, number: int, size: int) -> None:
        rate = 0.0
        if scope.query_string:
            delay, rate = _wishes(scope.query_string)
            if delay > 0:
                await asyncio.sleep(delay)
        status, headers, start, stop = reply(number, size, scope.headers)
        if scope.method == "HEAD" or status in (304, 416):
            protocol.response_empty(status, headers)
        elif rate > 0:
            await _slowly(protocol.response_stream(status, headers), number, start, stop, rate)
        elif stop - start <= _IN_ONE_PIECE:
            protocol.response_bytes(status, headers, content.body(number, start, stop))
        else:
            transfer = protocol.response_stream(status, headers)
            for piece in content.pieces(number, start, stop):
                await transfer.send_bytes(piece)


def _wishes(query: str) -> tuple[float, float]:
    """``delay`` in seconds, a minute at most, and ``rate`` in bytes a second; 0 for what is not there or no number."""
    values = parse_qs(query)
    found = []
    for name in ("delay", "rate"):
        try:
            found.append(float(values.get(name, ["0"])[0]))
        except ValueError:
            found.append(0.0)
    return min(found[0], 60.0), found[1]


async def _slowly(transfer: Any, number: int, start: int, stop: int, rate: float) -> None:
    count = max(1, int(rate * _TICK))
    for at in range(start, stop, count):
        await transfer.send_bytes(content.body(number, at, min(at + count, stop)))
        await asyncio.sleep(_TICK)


application = Application()
