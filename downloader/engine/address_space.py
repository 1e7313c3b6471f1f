"""Whether the address space of this process has room for further threads.

A thread takes a stack of 8 MiB, and glibc cuts an arena of 64 MiB of addresses for it out of 128 MiB. Near a limit
(``ulimit -v``, RLIMIT_AS), a thread can start and then have no memory for its first object: `threading.Thread.start` waits for
ever for such a thread. So those who start threads one after the other look here before.
"""

import math
import resource

START_BYTES = 136 * 1024 * 1024
"""The address space that the start of a thread needs for a moment."""
KEPT_BYTES = 72 * 1024 * 1024
"""What the thread then keeps of this."""


def spare_address_space() -> float:
    """The number of bytes that this process may still map; infinite where nothing limits this."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return math.inf
    try:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except OSError:  # a system without this file
        return math.inf
    return limit - pages * resource.getpagesize()


def has_room_for_threads(count: int) -> bool:
    """Whether so many threads can start at the same time."""
    return spare_address_space() >= count * START_BYTES


def possible_threads(wanted: int) -> int:
    """How many threads can be started one after the other: as many as wanted, or fewer, and at least one."""
    spare = spare_address_space() - START_BYTES
    return wanted if spare >= wanted * KEPT_BYTES else max(1, int(spare // KEPT_BYTES))
