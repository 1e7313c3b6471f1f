"""A server at socket level, for what no HTTP library would send: it answers each request exactly as its script says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class RecordedRequest:
    """One request: its first line, its header fields by lower-case name, and the same fields in order, as they were sent."""

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
        """Where the requested range begins; 0 without a Range field."""
        span = self.range_of(0)
        return span[0] if span is not None else 0


class Connection:
    """One accepted connection, which a script controls."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self.sock = sock
        self._closing = closing

    def send(self, data: bytes) -> bool:
        """Send these bytes. Returns False if the client or the test has ended."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return not self._closing.is_set()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()

    def hang(self) -> None:
        """Send nothing until the test ends or the client closes the connection."""
        with contextlib.suppress(OSError):
            self.sock.settimeout(0.05)
            while not self._closing.is_set():
                try:
                    if not self.sock.recv(4096):
                        return
                except TimeoutError:
                    continue


Script = Callable[[Connection, RecordedRequest], None]


def reply(status: str, body: bytes = b"", length: int | None = -1, **fields: str) -> bytes:
    """An answer's bytes. ``length``: -1 the true one, None for no Content-Length. Field names: ``_`` for ``-``."""
    lines = [f"HTTP/1.1 {status}"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def answer(data: bytes, close: bool = True) -> Script:
    """Send these bytes and close (or keep the connection)."""

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
    """Whether an answer states its own length, so that the connection can be kept open."""
    head, _, body = data.partition(b"\r\n\r\n")
    return f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"


@dataclass
class ScriptedServer:
    """Answers the n-th request with the n-th script, and all further ones with the last; records the requests."""

    scripts: Sequence[Script | bytes]
    answers_at_once: bool = False  # answer each connection at once, without reading a request
    host: str = "127.0.0.1"
    requests: list[RecordedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._start(self._accept)

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
            while not self._closing.is_set():
                request, rest = (RecordedRequest("", {}), b"") if self.answers_at_once else self._read(sock, rest)
                if request is None:
                    return
                with self._lock:
                    self.requests.append(request)
                    script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
                if isinstance(script, bytes):
                    script = answer(script, close=not _is_whole(script))
                script(Connection(sock, self._closing), request)
                if self.answers_at_once or sock.fileno() < 0:
                    return

    @staticmethod
    def _read(sock: socket.socket, data: bytes) -> tuple[RecordedRequest | None, bytes]:
        """The next request, and what came after it."""
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
        """End every connection, and wait for all threads."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


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
