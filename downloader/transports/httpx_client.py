"""httpx as an asynchronous transport over aiohttp's connections, for the `async` strategy.

httpx's own connection pool takes 1.9 ms of CPU for each small file at 32 connections, the aiohttp transport 0.2 ms. Called
without `httpx.AsyncClient`, the transport takes 0.12 ms; that client would also decide about redirects, cookies and proxies,
which is the core's task. Requests through a proxy use httpx's own transport.
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
from downloader.errors import DownloadError, NetworkError, NoAnswer, PolicyError, ProtocolError, TLSError
from downloader.transports.base import ClientOptions, causes, map_system_error, name_proxy, refused_url
from downloader.transports.tls import tls_context


class AsyncClient:
    """The connections of one event loop. It must be made and closed while that loop runs."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._transports: dict[tuple[bool, str], httpx.AsyncBaseTransport] = {}
        self._sessions: list[aiohttp.ClientSession] = []
        self._sent = _SentRequest(Request("", ()))
        timeouts = {"connect": options.connect_timeout, "read": options.read_timeout, "write": None, "pool": None}
        self._extensions = {"timeout": timeouts}

    def _transport(self, url: str) -> httpx.AsyncBaseTransport:
        secure, proxy = url.startswith("https:"), self._options.proxy_for(url)
        transport = self._transports.get((secure, proxy))
        if transport is None:
            transport = self._proxied(proxy) if proxy else self._direct(secure)
            self._transports[secure, proxy] = transport
        return transport

    def _direct(self, secure: bool) -> httpx.AsyncBaseTransport:
        context = tls_context(self._options) if secure else None  # loading the certificates takes 20 ms
        sockets = self._socket_factory()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context or True, ttl_dns_cache=60, socket_factory=sockets),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=self._options.read_bytes,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )
        assert session.connector is not None  # noqa: S101 - it was given one
        session.connector._factory = cast(Any, partial(_FramedResponseHandler, loop=asyncio.get_running_loop()))
        self._sessions.append(session)
        verbatim = _VerbatimSession(session, lambda: self._sent)
        return AiohttpTransport(verify=context or False, client=cast(Callable[[], aiohttp.ClientSession], verbatim))

    def _socket_factory(self) -> Callable[[Any], socket.socket] | None:
        """A function that makes sockets with `ClientOptions.socket_options`; None if there are none."""
        options = self._options.socket_options
        if not options:
            return None

        def make(address: Any) -> socket.socket:
            sock = socket.socket(*address[:3])
            for option in options:
                sock.setsockopt(*option)
            return sock

        return make

    def _proxied(self, proxy: str) -> httpx.AsyncBaseTransport:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._options.connections)
        context = tls_context(self._options)
        options = self._options.socket_options
        try:
            server = httpx.Proxy(
                proxy, ssl_context=context if proxy.startswith("https:") else None
            )  # --cacert applies to it too
        except ValueError:  # SOCKS 4, from the environment
            raise PolicyError("this strategy supports no such proxy", hint="it supports http, https and socks5") from None
        return httpx.AsyncHTTPTransport(verify=context, proxy=server, limits=limits, trust_env=False, socket_options=options)

    async def send(self, request: Request) -> "AsyncResponse":
        """Send a request and wait for the head of its response. Raises DownloadError."""
        url = request.url
        try:
            httpx_request = httpx.Request("GET", url, headers=list(request.headers), extensions=self._extensions)
            transport = self._transport(url)
            async with asyncio.timeout(self._options.head_timeout):
                self._sent = sent = _SentRequest(request)
                response = await transport.handle_async_request(httpx_request)
        except Exception as error:
            raise name_proxy(map_error(error, public_url(url), self._options), self._options.proxy_for(url)) from error
        return AsyncResponse(response, sent, self._options)

    async def close(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            with suppress(Exception):
                await transport.aclose()
        for session in self._sessions:
            await session.close()


class _FramedResponseHandler(ResponseHandler):
    """A connection of aiohttp that checks the framing of responses with `Framing`, as the other transports do."""

    _framing: Framing

    def set_response_params(self, **options: Any) -> None:
        self._framing = Framing()
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        if not data or self._parser is None or self._upgraded:
            super().data_received(data)  # an empty call continues after a pause
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


class _VerbatimSession:
    """The session that the transport is given: it sends the URL and the header lines of a `Request` unmodified.

    aiohttp alone would decode ``%2F`` in a signed query, and httpx alone would join header lines of the same name.
    """

    def __init__(self, session: aiohttp.ClientSession, sent: Callable[[], "_SentRequest"]) -> None:
        self._session = session
        self._sent = sent

    def __call__(self) -> "_VerbatimSession":
        return self

    def request(self, **options: Any) -> "_ResponseContext":
        sent = self._sent()  # the right one: nothing was awaited since it was set
        spellings: dict[str, str] = {}  # aiohttp would send only the last of two lines whose names differ in case
        lines = [(spellings.setdefault(name.lower(), name), value) for name, value in sent.request.headers]
        options |= {"url": URL(sent.request.url, encoded=True), "headers": lines}
        return _ResponseContext(self._session.request(**options), sent)


class _ResponseContext:
    """aiohttp's context manager of a response. It also registers the connection, which httpx does not pass on."""

    def __init__(self, context: Any, sent: "_SentRequest") -> None:
        self._context = context
        self._sent = sent

    async def __aenter__(self) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._context.__aenter__()
        if "Content-Length" not in response.headers and "Transfer-Encoding" not in response.headers:
            self._sent.watch(response.connection)
        return response


@dataclass(slots=True)
class _SentRequest:
    """A request, and how its connection ended if only that end delimits the body (RFC 9112 section 6.3).

    aiohttp takes any end of the connection for the end of such a body, also a reset or a TLS connection that was cut.
    """

    request: Request
    closed: "asyncio.Future[None] | None" = None
    tls: Any = None

    def watch(self, connection: Any) -> None:
        """Register the connection of the response; None if it has ended already."""
        if connection is not None and connection.protocol is not None:
            self.tls = connection.transport.get_extra_info("ssl_object")
            self.closed = connection.protocol.closed
            if self.closed is not None:
                self.closed.add_done_callback(lambda closed: closed.cancelled() or closed.exception())

    def check_end(self) -> None:
        """Raise the error that ended the connection, unless the server closed it properly (RFC 9112 section 9.8)."""
        if self.closed is not None and self.closed.done():
            self.closed.result()
        if self.tls is not None and not _was_closed(self.tls):
            raise ConnectionResetError("the TLS connection was closed early")


def _was_closed(tls: ssl.SSLObject) -> bool:
    """Whether the peer has sent close_notify."""
    try:
        return tls.read(1) == b""
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLZeroReturnError)


