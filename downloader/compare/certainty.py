"""What the machine lets be said of a comparison: who is told apart from whom, and when nobody is. Arithmetic only.

Everything that names a winner, compares two strategies or advises asks here: tables, sentences, the page, the picture, JSON.
Nothing is said where other programs used much of the machine, or of fewer runs than `LEAST`; and no difference is told that is
smaller than the noise, which is what the runs of one strategy differ by.
"""

from collections.abc import Sequence

from downloader.compare.figures import share
from downloader.compare.results import Comparison, ResultRow, Study, least_failures
from downloader.compare.rounds import LEAST

DISTURBED = 0.1
"""The part of the machine above which what other programs use decides as much as the strategy does."""
FEW = 6
"""Runs from which on there is an interval at 95 %; of fewer, there is a range."""


def sound(rows: Sequence[ResultRow], peers: bool = False) -> list[ResultRow]:
    """The strategies (or the peers) that ran and failed nowhere, or in no more than any strategy did; fastest first."""
    least = least_failures(rows)
    found = (
        row for row in rows if row.peer == peers and row.runs and row.failures <= least * len(row.runs) and row.elapsed > 0
    )
    return sorted(found, key=lambda row: row.elapsed)


def others(rows: Sequence[ResultRow]) -> float | None:
    """The part of the machine that other programs used during all runs of these rows; None where it is not known."""
    runs = [run for row in rows for run in row.runs if run.others is not None]
    whole = sum(run.elapsed for run in runs)
    return sum(run.elapsed * (run.others or 0.0) for run in runs) / whole if whole > 0 else None


def width(row: ResultRow) -> float:
    """The interval of the median (of fewer than 9 runs it is their range) as a part of the median; 0 of none."""
    return (row.high - row.low) / row.elapsed if row.high and row.elapsed > 0 else 0.0


def noise(rows: Sequence[ResultRow]) -> float:
    """The largest `width` of the sound strategies: no smaller difference means anything. 0 of none."""
    return max(map(width, sound(rows)), default=0.0)


def is_range(rows: Sequence[ResultRow]) -> bool:
    """Whether what is known of the medians is no more than the range of a few runs."""
    return any(0 < len(row.runs) < FEW for row in rows)


def doubt(rows: Sequence[ResultRow]) -> str:
    """Why nothing may be said of which of these is faster; empty where something may. A clause: no full stop."""
    said = []
    used = others(rows)
    if used is not None and used > DISTURBED:
        said.append(f"other programs used {share(used)} of the machine meanwhile")
    fewest = min((len(row.runs) for row in sound(rows)), default=0)
    if fewest == 1:
        said.append("one run of each strategy proves nothing")
    elif 0 < fewest < LEAST:
        said.append(f"{fewest} runs of each strategy prove nothing")
    return ", and ".join(said)


def told_apart(fast: ResultRow, slow: ResultRow, rows: Sequence[ResultRow]) -> bool:
    """Whether the first is known to be faster than the second: by more than the noise of ``rows``, of which both are."""
    if doubt(rows) or min(len(fast.runs), len(slow.runs)) < LEAST or fast.elapsed <= 0:
        return False
    least = max(noise(rows), width(fast), width(slow))
    return fast.high < slow.low and slow.elapsed > fast.elapsed * (1 + least)


def leaders(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The fastest strategy and those that cannot be told from it, fastest first: one is a winner. None where there is doubt."""
    found = sound(rows)
    if not found or doubt(rows):
        return []
    return [row for row in found if row is found[0] or not told_apart(found[0], row, rows)]


def winner(comparison: Comparison) -> ResultRow | None:
    """The strategy that is known to be the fastest of several."""
    first = leaders(comparison.rows)
    return first[0] if len(first) == 1 and len(sound(comparison.rows)) > 1 else None


def level(comparison: Comparison) -> list[ResultRow]:
    """The strategies that share the first place, because none of them can be told from the fastest; none of fewer than two."""
    first = leaders(comparison.rows)
    return first if len(first) > 1 else []


def is_load_known(study: Study) -> bool:
    """Whether the system tells how much of the machine other programs use: False where something ran and it did not."""
    rows = [row for item in study.comparisons for row in item.rows]
    rows += [row for sweep in study.sweeps for point in sweep.points for row in point.rows]
    return not any(row.runs for row in rows) or others(rows) is not None
