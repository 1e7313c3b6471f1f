"""Which host's turn it is: what is ready to start, the slots it takes, and what the hosts' answers mean for the rest.

Hosts take turns. One that has not answered yet never keeps those that have from more than half of the slots; one that is
given up gets none. Several Attempts that run one after the other share one slot: a `Lease`.
"""

from downloader.core.limits import Limits
from downloader.core.model import Outcome
from downloader.core.naming import host_of
from downloader.core.queues import Entry, HostQueues, Lease
from downloader.core.reachability import Reachability
from downloader.core.retry import is_refusal
from downloader.errors import NoAnswer


class Turns:
    """Entries that are ready, and the Leases of those that run. ``host_failures``: see `Reachability`."""

    def __init__(self, slots: Limits, host_failures: int) -> None:
        self.slots = slots
        self.reach = Reachability(host_failures)
        self._ready: HostQueues[Entry] = HostQueues(self.reach.is_proven)
        self._leases: dict[int, Lease] = {}

    def __len__(self) -> int:
        return len(self._ready)

    def push(self, host: str, entry: Entry) -> bool:
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

    def begin(self, host: str, most: int) -> list[Entry]:
        """The entries that start at the host, with the slot that was taken there."""
        entries = self._ready.pop(host, most)
        lease = Lease(host, len(entries))
        for entry in entries:
            self._leases[entry.key] = lease
        return entries

    def begin_segment(self, key: int, host: str) -> None:
        """An Attempt at a Segment starts there; the slot was taken."""
        self._leases[key] = Lease(host, 1)

    def settled(self, outcome: Outcome, now: float) -> list[Entry]:
        """An Attempt has ended. Those that were ready at its host, where the host is given up by that."""
        lease = self._leases.pop(outcome.key)
        host = lease.host
        refused = outcome.error is not None and is_refusal(outcome)
        if refused or outcome.waited:
            self.slots.settled(host, now, outcome.waited, refused)
        lease.left -= 1
        if lease.left == 0:
            self.slots.release(host)
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

    def clear(self) -> list[Entry]:
        """Nothing more starts; all that was ready."""
        return self._ready.clear()

    def without(self, entry: Entry) -> bool:
        """Take the URLs of hosts that are given up from an entry that has others; whether it has."""
        others = [url for url in entry.urls if not self.reach.is_given_up(host_of(url))]
        if others:
            entry.urls, entry.tries = others, 0
        return bool(others)
