"""`Slots` and `AdaptiveSlots` in which some hosts have a number of their own: runs with sections ``[host."example.org"]``."""

from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.host_table import HostTable
from downloader.core.limits.slots import Limits, Slots


class HostSlots(Slots):
    """Limits that do not change.

    Args:
        max_in_flight: Attempts in flight, at least 1.
        per_host: Attempts in flight at one host, at least 1.
        public_limits: see `Slots`; they must know ``own_numbers``, too.
        own_numbers: replace ``per_host`` at some hosts.
    """

    def __init__(
        self, max_in_flight: int, per_host: int, public_limits: Limits | None = None, *, own_numbers: HostTable[int]
    ) -> None:
        super().__init__(max_in_flight, max_in_flight, public_limits)
        self._usual = per_host
        self._own_numbers = own_numbers

    def acquire(self, host: str) -> bool:
        """See `Limits`."""
        own = self._own_numbers.get(host)
        if self.at_host.get(host, 0) >= (self._usual if own is None else own):
            return False
        return super().acquire(host)

    def explain(self) -> str:
        """See `Limits`."""
        return f"jobs {self.max_in_flight}, {self._usual} per host, other numbers at some hosts: as given"


class HostAdaptiveSlots(AdaptiveSlots):
    """Limits that adapt; those of some hosts up to a number of their own, from which they begin.

    Args:
        ceiling, host_ceiling, start, public_ceiling: see `AdaptiveSlots`.
        own_numbers: replace ``host_ceiling``, and ``public_ceiling``, at some hosts.
    """

    def __init__(
        self, *, ceiling: int, host_ceiling: int, own_numbers: HostTable[int], start: int = 40, public_ceiling: int = 0
    ) -> None:
        super().__init__(ceiling=ceiling, host_ceiling=host_ceiling, start=start, public_ceiling=public_ceiling)
        self._own_numbers = own_numbers
        self._first = max(1, start)

    def _bounds_of(self, host: str) -> tuple[int, int]:
        own = self._own_numbers.get(host)
        return super()._bounds_of(host) if own is None else (min(self._first, own), own)
