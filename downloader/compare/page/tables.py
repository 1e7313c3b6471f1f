"""The tables of the page: plain cells with the displayed text, and the exact value that is copied."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from downloader.compare import certainty
from downloader.compare.figures import size
from downloader.compare.measurements import Comparison, Machine, ResultRow, Study, Sweep
from downloader.compare.page import words
from downloader.compare.page.series import label
from downloader.compare.page.timelines import Timeline

Value = float | int | str | None


class Cell(NamedTuple):
    """A cell of a table.

    ``shown``: the displayed text. ``value``: the exact value, which is copied. ``best``: whether it is the fastest of its
    column. ``part``: the share of the largest value of its column, drawn as a bar; 0: no bar. ``failures``: the number of
    failed files, displayed beside the text.
    """

    shown: str
    value: str
    best: bool = False
    part: float = 0.0
    failures: int = 0


class TableLine(NamedTuple):
    """A row of a table. ``name``: its strategy or peer, for the filter; empty if it has none."""

    name: str
    head: str
    cells: list[Cell]


class PageTable(NamedTuple):
    """A table. ``heads``: the headings of all columns, including the first."""

    caption: str
    heads: list[str]
    lines: list[TableLine]


class TableColumn(NamedTuple):
    """A column: its heading with the unit, the function that returns the value of a row, and the displayed decimal places."""

    head: str
    value: Callable[[ResultRow, Comparison], Value]
    digits: int = 0


def _median(what: str, scale: float = 1.0) -> Callable[[ResultRow, Comparison], Value]:
    return lambda row, _: row.median(what) / scale if row.runs else None


def _rate(what: str, scale: float = 1.0) -> Callable[[ResultRow, Comparison], Value]:
    return lambda row, _: row.median(what) / row.elapsed / scale if row.elapsed else None


def _speedup(row: ResultRow, comparison: Comparison) -> Value:
    serial = words.reference(comparison.rows) if not certainty.doubt(comparison.rows) else None
    return serial.elapsed / row.elapsed if serial is not None and row.elapsed else None


def _of_bound(row: ResultRow, comparison: Comparison) -> Value:
    return 100 * comparison.bound.seconds / row.elapsed if comparison.bound is not None and row.elapsed else None


def _of_others(row: ResultRow, comparison: Comparison) -> Value:
    used = certainty.other_load([row])
    return None if used is None else 100 * used


def _percentile(what: str, which: str) -> Callable[[ResultRow, Comparison], Value]:
    return lambda row, _: 1e3 * float(getattr(getattr(row, what), which)) if row.stretches else None


ELAPSED = (
    TableColumn("jobs", lambda row, _: row.jobs or "auto"),
    TableColumn("elapsed, s", _median("elapsed"), 3),
    TableColumn("low, s", lambda row, _: row.low or None, 3),
    TableColumn("high, s", lambda row, _: row.high or None, 3),
    TableColumn(
        "confidence, %", lambda row, _: 100 * row.confidence if len(row.runs) >= certainty.MIN_RUNS_FOR_INTERVAL else None, 1
    ),
    TableColumn("runs", lambda row, _: len(row.runs)),
    TableColumn("other programs, %", _of_others, 1),
    TableColumn("speed-up", _speedup, 2),
    TableColumn("bound ÷ elapsed, %", _of_bound, 1),
    TableColumn("files/s", _rate("files"), 1),
    TableColumn("MB/s", _rate("bytes", 1e6), 2),
    TableColumn("failed", lambda row, _: row.failures),
    TableColumn("called with", lambda row, _: row.how or None),
)
COST = (
    TableColumn("CPU user, s", _median("user"), 3),
    TableColumn("CPU system, s", _median("system"), 3),
    TableColumn("peak memory, MB", lambda row, _: row.peak / 1e6 if row.runs else None, 1),
    TableColumn("threads", _median("threads")),
    TableColumn("processes", _median("processes")),
    TableColumn("voluntary switches", _median("voluntary")),
    TableColumn("involuntary switches", _median("involuntary")),
    TableColumn("read calls", _median("reads")),
    TableColumn("write calls", _median("writes")),
    TableColumn("server CPU, s", _median("server"), 3),
)
SPREAD = tuple(
    TableColumn(f"{title} {part}, ms", _percentile(what, part), 2)
    for what, title in (("first_byte", "first byte"), ("queued", "queue"))
    for part in ("p50", "p95", "p99")
)


def of_elapsed(comparison: Comparison) -> PageTable:
    """The elapsed times, their confidence, the speed-up, and the share of the lower bound."""
    return _of_rows(f"{comparison.scenario.name}, elapsed time", ELAPSED, comparison, comparison.rows)


def of_cost(comparison: Comparison) -> PageTable:
    """CPU time, memory and context switches."""
    caption = f"{comparison.scenario.name}, CPU (medians), peak memory (the highest) and switches"
    return _of_rows(caption, COST, comparison, comparison.rows)


def of_spread(comparison: Comparison) -> PageTable:
    """The percentiles of the traced runs."""
    caption = f"{comparison.scenario.name}, time to the first byte and in the queue (traced run)"
    return _of_rows(caption, SPREAD, comparison, [row for row in comparison.rows if row.stretches])


def _of_rows(caption: str, columns: Sequence[TableColumn], comparison: Comparison, rows: Sequence[ResultRow]) -> PageTable:
    lines = [TableLine(label(row), label(row), [cell(of.value(row, comparison), of.digits) for of in columns]) for row in rows]
    return PageTable(caption, ["strategy", *(column.head for column in columns)], lines)


def cell(value: Value, digits: int = 0) -> Cell:
    """The cell of a value; a dash for None. ``digits``: the displayed decimal places."""
    if value is None:
        return Cell("–", "")  # noqa: RUF001
    if isinstance(value, str):
        return Cell(value, value)
    return Cell(f"{value:,.{digits}f}", f"{value:.9g}")


def overview(study: Study) -> PageTable:
    """The elapsed seconds of all scenarios: a row for each strategy and peer, a column for each scenario."""
    names = list(dict.fromkeys(label(row) for item in study.comparisons for row in item.rows))
    lines_by_name: dict[str, list[Cell]] = {name: [] for name in names}
    for item in study.comparisons:
        rows = {label(row): row for row in item.rows if row.runs}
        slowest = max((row.elapsed for row in rows.values()), default=0.0)
        for name, cells in lines_by_name.items():
            row = rows.get(name)
            cells.append(cell(None) if row is None else _compared(row, row is certainty.winner(item), slowest))
    heads = [f"{item.scenario.name}, s" for item in study.comparisons]
    lines = [TableLine(name, name, cells) for name, cells in lines_by_name.items()]
    return PageTable("Elapsed time of every strategy in every scenario", ["strategy", *heads], lines)


def _compared(row: ResultRow, best: bool, slowest: float) -> Cell:
    return cell(row.elapsed, 3)._replace(best=best, part=row.elapsed / slowest if slowest else 0.0, failures=row.failures)


def of_timelines(scenario: str, timelines: Sequence[Timeline]) -> PageTable:
    """The figures of the timelines of a scenario, one row for each timeline."""
    heads = ["strategy", "attempts", "drawn", "workers", "at once", "first start, s", "last end, s", "not complete"]
    lines = [
        TableLine(
            item.name,
            item.name,
            [
                cell(item.total),
                cell(len(item.shown)),
                cell(len(item.workers)),
                cell(item.max_in_flight),
                cell(item.begin, 3),
                cell(item.end, 3),
                cell(item.unsuccessful),
            ],
        )
        for item in timelines
    ]
    return PageTable(f"{scenario}, traced runs", heads, lines)


def of_sweep(sweep: Sweep) -> PageTable:
    """The results of a sweep: a row for each value and strategy."""
    heads = ["strategy", sweep.over, "elapsed, s", "low, s", "high, s", "runs", "speed-up", "for each file, µs"]
    start = {label(row): row.elapsed for row in sweep.points[0].rows} if sweep.points else {}
    lines = [_swept(row, point.value, sweep, start.get(label(row), 0.0)) for point in sweep.points for row in point.rows]
    return PageTable(f"{sweep.scenario.name}, elapsed time against {sweep.over}", heads, lines)


def _swept(row: ResultRow, value: int, sweep: Sweep, start: float) -> TableLine:
    files = value if sweep.over == "files" else sweep.scenario.files
    known = bool(row.runs and row.elapsed)
    faster = start / row.elapsed if known and start and sweep.over == "jobs" else None
    cells = [cell(value), cell(row.elapsed if known else None, 3), cell(row.low or None, 3), cell(row.high or None, 3)]
    cells += [cell(len(row.runs)), cell(faster, 2), cell(1e6 * row.elapsed / files if known else None, 1)]
    return TableLine(label(row), label(row), cells)


def of_machine(machine: Machine) -> PageTable:
    """The machine, and the versions of the programs and libraries."""
    facts = [
        ("measured", machine.when),
        ("downloader", machine.version),
        ("Python", machine.python),
        ("system", machine.system),
        ("processor", machine.processor),
        ("cores", str(machine.cores)),
        ("memory", size(machine.memory)),
        ("server", machine.server),
        ("files", machine.files),
        *machine.libraries.items(),
        *((f"{name} (peer)", version) for name, version in machine.peers.items()),
    ]
    lines = [TableLine("", name, [cell(value)]) for name, value in facts]
    return PageTable("Machine and versions", ["what", "which"], lines)
