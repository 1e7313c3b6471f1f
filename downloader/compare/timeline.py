"""Draws with characters when each file waited, was requested, and arrived: one chart for each strategy, on a common scale.

The horizontal axis is time; the lines are files, in the order of their first attempt. So a serial run looks like a
staircase, a run with a limited number of requests in flight like bands of steps, and a run with all requests in flight like
a wall. Lines for workers instead of files would hide this, because serial and asyncio both have one worker.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from rich.console import Console
from rich.text import Text

from downloader.compare import evidence
from downloader.compare.figures import count, seconds, significant
from downloader.compare.measurements import AttemptSpan, Comparison, ResultRow
from downloader.compare.screen import INDENT, head, is_ascii, say

WAITS, ASKED, BODY, LOST, DONE = "░", "▒", "█", "x", " "
_ASCII = str.maketrans({WAITS: ".", ASKED: "-", BODY: "#"})
_STYLES = {WAITS: "dim", ASKED: "yellow", BODY: "green", LOST: "bold red"}
MAX_LINES = 8
"""The maximum number of lines for a strategy."""
MAX_WIDTH = 160


def show(comparison: Comparison, console: Console, strategies: Collection[str] | None = None) -> None:
    """Print the traced runs of these strategies (None: of all). Prints nothing if there is no traced run."""
    rows = [row for row in comparison.rows if row.stretches and (strategies is None or row.strategy in strategies)]
    if not rows:
        return
    width = min(console.width - len(INDENT) - 1, MAX_WIDTH)
    until = max(max(row.traced, evidence.last_end(row)) for row in rows)
    plain = is_ascii(console)
    files = max(len({item.file for item in row.stretches}) for row in rows)
    head(
        console,
        comparison.scenario.name,
        "when the file waited and arrived" if files == 1 else f"when each of {files} files waited and arrived",
    )
    for row in rows:
        head(console, row.name, _figures(row))
        for line in chart(row, width, MAX_LINES, until):
            console.print(_painted(line, plain), no_wrap=True, crop=True)
    console.print(Text(INDENT + axis(width, until)), no_wrap=True)
    for text in _key(files, width, until):
        say(console, text.translate(_ASCII) if plain else text, style="dim")
    console.print()


def chart(row: ResultRow, width: int, height: int, until: float) -> list[str]:
    """The traced run of a row, from 0 to ``until`` seconds, as at most ``height`` lines of ``width`` characters.

    Each line shows one or more files. A character shows the state that took most of its time: the wait for the first byte, or
    the body, if on average at least half a file was in one of these two states, or if the line was busiest there. Otherwise
    the character shows whether most files of the line still waited, or were done. The end of a failed attempt is always shown.
    """
    files: dict[str, list[AttemptSpan]] = {}
    for item in sorted(row.stretches, key=lambda item: item.started):
        files.setdefault(item.file, []).append(item)
    if not files or width < 1 or height < 1 or until <= 0:
        return []
    lines = [_TimelineLine(width, until) for _ in range(min(height, len(files)))]
    for index, attempts in enumerate(files.values()):
        lines[index * len(lines) // len(files)].add(attempts)
    return [line.drawn() for line in lines]


def axis(width: int, until: float) -> str:
    """A time axis from 0 to ``until`` seconds, with round numbers: ``|0      |0.5 s    |1.0 s``."""
    labels = max(1, width // 12)
    step = 10.0 ** math.floor(math.log10(until / labels))
    step = next(step * factor for factor in (1, 2, 5, 10) if until / (step * factor) <= labels)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    line = ""
    for tick in range(int(until / step * (1 + 1e-9)) + 1):
        column = int(tick * step / until * width)
        label = f"|{tick * step * 1000:.0f} ms" if until < 1 and digits <= 3 else f"|{tick * step:.{digits}f} s"
        if column + len(label) <= width:
            line = line.ljust(column) + (label if tick else "|0")
    return line


@dataclass(slots=True)
class _TimelineLine:
    """The files of one line, and the seconds that they spent in each state, for each character."""

    width: int
    until: float
    files: int = 0
    requested: list[float] = field(default_factory=list)
    body: list[float] = field(default_factory=list)
    unfinished: list[float] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.requested, self.body, self.unfinished = ([0.0] * self.width for _ in range(3))

    def add(self, attempts: Sequence[AttemptSpan]) -> None:
        """Add a file with these attempts."""
        self.files += 1
        self._spend(self.unfinished, 0.0, max(item.ended for item in attempts))
        for item in attempts:
            head = item.head or item.ended
            self._spend(self.requested, item.started, head)
            self._spend(self.body, head, item.ended)
            if item.end in evidence.FAILED_ENDS:
                self.lost.add(min(self.width - 1, int(item.ended / self.until * self.width)))

    def drawn(self) -> str:
        """The characters of the line."""
        busiest = max(range(self.width), key=lambda column: self.requested[column] + self.body[column])
        return "".join(LOST if column in self.lost else self._state(column, column == busiest) for column in range(self.width))

    def _state(self, column: int, busiest: bool) -> str:
        step = self.until / self.width
        if self.requested[column] + self.body[column] >= step / 2 or busiest:
            return BODY if self.body[column] > self.requested[column] else ASKED
        return WAITS if self.unfinished[column] >= self.files * step / 2 else DONE

    def _spend(self, cells: list[float], start: float, stop: float) -> None:
        step = self.until / self.width
        first = max(0, int(start / step))
        for column in range(first, min(self.width, int(stop / step) + 1)):
            cells[column] += max(0.0, min(stop, (column + 1) * step) - max(start, column * step))


def _figures(row: ResultRow) -> str:
    span = f"requests from {seconds(evidence.first_request(row))} to {seconds(evidence.last_end(row))}"
    at_once = evidence.in_flight(row)
    return span + (f", {significant(at_once, 2)} in flight on average" if at_once else "")


def _painted(line: str, plain: bool) -> Text:
    text = Text(INDENT)
    for state, same in groupby(line):
        shown = "".join(same)
        text.append(shown.translate(_ASCII) if plain else shown, _STYLES.get(state))
    return text


def _key(files: int, width: int, until: float) -> list[str]:
    each = math.ceil(files / min(MAX_LINES, files))
    return [
        f"{WAITS} waits  {ASKED} asked, no byte yet  {BODY} first byte to end  {LOST} failed  blank: done",
        f"a line: {count(each, 'file')}, by start; a character: {seconds(until / width)}, the same for all",
    ]
