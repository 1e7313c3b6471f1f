"""requests as a transport that blocks: for `serial`, `threads` and `processes`.

One `BlockingClient` belongs to one thread. Other threads may only `cut` it: its socket is shut down, and what it was
waiting for fails. `Watchdog` is the thread that does so, when a time is over or the run must end.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from downloader.core.headers import MAX_HEAD_BYTES
from downloader.core.naming import public_url
from downloader.core.transfer import Head, Request
from downloader.errors import DownloadError, Interrupted, NetworkError, ProtocolError, TLSError
from downloader.transports.base import CHUNK, DRAIN, DRAIN_TIME, ClientOptions, chain, from_system, refuse_url, tls_context

_thread = threading.local()


def _client() -> "BlockingClient | None":
    client: BlockingClient | None = getattr(_thread, "client", None)
    return client


def _connect(connection: HTTPConnection) -> socket.socket:
    """A connected socket; its client knows it from before it connects, so that the wait can be cut."""
    client = _client()
    host = connection.host.strip("[]")
    failure: Exception | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, connection.port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(client.connect_timeout if client is not None else None)
            if client is not None:
                client.connected(sock)
            sock.connect(address)
        except TimeoutError:
            sock.close()
            failure = ConnectTimeoutError(connection, "timed out")
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return sock
    raise failure or OSError("the name has no address")


class _HeadReader:
    """Reads the lines of a head; notices a head that is too long, or that never came to its end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._count = 0
        self._last = b""

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._stream.readline(limit)
        self._last = line
        self._count += len(line)
        if self._count > MAX_HEAD_BYTES:
            raise http.client.HTTPException(f"more than {MAX_HEAD_BYTES} bytes of header")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def check_end(self) -> None:
        if self._last not in (b"\r\n", b"\n"):
            raise http.client.RemoteDisconnected("the head was cut off")


class _StrictResponse(http.client.HTTPResponse):
    """http.client takes a head that was cut off for a whole one, and an empty body after it for the file."""

    def begin(self) -> None:
        reader = _HeadReader(self.fp)
        self.fp = reader  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = reader._stream
        reader.check_end()

    def _read_status(self) -> tuple[str, int, str]:
        status = super()._read_status()  # type: ignore[misc]
        while 102 <= status[1] < 200:  # interim answers (103 Early Hints, RFC 8297); http.client knows 100 alone
            while self.fp.readline(MAX_HEAD_BYTES) not in (b"\r\n", b"\n", b""):
                pass
            status = super()._read_status()  # type: ignore[misc]
        return status  # type: ignore[no-any-return]


class _Watched:
    """What our connections do differently: they tell their client which socket it waits on, and send its target verbatim."""

    response_class = _StrictResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)  # type: ignore[arg-type]

    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        client = _client()
        if client is not None and method == "GET":
            url = client.target  # urllib3 would write %2f as %2F, and a signature would not hold
        return super().putrequest(method, url, *arguments, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        client = _client()
        if client is not None:
            client.connected(self.sock)  # type: ignore[attr-defined]
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):  # type: ignore[misc]
    pass


class _TLSConnection(_Watched, HTTPSConnection):  # type: ignore[misc]
    def connect(self) -> None:
        super().connect()
        self.is_verified = True  # or the user said --insecure, and knows: no warning for each host


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    """HTTPAdapter whose connections tell their client which socket it waits on, and share one TLS context."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context: Any = None
        super().__init__(pool_connections=16, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            if self._context is None:
                self._context = tls_context(self._options)
            pool = {"ssl_context": self._context, "cert_reqs": "CERT_NONE" if self._options.insecure else "CERT_REQUIRED"}
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context has it all; requests would load its own bundle on top."""