class AsyncResponse:
    """One response: its head, then its body in pieces. Methods raise DownloadError."""

    __slots__ = ("_options", "_pieces", "_response", "_sent", "head")

    def __init__(self, response: httpx.Response, sent: "_SentRequest", options: ClientOptions) -> None:
        self._response = response
        self._sent = sent
        self._options = options
        stream = response.stream
        if hasattr(stream, "CHUNK_SIZE"):
            stream.CHUNK_SIZE = options.read_bytes
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous transport made it
        self._pieces: AsyncIterator[bytes] = stream.__aiter__()
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        self.head = Head(response.status_code, pairs)

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end."""
        try:
            data = await anext(self._pieces, b"")
            if not data:
                self._sent.check_end()
            return data
        except Exception as error:
            raise map_error(error, public_url(self._sent.request.url), self._options) from error

    async def drop(self) -> None:
        """Close the response. Never raises, not even when cancelled: the Outcome of the Attempt must not be lost."""
        with suppress(Exception, asyncio.CancelledError):
            await self._response.aclose()


def map_error(error: Exception, url: str, options: ClientOptions) -> DownloadError:
    """The DownloadError for an error of httpx, aiohttp or asyncio. ``url``: shown in the message, free of credentials."""
    chain = list(causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(item, kinds) for item in chain)

    if has(httpx.InvalidURL, httpx.UnsupportedProtocol, aiohttp.InvalidURL):
        return refused_url(url)
    if has(aiohttp.ConnectionTimeoutError) or (has(httpx.ConnectTimeout) and not has(aiohttp.ClientError)):
        return NoAnswer(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if (known := map_system_error(error, url)) is not None:
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
