"""Finds out why a host name did not resolve: libcurl reports only that it failed, `getaddrinfo` has a code for each reason.

A lookup may block as long as a name server is silent (10 s and more), so each one runs in a daemon thread of its own, and
`NameLookups.close` does not wait for it. Transfers that fail for one name share one lookup, and its result for a moment.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from downloader.errors import DownloadError, NetworkError
from downloader.transports.base import map_system_error

CACHE_SECONDS = 2.0
"""Seconds for which a result is reused for further transfers that fail for the same name."""

OnError = Callable[[DownloadError], None]


def resolution_error(host: str) -> DownloadError:
    """Look up a name that did not resolve. NameNotFound, or a NetworkError that may be retried. Blocks."""
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        known = map_system_error(error, "")
        if known is not None:
            return known
    return NetworkError("the name server did not answer")  # now it does: the next attempt may succeed


class NameLookups:
    """The lookups of one event loop.

    ``descriptor`` becomes readable when a lookup has ended; the loop calls `deliver` then.
    """

    def __init__(self) -> None:
        self.descriptor, self._write_end = os.pipe()
        self._waiting: dict[str, dict[Hashable, OnError]] = {}
        self._cached: dict[str, tuple[float, DownloadError]] = {}
        self._ended: deque[tuple[str, DownloadError]] = deque()
        self._lock = threading.Lock()  # between the threads and `close`: the number of a closed descriptor is soon reused

    def start(self, host: str, owner: Hashable, on_error: OnError) -> None:
        """Call ``on_error`` with the reason why this name does not resolve; at once, if it is cached."""
        since, error = self._cached.get(host, (0.0, None))
        if error is not None and time.monotonic() < since + CACHE_SECONDS:
            on_error(error)
            return
        waiting = self._waiting.setdefault(host, {})
        waiting[owner] = on_error
        if len(waiting) == 1:
            threading.Thread(target=self._look_up, args=(host,), name="dl-resolve", daemon=True).start()

    def cancel(self, owner: Hashable) -> None:
        """Do not call the function of this owner any more."""
        for waiting in self._waiting.values():
            waiting.pop(owner, None)

    def _look_up(self, host: str) -> None:
        self._ended.append((host, resolution_error(host)))
        with self._lock:
            if self._write_end >= 0:
                os.write(self._write_end, b"x")

    def deliver(self) -> None:
        """Call the functions that wait for a lookup that has ended."""
        os.read(self.descriptor, 1)
        host, error = self._ended.popleft()
        now = time.monotonic()
        self._cached = {name: item for name, item in self._cached.items() if now < item[0] + CACHE_SECONDS}
        self._cached[host] = (now, error)
        for on_error in self._waiting.pop(host, {}).values():
            on_error(error)

    def close(self) -> None:
        """Discard the results of lookups that still run."""
        with self._lock:
            os.close(self.descriptor)
            os.close(self._write_end)
            self._write_end = -1
