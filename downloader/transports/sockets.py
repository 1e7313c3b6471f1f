"""requests and urllib3 at the level of their connections: strict about heads, verbatim about targets, and never deaf.

Each thread that sends says who it is (`present`); its connections tell that owner which socket they wait on, from before
they connect, so that another thread can cut the wait. Owners are `downloader.transports.blocking.BlockingClient`.
"""

import http.client
import socket
import threading
from typing import Any, Protocol

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from downloader.core.headers import MAX_HEAD_BYTES
from downloader.transports.base import ClientOptions
from downloader.transports.tls import tls_context

_thread = threading.local()


class Owner(Protocol):
    """Who waits on a connection. ``target``: what its request line is to say; ``connect_timeout`` in seconds."""

    target: str
    connect_timeout: float

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
            for option in connection.socket_options or ():
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
