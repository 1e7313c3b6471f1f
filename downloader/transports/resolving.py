"""Why a name did not resolve: libcurl says only that it did not, `getaddrinfo` has a code for each reason.

The question may wait as long as a silent name server lets it (10 s and more), so each one has a thread of its own, which
nobody waits for at the end. Several transfers that failed for one name share one question, and its answer for a moment.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from downloader.errors import DownloadError, NetworkError
from downloader.transports.base import from_system

KEPT = 2.0
"""Seconds for which an answer holds for further transfers that fail for the same name."""

Tell = Callable[[DownloadError], None]


def why_unresolved(host: str) -> DownloadError:
    """Ask the system for the addresses of a name that did not resolve: NameNotFound, or a NetworkError to try again on."""
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        known = from_system(error, "")
        if known is not None:
            return known
    return NetworkError("the name server did not answer")  # by now it has: the next try may go through


class Resolving:
    """The questions of one loop. ``descriptor`` can be read when there are answers: `tell` is to be called then."""

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        self._waiting: dict[str, dict[Hashable, Tell]] = {}
        self._known: dict[str, tuple[float, DownloadError]] = {}
        self._answers: deque[tuple[str, DownloadError]] = deque()
        self._lock = threading.Lock()  # between the threads and `close`: a closed descriptor's number is soon another's

    def ask(self, host: str, who: Hashable, tell: Tell) -> None:
        """Find out why this name does not resolve; ``tell`` is called with the error, at once where that is known."""
        since, error = self._known.get(host, (0.0, None))
        if error is not None and time.monotonic() < since + KEPT:
            tell(error)
            return
        waiting = self._waiting.setdefault(host, {})
        waiting[who] = tell
        if len(waiting) == 1:
            threading.Thread(target=self._find_out, args=(host,), name="dl-resolve", daemon=True).start()

    def forget(self, who: Hashable) -> None:
        """Whoever asked does not want to know any more."""
        for waiting in self._waiting.values():
            waiting.pop(who, None)

    def _find_out(self, host: str) -> None:
        self._answers.append((host, why_unresolved(host)))
        with self._lock:
            if self._end >= 0:
                os.write(self._end, b"x")

    def tell(self) -> None:
        """Tell what has been found out."""
        os.read(self.descriptor, 1)
        host, error = self._answers.popleft()
        now = time.monotonic()
        self._known = {name: item for name, item in self._known.items() if now < item[0] + KEPT}
        self._known[host] = (now, error)
        for tell in self._waiting.pop(host, {}).values():
            tell(error)

    def close(self) -> None:
        """No answer is wanted any more."""
        with self._lock:
            os.close(self.descriptor)
            os.close(self._end)
            self._end = -1
