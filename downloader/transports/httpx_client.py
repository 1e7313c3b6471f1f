"""httpx as an asynchronous transport, over aiohttp's connections: for `async`.

httpx's own connection pool costs 1.9 ms of CPU for each small file at 32 connections; the same requests over the aiohttp
transport cost 0.2 ms, and 0.12 ms when the transport is called without httpx's client around it, which would decide
about redirects, cookies and proxies that the core decides about. Where a proxy is used, httpx's own transport serves.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from downloader.core.http.framing import Framing
from downloader.core.http.headers import MAX_HEAD_BYTES
from downloader.core.http.messages import Head, Request
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NetworkError, NoAnswer, ProtocolError, TLSError
from downloader.transports.base import ClientOptions, by_proxy, chain, from_system, refuse_url
from downloader.transports.tls import tls_context


class AsyncClient:
    """The connections of one event loop. Made and closed within it."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._transports: dict[tuple[bool, str], httpx.AsyncBaseTransport] = {}
        self._sessions: list[aiohttp.ClientSession] = []
        self._sending = _Sending(Request("", ()))
        timeouts = {"connect": options.connect_timeout, "read": options.read_timeout, "write": None, "pool": None}
        self._extensions = {"timeout": timeouts}

    def _transport(self, url: str) -> httpx.AsyncBaseTransport:
        secure, proxy = url.startswith("https:"), self._options.proxy_for(url)
        found = self._transports.get((secure, proxy))
        if found is None:
            found = self._proxied(proxy) if proxy else self._direct(secure)
            self._transports[secure, proxy] = found
        return found

    def _direct(self, secure: bool) -> httpx.AsyncBaseTransport:
        context = tls_context(self._options) if secure else None  # reading all authorities takes 20 ms

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context or True, ttl_dns_cache=60, socket_factory=self._socket()),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=self._options.chunk,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )
        assert session.connector is not None  # noqa: S101 - it was given one
        session.connector._factory = cast(Any, partial(_Framed, loop=asyncio.get_running_loop()))
        self._sessions.append(session)
        return AiohttpTransport(
            verify=context or False, client=cast(Callable[[], aiohttp.ClientSession], self._verbatim(session))
        )

    def _socket(self) -> Callable[[Any], socket.socket] | None:
        """What makes the sockets, where they are to be told something."""
        options = self._options.socket_options
        if not options:
            return None

        def make(address: Any) -> socket.socket:
            sock = socket.socket(*address[:3])
            for option in options:
                sock.setsockopt(*option)
            return sock

        return make

    def _verbatim(self, session: aiohttp.ClientSession) -> "_Verbatim":
        return _Verbatim(session, lambda: self._sending)

    def _proxied(self, proxy: str) -> httpx.AsyncBaseTransport:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._options.connections)
        context = tls_context(self._options)
        options = self._options.socket_options
        way = httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None)  # --cacert holds for it too
        return httpx.AsyncHTTPTransport(verify=context, proxy=way, limits=limits, trust_env=False, socket_options=options)

    async def send(self, request: Request) -> "Answer":
        """Send, and wait for the head of the answer. Raises DownloadError."""
        url = request.url
        try:
            wire = httpx.Request("GET", url, headers=list(request.headers), extensions=self._extensions)
            transport = self._transport(url)
            async with asyncio.timeout(self._options.head_timeout):
                self._sending = sending = _Sending(request)
                response = await transport.handle_async_request(wire)
        except Exception as error:
            raise by_proxy(map_error(error, public_url(url), self._options), self._options.proxy_for(url)) from error
        return Answer(response, sending, self._options)

    async def close(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            with suppress(Exception):
                await transport.aclose()
        for session in self._sessions:
            await session.close()


class _Framed(ResponseHandler):
    """A connection of aiohttp that reads answers as all our transports do."""

    _framing: Framing

    def set_response_params(self, **options: Any) -> None:
        self._framing = Framing()
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        if not data or self._parser is None or self._upgraded:
            super().data_received(data)  # without data: it goes on after a pause
            return
        framing = self._framing
        if passed := framing.feed(data):
            super().data_received(passed)
        else:
            self._reschedule_timeout()
        if framing.excess:
            self.force_close()
        if framing.broken is not None:
            self._break(framing.broken)

    def _break(self, error: ProtocolError) -> None:
        if self._payload is not None:
            self._payload.set_exception(error)
        self.set_exception(error)
        if self.transport is not None:
            self.transport.close()


class _Verbatim:
    """A session as the transport wants one, that sends URLs and header lines as they are.

    aiohttp would decode ``%2F`` in a signed query, and httpx has one line for each name.
    """

    def __init__(self, session: aiohttp.ClientSession, sending: Callable[[], "_Sending"]) -> None:
        self._session = session
        self._sending = sending

    def __call__(self) -> "_Verbatim":
        return self

    def request(self, **options: Any) -> "_Opening":
        sending = self._sending()  # nothing was awaited since it was set
        spelt: dict[str, str] = {}  # of two spellings of a name aiohttp would send the last alone
        lines = [(spelt.setdefault(name.lower(), name), value) for name, value in sending.request.headers]
        options |= {"url": URL(sending.request.url, encoded=True), "headers": lines}
        return _Opening(self._session.request(**options), sending)


class _Opening:
    """An aiohttp request on its way; keeps the response, for what httpx does not pass on."""

    def __init__(self, opening: Any, sending: "_Sending") -> None:
        self._opening = opening
        self._sending = sending

    async def __aenter__(self) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._opening.__aenter__()
        if "Content-Length" not in response.headers and "Transfer-Encoding" not in response.headers:
            self._sending.watch(response.connection)
        return response


@dataclass(slots=True)
class _Sending:
    """One request as it is; and, where only the end of the connection ends the body, how that came about.

    aiohttp takes any end of the connection for the end of such a body: a reset, and a TLS connection that was cut.
    """

    request: Request
    closed: "asyncio.Future[None] | None" = None
    tls: Any = None

    def watch(self, connection: Any) -> None:
        """From now on, see how this connection ends. None: it has ended already."""
        if connection is not None and connection.protocol is not None:
            self.tls = connection.transport.get_extra_info("ssl_object")
            self.closed = connection.protocol.closed
            if self.closed is not None:
                self.closed.add_done_callback(lambda closed: closed.cancelled() or closed.exception())

    def check_end(self) -> None:
        """Raise what broke the connection, if it was not closed as it should be (RFC 9112 section 9.8)."""
        if self.closed is not None and self.closed.done():
            self.closed.result()
        if self.tls is not None and not _was_closed(self.tls):
            raise ConnectionResetError("the TLS connection was closed early")


def _was_closed(tls: ssl.SSLObject) -> bool:
    """Whether close_notify has come."""
    try:
        return tls.read(1) == b""
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLZeroReturnError)


