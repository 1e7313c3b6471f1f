"""In which order rows run, and when they have run often enough. Arithmetic only."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

LEAST = 3
"""Rounds, where their number was not given."""

WIDTH = 0.05
"""An interval is narrow where both its ends are within this part of the median."""


class Interval(NamedTuple):
    """Where the true median is, with this probability."""

    low: float
    high: float
    confidence: float


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The interval of the median between two of the values: the narrowest that reaches the confidence, else the widest.

    However the values are distributed, so many of n fall below their median as heads of n fair coins. So the interval from
    the r-th smallest to the r-th largest misses it with probability 2 P(Binomial(n, 1/2) < r). See W. J. Conover,
    Practical Nonparametric Statistics, 3rd edition, section 3.2. Six values are the fewest that reach 95 %; three reach 75 %.
    """
    ranked = sorted(values)
    count = len(ranked)
    if count < 2:
        return Interval(min(ranked, default=0.0), max(ranked, default=0.0), 0.0)
    rank, reached = 1, 1 - 2 / 2**count
    below = 1  # of 2**count: in so many ways are fewer than `rank` below the median
    for more in range(2, count // 2 + 1):
        below += math.comb(count, more - 1)
        if 1 - 2 * below / 2**count < confidence:
            break
        rank, reached = more, 1 - 2 * below / 2**count
    return Interval(ranked[rank - 1], ranked[-rank], reached)


def is_narrow(values: Sequence[float]) -> bool:
    """Whether these are enough to know their median."""
    median = statistics.median(values)
    low, high, _ = interval(values)
    return len(values) >= LEAST and low >= median * (1 - WIDTH) and high <= median * (1 + WIDTH)


def order(number: int, count: int) -> list[int]:
    """In which order so many rows run in a round: a Latin square, balanced so that each follows each other one as often.

    After E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments (1949): with an
    even count in as many rounds, with an odd one in twice as many, of which the second half runs backwards.
    """
    zigzag = ((step + 1) // 2 * (1 if step % 2 else -1) for step in range(count))
    row = [(number + step) % count for step in zigzag]
    return row[::-1] if count % 2 and number // count % 2 else row
