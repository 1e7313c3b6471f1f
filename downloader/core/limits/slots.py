"""How many may run at once, in all and at each host; how fast; and how slow is too slow. Arithmetic only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from downloader.core.limits.public_hosts import is_public


class Limits(Protocol):
    """Who may start: `Slots` for numbers that stay, `downloader.core.limits.adaptive` for numbers that are found out."""

    @property
    def in_all(self) -> int:
        """How many may be in flight now."""

    @property
    def free(self) -> int:
        """How many more; negative where it was lowered."""

    def explain(self) -> str:
        """One line about the numbers, and where they come from."""

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if there is one in all and one there."""

    def release(self, host: str) -> None:
        """Give one back."""

    def settled(self, host: str, now: float, waited: float, refused: bool) -> None:
        """An Attempt there has ended: ``waited`` seconds for the head of its answer (0: none), or was pushed back."""

    def sample(self, now: float, received: int) -> Sequence[str]:
        """So many body bytes have come in all. The hosts that may take more than before."""


@dataclass(slots=True)
class Slots:
    """Counts what is in flight. ``in_all`` and ``per_host`` are at least 1.

    ``public``: what decides at public hosts instead of ``per_host``; None: nothing does.
    """

    in_all: int
    per_host: int
    public: Limits | None = None
    in_flight: int = 0
    at_host: dict[str, int] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """Slots left in all."""
        return self.in_all - self.in_flight

    def explain(self) -> str:
        """They were given."""
        return f"jobs {self.in_all}, {self.per_host} per host: as given"

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if there is one in all and one there."""
        held = self.at_host.get(host, 0)
        if self.in_flight >= self.in_all or held >= self.per_host:
            return False
        if self.public is not None and is_public(host) and not self.public.acquire(host):
            return False
        self.at_host[host] = held + 1
        self.in_flight += 1
        return True

    def settled(self, host: str, now: float, waited: float, refused: bool) -> None:
        """Nothing is learned from it, but of public hosts."""
        if self.public is not None and is_public(host):
            self.public.settled(host, now, waited, refused)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """Nothing is learned from it, but of public hosts."""
        return () if self.public is None else self.public.sample(now, received)

    def release(self, host: str) -> None:
        """Give one back."""
        if self.public is not None and is_public(host):
            self.public.release(host)
        held = self.at_host[host] - 1
        if held:
            self.at_host[host] = held
        else:
            del self.at_host[host]
        self.in_flight -= 1
