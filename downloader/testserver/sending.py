"""Sends the body of an answer over RSGI: as a whole, in pieces, at a limited rate, or with a fault.

RSGI's stream buffers everything in memory, whether the client reads or not. This is the fastest way, and acceptable for
bodies of a few MiB. Longer bodies are sent through a pipe, which granian reads like a file, only as fast as the client
reads.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

from downloader.testserver import connection, content
from downloader.testserver.answers import Pairs

STALL_SECONDS = 60.0
"""Seconds after which a stalled body ends."""
MAX_SINGLE_PIECE = 256 * 1024
"""The maximum number of bytes of a body that is sent as a whole."""
MAX_IN_MEMORY = 32 * 1024 * 1024
"""The maximum number of bytes of a body that is sent through RSGI's stream."""
_RATE_INTERVAL = 0.02
_FLUSH_DELAY = 0.02
"""Seconds between the last byte of a shortened body and its end; without this pause, granian would send an empty body."""
_LINES_AT_ONCE = 5000
_PIPE_OPEN_TIMEOUT = 10.0
"""Seconds within which granian must open a pipe."""


class Body(NamedTuple):
    """The bytes ``start`` to ``stop`` (exclusive) of a file, the maximum rate in bytes per second (0: no limit), and the
    fault."""

    number: int
    start: int
    stop: int
    seed: int
    rate: float = 0.0
    fault: str = ""


class BodyWriter(Protocol):
    """The destination of the pieces of a body."""

    async def write(self, piece: bytes) -> None:
        """Send a piece. Raises OSError or RuntimeError if the client has closed the connection."""

    def close(self) -> None:
        """End the body."""


class _Stream:
    """RSGI's stream. It ends when the last reference to it is removed."""

    def __init__(self, protocol: Any, status: int, headers: Pairs) -> None:
        self._transport = protocol.response_stream(status, headers)

    async def write(self, piece: bytes) -> None:
        await self._transport.send_bytes(piece)

    def close(self) -> None:
        self._transport = None


class _Pipe:
    """A pipe that is sent as a file.

    The reading end stays open in this object until more bytes were written than the pipe can hold: granian has opened its own
    reading end then.
    """

    def __init__(self, protocol: Any, status: int, headers: Pairs) -> None:
        self._outlet, self._inlet = os.pipe()
        self._space = self._enlarge()
        os.set_blocking(self._inlet, False)
        protocol.response_file(status, headers, f"{connection.DESCRIPTORS}/{self._outlet}")

    def _enlarge(self) -> int:
        """Enlarge the buffer of the pipe if possible. Returns its size in bytes."""
        try:
            fcntl.fcntl(self._inlet, fcntl.F_SETPIPE_SZ, content.PERIOD)
            return fcntl.fcntl(self._inlet, fcntl.F_GETPIPE_SZ)
        except (AttributeError, OSError):  # not Linux, or the user's limit for pipe buffers is reached
            return 65536

    async def write(self, piece: bytes) -> None:
        remaining = memoryview(piece)
        while remaining:
            try:
                count = os.write(self._inlet, remaining)
            except BlockingIOError:
                await self._wait_for_space()
                continue
            remaining = remaining[count:]
            self._space -= count
            if self._space < 0:
                self._close_outlet()

    async def _wait_for_space(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._inlet, ready.set)
        try:
            await asyncio.wait_for(ready.wait(), None if self._outlet < 0 else _PIPE_OPEN_TIMEOUT)
        finally:
            loop.remove_writer(self._inlet)

    def _close_outlet(self) -> None:
        if self._outlet >= 0:
            os.close(self._outlet)
            self._outlet = -1

    def close(self) -> None:
        os.close(self._inlet)
        if self._outlet >= 0:  # granian may not have opened it yet
            asyncio.get_running_loop().call_later(_PIPE_OPEN_TIMEOUT, self._close_outlet)


async def send(protocol: Any, client: str, status: int, headers: Pairs, body: Body) -> None:
    """Answer with this body. Returns when the body was sent, or when the client has closed the connection."""
    length = body.stop - body.start
    shortened = length > 0 and body.fault in ("cut", "stall", "reset")
    pieces: Iterable[bytes] = content.pieces(
        body.number, body.start, body.start + length // 2 if shortened else body.stop, body.seed
    )
    if body.fault == "corrupt":
        pieces = _corrupted(pieces, length // 2)
    if length <= MAX_SINGLE_PIECE and not shortened and not body.rate:
        protocol.response_bytes(status, headers, b"".join(pieces))
        return
    sink: BodyWriter = (_Stream if length <= MAX_IN_MEMORY else _Pipe)(protocol, status, headers)
    try:
        await _write(sink, pieces, body.rate)
        if shortened:
            await _end_early(protocol, client, body.fault)
    except (OSError, RuntimeError, TimeoutError):
        pass  # the client may close the connection at any time
    finally:
        sink.close()


async def send_text(protocol: Any, lines: Iterator[str]) -> None:
    """Answer with a text of unknown length. Returns when it was sent, or when the client has closed the connection."""
    headers = [("content-type", "text/plain; charset=utf-8")]
    block = list(islice(lines, _LINES_AT_ONCE))
    if len(block) < _LINES_AT_ONCE:
        protocol.response_str(200, headers, "".join(block))
        return
    sink = _Pipe(protocol, 200, headers)
    try:
        while block:
            await sink.write("".join(block).encode())
            block = list(islice(lines, _LINES_AT_ONCE))
    except (OSError, TimeoutError):
        pass  # the client may close the connection at any time
    finally:
        sink.close()


async def _write(sink: BodyWriter, pieces: Iterable[bytes], rate: float) -> None:
    """Write all pieces.

    With a ``rate``, each slice is sent at the time at which a constant flow would deliver its last byte.
    """
    if not rate:
        for piece in pieces:
            await sink.write(piece)
        return
    clock = asyncio.get_running_loop().time
    begun, sent = clock(), 0
    for piece in _sliced(pieces, max(1, int(rate * _RATE_INTERVAL))):
        sent += len(piece)
        await asyncio.sleep(begun + sent / rate - clock())
        await sink.write(piece)


async def _end_early(protocol: Any, client: str, fault: str) -> None:
    """Execute a fault after half of a body, before the body ends."""
    if fault == "stall":
        disconnected = asyncio.ensure_future(protocol.client_disconnect())
        await asyncio.wait([disconnected], timeout=STALL_SECONDS)
        disconnected.cancel()
        return
    await asyncio.sleep(_FLUSH_DELAY)
    if fault == "reset":
        connection.end(client, reset=True)


def _sliced(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The same bytes in pieces of at most ``count`` bytes."""
    for piece in pieces:
        for offset in range(0, len(piece), count):
            yield piece[offset : offset + count]


def _corrupted(pieces: Iterable[bytes], wrong: int) -> Iterator[bytes]:
    """The same bytes, except for a wrong byte at the position ``wrong``."""
    for piece in pieces:
        if 0 <= wrong < len(piece):
            piece = b"%b%c%b" % (piece[:wrong], piece[wrong] ^ 0xFF, piece[wrong + 1 :])
        wrong -= len(piece)
        yield piece
