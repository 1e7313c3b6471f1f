"""requests and urllib3 at the level of their connections: strict about heads, verbatim about targets, and never deaf.

Each thread that sends says who it is (`present`); its connections tell that owner which socket they wait on, from before
they connect, so that another thread can cut the wait. Owners are `downloader.transports.requests_client.BlockingClient`.
"""

import http.client
import io
import socket
import threading
from typing import Any, Protocol

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from downloader.core.http.framing import Framing
from downloader.transports.base import ClientOptions
from downloader.transports.tls import tls_context

_PIECE = 16 * 1024
_thread = threading.local()


class Owner(Protocol):
    """Who waits on a connection. ``target``: what its request line is to say; ``connect_timeout`` in seconds.

    ``socket_options``: see `ClientOptions`.
    """

    target: str
    connect_timeout: float
    socket_options: tuple[tuple[int, int, int], ...]

    def connected(self, sock: Any) -> None:
        """The socket that is waited on from now on."""


def present(owner: Owner) -> None:
    """Who sends from this thread."""
    _thread.owner = owner


def _owner() -> Owner | None:
    owner: Owner | None = getattr(_thread, "owner", None)
    return owner


def _connect(connection: HTTPConnection) -> socket.socket:
    """A connected socket; its owner knows it from before it connects, so that the wait can be cut."""
    owner = _owner()
    host = connection.host.strip("[]")
    failure: Exception | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, connection.port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in (*(connection.socket_options or ()), *(owner.socket_options if owner is not None else ())):
                sock.setsockopt(*option)
            sock.settimeout(owner.connect_timeout if owner is not None else None)
            if owner is not None:
                owner.connected(sock)
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


class _FramedStream(io.RawIOBase):
    """What comes from a socket, read as all our transports read it."""

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
            data = self._stream.read(_PIECE)
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
    """http.client takes much for an answer that is none: a head that was cut off, a body without its last chunk."""

    def begin(self) -> None:
        self.fp = io.BufferedReader(_FramedStream(self.fp.detach()), _PIECE)
        super().begin()


class _Watched:
    """What our connections do differently: they tell their owner which socket it waits on, and send its target verbatim."""

    response_class = _StrictResponse

    def _new_conn(self) -> socket.socket:
        return _connect(self)  # type: ignore[arg-type]

    def putrequest(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        owner = _owner()
        if owner is not None and method == "GET":
            url = owner.target  # urllib3 would write %2f as %2F, and a signature would not hold
        return super().putrequest(method, url, *arguments, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        owner = _owner()
        if owner is not None:
            owner.connected(self.sock)  # type: ignore[attr-defined]
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


class WatchedAdapter(HTTPAdapter):
    """HTTPAdapter whose connections tell their owner which socket it waits on, and share one TLS context."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context: Any = None
        super().__init__(pool_connections=16, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        if proxy.lower().startswith("https:") and proxy not in self.proxy_manager:
            kwargs["proxy_ssl_context"] = tls_context(self._options)  # --cacert holds for the proxy too
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
