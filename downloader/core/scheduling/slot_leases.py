"""Which running Attempt holds which slot, and what its Outcome tells the limits."""

from collections.abc import Sequence

from downloader.core.limits.pacing import PacedSlots
from downloader.core.limits.slots import Limits
from downloader.core.model import Outcome
from downloader.core.scheduling.retry import is_refusal, was_asked


class Lease:
    """One slot at one host, held from ``began`` (monotonic seconds) until all Attempts that share it have ended.

    ``unsettled``: how many of them have not.
    """

    __slots__ = ("began", "host", "unsettled")

    def __init__(self, host: str, unsettled: int, began: float) -> None:
        self.host = host
        self.unsettled = unsettled
        self.began = began


class SlotLeases:
    """The slots of a run, and which Attempts hold them.

    Args:
        slots: the limits of the run.
        pace: the same limits with a minimum time between two starts at a host; None: starts are not paced.
    """

    def __init__(self, slots: Limits, pace: PacedSlots | None) -> None:
        self._slots = slots
        self._pace = pace
        self._leases: dict[int, Lease] = {}

    def __bool__(self) -> bool:
        return bool(self._leases)

    def add(self, lease: Lease, keys: Sequence[int]) -> None:
        """Record that the Attempts with these keys share this slot."""
        for key in keys:
            self._leases[key] = lease

    def ended(self, outcome: Outcome, now: float) -> tuple[str, bool]:
        """Record the end of an Attempt, and release its slot if no other Attempt shares it.

        Returns:
            The host of the Attempt, and whether the slot was released.
        """
        lease = self._leases.pop(outcome.key)
        refused = outcome.error is not None and is_refusal(outcome)
        if refused or outcome.head_latency:
            self._slots.settled(lease.host, now, outcome.head_latency, refused)
        elif self._pace is not None and not was_asked(outcome):
            self._pace.take_back(lease.host, lease.began)
        lease.unsettled -= 1
        if lease.unsettled:
            return lease.host, False
        self._slots.release(lease.host)
        return lease.host, True
