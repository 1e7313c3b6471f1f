"""Which host's turn it is: what is ready to start, the slots it takes, and what the hosts' answers mean for the rest.

Hosts take turns. One that has not answered yet never keeps those that have from more than half of the slots; one that is
given up gets none.
"""

from downloader.core.limits.slots import Limits
from downloader.core.model import Outcome
from downloader.core.names.urls import host_of
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.host_queues import HostQueues
from downloader.core.scheduling.reachability import Reachability
from downloader.core.scheduling.slot_leases import Lease, SlotLeases
from downloader.errors import NoAnswer


class HostTurns:
    """Downloads that are ready, and the slots of those that run.

    Args:
        host_failures: see `Reachability`.
        gap: see `SlotLeases`.
    """

    def __init__(self, slots: Limits, host_failures: int, gap: float | None) -> None:
        self.reach = Reachability(host_failures)
        self._ready: HostQueues[DownloadState] = HostQueues(self.reach.is_proven)
        self._leases = SlotLeases(slots, gap)
        self.slots = self._leases.slots

    def __len__(self) -> int:
        return len(self._ready)

    def at(self, now: float, most: int) -> int:
        """It is this time: how many Attempts of ``most`` may share a slot."""
        most, due = self._leases.begin(now, most)
        for host in due:
            self._ready.free(host)
        return most

    @property
    def times(self) -> list[float]:
        """When a host that waits for its time may be asked."""
        return self._leases.times

    def slow_down(self, host: str, gap: float) -> None:
        """This host wants so many seconds at least from one start to the next."""
        self._leases.slow_down(host, gap)

    def push(self, host: str, entry: DownloadState) -> bool:
        """One more is ready; false for one whose host is given up."""
        if self.reach.is_given_up(host):
            return False
        self._ready.push(host, entry)
        return True

    def next_host(self) -> str | None:
        """The host whose turn it is, with a slot taken there; None where none may start anything now."""
        return self._ready.next_host(self.acquire, self.reach.prefers_proven(self.slots.in_all))

    def acquire(self, host: str) -> bool:
        """Take a slot at this host, if it may have one more."""
        if self.reach.allows(host) and self.slots.acquire(host):
            self.reach.began(host)
            return True
        return False

    def begin(self, host: str, most: int, now: float) -> list[DownloadState]:
        """The entries that start at the host, with the slot that was taken there."""
        entries = self._ready.pop(host, most)
        self._leases.add(Lease(host, len(entries), now), [entry.key for entry in entries])
        return entries

    def begin_segment(self, key: int, host: str, now: float) -> None:
        """An Attempt at a Segment starts there; the slot was taken."""
        self._leases.add(Lease(host, 1, now), [key])

    def settled(self, outcome: Outcome, now: float) -> list[DownloadState]:
        """An Attempt has ended. Those that were ready at its host, where the host is given up by that."""
        host, free = self._leases.ended(outcome, now)
        if free:
            self.reach.ended(host)
            self._ready.free(host)
        if outcome.status:
            if self.reach.answered(host):
                self._ready.proven(host)
        elif isinstance(outcome.error, NoAnswer) and self.reach.silent(host):
            return self._ready.drop(host)
        return []

    def sample(self, now: float, received: int) -> None:
        """So many body bytes have come in by now: what the limits learn from."""
        for host in self.slots.sample(now, received):
            self._ready.free(host)

    def clear(self) -> list[DownloadState]:
        """Nothing more starts; all that was ready."""
        return self._ready.clear()

    def without(self, entry: DownloadState) -> bool:
        """Take the URLs of hosts that are given up from an entry that has others; whether it has."""
        others = [url for url in entry.urls if not self.reach.is_given_up(host_of(url))]
        if others:
            entry.urls, entry.tries = others, 0
        return bool(others)
