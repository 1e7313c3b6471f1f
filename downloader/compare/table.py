"""What was measured, as tables on the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from downloader.compare.runner import Comparison, Row
from downloader.core.naming import printable

REFERENCE = "serial"


def show(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print a table for each comparison, and what went wrong in it."""
    for comparison in comparisons:
        console.print(_table(comparison))
        for row in comparison.rows:
            for error in dict.fromkeys(text for run in row.runs for text in run.errors):
                console.print(f"  {row.strategy}: {printable(error)}", markup=False, style="red")
        console.print()


def _table(comparison: Comparison) -> Table:
    runs = len(comparison.rows[0].runs) if comparison.rows else 0
    table = Table(
        title=f"[bold]{comparison.name}[/]: {comparison.isolates}",
        caption=f"{_count(comparison.files, 'file')}; total elapsed time: median of {_count(runs, 'run')} and their range",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        title_justify="left",
        caption_justify="left",
        padding=0,  # the box leaves a space between columns: all of it fits 80
    )
    for name in ("strategy", "jobs", "elapsed", "min-max", "speed-up", "files/s", "MB/s", "CPU s", "peak MB", "failed"):
        table.add_column(name, justify="left" if name == "strategy" else "right", no_wrap=True)
    reference = next((row.elapsed for row in comparison.rows if row.strategy == REFERENCE), None)
    best = min((row.elapsed for row in comparison.rows if not row.failures), default=0.0)
    for row in comparison.rows:
        table.add_row(*_cells(row, reference), style="bold green" if row.elapsed == best else None)
    return table


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _cells(row: Row, reference: float | None) -> list[str]:
    return [
        row.strategy,
        str(row.jobs or "auto"),
        f"{row.elapsed:.2f} s",
        f"{row.fastest:.2f}-{row.slowest:.2f}",
        "" if reference is None else f"{reference / row.elapsed:.1f}x",
        f"{row.files_per_second:.0f}",
        f"{row.bytes_per_second / 1e6:.1f}",
        f"{row.cpu:.2f}",
        f"{row.peak / 1e6:.0f}",
        str(row.failures),
    ]
