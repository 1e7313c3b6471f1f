"""Which running Attempt holds which slot, and what its end tells the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from downloader.core.limits.slots import Limits
from downloader.core.model import Outcome
from downloader.core.scheduling.retry import is_refusal, was_asked

if TYPE_CHECKING:
    from downloader.core.limits.pacing import PacedSlots


@dataclass(slots=True)
class Lease:
    """One slot at one host, held from ``began`` on until the last of the Attempts that share it has been settled."""

    host: str
    left: int
    began: float


class SlotLeases:
    """The slots of a run, and who holds them.

    ``gap``: seconds at least from one start at a host to the next; None: they are not counted; 0: a host may want some.
    """

    def __init__(self, slots: Limits, gap: float | None) -> None:
        self._pace = None if gap is None else _paced(slots, gap)
        self.slots: Limits = self._pace or slots
        self._held: dict[int, Lease] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def begin(self, now: float, most: int) -> tuple[int, Sequence[str]]:
        """It is this time: how many Attempts of ``most`` may share a slot, and the hosts that may be asked again."""
        return (most, ()) if self._pace is None else (1, self._pace.begin(now))

    @property
    def times(self) -> list[float]:
        """When a host that waits for its time may be asked."""
        wake = None if self._pace is None else self._pace.wake_at
        return [] if wake is None else [wake]

    def slow_down(self, host: str, gap: float) -> None:
        """This host wants so many seconds at least from one start to the next."""
        if self._pace is not None:
            self._pace.slow_down(host, gap)

    def add(self, lease: Lease, keys: Sequence[int]) -> None:
        """These Attempts share this slot."""
        for key in keys:
            self._held[key] = lease

    def ended(self, outcome: Outcome, now: float) -> tuple[str, bool]:
        """An Attempt has ended. Its host, and whether that got its slot back, or others still share it."""
        lease = self._held.pop(outcome.key)
        refused = outcome.error is not None and is_refusal(outcome)
        if refused or outcome.head_latency:
            self.slots.settled(lease.host, now, outcome.head_latency, refused)
        elif self._pace is not None and not was_asked(outcome):
            self._pace.take_back(lease.host, lease.began)
        lease.left -= 1
        if lease.left:
            return lease.host, False
        self.slots.release(lease.host)
        return lease.host, True


def _paced(slots: Limits, gap: float) -> "PacedSlots":
    from downloader.core.limits.pacing import PacedSlots  # here: few runs need it

    return PacedSlots(slots, gap)
