"""The order of the rows in each round, and the statistics that decide when there were enough rounds. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

MIN_ROUNDS = 3
"""The minimum number of rounds, if the user does not set the number."""

MAX_RELATIVE_ERROR = 0.05
"""An interval is narrow if both ends differ from the median by at most this share of the median."""


class Interval(NamedTuple):
    """An interval that contains the true median with the probability ``confidence``."""

    low: float
    high: float
    confidence: float


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The confidence interval of the median between two of the values.

    It is the narrowest interval that reaches ``confidence``, or the widest one if none does. The number of values below the
    true median has the distribution Binomial(n, 1/2), whatever the distribution of the values. So the interval from the r-th
    smallest to the r-th largest value misses the median with probability 2 P(Binomial(n, 1/2) < r). See W. J. Conover,
    Practical Nonparametric Statistics, 3rd edition, section 3.2. At least six values are needed for 95 %; three values reach
    75 %.
    """
    ranked = sorted(values)
    count = len(ranked)
    if count < 2:
        return Interval(min(ranked, default=0.0), max(ranked, default=0.0), 0.0)
    rank, reached = 1, 1 - 2 / 2**count
    below = 1  # of the 2**count outcomes, the number with fewer than `rank` values below the median
    for more in range(2, count // 2 + 1):
        below += math.comb(count, more - 1)
        if 1 - 2 * below / 2**count < confidence:
            break
        rank, reached = more, 1 - 2 * below / 2**count
    return Interval(ranked[rank - 1], ranked[-rank], reached)


def is_narrow(values: Sequence[float]) -> bool:
    """Whether these values are enough to know their median: at least `MIN_ROUNDS`, with a narrow interval."""
    median = statistics.median(values)
    low, high, _ = interval(values)
    return len(values) >= MIN_ROUNDS and low >= median * (1 - MAX_RELATIVE_ERROR) and high <= median * (1 + MAX_RELATIVE_ERROR)


def order(number: int, count: int) -> list[int]:
    """The order of ``count`` rows in the round with this number: a Latin square in which each row follows each other row
    equally often.

    After E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments (1949). An even
    count is balanced after ``count`` rounds. An odd count needs twice as many; the second half runs in reverse order.
    """
    zigzag = ((step + 1) // 2 * (1 if step % 2 else -1) for step in range(count))
    row = [(number + step) % count for step in zigzag]
    return row[::-1] if count % 2 and number // count % 2 else row
