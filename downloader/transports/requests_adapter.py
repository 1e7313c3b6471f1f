"""urllib3 connections that reject truncated heads, send the request target unmodified, and expose their socket.

A thread registers a `ConnectionOwner` with `set_owner` before it sends. A connection passes its socket to the owner of the
thread before the thread waits for the socket, the first time before it connects; so another thread can shut the socket down
and end the wait. The only owner is `downloader.transports.requests_client.BlockingClient`.
"""

import http.client
import io
import socket
import threading
import time
from typing import Any, Protocol

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from downloader.core.http.framing import Framing
from downloader.transports.base import ClientOptions
from downloader.transports.tls import tls_context

_BUFFER_BYTES = 16 * 1024
_thread = threading.local()


class ConnectionOwner(Protocol):
    """The client that uses connections in one thread.

    ``target``: the request target to send (RFC 9112 section 3.2). ``connect_timeout``: seconds.
    ``socket_options``: see `ClientOptions`. ``resolved_at``, ``connected_at``, ``encrypted_at``: when a new connection had come
    so far (monotonic seconds); a connection sets them.
    """

    target: str
    connect_timeout: float
    socket_options: tuple[tuple[int, int, int], ...]
    resolved_at: float
    connected_at: float
    encrypted_at: float

    def on_socket(self, sock: Any) -> None:
        """Called before the thread waits for this socket."""


def set_owner(owner: ConnectionOwner) -> None:
    """Register the owner of the connections that this thread uses from now on."""
    _thread.owner = owner


def _owner() -> ConnectionOwner | None:
    owner: ConnectionOwner | None = getattr(_thread, "owner", None)
    return owner


def _connect(connection: HTTPConnection) -> socket.socket:
    """Connect to the first address of the host that accepts. The owner is given each socket before it connects."""
    owner = _owner()
    host = connection.host.strip("[]")
    failure: Exception | None = None
    addresses = socket.getaddrinfo(host, connection.port, 0, socket.SOCK_STREAM)
    if owner is not None:
        owner.resolved_at = time.monotonic()
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in (*(connection.socket_options or ()), *(owner.socket_options if owner is not None else ())):
                sock.setsockopt(*option)
            sock.settimeout(owner.connect_timeout if owner is not None else None)
            if owner is not None:
                owner.on_socket(sock)
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
            if owner is not None:
                owner.connected_at = time.monotonic()
            return sock
    raise failure or OSError("the name has no address")


class _FramedStream(io.RawIOBase):
    """The bytes of a socket, with the framing of responses checked by `Framing`, as in the other transports."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._framing = Framing()
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        framing = self._framing
        while not self._ready:
            if framing.broken is not None:
                raise framing.broken
            if framing.verbatim:
                view = memoryview(buffer)
                count: int = self._stream.readinto(view if framing.left is None else view[: framing.left])
                framing.passed(count)
                return count
            data = self._stream.read(_BUFFER_BYTES)
            if not data:
                if framing.in_head:
                    raise http.client.RemoteDisconnected("closed before the end of the header section")
                return 0
            self._ready = framing.feed(data)
        count = min(len(self._ready), len(buffer))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _StrictResponse(http.client.HTTPResponse):
    """Rejects what http.client accepts as complete: a truncated head, a chunked body without its last chunk."""

    def begin(self) -> None:
        self.fp = io.BufferedReader(_FramedStream(self.fp.detach()), _BUFFER_BYTES)
        super().begin()


class _OwnedConnection:
    """Passes each socket to the owner of the thread, and sends the owner's request target unmodified."""

    response_class = _StrictResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)  # type: ignore[arg-type]

    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        owner = _owner()
        if owner is not None and method == "GET":
            url = owner.target  # urllib3 would send %2f as %2F, which invalidates a signature
        return super().putrequest(method, url, *arguments, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        owner = _owner()
        if owner is not None:
            owner.on_socket(self.sock)  # type: ignore[attr-defined]
        return super().getresponse()  # type: ignore[misc]


class _OwnedHTTPConnection(_OwnedConnection, HTTPConnection):  # type: ignore[misc]
    pass


class _OwnedHTTPSConnection(_OwnedConnection, HTTPSConnection):  # type: ignore[misc]
    def connect(self) -> None:
        super().connect()
        self.is_verified = True  # or the user chose --insecure: no warning for each host
        owner = _owner()
        if owner is not None:
            owner.encrypted_at = time.monotonic()


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _OwnedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _OwnedHTTPSConnection


_POOL_CLASSES = {"http": _HTTPPool, "https": _HTTPSPool}


class OwnedConnectionAdapter(HTTPAdapter):
    """An HTTPAdapter whose connections pass their sockets to a `ConnectionOwner`, and share one TLS context."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context: Any = None
        super().__init__(pool_connections=16, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        if proxy.lower().startswith("https:") and proxy not in self.proxy_manager:
            kwargs["proxy_ssl_context"] = tls_context(self._options)  # --cacert applies to the proxy too
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            if self._context is None:
                self._context = tls_context(self._options)
            pool = {"ssl_context": self._context, "cert_reqs": "CERT_NONE" if self._options.insecure else "CERT_REQUIRED"}
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Does nothing: the TLS context has the certificates. requests would load its own bundle in addition."""
