"""The Downloads that may start: whose turn it is, and the slots of those that run.

Hosts take turns. Hosts that have not answered yet never keep the proven ones from more than half of the slots; a host that
is given up gets no slot at all.
"""

import math
from typing import TYPE_CHECKING

from downloader.core.limits.pacing import PacedSlots
from downloader.core.limits.slots import Limits
from downloader.core.model import Outcome
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.host_queues import HostQueues
from downloader.core.scheduling.reachability import Reachability
from downloader.core.scheduling.slot_leases import Lease, SlotLeases
from downloader.errors import NoAnswer

if TYPE_CHECKING:
    from downloader.core.limits.host_table import HostTable


class ReadyQueue:
    """Downloads that are ready to start, by host, and the slots that running Attempts hold.

    Args:
        slots: how many Attempts may be in flight.
        host_failures: after so many unanswered Attempts a host is given up (see `Reachability`); 0: never.
        gap: seconds from one start at a host to the next, at least; 0: only where `slow_down` asks for it; None: starts
            are not paced, and `slow_down` has no effect.
        own_gaps: see `PacedSlots`; without effect where ``gap`` is None.
    """

    def __init__(
        self, slots: Limits, host_failures: int, gap: float | None, own_gaps: "HostTable[float] | None" = None
    ) -> None:
        self._pace = None if gap is None else PacedSlots(slots, gap, own_gaps)
        self.slots: Limits = self._pace or slots
        self._leases = SlotLeases(self.slots, self._pace)
        self._reach = Reachability(host_failures)
        self._queues: HostQueues[DownloadState] = HostQueues(self._reach.proven)
        self.is_paced = self._pace is not None

    def __len__(self) -> int:
        return len(self._queues)

    def push(self, entry: DownloadState) -> bool:
        """Add a Download that may start; returns False, and does not add it, where its host is given up."""
        host = host_of(entry.url)
        if self._reach.is_given_up(host):
            return False
        self._queues.push(host, entry)
        return True

    def start(self, max_entries: int, now: float) -> list[DownloadState]:
        """Remove the next Downloads of the host whose turn it is, with one slot for all of them; empty if none may start."""
        host = self._queues.next_host(self.acquire, self._reach.prefers_proven(self.slots.max_in_flight))
        if host is None:
            return []
        entries = self._queues.pop(host, max_entries)
        self._leases.add(Lease(host, len(entries), now), [entry.key for entry in entries])
        return entries

    def acquire(self, host: str) -> bool:
        """Take a slot at this host, if it may have one more."""
        if host in self._reach.proven:
            return self.slots.acquire(host)
        if self._reach.allows(host) and self.slots.acquire(host):
            self._reach.began(host)
            return True
        return False

    def start_segment(self, key: int, host: str, now: float) -> None:
        """Let the Attempt with this key hold the slot that `acquire` took at this host."""
        self._leases.add(Lease(host, 1, now), [key])

    def ended(self, outcome: Outcome, now: float) -> list[DownloadState]:
        """Record the end of an Attempt. Returns the Downloads that cannot start any more, where it made its host given up."""
        host, released = self._leases.ended(outcome, now)
        if released:
            self._queues.make_eligible(host)
        if host in self._reach.proven:
            return []
        if released:
            self._reach.ended(host)
        if outcome.status:
            self._reach.answered(host)
            self._queues.mark_proven(host)
        elif isinstance(outcome.error, NoAnswer) and self._reach.timed_out(host):
            return self._queues.drop(host)
        return []

    def is_given_up(self, entry: DownloadState) -> bool:
        """Whether the host of the entry's next URL is given up."""
        return self._reach.is_given_up(host_of(entry.url))

    def drop_given_up_urls(self, entry: DownloadState) -> bool:
        """Remove the URLs of hosts that are given up from an entry; returns False, and removes none, if none would be left."""
        urls = [url for url in entry.urls if not self._reach.is_given_up(host_of(url))]
        if urls:
            entry.replace_urls(urls)
        return bool(urls)

    def given_up_error(self, entry: DownloadState) -> NoAnswer:
        """The error of an entry whose host is given up."""
        return self._reach.error(host_of(entry.url), public_url(entry.url))

    def advance(self, now: float) -> None:
        """Where starts are paced: set the time; hosts whose time has come may start again."""
        if self._pace is not None:
            for host in self._pace.begin(now):
                self._queues.make_eligible(host)

    @property
    def next_due(self) -> float:
        """When the next host that waits for its pace may start (monotonic seconds); infinity where none waits."""
        return math.inf if self._pace is None else self._pace.next_due

    def slow_down(self, host: str, gap: float) -> None:
        """Let at least ``gap`` seconds pass from one start at this host to the next."""
        if self._pace is not None:
            self._pace.slow_down(host, gap)

    def sample(self, now: float, received: int) -> None:
        """Tell the limits that ``received`` body bytes have come in by now, in all."""
        for host in self.slots.sample(now, received):
            self._queues.make_eligible(host)

    def clear(self) -> list[DownloadState]:
        """Remove and return all that is ready."""
        return self._queues.clear()
