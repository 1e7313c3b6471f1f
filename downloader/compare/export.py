"""Converts a study for other programs: JSON with everything, CSV with one line for each run."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from downloader.compare import certainty
from downloader.compare.measurements import Bound, Comparison, Measure, ResultRow, Study

_MEASURED = tuple(item.name for item in msgspec.structs.fields(Measure) if item.name != "errors")
COLUMNS = ("scenario", "over", "value", "strategy", "how", "jobs", "peer", "run", *_MEASURED, "errors")


def as_json(study: Study) -> bytes:
    """The study as JSON: all measurements, with each run and each Attempt, and the figures that are computed from them.

    Times in seconds, sizes in bytes. The computed figures are additional keys, so the JSON can be decoded as a Study.
    """
    document: dict[str, Any] = msgspec.to_builtins(study)
    for comparison, values in zip(study.comparisons, document["comparisons"], strict=True):
        values |= _conclusions(comparison)
        for row, row_values in zip(comparison.rows, values["rows"], strict=True):
            _add_figures(row, row_values, comparison.bound)
    for sweep, sweep_values in zip(study.sweeps, document["sweeps"], strict=True):
        for point, values in zip(sweep.points, sweep_values["points"], strict=True):
            for row, row_values in zip(point.rows, values["rows"], strict=True):
                _add_figures(row, row_values, None)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _conclusions(comparison: Comparison) -> dict[str, Any]:
    """``winner``: None if no strategy is; ``level``: those that share the first place; ``doubt``: why there is no winner."""
    rows = comparison.rows
    winner = certainty.winner(comparison)
    return {
        "winner": winner.name if winner else None,
        "level": [row.name for row in certainty.level(comparison)],
        "doubt": certainty.doubt(rows) or None,
        "others": certainty.other_load(rows),
        "noise": certainty.noise(rows),
        "limit": comparison.bound.limit if comparison.bound else None,
    }


def _add_figures(row: ResultRow, values: dict[str, Any], bound: Bound | None) -> None:
    """Add the figures of a row, and the CPU seconds of each of its runs, to the values of the row."""
    values |= {
        "name": row.name,
        "elapsed": row.elapsed,
        "cpu": row.median("cpu"),
        "peak": row.peak,
        "failures": row.failures,
        "first_byte": row.first_byte._asdict(),
        "queued": row.queued._asdict(),
        "share": bound.seconds / row.elapsed if bound and row.elapsed else None,
    }
    for run, run_values in zip(row.runs, values["runs"], strict=True):
        run_values["cpu"] = run.cpu


def as_csv(study: Study) -> str:
    """The study as CSV: a header line with `COLUMNS`, and one line for each measured run.

    ``variable`` and ``value`` are the variable and the value of the sweep that the run belongs to; empty for other runs.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for scenario, variable, value, row in _rows(study):
        key = (scenario, variable, value, row.strategy, row.how, row.jobs, int(row.peer))
        for number, run in enumerate(row.runs, 1):
            lines.writerow((*key, number, *(getattr(run, name) for name in _MEASURED), "; ".join(run.errors)))
    return text.getvalue()


def _rows(study: Study) -> Iterator[tuple[str, str, int | str, ResultRow]]:
    for comparison in study.comparisons:
        for row in comparison.rows:
            yield comparison.scenario.name, "", "", row
    for sweep in study.sweeps:
        for point in sweep.points:
            for row in point.rows:
                yield sweep.scenario.name, sweep.over, point.value, row