class BlockingClient:
    """Sends one Request at a time and reads its answer. Raises DownloadError only."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = _Adapter(options)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._response: requests.Response | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # between the owner, who changes _socket, and the one who cuts it
        self._cut: DownloadError | None = None
        self._url = ""
        self._deadline = 0.0
        self._patience = 0.0  # until when one wait may last: for a head, for a piece of body, for the rest of one to drop
        self.target = ""
        self.connect_timeout = options.connect_timeout

    def connected(self, sock: Any) -> None:
        """The socket that the owner is about to wait on."""
        with self._lock:
            self._socket = sock
        if self._cut is not None:
            raise self._cut

    def begin(self, deadline: float) -> None:
        """A new Attempt, to be cut at ``deadline`` (monotonic seconds; 0: never)."""
        with self._lock:
            self._cut = None
            self._deadline = deadline
            self._patience = 0.0

    def send(self, request: Request) -> Head:
        """Send, and wait for the head of the answer."""
        self._url = request.url
        _thread.client = self
        proxy = self._options.proxy_for(request.url)
        plain = proxy.startswith("http") and request.url.startswith("http:")
        self.target = request.url if plain else "/" + request.url.split("/", 3)[3]
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = "GET", request.url
        prepared.headers = CaseInsensitiveDict(request.headers)
        options = self._options
        self._patience = time.monotonic() + options.head_timeout
        try:
            # Session.send would read a redirect's body, whole, and refuse its target before the core has seen it.
            response = self._session.get_adapter(request.url).send(
                prepared,
                stream=True,
                timeout=(options.connect_timeout, options.read_timeout),
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
        except Exception as error:
            raise self._mapped(error) from error
        finally:
            self._patience = 0.0
        self._response = response
        return Head(response.status_code, tuple(response.raw.headers.iteritems()))

    def read(self) -> bytes:
        """The next piece of the body, as it came; empty at its end."""
        assert self._response is not None  # noqa: S101 - read follows send
        self._patience = time.monotonic() + self._options.read_timeout + 0.5  # a socket that is silent says so itself before
        try:
            raw = self._response.raw
            data: bytes = raw.read1(CHUNK, decode_content=False)
            if not data and not raw.closed:
                raw.read(1, decode_content=False)  # read1 leaves a body that is over open, and so its socket
        except Exception as error:
            raise self._mapped(error) from error
        self._patience = 0.0
        if not data and self._cut is not None:
            raise self._cut
        return data

    def drop(self, drain: bool = False) -> None:
        """Be done with the answer. With ``drain``, read on to its end if that is near, to keep the connection. Never raises."""
        response, self._response = self._response, None
        if response is not None:
            self._end(response, drain)
        with self._lock:
            self._socket = None

    def _end(self, response: requests.Response, drain: bool) -> None:
        with suppress(Exception):
            length = response.raw.length_remaining
            if drain and length and length <= DRAIN:
                self._patience = time.monotonic() + DRAIN_TIME
                response.raw.read(DRAIN, decode_content=False)
            if length == 0 or response.raw.closed:
                response.raw.release_conn()
                return
        response.close()

    def close(self) -> None:
        """Close every connection."""
        self.drop()
        self._session.close()

    def cut(self, reason: DownloadError) -> None:
        """From any thread: make whatever the owner waits for fail with ``reason``."""
        with self._lock:
            self._shut(reason)

    def cut_if_overdue(self, now: float) -> None:
        """From any thread: cut what has lasted too long, the Attempt as a whole or the present wait."""
        with self._lock:  # so that what is meant for one Attempt does not hit the next
            if self._deadline and now >= self._deadline:
                self._shut(NetworkError("the time for one attempt is over", hint="see --timeout"))
            elif self._patience and now >= self._patience:
                self._shut(NetworkError("nothing came for too long", hint="see --low-speed-time"))

    def _shut(self, reason: DownloadError) -> None:
        self._cut = reason
        if self._socket is not None:
            with suppress(OSError, TypeError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _mapped(self, error: Exception) -> DownloadError:
        url = public_url(self._url)
        if self._cut is not None:
            return self._cut
        return map_error(error, url, self._options)


def map_error(error: Exception, url: str, options: ClientOptions) -> DownloadError:
    """What an error of requests, urllib3 or http.client means; most specific first."""
    found = list(chain(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(item, kinds) for item in found)

    if has(requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError):
        return refuse_url(url)
    if (known := from_system(error, url)) is not None:
        return known
    if has(urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout):
        return NetworkError(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if has(urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return NetworkError(f"nothing came for {options.read_timeout:g} s", url, "see --low-speed-time")
    if has(urllib3.exceptions.ProxyError):
        return NetworkError("the proxy cannot be used", url, "see --proxy")
    if has(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        return TLSError("TLS: the handshake failed", url)
    if has(http.client.RemoteDisconnected):
        return NetworkError("closed before an answer", url)
    if any(isinstance(item, ValueError) and "base 16" in str(item) and "b''" not in str(item) for item in found):
        return ProtocolError("malformed answer: the size of a chunk", url)
    if has(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return NetworkError("truncated: the body ended too early", url)
    if has(http.client.HTTPException, urllib3.exceptions.InvalidChunkLength, urllib3.exceptions.InvalidHeader, ValueError):
        return ProtocolError("malformed answer", url)
    return NetworkError("connection failed", url)


class Watchdog(threading.Thread):
    """Cuts clients that are overdue, and all of them once ``expired`` says that the run must end."""

    def __init__(self, expired: Callable[[], bool], period: float = 0.1) -> None:
        super().__init__(name="dl-watchdog", daemon=True)
        self._expired = expired
        self._period = period
        self._clients: list[BlockingClient] = []
        self._over = threading.Event()

    def watch(self, client: BlockingClient) -> None:
        """Look after one more."""
        self._clients.append(client)

    def run(self) -> None:
        """Until `stop`."""
        while not self.pause(self._period):
            now = time.monotonic()
            expired = self._expired()
            for client in self._clients:
                if expired:
                    client.cut(Interrupted("stopped"))
                else:
                    client.cut_if_overdue(now)

    def pause(self, seconds: float) -> bool:
        """Sleep so long; whether it is over."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    @property
    def clients(self) -> list[BlockingClient]:
        """All that are watched."""
        return self._clients
