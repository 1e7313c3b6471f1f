"""libcurl's multi interface as a transport, through pycurl: for `multiplex`, and so for `hybrid`.

One thread serves any number of transfers. libcurl names the sockets to watch and the time of its next call (`socket_action`);
a `Poller` waits. `perform` with `select` would check every socket at each call, and supports at most 1,024 of them.

A `CurlExchange` is one easy handle, which is used for one request after the other. It passes what arrives to its `Listener`.
libcurl follows no redirect, keeps no cookie and repeats no request: the core decides about these.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import pycurl

from downloader.core.http.framing import head_lines, usual_head
from downloader.core.http.headers import MAX_HEAD_BYTES, wanted_lines
from downloader.core.http.messages import Head, Request
from downloader.errors import DownloadError, ProtocolError
from downloader.transports.base import DRAIN_BYTES, READ_BYTES, ClientOptions
from downloader.transports.curl_errors import authorities, client_options, map_error, name_error, unresolved_host
from downloader.transports.polling import READ, new_poller

if TYPE_CHECKING:
    from downloader.transports.resolving import NameLookups

BUFFER_BYTES = 512 * 1024
"""Bytes that libcurl reads at a time at most; one buffer serves all transfers."""

GATHERED_PIECES = 16
"""Pieces of a large body that are passed to the listener together: libcurl calls back for each 16 KiB."""

GATHER_SECONDS = 0.05
"""Seconds for which pieces may wait for that."""

ABORT_TRANSFER = -1
"""What a write callback returns to end its transfer."""

PAUSE_TRANSFER: int = pycurl.WRITEFUNC_PAUSE
"""What a write callback returns to pause its transfer; libcurl keeps the data, and passes it again later."""

_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "3": getattr(pycurl, "CURL_HTTP_VERSION_3", 30),
}


class Listener(Protocol):
    """Receives what arrives on a `CurlExchange`. libcurl calls the first two methods: they must not start transfers."""

    def on_head(self, head: Head) -> bool:
        """The head of the response has arrived. Returns whether its body is wanted."""

    def on_data(self, data: bytes | list[bytes]) -> bool:
        """A piece of the body has arrived, or several of them, in order. Returns whether more is wanted."""

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        """The response is complete, or failed with ``error``. ``broken``: what one of the methods above raised."""


class CurlExchange:
    """One easy handle. After each response its connection returns to the multi handle's pool."""

    def __init__(self, listener: Listener, options: ClientOptions) -> None:
        self._listener = listener
        self._lines: list[bytes] = []
        self._pieces: list[bytes] = []
        self._may_gather = options.read_bytes >= READ_BYTES  # not with a rate limit, which pays for each piece
        self._piece_count = 0
        self._delivered_at = 0.0  # monotonic seconds
        self._headers: object = None
        self._broken: Exception | None = None
        self._wanted = True
        self._head_delivered = self._paused = self._has_pending_data = self._sets_target = False
        self._dropped_bytes = 0
        self.url = self.proxy = ""
        self.easy = easy = pycurl.Curl()
        easy.setopt(pycurl.HEADERFUNCTION, self._lines.append)  # no Python is run for a header line
        easy.setopt(pycurl.WRITEFUNCTION, self._write)
        easy.setopt(pycurl.BUFFERSIZE, min(BUFFER_BYTES, options.read_bytes))
        for option, value in client_options(options):
            easy.setopt(option, value)

    def prepare(self, request: Request, options: ClientOptions) -> None:
        """Set up the handle for the next request. Raises pycurl.error for a request that libcurl refuses."""
        easy, url = self.easy, request.url
        easy.setopt(pycurl.URL, url)
        if request.headers is not self._headers:  # most requests have the same headers
            self._headers = request.headers
            lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
            easy.setopt(pycurl.HTTPHEADER, [line.encode("latin-1", "replace") for line in lines])
        proxy = options.proxy_for(url)
        if proxy != self.proxy:
            easy.setopt(pycurl.PROXY, proxy)
            self.proxy = proxy
        if url[:6] != self.url[:6]:
            if url[:5] != "http:":
                easy.setopt(pycurl.CAINFO, authorities(options))
            version = options.http_version or ("1.1" if url.startswith("http:") else "2")
            easy.setopt(pycurl.HTTP_VERSION, _VERSIONS[version])
            easy.setopt(pycurl.PIPEWAIT, version != "1.1")
        if "%" in url or self._sets_target:  # libcurl would send %2f as %2F, which some servers take for another URL
            self._sets_target = True
            plain = proxy.startswith("http") and url.startswith("http:")
            easy.setopt(pycurl.REQUEST_TARGET, url if plain else "/" + url.split("/", 3)[3])
        self.url = url
        self._lines.clear()
        self._pieces.clear()
        self._piece_count = 0
        self._broken = None
        self._wanted = True
        self._head_delivered = self._paused = self._has_pending_data = False
        self._dropped_bytes = 0

    def _write(self, data: bytes) -> int | None:
        try:
            if not self._head_delivered:
                self._deliver_head()
            if self._paused:
                self._has_pending_data = True
                return PAUSE_TRANSFER
            if self._wanted:
                self._piece_count += 1
                if self._piece_count > GATHERED_PIECES and self._may_gather:
                    self._pieces.append(data)
                    now = time.monotonic()
                    if len(self._pieces) < GATHERED_PIECES and now < self._delivered_at + GATHER_SECONDS:
                        return None
                    self._delivered_at = now
                    self._wanted = self._listener.on_data(self._take_pieces())
                else:
                    self._wanted = self._listener.on_data(data)
                return None if self._wanted else ABORT_TRANSFER
        except Exception as error:  # noqa: BLE001 - it ends this transfer, and not the run
            self._broken = error
            return ABORT_TRANSFER
        self._dropped_bytes += len(data)
        return None if self._dropped_bytes <= DRAIN_BYTES else ABORT_TRANSFER

    def deliver_rest(self, now: float) -> None:
        """Pass gathered pieces to the listener if none has followed for `GATHER_SECONDS`. ``now``: monotonic seconds.

        To be called a few times a second, and not within a callback of libcurl.
        """
        if self._pieces and self._wanted and not self._paused and now > self._delivered_at + GATHER_SECONDS:
            self._wanted = self._listener.on_data(self._take_pieces())

    def _take_pieces(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _deliver_head(self, failed: bool = False) -> None:
        """Pass the head to the listener, if it is complete. libcurl passes single lines, and does not say which is the last.

        ``failed``: the transfer has ended with an error; an interim response (1xx) is not passed on then.
        """
        head = usual_head(self._lines)
        if head is not None:
            self._head_delivered = True
            self._wanted = self._listener.on_head(head)
            return
        text = b"".join(self._lines).decode("latin-1").replace("\r\n", "\n")
        if len(text) > MAX_HEAD_BYTES:
            raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of header")
        stop = text.rfind("\n\n")
        if stop < 0 or text.startswith("HTTP/", stop + 2):
            return  # the head is incomplete; lines that follow a complete head are trailers
        start = text.rfind("\n\n", 0, stop)  # interim responses came before
        number, lines = head_lines(text[start + 2 if start > 0 else 0 : stop])
        if number >= 200 or not failed:
            self._head_delivered = True
            self._wanted = self._listener.on_head(Head(number, wanted_lines(lines)))

    def finish(self, error: DownloadError | None) -> None:
        """Pass what is left to the listener, and then the end: the response is complete or failed, and the handle is free."""
        if self._broken is None and not self._head_delivered and self._lines:
            try:
                self._deliver_head(error is not None)
            except Exception as failure:  # noqa: BLE001 - as above
                self._broken = failure
        if self._pieces and self._wanted and self._broken is None:
            try:
                self._listener.on_data(self._take_pieces())
            except Exception as failure:  # noqa: BLE001 - as above
                self._broken = failure
        self._listener.on_done(error, self._broken)

    @property
    def connected_after(self) -> float:
        """Seconds from `CurlMulti.begin` until the request could be sent; infinity before that."""
        return self.easy.getinfo(pycurl.PRETRANSFER_TIME) or float("inf")

    def pause(self) -> None:
        """Accept no more data until `resume`. May be called within a callback."""
        self._paused = True

    def resume(self) -> None:
        """Accept data again; data that libcurl has kept is passed to the listener at once."""
        self._paused = False
        if self._has_pending_data:
            self._has_pending_data = False
            with suppress(pycurl.error):  # the listener wants no more data: `finish` reports that
                self.easy.pause(pycurl.PAUSE_CONT)


class CurlMulti:
    """A multi handle and its event loop. All methods are called by one thread. ``idle``: seconds spent waiting so far."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._poller = new_poller()
        self.idle = 0.0
        self._readers: dict[int, Callable[[], object]] = {}
        self._timer_due: float | None = None  # monotonic seconds
        self._exchanges: dict[Any, CurlExchange] = {}
        self._lookups: NameLookups | None = None
        self._may_be_resolving = False  # libcurl may still look a name up, for a transfer that was abandoned
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, max(8, options.connections))
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)

    def _watch(self, event: int, descriptor: int, multi: Any, data: Any) -> None:
        if event == pycurl.POLL_REMOVE:
            self._poller.unwatch(descriptor)
        else:
            self._poller.watch(descriptor, event)  # libcurl and the poller use the same numbers

    def _set_timer(self, milliseconds: int) -> None:
        self._timer_due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def add_reader(self, descriptor: int, call: Callable[[], object]) -> None:
        """Make `run_once` call this function whenever the descriptor can be read."""
        self._readers[descriptor] = call
        self._poller.watch(descriptor, READ)

    def remove_reader(self, descriptor: int) -> None:
        """Undo `add_reader`."""
        del self._readers[descriptor]
        self._poller.unwatch(descriptor)

    def begin(self, exchange: CurlExchange, request: Request) -> None:
        """Start to send a request. Raises DownloadError if libcurl refuses it."""
        try:
            exchange.prepare(request, self._options)
            self._multi.add_handle(exchange.easy)
        except pycurl.error as error:
            raise map_error(int(error.args[0]), str(error.args[-1]), exchange.easy, request.url, self._options) from None
        self._exchanges[exchange.easy] = exchange

    def abandon(self, exchange: CurlExchange) -> None:
        """End a transfer and close its connection. Its listener is not called. Does nothing if no transfer runs."""
        if self._exchanges.pop(exchange.easy, None) is not None:
            self._may_be_resolving |= not exchange.easy.getinfo(pycurl.NAMELOOKUP_TIME)
            self._multi.remove_handle(exchange.easy)
        elif self._lookups is not None:
            self._lookups.cancel(exchange)

    def run_once(self, timeout: float) -> None:
        """Wait until sockets are ready or a timer is due, ``timeout`` seconds at most, and process what is ready."""
        multi = self._multi
        # Read the clock again: transfers were started since the timer was set, and libcurl's "at once" must not become a wait.
        wait = timeout if self._timer_due is None else max(0.0, min(timeout, self._timer_due - time.monotonic()))
        began = time.monotonic()
        ready = self._poller.wait(wait)
        self.idle += time.monotonic() - began
        for descriptor, mask in ready:
            reader = self._readers.get(descriptor)
            if reader is None:
                multi.socket_action(descriptor, mask)
            else:
                reader()
        if self._timer_due is not None and self._timer_due <= time.monotonic():
            self._timer_due = None
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._read_done()

    def _read_done(self) -> None:
        remaining = 1
        while remaining:
            remaining, good, failed = self._multi.info_read()
            for easy in good:
                self._release(easy).finish(None)
            for easy, code, text in failed:
                exchange = self._release(easy)
                if host := unresolved_host(code, exchange.url, exchange.proxy):
                    self._look_up(host, exchange)
                else:
                    exchange.finish(map_error(code, text, easy, exchange.url, self._options))

    def _look_up(self, host: str, exchange: CurlExchange) -> None:
        """Find out why the name did not resolve, and finish the exchange with that error."""
        if self._lookups is None:
            from downloader.transports.resolving import NameLookups  # here: few runs need it

            self._lookups = NameLookups()
            self.add_reader(self._lookups.descriptor, self._lookups.deliver)
        url, options = exchange.url, self._options
        self._lookups.start(host, exchange, lambda error: exchange.finish(name_error(error, url, options)))

    def _release(self, easy: Any) -> CurlExchange:
        self._multi.remove_handle(easy)
        return self._exchanges.pop(easy)

    def close(self) -> None:
        """Abandon all transfers, and close every connection."""
        for exchange in list(self._exchanges.values()):
            self.abandon(exchange)
        if self._may_be_resolving:  # closing waits for libcurl's threads, which wait for a name server
            threading.Thread(target=self._multi.close, daemon=True).start()
        else:
            self._multi.close()
        self._poller.close()
        if self._lookups is not None:
            self._lookups.close()
