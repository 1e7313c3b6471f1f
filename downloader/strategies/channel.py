"""Messages between a run and its worker processes: pickles with their length before them, over a socket pair.

The parent never waits to send: what the socket does not take stays here, so that two sides that both send cannot lock
each other out. Only values of ours go across (rule 9), between processes of one user, one the child of the other.
"""

import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_AT_A_TIME = 1 << 18


class Channel:
    """One end. ``blocking``: whether `send` may wait."""

    def __init__(self, sock: socket.socket, blocking: bool) -> None:
        self._socket = sock
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

    def send(self, message: Any) -> None:
        """Send it, or as much of it as goes without waiting. Raises OSError where the other side has gone."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._out += _LENGTH.pack(len(data)) + data
        self.flush()

    def flush(self) -> None:
        """Send what is left, or as much of it as goes without waiting. Raises OSError."""
        while self._out:
            try:
                del self._out[: self._socket.send(self._out)]
            except BlockingIOError:
                return

    def receive(self) -> list[Any]:
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
            messages.append(pickle.loads(self._in[at + _LENGTH.size : stop]))  # noqa: S301 - see the module
            at = stop
        del self._in[:at]
        return messages

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
