"""Measures how much of the machine other programs use while a command runs.

The load of other programs is the time that all cores were busy, minus the CPU time of the measured command, of the test server
and of this process. The busy time is read from ``/proc/stat``, see proc(5). It excludes the time in interrupts: on loopback,
interrupts mostly handle the traffic of the measured command, and kernels differ in whether they charge this time to the
interrupted process. It includes the time that the host of a virtual machine took (steal). Systems without ``/proc`` provide no
value.
"""

import contextlib
import os
import resource
from pathlib import Path
from typing import NamedTuple

from downloader.testserver.served import available_cores

_STAT = Path("/proc/stat")
_BUSY = (0, 1, 2, 7)  # the columns user, nice, system, steal; user includes guests


class CpuTimes(NamedTuple):
    """CPU seconds since the start: ``busy`` of the cores that this process may use (None: unknown), ``own`` of this process."""

    busy: float | None
    own: float


def cpu_times() -> CpuTimes:
    """The CPU times now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return CpuTimes(_busy(), used.ru_utime + used.ru_stime)


def share(before: CpuTimes, after: CpuTimes, elapsed: float, measured: float) -> float | None:
    """The share of the machine (0 to 1) that other programs used between two readings; None where it is unknown.

    ``elapsed``: the seconds between the readings. ``measured``: the CPU seconds of the measured command and of the test
    server in this time.
    """
    if before.busy is None or after.busy is None or elapsed <= 0:
        return None
    others = after.busy - before.busy - (after.own - before.own) - measured
    return min(1.0, max(0.0, others / (elapsed * available_cores())))


def _busy() -> float | None:
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    ticks, is_known = 0, False
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STAT.read_text("ascii").splitlines():
            name, *values = line.split()
            number = name.removeprefix("cpu")
            if name.startswith("cpu") and number and (usable is None or int(number) in usable):
                ticks += sum(int(values[column]) for column in _BUSY)
                is_known = True
    return ticks / os.sysconf("SC_CLK_TCK") if is_known else None
