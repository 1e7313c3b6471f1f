"""The lower bound of a scenario: the time that an ideal client would need with this server.

Probes measure the speed of the server. A probe is a bare socket that requests the files of the scenario, without their delays
and rate limits, sends several requests ahead and discards the answers: it writes no file, and parses only the first header
section. A strategy cannot be faster than a probe; the ratio of both is the strategy's share of the ideal. A probe uses the
processors of this machine, as any client does. A busy machine makes it slow, so the best of several measurements is kept. The
processing of the files is measured in CPU time, which other programs do not change.
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

from downloader.compare.measurements import BOUND_PARTS, Bound
from downloader.compare.scenarios import KIB, MIB, Scenario
from downloader.engine.attempt.postprocess import find
from downloader.errors import NetworkError

PROBE_TRIES, PROBE_SECONDS = 3, 0.1
BUFFER_BYTES = 1 << 20
MAX_CONNECTIONS = 256
"""The number of connections that `dl` opens to one host: a rate limit for each connection can be used this many times."""


class ProbedFile(NamedTuple):
    """One file of a list of the test server: its URL without the query, and the options of the query. Bytes and seconds."""

    url: str
    size: int
    delay: float
    rate: float


class ProbeShape(NamedTuple):
    """The load of a probe: threads, connections of each thread, and requests that are sent ahead on each connection."""

    threads: int
    connections: int
    ahead: int


LARGE_FILE_SHAPE, SMALL_FILE_SHAPE = ProbeShape(2, 1, 2), ProbeShape(1, 32, 16)
SMALL_FILE_BYTES = 64 * KIB
"""For smaller files the number of answers is measured, for others the bytes."""


def lower_bound(scenario: Scenario, listing: str, cores: int) -> Bound:
    """The time that an ideal client would need, in seconds; see `downloader.compare.measurements.Bound`.

    ``listing``: the list of the test server, which is probed for about a second. ``cores``: the number of cores that the
    processing of the files may use. ``answers`` is 0 if no file is small, ``bytes`` is 0 if all files are small. Raises
    NetworkError if the server does not answer.
    """
    files = [_wanted(line) for line in listing.split()]
    total = sum(file.size for file in files)
    largest, smallest = max(files, key=lambda file: file.size), min(files, key=lambda file: file.size)
    try:
        parts = {
            "latency": max(file.delay for file in files),
            "bytes": total / probe(largest).bytes if largest.size >= SMALL_FILE_BYTES else 0.0,
            "answers": len(files) / probe(smallest).answers if smallest.size < SMALL_FILE_BYTES else 0.0,
            "cap": sum(file.size / file.rate for file in files if file.rate) / MAX_CONNECTIONS,
            "work": _processing_time(scenario.process, scenario.size) * total / max(1, scenario.size) / cores
            if scenario.process
            else 0.0,
        }
    except OSError as error:
        raise NetworkError(f"the test server cannot be probed: {error}", smallest.url, "start the comparison again") from error
    return Bound(max(parts.values()), **parts)


def tightened(before: Bound, after: Bound, best_run: float) -> Bound:
    """Combine two measurements: the smaller value of each part, and at most ``best_run`` seconds (0: there was no run)."""
    parts = {name: min(getattr(before, name), getattr(after, name)) for name in BOUND_PARTS}
    seconds = max(parts.values())
    return Bound(min(seconds, best_run) if best_run > 0 else seconds, **parts)


def _wanted(url: str) -> ProbedFile:
    parts = urlsplit(url)
    options = {name: float(values[0]) for name, values in parse_qs(parts.query).items() if name in ("delay", "rate")}
    size = int(parts.path.split("/")[-2])
    return ProbedFile(parts._replace(query="").geturl(), size, options.get("delay", 0.0), options.get("rate", 0.0))


def _processing_time(function: str, size: int) -> float:
    """The CPU seconds that ``function`` needs for one file of ``size`` bytes: the best of three measurements."""
    call = find(function)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "0.bin")
        part.write_bytes(os.urandom(size))
        durations = []
        for _ in range(PROBE_TRIES):
            started = time.thread_time()
            call(part)
            durations.append(time.thread_time() - started)
    return min(durations)


class ProbeSpeed(NamedTuple):
    """The speed of a probe: bytes per second, and answers per second."""

    bytes: float
    answers: float


def probe(file: ProbedFile) -> ProbeSpeed:
    """Fetch this file again and again, and return the highest speed of a few short measurements. Raises OSError."""
    shape = LARGE_FILE_SHAPE if file.size >= MIB else SMALL_FILE_SHAPE
    probes = [_Probe(file.url, shape.ahead) for _ in range(shape.threads)]
    try:
        for one in probes:
            one.connect(shape.connections)
        with ThreadPoolExecutor(shape.threads) as threads:
            speeds = [sum(threads.map(_Probe.speed, probes)) for _ in range(PROBE_TRIES)]
    finally:
        for one in probes:
            one.close()
    return ProbeSpeed(max(speeds), max(speeds) / probes[0].answer)


class _ProbeConnection:
    """A connection that sends requests ahead and counts the bytes of the answers. ``answer``: the bytes of one answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.secure = parts.scheme == "https"
        if self.secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the server is our own
            self.socket = context.wrap_socket(self.socket)
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.answer = self.received = self._sent = 0

    def begin(self) -> None:
        """Send the first request, and learn the length of an answer. Raises OSError."""
        self.socket.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(BUFFER_BYTES) or _broken()
        head = data.partition(b"\r\n\r\n")[0].lower()
        if not head.startswith(b"http/1.1 200"):
            _broken()
        self.answer = len(head) + 4 + int(head.partition(b"\r\ncontent-length:")[2].split(None, 1)[0])
        remaining = self.answer - len(data)
        while remaining:
            remaining -= len(self.socket.recv(min(remaining, BUFFER_BYTES)) or _broken())
        self.socket.setblocking(False)

    def request(self, ahead: int) -> bool:
        """Send requests until ``ahead`` of them are unanswered. Returns False if the server has closed the connection."""
        missing = ahead - (self._sent - self.received // self.answer)
        if missing * 2 >= ahead:  # many requests with one send: the system call is the larger cost
            try:
                self.socket.send(self._request * missing)
            except ConnectionError:
                return False
            self._sent += missing
        return True

    def discard(self, buffer: bytearray) -> bool:
        """Read and discard the received bytes. Returns False if the server has closed the connection, after many requests."""
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
    raise ConnectionError("the answer is not that of a test server")


class _Probe:
    """A number of connections in one event loop. ``answer``: the bytes of one answer."""

    def __init__(self, url: str, ahead: int) -> None:
        self.answer = 0
        self._url = url
        self._ahead = ahead
        self._buffer = bytearray(BUFFER_BYTES)
        self._received = 0
        self._selector = selectors.DefaultSelector()

    def connect(self, connections: int) -> None:
        """Open this number of connections, and send their first requests."""
        for _ in range(connections):
            connection = _ProbeConnection(self._url)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.begin()
            connection.request(self._ahead)
            self.answer = connection.answer

    def speed(self) -> float:
        """Measure the speed once, in bytes per second, including the header sections."""
        started, before = time.perf_counter(), self._received
        while (now := time.perf_counter()) < started + PROBE_SECONDS:
            for key, _ in self._selector.select(PROBE_SECONDS):
                self._serve(key.data)
        return (self._received - before) / (now - started)

    def _serve(self, connection: _ProbeConnection) -> None:
        before = connection.received
        is_open = connection.discard(self._buffer)
        self._received += connection.received - before
        if is_open and connection.request(self._ahead):
            return
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self.connect(1)

    def close(self) -> None:
        """Close all connections."""
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()
