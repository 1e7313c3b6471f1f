"""What libcurl is told once for each handle, and what its errors mean."""

import os
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pycurl

from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NetworkError, NoAnswer, ProtocolError, TLSError
from downloader.transports.base import ClientOptions, by_proxy, from_system, refuse_url

SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_…: pycurl has no name for it
_MALFORMED = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, 8, pycurl.E_BAD_CONTENT_ENCODING, 100})  # weird reply, too large
_TLS = frozenset({pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, 58, 59, 66, 77, 80, 82, 83})  # our own files
_PLAIN = {
    pycurl.E_PARTIAL_FILE: "truncated: the body ended too early",
    pycurl.E_RECV_ERROR: "connection reset",
    pycurl.E_SEND_ERROR: "connection reset",
    16: "the stream was reset",  # HTTP/2
    92: "the stream was reset",  # one of its streams
    95: "the stream was reset",  # HTTP/3
    96: "the stream was reset",  # QUIC
}
_MALFORMED_TEXTS = ("hexadecimal", "chunk", "too large response headers", "header", "invalid", "malformed", "nul")
_CUT_TEXTS = ("eof", "syscall", "reset", "recv failure", "send failure")


def client_options(options: ClientOptions) -> Iterator[tuple[int, Any]]:
    """What each easy handle is told once. ``PROXY`` is set with each request."""
    yield pycurl.NOSIGNAL, 1
    yield pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    yield pycurl.FOLLOWLOCATION, 0
    yield pycurl.PATH_AS_IS, 1
    yield SUPPRESS_CONNECT_HEADERS, 1
    yield pycurl.PROXY, ""  # not the environment's: those are looked up by `ClientOptions.proxy_for`
    yield pycurl.NOPROXY, ""
    yield pycurl.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout * 1000))
    yield pycurl.TCP_NODELAY, 1
    if options.socket_options:
        yield pycurl.SOCKOPTFUNCTION, partial(_set_options, options.socket_options)
    cafile = options.cacert
    if not cafile:
        import certifi

        cafile = certifi.where()
    yield pycurl.CAINFO, cafile
    yield pycurl.PROXY_CAINFO, cafile
    if options.insecure:
        yield pycurl.SSL_VERIFYPEER, 0
        yield pycurl.SSL_VERIFYHOST, 0
        yield pycurl.PROXY_SSL_VERIFYPEER, 0
        yield pycurl.PROXY_SSL_VERIFYHOST, 0
    if options.cert:
        yield pycurl.SSLCERT, options.cert
        yield pycurl.SSLKEY, options.key or options.cert


def _set_options(wanted: tuple[tuple[int, int, int], ...], descriptor: int, purpose: int) -> int:
    """Tell a socket of libcurl's what `ClientOptions.socket_options` says, before it connects."""
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        for option in wanted:
            sock.setsockopt(*option)
    return int(pycurl.SOCKOPT_OK)


def map_error(code: int, text: str, easy: Any, url: str, options: ClientOptions) -> DownloadError:
    """What a CURLcode means; https://curl.se/libcurl/c/libcurl-errors.html."""
    public = public_url(url)
    return by_proxy(_mapped(code, text, easy, public, options), options.proxy_for(url))


def unresolved_host(code: int, url: str, proxy: str) -> str:
    """The name that libcurl could not resolve, which is all that its code tells; empty for any other error."""
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return urlsplit(url).hostname or ""
    return (urlsplit(proxy).hostname or "") if code == pycurl.E_COULDNT_RESOLVE_PROXY else ""


def name_error(error: DownloadError, url: str, options: ClientOptions) -> DownloadError:
    """The error of this URL, from the one that several may share."""
    own = type(error)(error.reason, public_url(url), error.hint)
    return by_proxy(own, options.proxy_for(url))


def _mapped(code: int, text: str, easy: Any, url: str, options: ClientOptions) -> DownloadError:
    number = easy.getinfo(pycurl.OS_ERRNO)
    system = from_system(OSError(number, os.strerror(number)), url) if number else None
    lower = text.lower()
    if code == pycurl.E_URL_MALFORMAT:
        return refuse_url(url)
    if code == 97:  # the handshake with a SOCKS proxy
        return NetworkError("the proxy cannot be used", url, "see --proxy")
    if "connect tunnel failed" in lower:
        return NetworkError(f"the proxy cannot be used: HTTP {lower.rpartition(' ')[2]}", url, "see --proxy")
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return NoAnswer(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if code in _TLS:
        return _tls(code, text, url)
    if code in _MALFORMED or (code == pycurl.E_RECV_ERROR and any(word in lower for word in _MALFORMED_TEXTS)):
        return ProtocolError("malformed answer", url)
    if code == pycurl.E_GOT_NOTHING:
        return system or NetworkError("closed before an answer", url)
    if (known := _PLAIN.get(code)) is not None:
        return NetworkError(known, url, kind="truncated" if code == pycurl.E_PARTIAL_FILE else "")
    return system or NetworkError("connection failed", url)


def _tls(code: int, text: str, url: str) -> DownloadError:
    what = text.rpartition(":")[2].strip()
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return TLSError(
            f"the certificate does not verify: {what or 'verification failed'}", url, "give the authority with --cacert"
        )
    lower = text.lower()
    if code == pycurl.E_SSL_CONNECT_ERROR and any(word in lower for word in _CUT_TEXTS):
        return NetworkError("connection reset", url)
    return TLSError(f"TLS: {what.lower() or 'the handshake failed'}", url)
