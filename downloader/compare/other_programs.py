"""How much of the machine other programs use while a command runs: what all cores did, less what is known to be ours.

What all cores did is in ``/proc/stat`` (see proc(5)). Time in interrupts is left out: on loopback it is mostly the traffic of
the measured command itself, and kernels differ in whether they charge it to the process that was interrupted. Time that the
host of a virtual machine took is counted: it was not ours either. Systems without ``/proc`` tell nothing.
"""

import contextlib
import os
import resource
from pathlib import Path
from typing import NamedTuple

from downloader.testserver.served import available_cores

_STAT = Path("/proc/stat")
_BUSY = (0, 1, 2, 7)  # user, nice, system, steal; guests are in user


class Look(NamedTuple):
    """CPU seconds so far: ``busy``, of the cores that we may run on (None: not told), and ``own``, of this process."""

    busy: float | None
    own: float


def look() -> Look:
    """What it is now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Look(_busy(), used.ru_utime + used.ru_stime)


def share(before: Look, after: Look, elapsed: float, ours: float) -> float | None:
    """The part of the machine that others used between two looks, ``elapsed`` seconds apart; None where that is not told.

    ``ours``: the CPU seconds of the measured command and of the test server meanwhile.
    """
    if before.busy is None or after.busy is None or elapsed <= 0:
        return None
    others = after.busy - before.busy - (after.own - before.own) - ours
    return min(1.0, max(0.0, others / (elapsed * available_cores())))


def _busy() -> float | None:
    able = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    ticks, found = 0, False
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STAT.read_text("ascii").splitlines():
            name, *values = line.split()
            number = name.removeprefix("cpu")
            if name.startswith("cpu") and number and (able is None or int(number) in able):
                ticks += sum(int(values[place]) for place in _BUSY)
                found = True
    return ticks / os.sysconf("SC_CLK_TCK") if found else None
