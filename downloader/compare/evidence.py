"""What the runs of a row show, one figure each: what sentences and charts are derived from. Arithmetic only."""

from collections.abc import Callable, Sequence

from downloader.compare.caveats import SLOWED
from downloader.compare.results import ResultRow, Stretch

REFERENCE = "serial"
IN_VAIN = frozenset({"failed", "lost", "untold", "interrupted"})
"""How an Attempt ends that has to be made again, or was the last."""


def named(rows: Sequence[ResultRow], name: str) -> ResultRow | None:
    """The row of a strategy."""
    return next((row for row in rows if row.strategy == name and not row.peer), None)


def differs(what: Callable[[ResultRow], float], low: ResultRow, high: ResultRow) -> bool:
    """Whether a figure of the second row was larger than the first one's in each run: ``what`` of a Row of any single run."""
    return max(map(what, singles(low)), default=0.0) < min(map(what, singles(high)), default=0.0)


def singles(row: ResultRow) -> list[ResultRow]:
    """A row for each run alone."""
    return [ResultRow(row.strategy, row.jobs, runs=[run]) for run in row.runs]


def is_usual(row: ResultRow) -> bool:
    """Whether there is a traced run, and it went as those that count: what it shows of time is then true of them."""
    return bool(row.stretches) and row.traced <= SLOWED * row.elapsed and last_end(row) <= SLOWED * row.elapsed


def first_request(row: ResultRow) -> float:
    """Seconds from the start of the command to its first request, in the traced run; 0 without one."""
    return min((item.started for item in row.stretches), default=0.0)


def last_end(row: ResultRow) -> float:
    """Seconds from the start of the command to the end of its last Attempt, in the traced run; 0 without one."""
    return max((item.ended for item in row.stretches), default=0.0)


def busy(stretches: Sequence[Stretch]) -> float:
    """Seconds, summed over Attempts."""
    return sum(item.ended - item.started for item in stretches)


def in_flight(row: ResultRow) -> float:
    """How many Attempts ran at once on average, from the first request to the last end; 0 without a traced run."""
    span = last_end(row) - first_request(row)
    return busy(row.stretches) / span if span > 0 else 0.0


def waiting(row: ResultRow) -> float:
    """The share of the Attempts' time that was before the first byte of the answer; 0 without a traced run."""
    total = busy(row.stretches)
    return sum((item.head or item.ended) - item.started for item in row.stretches) / total if total > 0 else 0.0


def idle(row: ResultRow) -> float:
    """Seconds with nothing in flight, between the first request and the last end."""
    gaps, until = 0.0, first_request(row)
    for item in sorted(row.stretches, key=lambda item: item.started):
        gaps += max(0.0, item.started - until)
        until = max(until, item.ended)
    return gaps


def in_vain(row: ResultRow) -> list[Stretch]:
    """The Attempts that failed."""
    return [item for item in row.stretches if item.end in IN_VAIN]


def cores(row: ResultRow) -> float:
    """How many cores were kept busy, on average over the run."""
    return row.median("cpu") / row.elapsed if row.elapsed > 0 else 0.0


def cpu_each(row: ResultRow) -> float:
    """CPU seconds for each file, the start included; 0 of no files."""
    files = row.median("files")
    return row.median("cpu") / files if files else 0.0


def switches_each(row: ResultRow) -> float:
    """Context switches for each file, of both kinds; 0 of no files."""
    files = row.median("files")
    return (row.median("voluntary") + row.median("involuntary")) / files if files else 0.0
