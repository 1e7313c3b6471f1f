"""Scripts for `ScriptedServer`, which answers at socket level what no HTTP library would send, and a SOCKS proxy."""

import contextlib
import socket
import threading
from collections.abc import Callable

from downloader.testing.scripted_server import (
    Connection,
    InFlight,
    RecordedRequest,
    Script,
    ScriptedServer,
    answer,
    reply,
    serve,
)

__all__ = [
    "Connection",
    "InFlight",
    "MakeServer",
    "RecordedRequest",
    "Script",
    "ScriptedServer",
    "SocksServer",
    "answer",
    "answer_only",
    "hang",
    "reply",
    "reset",
    "serve",
]


def hang(connection: Connection, request: RecordedRequest) -> None:
    """Send nothing."""
    connection.hang()


def reset(connection: Connection, request: RecordedRequest) -> None:
    """Reset the connection before the head of an answer."""
    connection.reset()


def answer_only(path: str, data: bytes) -> Script:
    """Answer the request for this path, and send nothing to any other."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        if request.path == path:
            connection.send(data)
        else:
            connection.hang()

    return script


MakeServer = Callable[..., ScriptedServer]
"""The fixture `scripted`: starts a server with these scripts and options; the server ends with the test."""


class SocksServer:
    """SOCKS 5 (RFC 1928) without authentication, CONNECT only, that sends every connection to one port of loopback."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.targets: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream, contextlib.suppress(OSError):
            stream.read(stream.read(2)[1])
            sock.sendall(b"\x05\x00")
            kind = stream.read(4)[3]
            host = stream.read(stream.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(stream.read(4))
            self.targets.append(f"{host}:{int.from_bytes(stream.read(2), 'big')}")
            sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            with socket.create_connection(("127.0.0.1", self._target)) as other:
                back = threading.Thread(target=self._copy, args=(other, sock), daemon=True)
                back.start()
                self._copy(sock, other)
                back.join(5)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()
