"""Limits of how many Attempts are in flight, in all and at each host: the protocol, and numbers that do not change."""

from collections.abc import Sequence
from typing import Protocol

from downloader.core.limits.public_hosts import is_public


class Limits(Protocol):
    """Who may start. `Slots`: numbers that do not change; `AdaptiveSlots`: numbers that are learned; `PacedSlots`: in time.

    An Attempt that starts takes a slot with `acquire`; when it has ended, `settled` is called, and then `release`.
    """

    @property
    def max_in_flight(self) -> int:
        """How many Attempts may be in flight now, in all."""

    @property
    def free(self) -> int:
        """How many more Attempts may start; negative after the limit was lowered, until enough of them have ended."""

    def explain(self) -> str:
        """One line for logs: the limits, and where they come from."""

    def acquire(self, host: str) -> bool:
        """Take a slot for this host; returns False, and takes none, if there is none in all or none at this host."""

    def release(self, host: str) -> None:
        """Give a slot of this host back."""

    def settled(self, host: str, now: float, latency: float, refused: bool) -> None:
        """Record that an Attempt at this host has ended.

        Args:
            host: as in `acquire`.
            now: monotonic seconds.
            latency: seconds from its request to the head of the response; 0: there was none.
            refused: the server signalled overload.
        """

    def sample(self, now: float, received: int) -> Sequence[str]:
        """Record that ``received`` body bytes have come in by now, in all. Returns hosts that may take more slots now."""


class Slots:
    """Limits that do not change.

    Args:
        max_in_flight: Attempts in flight, at least 1.
        per_host: Attempts in flight at one host, at least 1.
        public_limits: further limits, for public hosts only; None: there are none.

    ``in_flight``: slots that are taken; ``at_host``: the same by host, without those that have none.
    """

    __slots__ = ("at_host", "in_flight", "max_in_flight", "per_host", "public_limits")

    def __init__(self, max_in_flight: int, per_host: int, public_limits: Limits | None = None) -> None:
        self.max_in_flight = max_in_flight
        self.per_host = per_host
        self.public_limits = public_limits
        self.in_flight = 0
        self.at_host: dict[str, int] = {}

    @property
    def free(self) -> int:
        """See `Limits`."""
        return self.max_in_flight - self.in_flight

    def explain(self) -> str:
        """See `Limits`."""
        return f"jobs {self.max_in_flight}, {self.per_host} per host: as given"

    def acquire(self, host: str) -> bool:
        """See `Limits`."""
        taken = self.at_host.get(host, 0)
        if self.in_flight >= self.max_in_flight or taken >= self.per_host:
            return False
        if self.public_limits is not None and is_public(host) and not self.public_limits.acquire(host):
            return False
        self.at_host[host] = taken + 1
        self.in_flight += 1
        return True

    def settled(self, host: str, now: float, latency: float, refused: bool) -> None:
        """See `Limits`. Only the limits for public hosts learn from it."""
        if self.public_limits is not None and is_public(host):
            self.public_limits.settled(host, now, latency, refused)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """See `Limits`. Only the limits for public hosts learn from it."""
        return () if self.public_limits is None else self.public_limits.sample(now, received)

    def release(self, host: str) -> None:
        """See `Limits`. Raises KeyError where no slot of this host is taken."""
        if self.public_limits is not None and is_public(host):
            self.public_limits.release(host)
        taken = self.at_host[host] - 1
        if taken:
            self.at_host[host] = taken
        else:
            del self.at_host[host]
        self.in_flight -= 1
