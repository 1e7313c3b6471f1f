"""A server on loopback, at the level of sockets: it answers each request exactly as a script says.

So a test can send what no HTTP library would send: half an answer, a reset, a body that never ends.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(slots=True)
class RecordedRequest:
    """One request: its first line, its header fields by lower-case name, and the field lines in order."""

    line: str
    headers: dict[str, str]
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The request's target."""
        return self.line.split(" ")[1]

    def range_of(self, size: int) -> tuple[int, int] | None:
        """The range that is requested of a body of ``size`` bytes, with an exclusive end; None without a Range field."""
        if "range" not in self.headers:
            return None
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else size

    @property
    def start(self) -> int:
        """The offset of the first byte that is requested; 0 without a Range field."""
        span = self.range_of(0)
        return span[0] if span is not None else 0


class Connection:
    """One accepted connection, for a script to use."""

    def __init__(self, sock: socket.socket, closed: threading.Event) -> None:
        self.sock = sock
        self._closed = closed

    def send(self, data: bytes) -> bool:
        """Send these bytes. Whether the client took them, and the server still runs."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return not self._closed.is_set()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()

    def hang(self) -> None:
        """Send nothing until the server is closed, or the client has gone."""
        with contextlib.suppress(OSError):
            self.sock.settimeout(0.05)
            while not self._closed.is_set():
                try:
                    if not self.sock.recv(4096):
                        return
                except TimeoutError:
                    continue


Script = Callable[[Connection, RecordedRequest], object]


def reply(status: str, body: bytes = b"", length: int | None = -1, **fields: str) -> bytes:
    """The bytes of an answer.

    Args:
        status: the status code and its phrase: ``200 OK``.
        body: the bytes of the body.
        length: for Content-Length, bytes; -1: the true length; None: no such field.
        fields: header fields; ``_`` in a name stands for ``-``.
    """
    lines = [f"HTTP/1.1 {status}"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def answer(data: bytes, close: bool = True) -> Script:
    """A script that sends these bytes, and then closes the connection, or keeps it open."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(data)
        if close:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_WR)

    return script


def serve(body: bytes, **fields: str) -> Script:
    """Answer each request with the range that it names, or with the whole body."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        span = request.range_of(len(body))
        if span is None:
            connection.send(reply("200 OK", body, -1, Accept_Ranges="bytes", **fields))
        else:
            where = f"bytes {span[0]}-{span[1] - 1}/{len(body)}"
            connection.send(reply("206 Partial Content", body[slice(*span)], -1, Content_Range=where, **fields))

    return script


class InFlight:
    """Counts the requests that are answered at one time. A context manager around each answer."""

    def __init__(self) -> None:
        self.now = self.highest = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.highest = max(self.highest, self.now)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self.now -= 1


def _is_whole(data: bytes) -> bool:
    """Whether the answer has a true Content-Length, so that the connection can serve again."""
    head, _, body = data.partition(b"\r\n\r\n")
    return f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"


@dataclass
class ScriptedServer:
    """Answers the n-th request with the n-th script, and all further requests with the last script. A context manager.

    Attributes:
        scripts: what to do with each request; bytes are sent as they are.
        answers_at_once: answer each connection at once, without reading a request.
        host: the address to listen on.
        requests: the requests so far.
    """

    scripts: Sequence[Script | bytes]
    answers_at_once: bool = False
    host: str = "127.0.0.1"
    requests: list[RecordedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            rest = b""
            while not self._closed.is_set():
                request, rest = (RecordedRequest("", {}), b"") if self.answers_at_once else self._read(sock, rest)
                if request is None:
                    return
                with self._lock:
                    self.requests.append(request)
                    script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
                if isinstance(script, bytes):
                    script = answer(script, close=not _is_whole(script))
                script(Connection(sock, self._closed), request)
                if self.answers_at_once or sock.fileno() < 0:
                    return

    @staticmethod
    def _read(sock: socket.socket, data: bytes) -> tuple[RecordedRequest | None, bytes]:
        """The next request, and the bytes that came after it."""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in data:
                more = sock.recv(65536)
                if not more:
                    return None, b""
                data += more
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return None, b""
        lines = head.decode("latin-1").split("\r\n")
        pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return RecordedRequest(lines[0], {name.lower(): value for name, value in pairs}, pairs), rest

    def close(self) -> None:
        """Close every connection, and wait for all threads."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
