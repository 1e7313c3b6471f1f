"""requests as a blocking transport, for `serial`, `threads`, `processes` and `gevent`.

One `BlockingClient` belongs to one thread. Other threads may only `interrupt` it: its socket is shut down, and what the client
waits for ends with None.
"""

import errno
import http.client
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import requests
import urllib3.exceptions
from urllib3 import HTTPHeaderDict

from downloader.core.http.messages import Head, Request
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, NetworkError, NoAnswer, ProtocolError, TLSError
from downloader.transports.base import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    ClientOptions,
    causes,
    map_system_error,
    name_proxy,
    refused_url,
)
from downloader.transports.requests_adapter import OwnedConnectionAdapter, set_owner


class BlockingClient:
    """Sends one Request at a time, and reads its response. Methods raise DownloadError only.

    ``target``, ``connect_timeout``, ``socket_options``, ``resolved_at``, ``connected_at``, ``encrypted_at``: see
    `ConnectionOwner`. ``answered_at``: when the head of the last answer came (monotonic seconds). Times of the last request; 0:
    no such step.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = OwnedConnectionAdapter(options)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._response: requests.Response | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # between the thread of the client, which changes _socket, and one that interrupts it
        self._interrupted = False
        self._url = ""
        self.silent_at = 0.0
        """When the current wait for the server has lasted too long (monotonic seconds); 0: the client does not wait."""
        self.drained_by = 0.0
        """When reading the rest of an unwanted body has lasted too long (monotonic seconds); 0: it reads no such rest."""
        self.target = ""
        self.connect_timeout = options.connect_timeout
        self.socket_options = options.socket_options
        self.resolved_at = self.connected_at = self.encrypted_at = self.answered_at = 0.0

    def on_socket(self, sock: Any) -> None:
        """Called by the adapter with the socket that the client is about to wait on. Raises OSError after an interrupt."""
        with self._lock:
            self._socket = sock
        if self._interrupted:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))

    def begin(self) -> None:
        """Begin a new Attempt: an earlier interrupt no longer counts."""
        with self._lock:
            self._interrupted = False
            self.silent_at = 0.0
        self.resolved_at = self.connected_at = self.encrypted_at = self.answered_at = 0.0

    def send(self, request: Request) -> Head | None:
        """Send a request, and wait for the head of its response. None: the wait was interrupted. Raises DownloadError."""
        self._url = request.url
        self.resolved_at = self.connected_at = self.encrypted_at = self.answered_at = 0.0
        set_owner(self)
        proxy = self._options.proxy_for(request.url)
        plain = proxy.startswith("http") and request.url.startswith("http:")
        self.target = request.url if plain else "/" + request.url.split("/", 3)[3]
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = "GET", request.url
        prepared.headers = HTTPHeaderDict(request.headers)  # type: ignore[assignment]  # keeps lines with the same name
        options = self._options
        self.silent_at = time.monotonic() + options.head_timeout
        try:
            # Session.send would read the whole body of a redirect, and check its target before the core does.
            response = self._session.get_adapter(request.url).send(
                prepared,
                stream=True,
                timeout=(options.connect_timeout, options.read_timeout),
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
        except Exception as error:
            if self._interrupted:
                return None
            raise self._mapped(error) from error
        finally:
            self.silent_at = 0.0
        self._response = response
        self.answered_at = time.monotonic()
        return Head(response.status_code, tuple(response.raw.headers.iteritems()))

    def read(self) -> bytes | None:
        """The next bytes of the body; empty at its end. None: the wait was interrupted. Raises DownloadError."""
        assert self._response is not None  # noqa: S101 - read follows send
        self.silent_at = time.monotonic() + self._options.read_timeout
        try:
            raw = self._response.raw
            data: bytes = raw.read1(self._options.read_bytes, decode_content=False)
            if not data and not raw.closed:
                raw.read(1, decode_content=False)  # read1 does not close the response at its end, which would keep the socket
        except Exception as error:
            if self._interrupted:
                return None
            raise self._mapped(error) from error
        finally:
            self.silent_at = 0.0
        return None if not data and self._interrupted else data

    def drop(self, drain: bool = False) -> None:
        """Close the response. Never raises.

        With ``drain``, read the rest of a short body first (`DRAIN_BYTES`), so that the connection can be used again.
        """
        response, self._response = self._response, None
        if response is not None:
            self._release(response, drain)
            self.drained_by = 0.0
        with self._lock:
            self._socket = None

    def _release(self, response: requests.Response, drain: bool) -> None:
        with suppress(Exception):
            length = response.raw.length_remaining
            if drain and length and length <= DRAIN_BYTES:
                self.drained_by = time.monotonic() + DRAIN_SECONDS
                response.raw.read(DRAIN_BYTES, decode_content=False)
            if length == 0 or response.raw.closed:
                response.raw.release_conn()
                return
        response.close()

    def close(self) -> None:
        """Close every connection."""
        self.drop()
        self._session.close()

    def interrupt(self) -> None:
        """From any thread: end whatever the client waits for. `send` and `read` return None then, until the next `begin`."""
        with self._lock:
            self._interrupted = True
            self._shut_down()

    def end_drain(self) -> None:
        """From any thread: read no more of an unwanted body. The connection is not used again."""
        with self._lock:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError, TypeError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _mapped(self, error: Exception) -> DownloadError:
        url = public_url(self._url)
        return name_proxy(map_error(error, url, self._options), self._options.proxy_for(self._url))


def map_error(error: Exception, url: str, options: ClientOptions) -> DownloadError:
    """The DownloadError for an error of requests, urllib3 or http.client. ``url``: shown, so free of credentials."""
    chain = list(causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(item, kinds) for item in chain)

    if has(requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError):
        return refused_url(url)
    if (known := map_system_error(error, url)) is not None:
        return known
    if has(urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout):
        return NoAnswer(f"no connection within {options.connect_timeout:g} s", url, "see --connect-timeout")
    if has(urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return NoAnswer(f"no data received for {options.read_timeout:g} s", url, "see --low-speed-time")
    if has(urllib3.exceptions.ProxyError):
        return NetworkError("the proxy cannot be used", url, "see --proxy")
    if has(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        return TLSError("TLS: the handshake failed", url)
    if has(http.client.RemoteDisconnected):
        return NetworkError("closed before an answer", url)
    if any(isinstance(item, ValueError) and "base 16" in str(item) and "b''" not in str(item) for item in chain):
        return ProtocolError("malformed answer: the size of a chunk", url)
    if has(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return NetworkError("truncated: the body ended too early", url, kind="truncated")
    if has(http.client.HTTPException, urllib3.exceptions.InvalidChunkLength, urllib3.exceptions.InvalidHeader, ValueError):
        return ProtocolError("malformed answer", url)
    return NetworkError("connection failed", url)
