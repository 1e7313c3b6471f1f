"""What the limits of a run are at the moment, for tests."""

from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.slots import Slots


def level(slots: AdaptiveSlots, host: str) -> int:
    """The present limit of a host; its first level where nothing is known of it."""
    known = slots._hosts.get(host) or slots._idle_hosts.get(host)
    return known.limit if known else min(slots._bounds_of(host))


def taken(slots: AdaptiveSlots | Slots) -> int:
    """How many slots are taken."""
    return slots.max_in_flight - slots.free
