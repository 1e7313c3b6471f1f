"""Which hosts have answered in this run, and which are given up because they never do. Pure.

A host is *proven* once any response came from it, even an error status. Before that, each Attempt that ends in a time-out
without any answer is counted against the host; after so many, the host is given up for the rest of the list. A proven host
is never given up: a later failure may be temporary.
"""

from typing import TypeVar

from downloader.errors import NoAnswer

Value = TypeVar("Value")

REMEMBERED_HOSTS = 1 << 14
"""Hosts of each kind that are remembered. The oldest are forgotten first, so that memory does not grow with the list."""


class Reachability:
    """Counts the Attempts that hosts did not answer.

    ``proven``: the hosts that have answered, as keys. Nothing is counted for them, so no other method need be called.

    Args:
        max_unanswered: after so many unanswered Attempts a host that never answered is given up; 0: never.
    """

    def __init__(self, max_unanswered: int) -> None:
        self._max_unanswered = max_unanswered
        self.proven: dict[str, None] = {}
        self._unanswered: dict[str, int] = {}  # Attempts, by host
        self._in_flight: dict[str, int] = {}  # slots taken at hosts that are not proven
        self._unproven_in_flight = 0

    def is_given_up(self, host: str) -> bool:
        """Whether nothing more is tried at the host."""
        return 0 < self._max_unanswered <= self._unanswered.get(host, 0)

    def allows(self, host: str) -> bool:
        """Whether one more Attempt may start there. After the first unanswered Attempt, one at a time is enough."""
        return self._unanswered.get(host, 0) <= 0 or host not in self._in_flight

    def prefers_proven(self, max_in_flight: int) -> bool:
        """Whether proven hosts come first now, as the others have half of the ``max_in_flight`` slots of the run."""
        return bool(self.proven) and 2 * self._unproven_in_flight >= max_in_flight

    def began(self, host: str) -> None:
        """Record that a slot was taken there."""
        if host not in self.proven:
            self._in_flight[host] = self._in_flight.get(host, 0) + 1
            self._unproven_in_flight += 1

    def ended(self, host: str) -> None:
        """Record that a slot was given back there."""
        if self._unproven_in_flight and host in self._in_flight:
            self._unproven_in_flight -= 1
            self._in_flight[host] -= 1
            if not self._in_flight[host]:
                del self._in_flight[host]

    def answered(self, host: str) -> bool:
        """Record an answer of any status; returns whether it is the first of this host."""
        if host in self.proven:
            return False
        self._unanswered.pop(host, None)
        _remember(self.proven, host, None)
        self._unproven_in_flight -= self._in_flight.pop(host, 0)
        return True

    def timed_out(self, host: str) -> bool:
        """Record an Attempt that ended in a time-out without any answer; returns whether the host is given up now."""
        if host in self.proven:
            return False
        count = self._unanswered.get(host, 0) + 1
        _remember(self._unanswered, host, count)
        return count == self._max_unanswered

    def error(self, host: str, url: str) -> NoAnswer:
        """The error of a Download that is not tried any more because its host is given up. ``url``: as it may be shown."""
        reason = "the host never answered"
        attempts = self._unanswered.get(host, 0)
        return NoAnswer(f"{reason}: given up after {attempts} attempts", url, "see --host-failures", reason)


def _remember(hosts: dict[str, Value], host: str, value: Value) -> None:
    hosts[host] = value
    if len(hosts) > REMEMBERED_HOSTS:
        del hosts[next(iter(hosts))]
