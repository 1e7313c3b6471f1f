"""What the measurements allow to conclude: which strategy is faster than which, and when no conclusion is possible. Pure.

Every module that names a winner, compares two strategies or gives advice uses these functions: tables, sentences, the page,
the picture, JSON. There is no conclusion if other programs used much of the machine, or after fewer than `MIN_ROUNDS` runs.
A difference between two strategies counts only if it is larger than the noise: the differences between the runs of one
strategy.
"""

from collections.abc import Sequence

from downloader.compare.figures import share
from downloader.compare.measurements import Comparison, ResultRow, Study, least_failures
from downloader.compare.rounds import MIN_ROUNDS

MAX_OTHER_LOAD = 0.1
"""The share of the machine that other programs may use; above it they affect the times as much as the strategies do."""
MIN_RUNS_FOR_INTERVAL = 6
"""The number of runs from which a confidence interval at 95 % exists; with fewer runs there is only their range."""


def comparable(rows: Sequence[ResultRow], peers: bool = False) -> list[ResultRow]:
    """The strategies (or the peers) that ran, and failed in no more files than the strategy with the fewest failures.

    Fastest first.
    """
    least = least_failures(rows)
    chosen = (
        row for row in rows if row.peer == peers and row.runs and row.failures <= least * len(row.runs) and row.elapsed > 0
    )
    return sorted(chosen, key=lambda row: row.elapsed)


def other_load(rows: Sequence[ResultRow]) -> float | None:
    """The share of the machine (0 to 1) that other programs used during all runs of these rows; None where it is unknown."""
    runs = [run for row in rows for run in row.runs if run.others is not None]
    total = sum(run.elapsed for run in runs)
    return sum(run.elapsed * (run.others or 0.0) for run in runs) / total if total > 0 else None


def width(row: ResultRow) -> float:
    """The width of the median's interval, divided by the median; with fewer than 9 runs the interval is their range."""
    return (row.high - row.low) / row.elapsed if row.high and row.elapsed > 0 else 0.0


def noise(rows: Sequence[ResultRow]) -> float:
    """The largest `width` of the comparable strategies; a smaller difference has no meaning. 0 if there is no row."""
    return max(map(width, comparable(rows)), default=0.0)


def is_range(rows: Sequence[ResultRow]) -> bool:
    """Whether a row has so few runs that only their range is known."""
    return any(0 < len(row.runs) < MIN_RUNS_FOR_INTERVAL for row in rows)


def doubt(rows: Sequence[ResultRow]) -> str:
    """Why no conclusion is possible, as a clause without a full stop; empty where one is possible."""
    reasons = []
    used = other_load(rows)
    if used is not None and used > MAX_OTHER_LOAD:
        reasons.append(f"other programs used {share(used)} of the machine meanwhile")
    fewest = min((len(row.runs) for row in comparable(rows)), default=0)
    if fewest == 1:
        reasons.append("one run of each strategy proves nothing")
    elif 0 < fewest < MIN_ROUNDS:
        reasons.append(f"{fewest} runs of each strategy prove nothing")
    return ", and ".join(reasons)


def is_faster(fast: ResultRow, slow: ResultRow, rows: Sequence[ResultRow]) -> bool:
    """Whether the first row is faster than the second by more than the noise of ``rows``, which contains both."""
    if doubt(rows) or min(len(fast.runs), len(slow.runs)) < MIN_ROUNDS or fast.elapsed <= 0:
        return False
    least = max(noise(rows), width(fast), width(slow))
    return fast.high < slow.low and slow.elapsed > fast.elapsed * (1 + least)


def leaders(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The fastest strategy, and those that are not measurably slower, fastest first; empty where there is doubt."""
    candidates = comparable(rows)
    if not candidates or doubt(rows):
        return []
    return [row for row in candidates if row is candidates[0] or not is_faster(candidates[0], row, rows)]


def winner(comparison: Comparison) -> ResultRow | None:
    """The strategy that is faster than all others; None if there is none, or only one strategy."""
    first = leaders(comparison.rows)
    return first[0] if len(first) == 1 and len(comparable(comparison.rows)) > 1 else None


def level(comparison: Comparison) -> list[ResultRow]:
    """The strategies that share the first place, because none is measurably slower than the fastest; empty if fewer than 2."""
    first = leaders(comparison.rows)
    return first if len(first) > 1 else []


def is_load_known(study: Study) -> bool:
    """Whether the system reports how much of the machine other programs use. True where nothing ran."""
    rows = [row for item in study.comparisons for row in item.rows]
    rows += [row for sweep in study.sweeps for point in sweep.points for row in point.rows]
    return not any(row.runs for row in rows) or other_load(rows) is not None
