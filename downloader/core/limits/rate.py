"""The token bucket of ``--limit-rate``, as arithmetic."""

BURST = 0.02
"""Seconds of unused time that are credited, at most: so much more than the rate may pass at once after a pause."""


def pay(due: float, now: float, count: float, rate: float) -> float:
    """Charge ``count`` bytes to a token bucket; returns the time until which the reader of these bytes must wait.

    The bucket is one number, the time at which all bytes so far have been paid for: the generic cell rate algorithm
    (ITU-T I.371), which is equivalent to a token bucket and needs no refilling.

    Args:
        due: the result of the last call; 0 at first (monotonic seconds).
        now: monotonic seconds.
        count: bytes that have come in.
        rate: bytes a second.
    """
    return max(due, now - BURST) + count / rate
