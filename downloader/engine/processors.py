"""How many processors this process may use."""

import os


def cores() -> int:
    """The number of processors that this process may run on: its affinity, else all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
