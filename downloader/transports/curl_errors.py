"""The options of a libcurl handle, and the meaning of libcurl's error codes."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pycurl

from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NetworkError, NoAnswer, ProtocolError, TLSError
from downloader.transports.base import ClientOptions, map_system_error, name_proxy, refused_url

SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS: pycurl has no name for it
_MALFORMED_CODES = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, 8, pycurl.E_BAD_CONTENT_ENCODING, 100})
"""8 is CURLE_WEIRD_SERVER_REPLY, 100 CURLE_TOO_LARGE: pycurl has no names for them, nor for the numbers below."""

_TLS_CODES = frozenset({pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, 58, 59, 66, 77, 80, 82, 83})
_NETWORK_REASONS = {
    pycurl.E_PARTIAL_FILE: "truncated: the body ended too early",
    pycurl.E_RECV_ERROR: "connection reset",
    pycurl.E_SEND_ERROR: "connection reset",
    16: "the stream was reset",  # CURLE_HTTP2
    92: "the stream was reset",  # CURLE_HTTP2_STREAM
    95: "the stream was reset",  # CURLE_HTTP3
    96: "the stream was reset",  # CURLE_QUIC_CONNECT_ERROR
}
_MALFORMED_TEXTS = ("hexadecimal", "chunk", "too large response headers", "header", "invalid", "malformed", "nul")
_RESET_TEXTS = ("eof", "syscall", "reset", "recv failure", "send failure")


def client_options(options: ClientOptions) -> Iterator[tuple[int, Any]]:
    """The options that are set once for each easy handle. ``PROXY`` is set again for each request."""
    yield pycurl.NOSIGNAL, 1
    yield pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    yield pycurl.FOLLOWLOCATION, 0
    yield pycurl.PATH_AS_IS, 1
    yield SUPPRESS_CONNECT_HEADERS, 1
    yield pycurl.PROXY, ""  # ignore the environment: `ClientOptions.proxy_for` reads it
    yield pycurl.NOPROXY, ""
    yield pycurl.CONNECTTIMEOUT_MS, max(1, int(options.connect_timeout * 1000))
    yield pycurl.TCP_NODELAY, 1
    if options.socket_options:
        yield pycurl.SOCKOPTFUNCTION, partial(_set_options, options.socket_options)
    if options.proxy or options.proxies:
        yield pycurl.PROXY_CAINFO, authorities(options)  # CAINFO is set with the first https URL
    if options.insecure:
        yield pycurl.SSL_VERIFYPEER, 0
        yield pycurl.SSL_VERIFYHOST, 0
        yield pycurl.PROXY_SSL_VERIFYPEER, 0
        yield pycurl.PROXY_SSL_VERIFYHOST, 0
    if options.cert:
        yield pycurl.SSLCERT, options.cert
        yield pycurl.SSLKEY, options.key or options.cert


def authorities(options: ClientOptions) -> str:
    """The path of the PEM file with the certificate authorities to trust."""
    if options.cacert:
        return options.cacert
    import certifi  # here: 6 ms that only TLS needs to pay

    return certifi.where()


def _set_options(wanted: tuple[tuple[int, int, int], ...], descriptor: int, purpose: int) -> int:
    """Apply `ClientOptions.socket_options` to a socket of libcurl, before it connects."""
    import socket  # here: few runs need it

    with socket.socket(fileno=os.dup(descriptor)) as sock:
        for option in wanted:
            sock.setsockopt(*option)
    return int(pycurl.SOCKOPT_OK)


def map_error(code: int, text: str, easy: Any, url: str, options: ClientOptions) -> DownloadError:
    """The DownloadError for a CURLcode; see https://curl.se/libcurl/c/libcurl-errors.html.

    ``text``: libcurl's own description. ``url``: of the request; only its public form is shown.
    """
    public = public_url(url)
    return name_proxy(_mapped(code, text, easy, public, options), options.proxy_for(url))


def unresolved_host(code: int, url: str, proxy: str) -> str:
    """The host name that libcurl could not resolve: of the URL or of the proxy. Empty for any other error."""
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return urlsplit(url).hostname or ""
    return (urlsplit(proxy).hostname or "") if code == pycurl.E_COULDNT_RESOLVE_PROXY else ""


def name_error(error: DownloadError, url: str, options: ClientOptions) -> DownloadError:
    """A copy of the error for this URL: the transfers that wait for one lookup are given the same error."""
    copy = type(error)(error.reason, public_url(url), error.hint)
    return name_proxy(copy, options.proxy_for(url))


def _mapped(code: int, text: str, easy: Any, url: str, options: ClientOptions) -> DownloadError:
    number = easy.getinfo(pycurl.OS_ERRNO)
    system = map_system_error(OSError(number, os.strerror(number)), url) if number else None
    lower = text.lower()
    if code == pycurl.E_URL_MALFORMAT:
        return refused_url(url)
    if code == 97:  # CURLE_PROXY: the handshake with a SOCKS proxy
        return NetworkError("the proxy cannot be used", url, "see --proxy")
    if "connect tunnel failed" in lower:
        return NetworkError(f"the proxy cannot be used: HTTP {lower.rpartition(' ')[2]}", url, "see --proxy")
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return NoAnswer(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if code in _TLS_CODES:
        return _tls_error(code, text, url)
    if code in _MALFORMED_CODES or (code == pycurl.E_RECV_ERROR and any(word in lower for word in _MALFORMED_TEXTS)):
        return ProtocolError("malformed answer", url)
    if code == pycurl.E_GOT_NOTHING:
        return system or NetworkError("closed before an answer", url)
    if (known := _NETWORK_REASONS.get(code)) is not None:
        return NetworkError(known, url, kind="truncated" if code == pycurl.E_PARTIAL_FILE else "")
    return system or NetworkError("connection failed", url)


def _tls_error(code: int, text: str, url: str) -> DownloadError:
    detail = text.rpartition(":")[2].strip()
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return TLSError(
            f"the certificate does not verify: {detail or 'verification failed'}", url, "give the authority with --cacert"
        )
    lower = text.lower()
    if code == pycurl.E_SSL_CONNECT_ERROR and any(word in lower for word in _RESET_TEXTS):
        return NetworkError("connection reset", url)
    return TLSError(f"TLS: {detail.lower() or 'the handshake failed'}", url)