class Answer:
    """One answer: its head, then its body in pieces. Raises DownloadError."""

    __slots__ = ("_options", "_pieces", "_response", "_sending", "head")

    def __init__(self, response: httpx.Response, sending: "_Sending", options: ClientOptions) -> None:
        self._response = response
        self._sending = sending
        self._options = options
        stream = response.stream
        if hasattr(stream, "CHUNK_SIZE"):
            stream.CHUNK_SIZE = options.chunk
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous transport's
        self._pieces: AsyncIterator[bytes] = stream.__aiter__()
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        self.head = Head(response.status_code, pairs)

    async def read(self) -> bytes:
        """The next piece of the body, as it came; empty at its end."""
        try:
            data = await anext(self._pieces, b"")
            if not data:
                self._sending.check_end()
            return data
        except Exception as error:
            raise map_error(error, public_url(self._sending.request.url), self._options) from error

    async def drop(self) -> None:
        """Be done with the answer. Never raises, not even when cancelled: what the Attempt came to must not be lost."""
        with suppress(Exception, asyncio.CancelledError):
            await self._response.aclose()


def map_error(error: Exception, url: str, options: ClientOptions) -> DownloadError:
    """What an error of httpx, aiohttp or asyncio means; most specific first."""
    found = list(chain(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(item, kinds) for item in found)

    if has(httpx.InvalidURL, httpx.UnsupportedProtocol, aiohttp.InvalidURL):
        return refuse_url(url)
    if has(aiohttp.ConnectionTimeoutError) or (has(httpx.ConnectTimeout) and not has(aiohttp.ClientError)):
        return NoAnswer(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if (known := from_system(error, url)) is not None:
        return known
    if has(httpx.ProxyError, aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError):
        return NetworkError("the proxy cannot be used", url, "see --proxy")
    if has(aiohttp.ServerDisconnectedError):
        return NetworkError("closed before an answer", url)
    if has(TimeoutError) or (has(httpx.TimeoutException) and not has(aiohttp.ClientError)):
        return NoAnswer(f"no data received for {options.read_timeout:g} s", url, "see --low-speed-time")
    if has(aiohttp.ClientSSLError):
        return TLSError("TLS: the handshake failed", url)
    if has(aiohttp.ClientPayloadError, aiohttp.http_exceptions.ContentLengthError):
        return NetworkError("truncated: the body ended too early", url, kind="truncated")
    if has(aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError, httpx.RemoteProtocolError, ValueError):
        return ProtocolError("malformed answer", url)
    return NetworkError("connection failed", url)
