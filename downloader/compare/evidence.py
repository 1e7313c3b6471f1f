"""Figures that are computed from the runs of a row, for sentences and charts. Pure."""

from collections.abc import Callable, Sequence

from downloader.compare.caveats import MAX_TRACE_SLOWDOWN
from downloader.compare.measurements import AttemptSpan, ResultRow
from downloader.core.model import End

REFERENCE = "serial"
FAILED_ENDS = frozenset(end.value for end in (End.FAILED, End.WORKER_LOST, End.UNREPORTED, End.INTERRUPTED))
"""The ends of an Attempt that failed, as a trace has them."""


def named(rows: Sequence[ResultRow], name: str) -> ResultRow | None:
    """The row of the strategy with this name, or None."""
    return next((row for row in rows if row.strategy == name and not row.peer), None)


def differs(figure: Callable[[ResultRow], float], low: ResultRow, high: ResultRow) -> bool:
    """Whether ``figure`` is larger in every single run of ``high`` than in every single run of ``low``."""
    return max(map(figure, single_runs(low)), default=0.0) < min(map(figure, single_runs(high)), default=0.0)


def single_runs(row: ResultRow) -> list[ResultRow]:
    """One row for each run of this row."""
    return [ResultRow(row.strategy, row.jobs, runs=[run]) for run in row.runs]


def is_usual(row: ResultRow) -> bool:
    """Whether there is a traced run that took about as long as the measured runs, so that its times are typical."""
    return bool(row.stretches) and max(row.traced, last_end(row)) <= MAX_TRACE_SLOWDOWN * row.elapsed


def first_request(row: ResultRow) -> float:
    """Seconds from the start of the command to its first request, in the traced run; 0 without one."""
    return min((item.started for item in row.stretches), default=0.0)


def last_end(row: ResultRow) -> float:
    """Seconds from the start of the command to the end of its last Attempt, in the traced run; 0 without one."""
    return max((item.ended for item in row.stretches), default=0.0)


def busy(stretches: Sequence[AttemptSpan]) -> float:
    """The sum of the durations of the Attempts, in seconds."""
    return sum(item.ended - item.started for item in stretches)


def in_flight(row: ResultRow) -> float:
    """The average number of Attempts in flight, from the first request to the last end; 0 without a traced run."""
    span = last_end(row) - first_request(row)
    return busy(row.stretches) / span if span > 0 else 0.0


def waiting(row: ResultRow) -> float:
    """The share of the Attempts' time before the first byte of the answer; 0 without a traced run."""
    total = busy(row.stretches)
    return sum((item.head or item.ended) - item.started for item in row.stretches) / total if total > 0 else 0.0


def idle(row: ResultRow) -> float:
    """The seconds without an Attempt in flight, between the first request and the last end."""
    gaps, until = 0.0, first_request(row)
    for item in sorted(row.stretches, key=lambda item: item.started):
        gaps += max(0.0, item.started - until)
        until = max(until, item.ended)
    return gaps


def failed_attempts(row: ResultRow) -> list[AttemptSpan]:
    """The Attempts that failed."""
    return [item for item in row.stretches if item.end in FAILED_ENDS]


def cores(row: ResultRow) -> float:
    """The average number of busy cores during the run."""
    return row.median("cpu") / row.elapsed if row.elapsed > 0 else 0.0


def cpu_each(row: ResultRow) -> float:
    """CPU seconds per file, including the start of the program; 0 without files."""
    files = row.median("files")
    return row.median("cpu") / files if files else 0.0


def switches_each(row: ResultRow) -> float:
    """Voluntary and involuntary context switches per file; 0 without files."""
    files = row.median("files")
    return (row.median("voluntary") + row.median("involuntary")) / files if files else 0.0
