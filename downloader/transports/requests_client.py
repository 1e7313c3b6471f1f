"""requests as a transport that blocks: for `serial`, `threads` and `processes`.

One `BlockingClient` belongs to one thread. Other threads may only `cut` it: its socket is shut down, and what it was
waiting for fails. `Watchdog` is the thread that does so, when a time is over or the run must end.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
import urllib3.exceptions
from urllib3 import HTTPHeaderDict

from downloader.core.http.messages import Head, Request
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, Interrupted, NetworkError, NoAnswer, ProtocolError, TLSError
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

PAUSE_AT_A_TIME = 0.1
"""Seconds after which a pause looks whether it was cut."""


class BlockingClient:
    """Sends one Request at a time and reads its answer. Raises DownloadError only."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = OwnedConnectionAdapter(options)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._response: requests.Response | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # between the owner, who changes _socket, and the one who cuts it
        self._cut: DownloadError | None = None
        self._url = ""
        self._deadline = 0.0
        self._unwanted: Callable[[], object] = bool
        self._patience = 0.0  # until when one wait may last: for a head, for a piece of body, for the rest of one to drop
        self.target = ""
        self.connect_timeout = options.connect_timeout
        self.socket_options = options.socket_options

    def connected(self, sock: Any) -> None:
        """The socket that the owner is about to wait on."""
        with self._lock:
            self._socket = sock
        if self._cut is not None:
            raise self._cut

    def begin(self, deadline: float, unwanted: Callable[[], object] = bool) -> None:
        """A new Attempt, to be cut at ``deadline`` (monotonic seconds; 0: never), or waiting for what is ``unwanted``."""
        with self._lock:
            self._cut = None
            self._deadline = deadline
            self._unwanted = unwanted
            self._patience = 0.0

    def send(self, request: Request) -> Head:
        """Send, and wait for the head of the answer."""
        self._url = request.url
        set_owner(self)
        proxy = self._options.proxy_for(request.url)
        plain = proxy.startswith("http") and request.url.startswith("http:")
        self.target = request.url if plain else "/" + request.url.split("/", 3)[3]
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = "GET", request.url
        prepared.headers = HTTPHeaderDict(request.headers)  # type: ignore[assignment]  # requests' own holds one line of a name
        options = self._options
        self._patience = time.monotonic() + options.head_timeout
        try:
            # Session.send would read a redirect's body, whole, and refuse its target before the core has seen it.
            response = self._session.get_adapter(request.url).send(
                prepared,
                stream=True,
                timeout=(options.connect_timeout, options.read_timeout),
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
        except Exception as error:
            raise self._mapped(error) from error
        finally:
            self._patience = 0.0
        self._response = response
        return Head(response.status_code, tuple(response.raw.headers.iteritems()))

    def read(self) -> bytes:
        """The next piece of the body, as it came; empty at its end."""
        assert self._response is not None  # noqa: S101 - read follows send
        self._patience = time.monotonic() + self._options.read_timeout
        try:
            raw = self._response.raw
            data: bytes = raw.read1(self._options.read_bytes, decode_content=False)
            if not data and not raw.closed:
                raw.read(1, decode_content=False)  # read1 leaves a body that is over open, and so its socket
        except Exception as error:
            raise self._mapped(error) from error
        self._patience = 0.0
        if not data and self._cut is not None:
            raise self._cut
        return data

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is cut."""
        until = time.monotonic() + seconds
        while self._cut is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_AT_A_TIME))
        if self._cut is not None:
            raise self._cut

    def drop(self, drain: bool = False) -> None:
        """Be done with the answer. With ``drain``, read on to its end if that is near, to keep the connection. Never raises."""
        response, self._response = self._response, None
        if response is not None:
            self._end(response, drain)
        with self._lock:
            self._socket = None

    def _end(self, response: requests.Response, drain: bool) -> None:
        with suppress(Exception):
            length = response.raw.length_remaining
            if drain and length and length <= DRAIN_BYTES:
                self._patience = time.monotonic() + DRAIN_SECONDS
                response.raw.read(DRAIN_BYTES, decode_content=False)
            if length == 0 or response.raw.closed:
                response.raw.release_conn()
                return
        response.close()

    def close(self) -> None:
        """Close every connection."""
        self.drop()
        self._session.close()

    def cut(self, reason: DownloadError) -> None:
        """From any thread: make whatever the owner waits for fail with ``reason``."""
        with self._lock:
            self._shut(reason)

    def cut_if_overdue(self, now: float) -> None:
        """From any thread: cut what has lasted too long, the Attempt as a whole or the present wait."""
        with self._lock:  # so that what is meant for one Attempt does not hit the next
            if self._deadline and now >= self._deadline:
                self._shut(NetworkError("the time for one attempt is over", hint="see --timeout"))
            elif self._patience and now >= self._patience:
                self._shut(NoAnswer(f"nothing came for {self._options.read_timeout:g} s", hint="see --low-speed-time"))
            elif self._patience and self._unwanted():
                self._shut(NetworkError("another attempt goes on with it"))

    def _shut(self, reason: DownloadError) -> None:
        self._cut = reason
        if self._socket is not None:
            with suppress(OSError, TypeError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _mapped(self, error: Exception) -> DownloadError:
        url = public_url(self._url)
        if self._cut is not None:
            return self._cut
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
        return NoAnswer(f"nothing came for {options.read_timeout:g} s", url, "see --low-speed-time")
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


class Watchdog(threading.Thread):
    """Cuts clients that are overdue, and all of them once ``expired`` says that the run must end."""

    def __init__(self, expired: Callable[[], bool], period: float = 0.1) -> None:
        super().__init__(name="dl-watchdog", daemon=True)
        self._expired = expired
        self._period = period
        self._clients: list[BlockingClient] = []
        self._over = threading.Event()

    def watch(self, client: BlockingClient) -> None:
        """Look after one more."""
        self._clients.append(client)

    def run(self) -> None:
        """Until `stop`."""
        while not self.pause(self._period):
            now = time.monotonic()
            expired = self._expired()
            for client in self._clients:
                if expired:
                    client.cut(Interrupted("stopped"))
                else:
                    client.cut_if_overdue(now)

    def pause(self, seconds: float) -> bool:
        """Sleep so long; whether it is over."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    @property
    def clients(self) -> list[BlockingClient]:
        """All that are watched."""
        return self._clients
