"""A script that serves one large file in ranges and makes the first connection wait, so that the file is split."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from downloader.testserver import content
from tests.support.scripted import Connection, RecordedRequest, reply

SIZE = 8_000_000
BODY = content.body(1, 0, SIZE)
FIRST_BYTES = 1_500_000
"""Bytes that the first connection sends at once: enough for the file to be split."""


@dataclass
class Origin:
    """Serves a file in ranges.

    The first connection sends `FIRST_BYTES`, and the rest when ``until`` ranges have been requested.

    - ``holds`` False: the first connection does not wait.
    - ``drips``: the first connection sends a little more while it waits.
    - ``hangs``: the first connection never sends the rest.
    - ``second_event``: a second event that the first connection waits for.
    - ``special``: called for each range; returns whether it has answered.
    """

    body: bytes = BODY
    etag: str = '"v1"'
    holds: bool = True
    drips: bool = False
    hangs: bool = False
    until: int = 1
    special: Callable[[Connection, int, int], bool] | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)
    ranged: threading.Event = field(default_factory=threading.Event)
    second_event: threading.Event | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, connection: Connection, request: RecordedRequest) -> None:
        """Answer one request."""
        span = request.range_of(len(self.body))
        if span is None or request.headers.get("if-range") not in (None, self.etag):
            self.whole(connection)
            return
        with self.lock:
            self.spans.append(span)
            enough = len(self.spans) >= self.until
        if enough:
            self.ranged.set()
        if self.special is None or not self.special(connection, *span):
            self.part(connection, *span)

    def part(self, connection: Connection, start: int, stop: int) -> None:
        """Send the range that was requested."""
        where = f"bytes {start}-{stop - 1}/{len(self.body)}"
        connection.send(reply("206 Partial Content", self.body[start:stop], ETag=self.etag, Content_Range=where))

    def whole(self, connection: Connection) -> None:
        """Send the whole file."""
        head = reply("200 OK", length=len(self.body), ETag=self.etag, Accept_Ranges="bytes")
        connection.send(head + self.body[:FIRST_BYTES])
        if self.hangs:
            connection.hang()
            return
        at = FIRST_BYTES
        while self.drips and not self.ranged.wait(0.05):
            if at + 10_000 >= len(self.body) or not connection.send(self.body[at : at + 10_000]):
                return
            at += 10_000
        if self.holds:
            self.ranged.wait(60)
            if self.second_event is not None:
                self.second_event.wait(60)
        connection.send(self.body[at:])
