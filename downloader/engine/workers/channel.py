"""Messages between a run and its worker processes: parcels one way, Outcomes the other, over a socket pair.

Each message is what `downloader.engine.workers.codec` writes, after its length. An empty message: nothing more will come.

The parent never waits to send: what the socket does not take is kept, so that two sides that both send cannot block each other.
The two sides are processes of one user, one the child of the other.
"""

import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from downloader.core.scheduling.dealing import Parcel
from downloader.engine.workers.codec import decoder, encode
from downloader.engine.workers.parcels import Ended

_LENGTH = struct.Struct("<I")
_AT_A_TIME = 1 << 18

Incoming = TypeVar("Incoming")


class Channel(Generic[Incoming]):
    """One end. ``blocking``: whether `send` may wait. ``kind``: what comes in, each message a list of these."""

    def __init__(self, sock: socket.socket, blocking: bool, kind: Any) -> None:
        self._socket = sock
        self._decode = decoder(list[kind])
        self._out = bytearray()
        self._in = bytearray()
        self._blocking = blocking
        sock.setblocking(blocking)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    def send(self, message: Sequence[Parcel | Ended]) -> None:
        """Send it, or as much of it as goes without waiting. Raises OSError where the other side has gone."""
        data = encode(message)
        self._out += _LENGTH.pack(len(data)) + data
        self.flush()

    def flush(self) -> None:
        """Send what is left, or as much of it as goes without waiting. Raises OSError."""
        while self._out:
            try:
                del self._out[: self._socket.send(self._out)]
            except BlockingIOError:
                return

    def receive(self) -> list[list[Incoming]]:
        """The messages that have come: waits for nothing more than one read. Raises EOFError where the other side has gone."""
        try:
            data = self._socket.recv(_AT_A_TIME)
        except BlockingIOError:
            return []
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError("the other side has gone")
        self._in += data
        messages, at = [], 0
        while len(self._in) - at >= _LENGTH.size:
            stop = at + _LENGTH.size + _LENGTH.unpack_from(self._in, at)[0]
            if len(self._in) < stop:
                break
            messages.append(self._decode(self._in[at + _LENGTH.size : stop]))
            at = stop
        del self._in[:at]
        return messages

    def drain(self, seconds: float) -> bool:
        """Send what is left and wait for the other side to go, so long at most; whether it has. What it says is lost."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        try:
            while (left := deadline - time.monotonic()) > 0:
                poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
                poll.poll(1000 * left)
                self.flush()
                with suppress(BlockingIOError):
                    if not self._socket.recv(_AT_A_TIME):
                        return True
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
