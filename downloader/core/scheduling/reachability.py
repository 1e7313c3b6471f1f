"""Which hosts have answered, which may be dead, and what that means for the rest of the list.

A host is proven once any answer has come from it, be it an error. Until then each Attempt that ends without a word after a
whole time-out is a proof against it; after so many the host is given up for the list, as nobody would wait for it a
thousand times. A host that has answered once is not given up: what is wrong then may pass. Pure.
"""

from downloader.errors import NoAnswer

REMEMBERED = 1 << 14
"""Hosts; those known for longest are forgotten first, so that memory does not grow with the list."""

_PROVEN = -1


class Reachability:
    """``most``: after so many proofs a host is given up; 0: never."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._proofs: dict[str, int] = {}
        self._flying: dict[str, int] = {}  # at hosts that are not proven
        self._unproven = 0
        self._any = False

    def is_proven(self, host: str) -> bool:
        """Whether it has answered in this run."""
        return self._proofs.get(host) == _PROVEN

    def is_given_up(self, host: str) -> bool:
        """Whether nothing more is to be tried there."""
        return 0 < self._most <= self._proofs.get(host, 0)

    def allows(self, host: str) -> bool:
        """Whether one more Attempt may begin there: where there are proofs, one at a time is enough to get more."""
        return self._proofs.get(host, 0) <= 0 or host not in self._flying

    def prefers_proven(self, at_once: int) -> bool:
        """Whether proven hosts come first now: the others have half of the slots already."""
        return self._any and 2 * self._unproven >= at_once

    def began(self, host: str) -> None:
        """A slot was taken there."""
        if self._proofs.get(host) != _PROVEN:
            self._flying[host] = self._flying.get(host, 0) + 1
            self._unproven += 1

    def ended(self, host: str) -> None:
        """A slot was given back there."""
        if self._unproven and host in self._flying:
            self._unproven -= 1
            self._flying[host] -= 1
            if not self._flying[host]:
                del self._flying[host]

    def answered(self, host: str) -> bool:
        """An answer has come from there; whether it is the first."""
        if self._proofs.get(host) == _PROVEN:
            return False
        self._note(host, _PROVEN)
        self._any = True
        self._unproven -= self._flying.pop(host, 0)
        return True

    def silent(self, host: str) -> bool:
        """A whole time-out has passed without a word from there; whether the host is given up by that."""
        count = self._proofs.get(host, 0)
        if count == _PROVEN:
            return False
        self._note(host, count + 1)
        return count + 1 == self._most

    def _note(self, host: str, value: int) -> None:
        self._proofs[host] = value
        if len(self._proofs) > REMEMBERED:
            del self._proofs[next(iter(self._proofs))]

    def error(self, host: str, url: str) -> NoAnswer:
        """For what is not tried any more."""
        what = "the host never answered"
        return NoAnswer(f"{what}: given up after {self._proofs.get(host, 0)} attempts", url, "see --host-failures", what)
