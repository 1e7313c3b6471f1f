"""The token bucket of --limit-rate, as arithmetic."""

BURST = 0.02
"""Seconds for which more than the rate may pass, where less has passed before."""


def pay(due: float, now: float, count: int, rate: float) -> float:
    """A token bucket as one number: when all that has passed is paid for, now that ``count`` bytes more have.

    Whoever brought them waits until then. ``due`` is what the last call gave, 0 at first; ``rate``: bytes a second.
    The generic cell rate algorithm (ITU-T I.371), which is a token bucket that needs no refilling.
    """
    return max(due, now - BURST) + count / rate
