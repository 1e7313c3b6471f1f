"""The options that every transport takes, and the meaning of socket and TLS errors, whichever library raised them.

A transport sends a `Request`, returns a `Head` and then the body in pieces, byte for byte as they arrived. It follows no
redirect, keeps no cookie, decodes nothing and repeats no request: the core decides about these.

Each transport has a ``map_error`` of its own for the errors of its library; all of them end in `map_system_error`.
"""

import errno
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NameNotFound, NetworkError, NoAnswer, PolicyError, TLSError, UsageError

READ_BYTES = 256 * 1024
"""Bytes of a body that are read at a time at most."""

DRAIN_BYTES = 64 * 1024
"""An unwanted body of at most this many bytes is read to its end, so that the connection can be used again."""

DRAIN_SECONDS = 0.5
"""Seconds that this may take at most."""


class ClientOptions(Struct, frozen=True):
    """How to connect. Picklable. Times in seconds.

    ``connections``: idle connections that are kept at most. ``proxy``: for every URL; else ``proxies``: pairs of a URL scheme
    and its proxy. ``cacert``, ``cert``, ``key``: paths of PEM files. ``insecure``: do not verify certificates.
    ``read_bytes``: bytes of a body that are read at a time at most. ``receive_buffer``: bytes that the system buffers for each
    connection; 0: its default. A small buffer makes a rate limit hold on the network too; with a large one the system receives
    megabytes in advance. ``http_version``: 1.1, 2 or 3; empty: the best that both sides support.
    """

    connect_timeout: float = 15.0
    read_timeout: float = 30.0
    connections: int = 32
    proxy: str = ""
    proxies: tuple[tuple[str, str], ...] = ()
    cacert: str = ""
    cert: str = ""
    key: str = ""
    insecure: bool = False
    read_bytes: int = READ_BYTES
    receive_buffer: int = 0
    http_version: str = ""

    @property
    def head_timeout(self) -> float:
        """Seconds from sending a request to the end of the response's head, at most."""
        return self.connect_timeout + self.read_timeout

    @property
    def socket_options(self) -> tuple[tuple[int, int, int], ...]:
        """Arguments of `socket.setsockopt` for each socket, before it connects."""
        if not self.receive_buffer:
            return ()
        import socket  # here, and below: 2 ms that libcurl need not pay

        return ((socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer),)

    def proxy_for(self, url: str) -> str:
        """The proxy for a URL; empty for none. ``no_proxy`` applies to the proxies of the environment only."""
        if self.proxy or not self.proxies:
            return self.proxy
        from downloader.transports.proxies import proxy_of  # here: only runs with a proxy need it

        parts = urlsplit(url)
        return proxy_of(self.proxies, parts.scheme, parts.netloc.rpartition("@")[2])


def environment_proxies() -> tuple[tuple[str, str], ...]:
    """The environment's proxies as pairs: ``http``, ``https``, ``all`` or ``no``, and the value of ``http_proxy`` and so on."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ()
    from downloader.transports.proxies import read_proxies

    return read_proxies(os.environ)


def check_proxy(url: str) -> str:
    """Return the URL of a proxy. Raises UsageError if its scheme is not supported; the message does not contain the URL."""
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in ("http", "https", "socks5", "socks5h") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        raise UsageError("--proxy is not the URL of a proxy", hint="one of http://, https://, socks5://host:port")
    return url


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all errors that caused it, each once: libraries keep them in different attributes."""
    seen: set[int] = set()
    remaining: list[object] = [error]
    while remaining:
        item = remaining.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        remaining += [
            getattr(item, "reason", None),
            getattr(item, "os_error", None),
            *item.args,
            item.__cause__,
            item.__context__,
        ]


def map_system_error(error: BaseException, url: str) -> DownloadError | None:
    """The DownloadError for an error of sockets, TLS or name resolution among the `causes`; None if there is none.

    ``url``: shown in the message, so it must be free of credentials. Of several errors the most specific one counts: a
    DownloadError or a wrong certificate, then name resolution and TLS, then the connection.
    """
    chain = list(causes(error))
    for classify in (_certificate_error, _name_or_tls_error, _connection_error):
        for item in chain:
            if (known := classify(item, url)) is not None:
                return known
    return None


def _certificate_error(error: BaseException, url: str) -> DownloadError | None:
    import ssl  # here, and below: 3 ms that transports without Python's ssl need not pay

    if isinstance(error, DownloadError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        what = getattr(error, "verify_message", "") or "verification failed"
        return TLSError(f"the certificate does not verify: {what}", url, "give the authority with --cacert")
    return None


def _name_or_tls_error(error: BaseException, url: str) -> DownloadError | None:
    import socket
    import ssl

    if isinstance(error, socket.gaierror):
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return NameNotFound("no such host", url, "check the spelling")
        return NetworkError("the name server did not answer", url)
    if isinstance(error, UnicodeError) and "idna" in f"{getattr(error, 'encoding', '')} {error}":
        return NameNotFound("no such host", url, "check the spelling")  # a label that is empty or too long
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TLSError(f"TLS: {(getattr(error, 'reason', '') or 'handshake failed').replace('_', ' ').lower()}", url)
    return None


def _connection_error(error: BaseException, url: str) -> DownloadError | None:
    import ssl

    if isinstance(error, ConnectionRefusedError):
        return NetworkError("connection refused", url, "is the server running?")
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError | ssl.SSLError):
        return NetworkError("connection reset", url)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return NetworkError("too many open files", url, "raise the limit (ulimit -n), or lower --jobs")
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
        return NetworkError((error.strerror or "unreachable").lower(), url)
    return None


def name_proxy(error: DownloadError, proxy: str) -> DownloadError:
    """The error, with a message that names the proxy if a connection through a proxy failed. ``proxy``: empty for none."""
    if proxy and isinstance(error, NetworkError):
        kind = NetworkError if isinstance(error, NoAnswer) else type(error)  # the proxy did not answer, not the host
        return kind(f"through the proxy: {error.reason}", error.url, "see --proxy")
    return error


def refused_url(url: str) -> PolicyError:
    """The error for a URL that a library refuses."""
    return PolicyError("the HTTP client refuses this URL", public_url(url))
