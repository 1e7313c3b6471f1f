"""A server without a connection: a request is a value, and so are its head and the blocks of its body."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from downloader.core.facts import Checksum, Headers
from downloader.core.http.headers import format_http_date
from downloader.core.http.messages import Head, Request
from downloader.errors import NetworkError

CHANGED_AT = 784111777.0
NOW = 1_700_000_000.0
BODY = bytes(number * 7 % 251 for number in range(2000))
SUM = Checksum("sha256", hashlib.sha256(BODY).hexdigest())


@dataclass
class FakeServer:
    """Answers as RFC 9110 requires.

    - ``cut``: the number of bytes after which the connection breaks.
    - ``pieces``: the sizes of the blocks in which the body is read, in turn.
    - ``status``: a status without a body, instead of the file.
    - ``more``: further header fields. ``ranges`` False: answers a range request with the whole file.
    """

    body: bytes = BODY
    etag: str = '"v1"'
    changed: float | None = CHANGED_AT
    length: bool = True
    cut: int | None = None
    pieces: tuple[int, ...] = (700,)
    status: int = 0
    more: Headers = ()
    ranges: bool = True
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
        """Record the request; return a head and the blocks of its body."""
        self.requests.append(request)
        fields = {name.lower(): value for name, value in request.headers}
        lines: list[tuple[str, str]] = [("Date", format_http_date(NOW)), *self.more]
        if self.etag:
            lines.append(("ETag", self.etag))
        if self.changed is not None:
            lines.append(("Last-Modified", format_http_date(self.changed)))
        if self.status:
            return Head(self.status, tuple(lines)), iter(())
        start, stop, status = 0, len(self.body), 200
        if_range = fields.get("if-range", "")
        current = (self.etag, "" if self.changed is None else format_http_date(self.changed))
        if self.ranges and "range" in fields and (not if_range or if_range in current):
            first, _, last = fields["range"].removeprefix("bytes=").partition("-")
            start, stop, status = int(first), min(stop, int(last) + 1) if last else stop, 206
            if start >= stop:
                return Head(416, (*lines, ("Content-Range", f"bytes */{len(self.body)}"))), iter(())
            lines.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(self.body)}"))
        if self.length:
            lines.append(("Content-Length", str(stop - start)))
        return Head(status, tuple(lines)), self.blocks(self.body[start:stop])

    def blocks(self, data: bytes) -> Iterator[bytes]:
        """The body in blocks of the sizes ``pieces``, up to ``cut``."""
        end = len(data) if self.cut is None else self.cut
        sizes = itertools.cycle(self.pieces)
        at = 0
        while at < end:
            size = min(next(sizes), end - at)
            yield data[at : at + size]
            at += size
        if self.cut is not None:
            raise NetworkError("connection reset")
