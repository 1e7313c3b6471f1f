"""A study as files for other programs: JSON with everything, CSV with a line for each single run."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from downloader.compare import certainty
from downloader.compare.results import Bound, Comparison, Measure, ResultRow, Study

_MEASURED = tuple(item.name for item in msgspec.structs.fields(Measure) if item.name != "errors")
COLUMNS = ("scenario", "over", "value", "strategy", "how", "jobs", "peer", "run", *_MEASURED, "errors")


def as_json(study: Study) -> bytes:
    """Everything that was measured, each single run and Attempt included, and the figures that are computed from it.

    Seconds and bytes. What is computed stands beside what was measured: it can be read back as a Study.
    """
    found: dict[str, Any] = msgspec.to_builtins(study)
    for comparison, told in zip(study.comparisons, found["comparisons"], strict=True):
        told |= _of_comparison(comparison)
        for row, values in zip(comparison.rows, told["rows"], strict=True):
            _add(row, values, comparison.bound)
    for sweep, swept in zip(study.sweeps, found["sweeps"], strict=True):
        for point, told in zip(sweep.points, swept["points"], strict=True):
            for row, values in zip(point.rows, told["rows"], strict=True):
                _add(row, values, None)
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _of_comparison(comparison: Comparison) -> dict[str, Any]:
    """``winner``: None unless one is known; ``level``: who shares the first place then; ``doubt``: why nobody is named."""
    rows = comparison.rows
    winner = certainty.winner(comparison)
    return {
        "winner": winner.name if winner else None,
        "level": [row.name for row in certainty.level(comparison)],
        "doubt": certainty.doubt(rows) or None,
        "others": certainty.others(rows),
        "noise": certainty.noise(rows),
        "limit": comparison.bound.limit if comparison.bound else None,
    }


def _add(row: ResultRow, values: dict[str, Any], bound: Bound | None) -> None:
    """The figures of a row, and the CPU seconds of each run."""
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
    for run, told in zip(row.runs, values["runs"], strict=True):
        told["cpu"] = run.cpu


def as_csv(study: Study) -> str:
    """A line for each run that counted, with a head line: `COLUMNS`. ``over`` and ``value``: of the sweep it belongs to."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for scenario, over, value, row in _rows(study):
        about = (scenario, over, value, row.strategy, row.how, row.jobs, int(row.peer))
        for number, run in enumerate(row.runs, 1):
            lines.writerow((*about, number, *(getattr(run, name) for name in _MEASURED), "; ".join(run.errors)))
    return text.getvalue()


def _rows(study: Study) -> Iterator[tuple[str, str, int | str, ResultRow]]:
    for comparison in study.comparisons:
        for row in comparison.rows:
            yield comparison.scenario.name, "", "", row
    for sweep in study.sweeps:
        for point in sweep.points:
            for row in point.rows:
                yield sweep.scenario.name, sweep.over, point.value, row
