"""How much time passes between two requests to one host (`--wait`, Crawl-delay). Arithmetic only: `now` comes in."""

import heapq
from collections.abc import Sequence

from downloader.core.limits.slots import Limits

KEPT = 4096
"""Hosts of which the last start is remembered, before those whose time has passed are forgotten."""


class PacedSlots:
    """`Limits` under which two Attempts at one host start at least ``gap`` seconds apart. A host that waits holds no slot.

    `begin` says what time it is: to be called before `acquire`.
    """

    def __init__(self, slots: Limits, gap: float) -> None:
        self._slots = slots
        self._gap = gap
        self._gaps: dict[str, float] = {}  # of hosts that want a longer one
        self._now = 0.0
        self._next: dict[str, float] = {}  # when the next Attempt may start at a host
        self._waiting: list[tuple[float, str]] = []  # hosts that were refused a slot until then
        self._told: set[str] = set()  # these hosts
        self._most = KEPT

    def begin(self, now: float) -> list[str]:
        """It is this time. The hosts whose time has come, of those that `acquire` has refused since."""
        self._now = now
        found = []
        while self._waiting and self._waiting[0][0] <= now:
            found.append(heapq.heappop(self._waiting)[1])
            self._told.discard(found[-1])
        if len(self._next) > self._most:
            self._next = {host: due for host, due in self._next.items() if due > now}
            self._most = max(KEPT, 2 * len(self._next))
        return found

    def slow_down(self, host: str, gap: float) -> None:
        """This host wants so many seconds at least between two starts."""
        if gap > self._gaps.get(host, self._gap):
            if host in self._next:
                self._next[host] += gap - self._gaps.get(host, self._gap)
            self._gaps[host] = gap

    @property
    def wake_at(self) -> float | None:
        """When the first host that waits may be asked again."""
        return self._waiting[0][0] if self._waiting else None

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if its time has come, and there is one."""
        due = self._next.get(host)
        if due is not None and due > self._now:
            if host not in self._told:
                self._told.add(host)
                heapq.heappush(self._waiting, (due, host))
            return False
        if not self._slots.acquire(host):
            return False
        self._next[host] = self._now + self._gaps.get(host, self._gap)
        return True

    def take_back(self, host: str, began: float) -> None:
        """The Attempt that took its slot at ``began`` sent no request: the next one need not wait for its sake."""
        if self._next.get(host) == began + self._gaps.get(host, self._gap):
            del self._next[host]

    @property
    def in_all(self) -> int:
        """How many may be in flight now."""
        return self._slots.in_all

    @property
    def free(self) -> int:
        """How many more."""
        return self._slots.free

    def explain(self) -> str:
        """One line about the numbers."""
        return f"{self._slots.explain()}; {self._gap:g} s between two requests to a host"

    def release(self, host: str) -> None:
        """Give a slot back."""
        self._slots.release(host)

    def settled(self, host: str, now: float, waited: float, refused: bool) -> None:
        """See `Limits`."""
        self._slots.settled(host, now, waited, refused)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """See `Limits`."""
        return self._slots.sample(now, received)
