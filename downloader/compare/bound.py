"""The lower bound of a scenario: what this server gives to a client that does nothing else.

The probes are bare sockets that ask for the scenario's own files, without their delays and caps, several requests ahead,
and drop what comes: no file is written, no header parsed but the first. What they reach in a fraction of a second is no
more than a strategy could reach; how close one comes is its share. They need the server's processors and ours, as any
client on this machine does: so a busy moment makes them slow, and the best of several looks is kept. The work on each file is
told in CPU time, which other programs do not change.
"""

import os
import selectors
import socket
import ssl
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from downloader.compare.results import PARTS, Bound
from downloader.compare.scenarios import KIB, MIB, Scenario
from downloader.engine.attempt.postprocess import find
from downloader.errors import NetworkError

TRIES, SECONDS = 3, 0.1
BUFFER = 1 << 20
CONNECTIONS = 256
"""As many as `dl` opens to one host (``--per-host``): what is capped for each of them can be had so many times at once."""


class Wanted(NamedTuple):
    """One file of a list of the test server's: its URL without wishes, and the wishes. Bytes and seconds."""

    url: str
    size: int
    delay: float
    rate: float


class Shape(NamedTuple):
    """How a probe asks: threads, connections of each, and requests ahead on each connection."""

    threads: int
    connections: int
    ahead: int


LARGE, SMALL = Shape(2, 1, 2), Shape(1, 32, 16)
FEW_BYTES = 64 * KIB
"""Of smaller files it is the number that counts, of others the bytes."""


def lower_bound(scenario: Scenario, listing: str, cores: int) -> Bound:
    """What an ideal client would take, in seconds; see `downloader.compare.results.Bound`.

    ``listing``: of the test server, which is asked for a second or so. ``cores``: those that post-processing may use.
    ``answers`` is 0 where no file is small, ``bytes`` where all are. Raises NetworkError where the server does not answer.
    """
    files = [_wanted(line) for line in listing.split()]
    total = sum(file.size for file in files)
    largest, smallest = max(files, key=lambda file: file.size), min(files, key=lambda file: file.size)
    try:
        parts = {
            "latency": max(file.delay for file in files),
            "bytes": total / probe(largest).bytes if largest.size >= FEW_BYTES else 0.0,
            "answers": len(files) / probe(smallest).answers if smallest.size < FEW_BYTES else 0.0,
            "cap": sum(file.size / file.rate for file in files if file.rate) / CONNECTIONS,
            "work": _work(scenario.process, scenario.size) * total / max(1, scenario.size) / cores if scenario.process else 0.0,
        }
    except OSError as error:
        raise NetworkError(f"the test server cannot be probed: {error}", smallest.url, "start the comparison again") from error
    return Bound(max(parts.values()), **parts)


def tightened(before: Bound, after: Bound, best_run: float) -> Bound:
    """What two looks say together: the best of each part, and no more than the best run took. Seconds; 0: nothing ran."""
    parts = {name: min(getattr(before, name), getattr(after, name)) for name in PARTS}
    seconds = max(parts.values())
    return Bound(min(seconds, best_run) if best_run > 0 else seconds, **parts)


def _wanted(url: str) -> Wanted:
    parts = urlsplit(url)
    wishes = {name: float(values[0]) for name, values in parse_qs(parts.query).items() if name in ("delay", "rate")}
    size = int(parts.path.split("/")[-2])
    return Wanted(parts._replace(query="").geturl(), size, wishes.get("delay", 0.0), wishes.get("rate", 0.0))


def _work(function: str, size: int) -> float:
    """CPU seconds that it takes for one file of that size, in this thread: the best of three."""
    call = find(function)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "0.bin")
        part.write_bytes(os.urandom(size))
        taken = []
        for _ in range(TRIES):
            started = time.thread_time()
            call(part)
            taken.append(time.thread_time() - started)
    return min(taken)


class Speed(NamedTuple):
    """What a probe got, in a second."""

    bytes: float
    answers: float


def probe(file: Wanted) -> Speed:
    """The speed at which this one file comes, over and over: the best of a few short tries. Raises OSError."""
    shape = LARGE if file.size >= MIB else SMALL
    clients = [_Client(file.url, shape.ahead) for _ in range(shape.threads)]
    try:
        for client in clients:
            client.connect(shape.connections)
        with ThreadPoolExecutor(shape.threads) as threads:
            tries = [sum(threads.map(_Client.speed, clients)) for _ in range(TRIES)]
    finally:
        for client in clients:
            client.close()
    return Speed(max(tries), max(tries) / clients[0].answer)


class _Connection:
    """Requests sent ahead, and the bytes of their answers counted. ``answer``: the bytes of one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.secure = parts.scheme == "https"
        if self.secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is our own server
            self.socket = context.wrap_socket(self.socket)
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.answer = self.received = self._sent = 0

    def begin(self) -> None:
        """Ask for it once, to learn how long an answer is."""
        self.socket.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(BUFFER) or _broken()
        head = data.partition(b"\r\n\r\n")[0].lower()
        if not head.startswith(b"http/1.1 200"):
            _broken()
        self.answer = len(head) + 4 + int(head.partition(b"\r\ncontent-length:")[2].split(None, 1)[0])
        left = self.answer - len(data)
        while left:
            left -= len(self.socket.recv(min(left, BUFFER)) or _broken())
        self.socket.setblocking(False)

    def ask(self, ahead: int) -> bool:
        """See to it that so many requests are on their way. Whether the server still takes them."""
        missing = ahead - (self._sent - self.received // self.answer)
        if missing * 2 >= ahead:  # several at once: a send costs as much as many of them
            try:
                self.socket.send(self._request * missing)
            except ConnectionError:
                return False
            self._sent += missing
        return True

    def drop(self, buffer: bytearray) -> bool:
        """Take what is there. Whether more may come: servers end a connection after so many requests."""
        try:
            while count := self.socket.recv_into(buffer):
                self.received += count
                if not self.secure and count < len(buffer):
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except ConnectionResetError:
            pass
        return False


def _broken() -> bytes:
    raise ConnectionError("the server does not answer as a test server does")


class _Client:
    """Some connections on one epoll loop."""

    def __init__(self, url: str, ahead: int) -> None:
        self.answer = 0
        self._url = url
        self._ahead = ahead
        self._buffer = bytearray(BUFFER)
        self._received = 0
        self._selector = selectors.DefaultSelector()

    def connect(self, connections: int) -> None:
        """Make so many more connections, and begin."""
        for _ in range(connections):
            connection = _Connection(self._url)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.begin()
            connection.ask(self._ahead)
            self.answer = connection.answer

    def speed(self) -> float:
        """Bytes a second, heads included."""
        started, before = time.perf_counter(), self._received
        while (now := time.perf_counter()) < started + SECONDS:
            for key, _ in self._selector.select(SECONDS):
                self._serve(key.data)
        return (self._received - before) / (now - started)

    def _serve(self, connection: _Connection) -> None:
        had = connection.received
        more = connection.drop(self._buffer)
        self._received += connection.received - had
        if more and connection.ask(self._ahead):
            return
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self.connect(1)

    def close(self) -> None:
        """Give up what is on its way."""
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()
