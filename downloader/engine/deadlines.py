"""Whether a running Attempt must end now, and why. Pure: drivers ask `verdict`, and obey.

Every driver has its own way to end an Attempt: a socket is shut down, a task is cancelled, a libcurl transfer is removed. The
decision is the same for all, so it is made here, once.
"""

import math
from enum import Enum

from downloader.errors import DownloadError, Interrupted, NetworkError, NoAnswer

NEVER = math.inf
"""A time that does not come."""


class Verdict(Enum):
    """Why an Attempt must end now."""

    STOPPED = "stopped"
    """The run was stopped, and its grace time has passed."""

    TIMED_OUT = "timed out"
    """The Attempt has lasted longer than ``--timeout`` allows."""

    CUT = "cut"
    """Another Attempt fetches what is left. Nothing failed: the driver answers the present command with `Verdict.CUT`."""

    SILENT = "silent"
    """Nothing came from the server for as long as ``--low-speed-time`` allows."""


def deadline_of(now: float, timeout: float) -> float:
    """When an Attempt that begins now has lasted too long. ``timeout``: seconds; 0: it may take any time."""
    return now + timeout if timeout else NEVER


def verdict(now: float, grace_over: bool, deadline: float, waiting: bool, silent_at: float, cut: bool) -> Verdict | None:
    """Why an Attempt must end now; None where the Attempt may go on. All times are monotonic seconds.

    Args:
        now: the present time.
        grace_over: whether the run was stopped and its grace time has passed.
        deadline: when the Attempt has lasted too long; `NEVER` where it may take any time.
        waiting: whether the Attempt waits for the server. An Attempt that does not is not silent, and obeys a `Cut` itself.
        silent_at: when the Attempt has waited too long for the server.
        cut: whether the Attempt has passed the offset at which the run ordered it to end.
    """
    if grace_over:
        return Verdict.STOPPED
    if now >= deadline:
        return Verdict.TIMED_OUT
    if not waiting:
        return None
    if cut:
        return Verdict.CUT
    return Verdict.SILENT if now >= silent_at else None


def error_of(reason: Verdict, read_timeout: float) -> DownloadError:
    """The error of an Attempt that had to end for this reason. ``read_timeout``: seconds, for the message.

    Raises ValueError for `Verdict.CUT`, which is no failure.
    """
    if reason is Verdict.STOPPED:
        return Interrupted("stopped")
    if reason is Verdict.TIMED_OUT:
        return NetworkError("the attempt exceeded its time limit", hint="see --timeout")
    if reason is Verdict.SILENT:
        return NoAnswer(f"no data received for {read_timeout:g} s", hint="see --low-speed-time")
    raise ValueError(reason)
