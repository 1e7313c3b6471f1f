"""libcurl's multi interface as a transport, through pycurl: for `multiplex`, and so for `hybrid`.

One thread, any number of transfers. libcurl says which sockets to watch and when to call it again (`socket_action`); a
poller does the waiting. `perform` with `select` would look at every socket each time, and stops at 1,024 of them.

A `CurlExchange` is one easy handle, used again and again. It tells its `Listener` what comes; redirects, cookies, credentials
and further tries are not libcurl's business here: those are decisions.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import pycurl

from downloader.core.http.framing import head_lines
from downloader.core.http.headers import MAX_HEAD_BYTES, wanted_lines
from downloader.core.http.messages import Head, Request
from downloader.errors import DownloadError, ProtocolError
from downloader.transports.base import CHUNK, DRAIN, ClientOptions
from downloader.transports.curl_errors import client_options, map_error, name_error, unresolved_host
from downloader.transports.polling import READ, poller

if TYPE_CHECKING:
    from downloader.transports.resolving import Resolving

BUFFER = 512 * 1024
"""Bytes that libcurl reads at a time at most; one buffer serves all transfers."""

PIECES = 64
"""Pieces of a large body that are told as one: libcurl brings 16 KiB at a time."""

LINGER = 0.05
"""Seconds for which pieces may be kept back for that."""

STOP = -1
"""What a write callback says to end its transfer."""

PAUSE: int = pycurl.WRITEFUNC_PAUSE
_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "3": getattr(pycurl, "CURL_HTTP_VERSION_3", 30),
}


class Listener(Protocol):
    """Receives what arrives on a `CurlExchange`. libcurl calls the first two methods: they must not start transfers."""

    def on_head(self, head: Head) -> bool:
        """The head of an answer; whether its body is wanted."""

    def on_data(self, data: bytes) -> bool:
        """A piece of the body; whether more is wanted."""

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        """The answer is over, or failed; ``broken``: what one of the calls above raised."""


class CurlExchange:
    """One easy handle. Its connection goes back to the multi handle's pool after each answer."""

    def __init__(self, listener: Listener, options: ClientOptions) -> None:
        self._listener = listener
        self._lines: list[bytes] = []
        self._pieces: list[bytes] = []
        self._may_gather = options.chunk >= CHUNK
        self._count = 0
        self._told_at = 0.0
        self._headers: object = None
        self._broken: Exception | None = None
        self._wanted = True
        self._told = self._held = self._stuck = self._targeted = False
        self._dropped = 0
        self.url = self.proxy = ""
        self.easy = easy = pycurl.Curl()
        easy.setopt(pycurl.HEADERFUNCTION, self._lines.append)  # no Python is run for a header line
        easy.setopt(pycurl.WRITEFUNCTION, self._write)
        easy.setopt(pycurl.BUFFERSIZE, min(BUFFER, options.chunk))
        for option, value in client_options(options):
            easy.setopt(option, value)

    def prepare(self, request: Request, options: ClientOptions) -> None:
        """The next request."""
        easy, url = self.easy, request.url
        easy.setopt(pycurl.URL, url)
        if request.headers is not self._headers:  # most requests have the very same
            self._headers = request.headers
            lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
            easy.setopt(pycurl.HTTPHEADER, [line.encode("latin-1", "replace") for line in lines])
        proxy = options.proxy_for(url)
        if proxy != self.proxy:
            easy.setopt(pycurl.PROXY, proxy)
            self.proxy = proxy
        if url[:6] != self.url[:6]:
            version = options.http_version or ("1.1" if url.startswith("http:") else "2")
            easy.setopt(pycurl.HTTP_VERSION, _VERSIONS[version])
            easy.setopt(pycurl.PIPEWAIT, version != "1.1")
        if "%" in url or self._targeted:  # libcurl would write %2f as %2F, which is another URL to some
            self._targeted = True
            plain = proxy.startswith("http") and url.startswith("http:")
            easy.setopt(pycurl.REQUEST_TARGET, url if plain else "/" + url.split("/", 3)[3])
        self.url = url
        self._lines.clear()
        self._pieces.clear()
        self._count = 0
        self._broken = None
        self._wanted = True
        self._told = self._held = self._stuck = False
        self._dropped = 0

    def _write(self, data: bytes) -> int | None:
        try:
            if not self._told:
                self._tell_head()
            if self._held:
                self._stuck = True
                return PAUSE  # libcurl keeps the data, and brings it again
            if self._wanted:
                self._count += 1
                if self._count > PIECES and self._may_gather:
                    self._pieces.append(data)
                    now = time.monotonic()
                    if len(self._pieces) < PIECES and now < self._told_at + LINGER:
                        return None
                    self._told_at = now
                    data = self._gathered()
                self._wanted = self._listener.on_data(data)
                return None if self._wanted else STOP
        except Exception as error:  # noqa: BLE001 - it is this transfer's end, and not the run's
            self._broken = error
            return STOP
        self._dropped += len(data)
        return None if self._dropped <= DRAIN else STOP

    def tell_rest(self, now: float) -> None:
        """Tell what was kept back, where no more has come since: to be called now and then, outside of libcurl."""
        if self._pieces and self._wanted and not self._held and now > self._told_at + LINGER:
            self._wanted = self._listener.on_data(self._gathered())

    def _gathered(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    def _tell_head(self, failed: bool = False) -> None:
        """Tell the head that has come, if it is whole: libcurl itself only hands over lines, and calls when there is a body."""
        text = b"".join(self._lines).decode("latin-1").replace("\r\n", "\n")
        if len(text) > MAX_HEAD_BYTES:
            raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of header")
        stop = text.rfind("\n\n")
        if stop < 0 or text.startswith("HTTP/", stop + 2):
            return  # half a head; anything else that comes after one are trailers
        start = text.rfind("\n\n", 0, stop)  # what came before were interim answers
        number, lines = head_lines(text[start + 2 if start > 0 else 0 : stop])
        if number >= 200 or not failed:
            self._told = True
            self._wanted = self._listener.on_head(Head(number, wanted_lines(lines)))

    def over(self, error: DownloadError | None) -> None:
        """The answer is over, and the handle free: tell what was not told yet."""
        if self._broken is None and not self._told and self._lines:
            try:
                self._tell_head(error is not None)
            except Exception as failure:  # noqa: BLE001 - as above
                self._broken = failure
        if self._pieces and self._wanted and self._broken is None:
            try:
                self._listener.on_data(self._gathered())
            except Exception as failure:  # noqa: BLE001 - as above
                self._broken = failure
        self._listener.on_done(error, self._broken)

    @property
    def connected_after(self) -> float:
        """Seconds from `begin` to when the request could be sent; without end while it could not."""
        return self.easy.getinfo(pycurl.PRETRANSFER_TIME) or float("inf")

    def hold(self) -> None:
        """Take nothing more for a while. May be called from within a callback."""
        self._held = True

    def go_on(self) -> None:
        """Take more again; what libcurl has meanwhile is told at once."""
        self._held = False
        if self._stuck:
            self._stuck = False
            with suppress(pycurl.error):  # a listener that wants no more of it: that is told when the transfer is over
                self.easy.pause(pycurl.PAUSE_CONT)


class Multi:
    """A multi handle on a selector. Of one thread."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._poller = poller()
        self.idle = 0.0  # seconds that were spent waiting
        self._calls: dict[int, Callable[[], object]] = {}
        self._due: float | None = None
        self._wires: dict[Any, CurlExchange] = {}
        self._resolving: Resolving | None = None
        self._looking_up = False  # libcurl may be at it for a transfer that was abandoned
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, max(8, options.connections))
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)

    def _watch(self, event: int, descriptor: int, multi: Any, data: Any) -> None:
        if event == pycurl.POLL_REMOVE:
            self._poller.forget(descriptor)
        else:
            self._poller.watch(descriptor, event)  # its numbers are the poller's

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def listen(self, descriptor: int, call: Callable[[], object]) -> None:
        """Call this in `turn` whenever a descriptor can be read, too."""
        self._calls[descriptor] = call
        self._poller.watch(descriptor, READ)

    def unlisten(self, descriptor: int) -> None:
        """Call it no more."""
        del self._calls[descriptor]
        self._poller.forget(descriptor)

    def begin(self, wire: CurlExchange, request: Request) -> None:
        """Send a request. Raises DownloadError for one that libcurl will not take."""
        try:
            wire.prepare(request, self._options)
            self._multi.add_handle(wire.easy)
        except pycurl.error as error:
            raise map_error(int(error.args[0]), str(error.args[-1]), wire.easy, request.url, self._options) from None
        self._wires[wire.easy] = wire

    def abandon(self, wire: CurlExchange) -> None:
        """End a transfer from outside; its listener is not told. The connection is closed."""
        if self._wires.pop(wire.easy, None) is not None:
            self._looking_up |= not wire.easy.getinfo(pycurl.NAMELOOKUP_TIME)
            self._multi.remove_handle(wire.easy)
        elif self._resolving is not None:
            self._resolving.forget(wire)

    def turn(self, longest: float) -> None:
        """Wait for something to happen, so many seconds at most, and see to it."""
        multi = self._multi
        # A fresh clock: transfers were started since the timer was set, and "at once" must not become a wait.
        wait = longest if self._due is None else max(0.0, min(longest, self._due - time.monotonic()))
        began = time.monotonic()
        ready = self._poller.wait(wait)
        self.idle += time.monotonic() - began
        for descriptor, mask in ready:
            call = self._calls.get(descriptor)
            if call is None:
                multi.socket_action(descriptor, mask)
            else:
                call()
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._read_done()

    def _read_done(self) -> None:
        left = 1
        while left:
            left, good, failed = self._multi.info_read()
            for easy in good:
                self._release(easy).over(None)
            for easy, code, text in failed:
                wire = self._release(easy)
                if host := unresolved_host(code, wire.url, wire.proxy):
                    self._ask_why(host, wire)
                else:
                    wire.over(map_error(code, text, easy, wire.url, self._options))

    def _ask_why(self, host: str, wire: CurlExchange) -> None:
        if self._resolving is None:
            from downloader.transports.resolving import Resolving  # here: few runs need it

            self._resolving = Resolving()
            self.listen(self._resolving.descriptor, self._resolving.tell)
        url, options = wire.url, self._options
        self._resolving.ask(host, wire, lambda error: wire.over(name_error(error, url, options)))

    def _release(self, easy: Any) -> CurlExchange:
        self._multi.remove_handle(easy)
        return self._wires.pop(easy)

    def close(self) -> None:
        """Close every connection."""
        for wire in list(self._wires.values()):
            self.abandon(wire)
        if self._looking_up:  # libcurl waits for its threads, which wait for a name server: nobody else has to
            threading.Thread(target=self._multi.close, daemon=True).start()
        else:
            self._multi.close()
        self._poller.close()
        if self._resolving is not None:
            self._resolving.close()
