"""Which hosts have answered in this run, and which are given up because they never do. Pure.

A host is *proven* once any response came from it, even an error status. Before that, each Attempt that ends in a time-out
without any answer is counted against the host; after so many, the host is given up for the rest of the list. A proven host
is never given up: a later failure may be temporary.
"""

from downloader.errors import NoAnswer

REMEMBERED_HOSTS = 1 << 14
"""Hosts of which the state is kept. The oldest are forgotten first, so that memory does not grow with the list."""

_PROVEN = -1


class Reachability:
    """Counts the Attempts that hosts did not answer.

    Args:
        max_unanswered: after so many unanswered Attempts a host that never answered is given up; 0: never.
    """

    def __init__(self, max_unanswered: int) -> None:
        self._max_unanswered = max_unanswered
        self._unanswered: dict[str, int] = {}  # by host; _PROVEN for those that have answered
        self._in_flight: dict[str, int] = {}  # slots taken at hosts that are not proven
        self._unproven_in_flight = 0
        self._any_proven = False

    def is_proven(self, host: str) -> bool:
        """Whether the host has answered in this run."""
        return self._unanswered.get(host) == _PROVEN

    def is_given_up(self, host: str) -> bool:
        """Whether nothing more is tried at the host."""
        return 0 < self._max_unanswered <= self._unanswered.get(host, 0)

    def allows(self, host: str) -> bool:
        """Whether one more Attempt may start there. After the first unanswered Attempt, one at a time is enough."""
        return self._unanswered.get(host, 0) <= 0 or host not in self._in_flight

    def prefers_proven(self, max_in_flight: int) -> bool:
        """Whether proven hosts come first now, as the others have half of the ``max_in_flight`` slots of the run."""
        return self._any_proven and 2 * self._unproven_in_flight >= max_in_flight

    def began(self, host: str) -> None:
        """Record that a slot was taken there."""
        if self._unanswered.get(host) != _PROVEN:
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
        if self._unanswered.get(host) == _PROVEN:
            return False
        self._record(host, _PROVEN)
        self._any_proven = True
        self._unproven_in_flight -= self._in_flight.pop(host, 0)
        return True

    def timed_out(self, host: str) -> bool:
        """Record an Attempt that ended in a time-out without any answer; returns whether the host is given up now."""
        count = self._unanswered.get(host, 0)
        if count == _PROVEN:
            return False
        self._record(host, count + 1)
        return count + 1 == self._max_unanswered

    def _record(self, host: str, value: int) -> None:
        self._unanswered[host] = value
        if len(self._unanswered) > REMEMBERED_HOSTS:
            del self._unanswered[next(iter(self._unanswered))]

    def error(self, host: str, url: str) -> NoAnswer:
        """The error of a Download that is not tried any more because its host is given up. ``url``: as it may be shown."""
        reason = "the host never answered"
        attempts = self._unanswered.get(host, 0)
        return NoAnswer(f"{reason}: given up after {attempts} attempts", url, "see --host-failures", reason)
