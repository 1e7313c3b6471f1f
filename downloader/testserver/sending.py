"""Sends the body of an answer over RSGI: at once, piece by piece, at a rate, and as faulty as it was asked for.

RSGI's own stream takes all it is given into memory, whether the client reads or not. That is the fastest way, and harmless
for bodies of a few MiB; longer ones go through a pipe, which granian reads like a file, no faster than the client does.
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
"""Seconds before a body that stalls is given up."""
MAX_SINGLE_PIECE = 256 * 1024
MAX_IN_MEMORY = 32 * 1024 * 1024
_RATE_INTERVAL = 0.02
_FLUSH_DELAY = 0.02
"""Seconds that what was sent gets to leave before the end; a body that is seen to end at once is taken for an empty one."""
_LINES_AT_ONCE = 5000
_PIPE_OPEN_TIMEOUT = 10.0
"""Seconds until granian must have begun to read from a pipe."""


class Body(NamedTuple):
    """Which bytes of which file, at most so many bytes a second (0: as fast as it goes), and the fault they meet."""

    number: int
    start: int
    stop: int
    seed: int
    rate: float = 0.0
    fault: str = ""


class BodyWriter(Protocol):
    """Where pieces go."""

    async def write(self, piece: bytes) -> None:
        """Send it. Raises OSError or RuntimeError when the client has left."""

    def close(self) -> None:
        """No more comes."""


class _Stream:
    """RSGI's stream. It ends when it is forgotten."""

    def __init__(self, protocol: Any, status: int, headers: Pairs) -> None:
        self._transport = protocol.response_stream(status, headers)

    async def write(self, piece: bytes) -> None:
        await self._transport.send_bytes(piece)

    def close(self) -> None:
        self._transport = None


class _Pipe:
    """A pipe that is answered as a file. Its reading end is ours until more was taken than fits: then granian has its own."""

    def __init__(self, protocol: Any, status: int, headers: Pairs) -> None:
        self._outlet, self._inlet = os.pipe()
        self._room_left = self._widen()
        os.set_blocking(self._inlet, False)
        protocol.response_file(status, headers, f"{connection.DESCRIPTORS}/{self._outlet}")

    def _widen(self) -> int:
        """Bytes that it holds."""
        try:
            fcntl.fcntl(self._inlet, fcntl.F_SETPIPE_SZ, content.PERIOD)
            return fcntl.fcntl(self._inlet, fcntl.F_GETPIPE_SZ)
        except (AttributeError, OSError):  # not Linux, or the user's pipes hold enough already
            return 65536

    async def write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            try:
                taken = os.write(self._inlet, left)
            except BlockingIOError:
                await self._room()
                continue
            left = left[taken:]
            self._room_left -= taken
            if self._room_left < 0:
                self._let_go()

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._inlet, ready.set)
        try:
            await asyncio.wait_for(ready.wait(), None if self._outlet < 0 else _PIPE_OPEN_TIMEOUT)
        finally:
            loop.remove_writer(self._inlet)

    def _let_go(self) -> None:
        if self._outlet >= 0:
            os.close(self._outlet)
            self._outlet = -1

    def close(self) -> None:
        os.close(self._inlet)
        if self._outlet >= 0:  # granian may not have opened it yet
            asyncio.get_running_loop().call_later(_PIPE_OPEN_TIMEOUT, self._let_go)


async def send(protocol: Any, client: str, status: int, headers: Pairs, body: Body) -> None:
    """Answer with this body. Returns when the server is done with it, or when the client has left."""
    length = body.stop - body.start
    shortened = length > 0 and body.fault in ("cut", "stall", "reset")
    pieces: Iterable[bytes] = content.pieces(
        body.number, body.start, body.start + length // 2 if shortened else body.stop, body.seed
    )
    if body.fault == "corrupt":
        pieces = _spoiled(pieces, length // 2)
    if length <= MAX_SINGLE_PIECE and not shortened and not body.rate:
        protocol.response_bytes(status, headers, b"".join(pieces))
        return
    sink: BodyWriter = (_Stream if length <= MAX_IN_MEMORY else _Pipe)(protocol, status, headers)
    try:
        await _write(sink, pieces, body.rate)
        if shortened:
            await _before_the_end(protocol, client, body.fault)
    except (OSError, RuntimeError, TimeoutError):
        pass  # the client has left, which it may
    finally:
        sink.close()


async def send_text(protocol: Any, lines: Iterator[str]) -> None:
    """Answer with a text of unknown length. Returns when all was taken, or when the client has left."""
    headers = [("content-type", "text/plain; charset=utf-8")]
    first = list(islice(lines, _LINES_AT_ONCE))
    if len(first) < _LINES_AT_ONCE:
        protocol.response_str(200, headers, "".join(first))
        return
    sink = _Pipe(protocol, 200, headers)
    try:
        while first:
            await sink.write("".join(first).encode())
            first = list(islice(lines, _LINES_AT_ONCE))
    except (OSError, TimeoutError):
        pass  # the client has left, which it may
    finally:
        sink.close()


async def _write(sink: BodyWriter, pieces: Iterable[bytes], rate: float) -> None:
    """All pieces; the last byte at ``rate`` is sent when an even flow would bring it, the first a tick after the head."""
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


async def _before_the_end(protocol: Any, client: str, fault: str) -> None:
    """What comes between half of a body and its end."""
    if fault == "stall":
        left = asyncio.ensure_future(protocol.client_disconnect())
        await asyncio.wait([left], timeout=STALL_SECONDS)
        left.cancel()
        return
    await asyncio.sleep(_FLUSH_DELAY)
    if fault == "reset":
        connection.end(client, reset=True)


def _sliced(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The same bytes in pieces of ``count`` at most."""
    for piece in pieces:
        for at in range(0, len(piece), count):
            yield piece[at : at + count]


def _spoiled(pieces: Iterable[bytes], wrong: int) -> Iterator[bytes]:
    """The same bytes, but for the one at ``wrong``."""
    for piece in pieces:
        if 0 <= wrong < len(piece):
            piece = b"%b%c%b" % (piece[:wrong], piece[wrong] ^ 0xFF, piece[wrong + 1 :])
        wrong -= len(piece)
        yield piece
