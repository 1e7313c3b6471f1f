"""Prints the results of a comparison on the terminal: tables that fit its width, then the explanations, then the warnings.

This module computes only the values of the cells; the sentences come from `downloader.compare.reasons`. No information
depends on colour alone, and everything can be printed in ASCII.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from downloader.compare import certainty
from downloader.compare.caveats import NOTABLE_NOISE, noise_text, uncertain
from downloader.compare.figures import count, decimal, number, ratio, seconds, share, significant, size
from downloader.compare.measurements import Comparison, Percentiles, ResultRow, Study, Sweep
from downloader.compare.peers import DEFAULTS
from downloader.compare.scenarios import Scenario
from downloader.compare.screen import bar, head, is_ascii, safe, say

REFERENCE = "serial"
FASTEST, LEVEL, PEER = ">", "=", "+"
INTERVAL, RANGE = "interval", "range"
BAR = "elapsed time"
MIN_BAR_WIDTH, MAX_BAR_WIDTH = 8, 40
LIMITS = {
    "latency": "by the way to the first byte",
    "bytes": "by the speed of a bare socket",
    "answers": "by the answers that bare sockets get from the server",
    "cap": "by the cap on each connection",
    "work": "by the work on each file, on all cores",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """The times that the rows of a comparison are compared with: of serial, of the slowest row, and the lower bound.

    Seconds; 0: there is none.
    """

    serial: float
    slowest: float
    bound: float


Cell = Callable[[ResultRow, _Scale], str]


def show(comparison: Comparison, console: Console) -> None:
    """Print a comparison: one table if it fits, else two, with the times and with the costs; errors; explanations; warnings."""
    head(console, comparison.scenario.name, comparison.scenario.isolates)
    say(console, _facts(comparison), style="dim")
    if any(row.runs for row in comparison.rows):
        for table in _tables(comparison, console):
            console.print(table)
            console.print()
        _bound(comparison, console)
        say(console, _legend(comparison), style="dim")
    for row in comparison.rows:
        for error in dict.fromkeys(text for run in row.runs for text in run.errors):
            say(console, f"{row.name}: {error}", style="red")
    for sentence in comparison.why:
        say(console, sentence, "- ")
    for warning in comparison.warnings:
        say(console, f"warning: {warning}", "! ", style="yellow")
    console.print()


def show_sweep(sweep: Sweep, console: Console) -> None:
    """Print a sweep: the elapsed times of each strategy on a line, with the fastest marked."""
    names = list(dict.fromkeys(row.name for point in sweep.points for row in point.rows))
    cells = {name: _swept(sweep, name) for name in names}
    width = max((len(cell) for line in cells.values() for cell in line), default=0) + 1
    each = max(1, (console.width - max(map(len, names), default=0)) // (width + 1))
    head(console, sweep.scenario.name, f"elapsed seconds by the number of {sweep.over}")
    for first in range(0, len(sweep.points), each):
        table = _table()
        table.add_column(sweep.over, no_wrap=True)
        for point in sweep.points[first : first + each]:
            table.add_column(str(point.value), justify="right", no_wrap=True, min_width=width)
        for name in names:
            table.add_row(Text(safe(console, name)), *cells[name][first : first + each])
        console.print(table)
    say(console, f"{FASTEST} the fastest of its line, where it can be told from the others of it", style="dim")
    rows = [row for point in sweep.points for row in point.rows]
    for warning in uncertain(rows):
        say(console, f"warning: {warning}", "! ", style="yellow")
    console.print()


def show_advice(study: Study, console: Console) -> None:
    """Print the advice for this machine."""
    if study.advice:
        console.print(Text("On this machine", style="bold"))
        for sentence in study.advice:
            say(console, sentence, "- ")
        console.print()


def _facts(comparison: Comparison) -> str:
    facts = [count(comparison.scenario.files, "file") + ("" if comparison.own else _made_of(comparison.scenario))]
    runs = {len(row.runs) for row in comparison.rows if row.runs}
    if runs:
        fewest, largest = min(runs), max(runs)
        facts.append(f"median of {fewest} to {largest} runs" if fewest < largest else f"median of {count(largest, 'run')}")
    levels = [row.confidence for row in comparison.rows if row.confidence]
    if levels and not certainty.is_range(comparison.rows):
        facts.append(f"its interval at {share(min(levels))}")
    elif levels:
        facts[-1] = facts[-1].replace("median", "median and range", 1)
    if not certainty.doubt(comparison.rows):
        facts += other_programs_text(comparison.rows)
    if 0 < certainty.noise(comparison.rows) <= NOTABLE_NOISE:  # more than that is a warning
        facts.append(noise_text(comparison.rows).lower())
    return " · ".join(facts)


def other_programs_text(rows: Sequence[ResultRow]) -> list[str]:
    """How much of the machine other programs used; empty where it is unknown."""
    used = certainty.other_load(rows)
    return [] if used is None else [f"other programs used {share(used)} of the machine"]


def _made_of(scenario: Scenario) -> str:
    around = "around " if scenario.spread else ""
    text = f" of {around}{size(scenario.size)}"
    text += f", first byte after {around}{seconds(scenario.delay)}" if scenario.delay else ""
    text += f", {size(scenario.rate)}/s for each connection" if scenario.rate else ""
    text += f", {share(scenario.share)} of requests meet {scenario.fail.replace(',', ', ')}" if scenario.fail else ""
    return text + (", https" if scenario.tls else "")


def _elapsed(row: ResultRow, scale: _Scale) -> str:
    return f"{decimal(row.elapsed)} s"


def _interval(row: ResultRow, scale: _Scale) -> str:
    return f"{decimal(row.low)}-{decimal(row.high)}" if row.high and len(row.runs) > 1 else ""


def _speed_up(row: ResultRow, scale: _Scale) -> str:
    return f"{ratio(scale.serial / row.elapsed)}x" if scale.serial and row.elapsed else ""


def _of_ideal(row: ResultRow, scale: _Scale) -> str:
    return share(scale.bound / row.elapsed) if scale.bound and row.elapsed else ""


def _files_rate(row: ResultRow, scale: _Scale) -> str:
    return number(row.median("files") / row.elapsed) if row.elapsed else ""


def _bytes_rate(row: ResultRow, scale: _Scale) -> str:
    return decimal(row.median("bytes") / row.elapsed / 1e6) if row.elapsed else ""


def _switches(row: ResultRow, scale: _Scale) -> str:
    switches = row.median("voluntary") + row.median("involuntary")
    return number(switches) if switches else ""


def _threads(row: ResultRow, scale: _Scale) -> str:
    processes = row.median("processes")
    return f"{row.median('threads'):.0f}/{processes:.0f}" if processes else ""


def _milliseconds(percentiles: Percentiles, *parts: str) -> str:
    return "/".join(significant(getattr(percentiles, part) * 1000, 2) for part in parts)


def _first_byte(row: ResultRow, scale: _Scale) -> str:
    return _milliseconds(row.first_byte, "p50", "p95") if row.stretches else ""


def _queued(row: ResultRow, scale: _Scale) -> str:
    return _milliseconds(row.queued, "p50") if row.stretches else ""


TIMES: dict[str, Cell] = {
    "jobs": lambda row, scale: str(row.jobs or "auto"),
    "elapsed": _elapsed,
    INTERVAL: _interval,
    BAR: lambda row, scale: "",  # drawn later, when its width is known
    "speed-up": _speed_up,
    "of ideal": _of_ideal,
}
COSTS: dict[str, Cell] = {
    "files/s": _files_rate,
    "MB/s": _bytes_rate,
    "CPU s": lambda row, scale: decimal(row.median("cpu")),
    "peak MB": lambda row, scale: significant(row.peak / 1e6, 2),
    "switches": _switches,
    "thr/proc": _threads,
    "1st byte": _first_byte,
    "queued": _queued,
}
FAILED: dict[str, Cell] = {"failed": lambda row, scale: str(row.failures)}


def _tables(comparison: Comparison, console: Console) -> list[Table]:
    rows = [row for row in comparison.rows if row.runs]
    serial = next((row.elapsed for row in rows if row.strategy == REFERENCE and not row.peer), 0.0)
    serial = 0.0 if certainty.doubt(rows) else serial
    bound = comparison.bound.seconds if comparison.bound else 0.0
    scale = _Scale(serial, max(row.elapsed for row in rows), bound)
    labels = [safe(console, _label(row, comparison)) for row in rows]
    heads = {INTERVAL: RANGE} if certainty.is_range(rows) else {}

    def made(cells: dict[str, Cell]) -> dict[str, list[str]]:
        columns = {heads.get(name, name): [cell(row, scale) for row in rows] for name, cell in cells.items()}
        columns = {"  strategy": labels} | columns
        return {name: column for name, column in columns.items() if name == BAR or any(column)}

    all_columns = made(TIMES | COSTS | FAILED)
    parts = [all_columns] if _width(all_columns) + 2 * MIN_BAR_WIDTH <= console.width else [made(TIMES | FAILED), made(COSTS)]
    return [_drawn(part, rows, scale, comparison, console) for part in parts]


def _label(row: ResultRow, comparison: Comparison) -> str:
    name = row.strategy if not row.peer or row.how == DEFAULTS else f"{row.strategy} {row.jobs}"
    first = FASTEST if row is certainty.winner(comparison) else LEVEL if _is_level(row, comparison) else ""
    return f"{first or (PEER if row.peer else ' ')} {name}"


def _is_level(row: ResultRow, comparison: Comparison) -> bool:
    return any(row is item for item in certainty.level(comparison))


def _width(columns: dict[str, list[str]]) -> int:
    """The width of the table without the bar. One space separates the columns."""
    widths = [max(map(len, [name, *column])) for name, column in columns.items() if name != BAR]
    return sum(widths) + len(columns) - 1


def _drawn(
    columns: dict[str, list[str]], rows: list[ResultRow], scale: _Scale, comparison: Comparison, console: Console
) -> Table:
    bar_width = min(MAX_BAR_WIDTH, console.width - _width(columns))
    if BAR in columns and bar_width < MIN_BAR_WIDTH:
        del columns[BAR]
    elif BAR in columns and scale.slowest:
        columns[BAR] = [bar(row.elapsed / scale.slowest, bar_width, is_ascii(console)) for row in rows]
    table = _table()
    for name in columns:
        is_left = name.endswith(("strategy", BAR))
        table.add_column(
            name, justify="left" if is_left else "right", no_wrap=True, min_width=bar_width if name == BAR else None
        )
    for index, row in enumerate(rows):
        if index and row.peer and not rows[index - 1].peer:
            table.add_section()
        style = "red" if row.failures else "bold green" if row is certainty.winner(comparison) else "cyan" if row.peer else None
        table.add_row(*(Text(column[index]) for column in columns.values()), style=style)
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)  # the box leaves a space between columns


def _bound(comparison: Comparison, console: Console) -> None:
    bound = comparison.bound
    if bound is not None and bound.seconds:
        say(console, f"an ideal client: {seconds(bound.seconds)}, limited {LIMITS[bound.limit]}")


def _legend(comparison: Comparison) -> str:
    parts = [f"{FASTEST} fastest strategy"] if certainty.winner(comparison) else []
    if certainty.level(comparison):
        parts.append(f"{LEVEL} level: cannot be told from the fastest")
    connections = sorted({row.jobs for row in comparison.rows if row.peer and row.how != DEFAULTS})
    if any(row.peer for row in comparison.rows):
        parts.append(
            f"{PEER} another program, as it comes" + (f" and with {connections[0]} connections" if connections else "")
        )
    if any(row.stretches for row in comparison.rows):
        parts.append("1st byte p50/p95, queued p50: ms, in one traced run")
    if any(_switches(row, _Scale(0, 0, 0)) for row in comparison.rows if row.runs):
        parts.append("switches: of context")
    return " · ".join(parts)


def _swept(sweep: Sweep, name: str) -> list[str]:
    """The cells of a strategy in the table of a sweep, one for each point."""
    rows = [next((row for row in point.rows if row.name == name and row.runs), None) for point in sweep.points]
    sound = [row for row in rows if row is not None and not row.failures]
    first = min(sound, key=lambda row: row.elapsed, default=None)
    others = [row for row in sound if row is not first]
    known = first is not None and bool(others) and all(certainty.is_faster(first, row, sound) for row in others)
    cells = []
    for row in rows:
        text = "-" if row is None else "failed" if row.failures else decimal(row.elapsed)
        cells.append(f"{FASTEST}{text}" if known and row is first else text)
    return cells
