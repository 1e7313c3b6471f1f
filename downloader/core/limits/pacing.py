"""A minimum time between two requests to one host (``--wait``, Crawl-delay). Pure: times come in as arguments."""

import heapq
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from downloader.core.limits.slots import Limits

if TYPE_CHECKING:
    from downloader.core.limits.host_table import HostTable

REMEMBERED_STARTS = 4096
"""Hosts of which the next start is kept, at least; beyond that, those whose time has passed are forgotten."""


class PacedSlots:
    """`Limits` under which two Attempts at one host start at least ``gap`` seconds apart. A host that waits holds no slot.

    ``next_due``: when the first host that was refused for this reason may start (monotonic seconds); infinity: none was.

    Args:
        slots: the limits that hold besides.
        gap: seconds from one start at a host to the next.
        own_gaps: replace ``gap`` at some hosts; None: at none.
    """

    def __init__(self, slots: Limits, gap: float, own_gaps: "HostTable[float] | None" = None) -> None:
        self._slots = slots
        self._gap = gap
        self._own_gaps = own_gaps
        self._longer_gaps: dict[str, float] = {}  # of hosts that asked for one
        self._now = 0.0
        self._next_start: dict[str, float] = {}
        self._refused: list[tuple[float, str]] = []  # a heap: hosts that were refused a slot, until when
        self._refused_hosts: set[str] = set()
        self._cleanup_at = REMEMBERED_STARTS
        self.next_due = math.inf

    def begin(self, now: float) -> list[str]:
        """Set the time; to be called before `acquire`. Returns the hosts that were refused and may start now."""
        self._now = now
        hosts = []
        while self._refused and self._refused[0][0] <= now:
            hosts.append(heapq.heappop(self._refused)[1])
            self._refused_hosts.discard(hosts[-1])
        self.next_due = self._refused[0][0] if self._refused else math.inf
        if len(self._next_start) > self._cleanup_at:
            self._next_start = {host: due for host, due in self._next_start.items() if due > now}
            self._cleanup_at = max(REMEMBERED_STARTS, 2 * len(self._next_start))
        return hosts

    def slow_down(self, host: str, gap: float) -> None:
        """Let at least ``gap`` seconds pass from one start at this host to the next; a shorter gap than before is ignored."""
        present = self._gap_of(host)
        if gap > present:
            if host in self._next_start:
                self._next_start[host] += gap - present
            self._longer_gaps[host] = gap

    def _gap_of(self, host: str) -> float:
        longer = self._longer_gaps.get(host)
        if longer is not None:
            return longer
        own = None if self._own_gaps is None else self._own_gaps.get(host)
        return self._gap if own is None else own

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if its time has come and the other limits allow it."""
        due = self._next_start.get(host)
        if due is not None and due > self._now:
            if host not in self._refused_hosts:
                self._refused_hosts.add(host)
                heapq.heappush(self._refused, (due, host))
                self.next_due = self._refused[0][0]
            return False
        if not self._slots.acquire(host):
            return False
        self._next_start[host] = self._now + self._gap_of(host)
        return True

    def take_back(self, host: str, began: float) -> None:
        """The Attempt that took its slot at ``began`` sent no request: the next one need not wait because of it."""
        if self._next_start.get(host) == began + self._gap_of(host):
            del self._next_start[host]

    @property
    def max_in_flight(self) -> int:
        """See `Limits`."""
        return self._slots.max_in_flight

    @property
    def free(self) -> int:
        """See `Limits`."""
        return self._slots.free

    def explain(self) -> str:
        """See `Limits`."""
        return f"{self._slots.explain()}; {self._gap:g} s between two requests to a host"

    def release(self, host: str) -> None:
        """See `Limits`."""
        self._slots.release(host)

    def settled(self, host: str, now: float, latency: float, refused: bool) -> None:
        """See `Limits`."""
        self._slots.settled(host, now, latency, refused)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """See `Limits`."""
        return self._slots.sample(now, received)
