"""What processes use that work for a measured command and are not its children: a Dask cluster's on this machine.

They live longer than the command, so their CPU time is the difference between two readings, and their memory is what they
have while the command runs. Systems without ``/proc`` provide no values.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_UTIME, _STIME = 11, 12
"""The positions of the fields in ``/proc/PID/stat``, see proc(5), behind the name of the program."""

Times = Mapping[int, tuple[float, float]]
"""By process: CPU seconds in user mode and in the kernel so far."""


def times(processes: Iterable[int]) -> Times:
    """The CPU times of these processes; those that have ended are left out."""
    result: dict[int, tuple[float, float]] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for process in processes:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
            result[process] = int(fields[_UTIME]) / tick, int(fields[_STIME]) / tick
    return result


def used(before: Times, after: Times) -> tuple[float, float]:
    """The CPU seconds in user mode and in the kernel between two readings, of the processes that are in both."""
    both = before.keys() & after.keys()
    user = sum(after[process][0] - before[process][0] for process in both)
    return user, sum(after[process][1] - before[process][1] for process in both)


def resident(process: int) -> int:
    """The memory of a process in bytes; 0 where it is not known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return 0
