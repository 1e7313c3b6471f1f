"""What every transport is told, and what the errors of sockets and TLS mean, whichever library raised them.

A transport sends a `Request`, gives back a `Head` and then pieces of the body, byte for byte as they came. It follows
no redirect, keeps no cookie, decodes nothing and tries nothing again: those are decisions.
"""

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NameNotFound, NetworkError, NoAnswer, PolicyError, TLSError, UsageError

CHUNK = 256 * 1024
"""Bytes of body asked for at a time."""

DRAIN = 64 * 1024
"""A body that is not wanted is read to its end, to keep the connection, where it is no longer than this."""

DRAIN_TIME = 0.5
"""Seconds that this may take."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to connect. Picklable. Times in seconds; ``proxy`` for every URL, else ``proxies`` by scheme.

    ``receive_buffer``: bytes that the system may hold for each connection; 0: as it likes. It holds a rate on the wire,
    where else the system would take megabytes ahead of it. ``chunk``: bytes of body asked for at a time.
    ``http_version``: 1.1, 2 or 3; empty for what suits best.
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
    chunk: int = CHUNK
    receive_buffer: int = 0
    http_version: str = ""

    @property
    def head_timeout(self) -> float:
        """Seconds from sending a request to the end of its answer's head."""
        return self.connect_timeout + self.read_timeout

    @property
    def socket_options(self) -> tuple[tuple[int, int, int], ...]:
        """What each socket is told before it connects."""
        return ((socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer),) if self.receive_buffer else ()

    def proxy_for(self, url: str) -> str:
        """The proxy for a URL; empty for none. ``no_proxy`` holds for proxies from the environment."""
        if self.proxy or not self.proxies:
            return self.proxy
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # here: 8 ms for those who have one

        parts = urlsplit(url)
        by_scheme = dict(self.proxies)
        if proxy_bypass_environment(parts.hostname or "", by_scheme):
            return ""
        return by_scheme.get(parts.scheme) or by_scheme.get("all") or ""


def environment_proxies() -> tuple[tuple[str, str], ...]:
    """``http_proxy``, ``https_proxy``, ``all_proxy``, ``no_proxy`` as they are set now."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ()
    from urllib.request import getproxies_environment

    return tuple(sorted(getproxies_environment().items()))


def check_proxy(url: str) -> str:
    """The proxy's URL, if its scheme is one we speak. Raises UsageError, without its password."""
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in ("http", "https", "socks5", "socks5h") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        raise UsageError("--proxy is not the URL of a proxy", hint="one of http://, https://, socks5://host:port")
    return url


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, by whatever way libraries pass it on; each once."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        item = todo.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        todo += [getattr(item, "reason", None), getattr(item, "os_error", None), *item.args, item.__cause__, item.__context__]


def from_system(error: BaseException, url: str) -> DownloadError | None:
    """What an error of the system, somewhere in the chain, means; None where there is none. ``url`` is shown as it is."""
    import ssl  # here, as in `tls`: 3 ms that only those need to pay who use it, and libcurl has its own

    found = list(chain(error))
    for item in found:
        if isinstance(item, DownloadError):
            return item
        if isinstance(item, ssl.SSLCertVerificationError):
            what = getattr(item, "verify_message", "") or "verification failed"
            return TLSError(f"the certificate does not verify: {what}", url, "give the authority with --cacert")
    for item in found:
        if isinstance(item, socket.gaierror):
            if item.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                return NameNotFound("no such host", url, "check the spelling")
            return NetworkError("the name server did not answer", url)
        if isinstance(item, UnicodeError) and "idna" in f"{getattr(item, 'encoding', '')} {item}":
            return NameNotFound("no such host", url, "check the spelling")  # a label that is empty or too long
        if isinstance(item, ssl.SSLError) and not isinstance(item, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return TLSError(f"TLS: {(getattr(item, 'reason', '') or 'handshake failed').replace('_', ' ').lower()}", url)
    for item in found:
        if isinstance(item, ConnectionRefusedError):
            return NetworkError("connection refused", url, "is the server running?")
        if isinstance(item, ConnectionResetError | BrokenPipeError | ConnectionAbortedError | ssl.SSLError):
            return NetworkError("connection reset", url)
        if isinstance(item, OSError) and item.errno in (errno.EMFILE, errno.ENFILE):
            return NetworkError("too many open files", url, "raise the limit (ulimit -n), or lower --jobs")
        if isinstance(item, OSError) and item.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
            return NetworkError((item.strerror or "unreachable").lower(), url)
    return None


def by_proxy(error: DownloadError, proxy: str) -> DownloadError:
    """The error, saying so where it was the way to a proxy that failed."""
    if proxy and isinstance(error, NetworkError):
        kind = NetworkError if isinstance(error, NoAnswer) else type(error)  # it is the proxy that may be dead, not the host
        return kind(f"through the proxy: {error.reason}", error.url, "see --proxy")
    return error


def refuse_url(url: str) -> PolicyError:
    """For a URL that a library will not take."""
    return PolicyError("the HTTP client refuses this URL", public_url(url))
