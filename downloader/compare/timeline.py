"""When each file waited, was asked for, and arrived, drawn with characters: one chart for each strategy, on one scale.

Time runs to the right, files run down, in the order of their first attempt. So one after the other is a staircase, so
many at once are bands of steps, and all at once is a wall. Workers would hide that: serial has one, as asyncio has.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from rich.console import Console
from rich.text import Text

from downloader.compare import evidence
from downloader.compare.figures import count, seconds, significant
from downloader.compare.results import Comparison, ResultRow, Stretch
from downloader.compare.screen import INDENT, head, is_ascii, say

WAITS, ASKED, BODY, LOST, DONE = "░", "▒", "█", "x", " "
_ASCII = str.maketrans({WAITS: ".", ASKED: "-", BODY: "#"})
_STYLES = {WAITS: "dim", ASKED: "yellow", BODY: "green", LOST: "bold red"}
HEIGHT = 8
"""Lines for a strategy, at most."""
WIDEST = 160


def show(comparison: Comparison, console: Console, strategies: Collection[str] | None = None) -> None:
    """Print the traced run of each of these strategies (None: of all). Nothing where none was traced."""
    rows = [row for row in comparison.rows if row.stretches and (strategies is None or row.strategy in strategies)]
    if not rows:
        return
    width = min(console.width - len(INDENT) - 1, WIDEST)
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
        for line in chart(row, width, HEIGHT, until):
            console.print(_painted(line, plain), no_wrap=True, crop=True)
    console.print(Text(INDENT + axis(width, until)), no_wrap=True)
    for text in _key(files, width, until):
        say(console, text.translate(_ASCII) if plain else text, style="dim")
    console.print()


def chart(row: ResultRow, width: int, height: int, until: float) -> list[str]:
    """A row's traced run, from 0 to ``until`` seconds, as lines of ``width`` characters; ``height`` of them at most.

    A line stands for as many files as are needed. A character shows what most of its time went to: the way to the first byte,
    or what follows it, where on average half a file or more was at it (and where a line's files were at it most); else
    whether most of its files had still to wait, or were done. A try that failed shows where it ended, whatever else is there.
    """
    files: dict[str, list[Stretch]] = {}
    for item in sorted(row.stretches, key=lambda item: item.started):
        files.setdefault(item.file, []).append(item)
    if not files or width < 1 or height < 1 or until <= 0:
        return []
    lines = [_TimelineLine(width, until) for _ in range(min(height, len(files)))]
    for index, attempts in enumerate(files.values()):
        lines[index * len(lines) // len(files)].add(attempts)
    return [line.drawn() for line in lines]


def axis(width: int, until: float) -> str:
    """A scale from 0 to ``until`` seconds: ``|0      |0.5 s    |1.0 s``, with a round number of seconds between."""
    most = max(1, width // 12)
    step = 10.0 ** math.floor(math.log10(until / most))
    step = next(step * factor for factor in (1, 2, 5, 10) if until / (step * factor) <= most)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    line = ""
    for tick in range(int(until / step * (1 + 1e-9)) + 1):
        at = int(tick * step / until * width)
        label = f"|{tick * step * 1000:.0f} ms" if until < 1 and digits <= 3 else f"|{tick * step:.{digits}f} s"
        if at + len(label) <= width:
            line = line.ljust(at) + (label if tick else "|0")
    return line


@dataclass(slots=True)
class _TimelineLine:
    """The files of one line, and the seconds that they spent in each state, by character."""

    width: int
    until: float
    files: int = 0
    asked: list[float] = field(default_factory=list)
    body: list[float] = field(default_factory=list)
    unfinished: list[float] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.asked, self.body, self.unfinished = ([0.0] * self.width for _ in range(3))

    def add(self, attempts: Sequence[Stretch]) -> None:
        """One more file."""
        self.files += 1
        self._spend(self.unfinished, 0.0, max(item.ended for item in attempts))
        for item in attempts:
            head = item.head or item.ended
            self._spend(self.asked, item.started, head)
            self._spend(self.body, head, item.ended)
            if item.end in evidence.IN_VAIN:
                self.lost.add(min(self.width - 1, int(item.ended / self.until * self.width)))

    def drawn(self) -> str:
        """The characters."""
        busiest = max(range(self.width), key=lambda at: self.asked[at] + self.body[at])
        return "".join(LOST if at in self.lost else self._state(at, at == busiest) for at in range(self.width))

    def _state(self, at: int, busiest: bool) -> str:
        step = self.until / self.width
        if self.asked[at] + self.body[at] >= step / 2 or busiest:
            return BODY if self.body[at] > self.asked[at] else ASKED
        return WAITS if self.unfinished[at] >= self.files * step / 2 else DONE

    def _spend(self, cells: list[float], start: float, stop: float) -> None:
        step = self.until / self.width
        first = max(0, int(start / step))
        for at in range(first, min(self.width, int(stop / step) + 1)):
            cells[at] += max(0.0, min(stop, (at + 1) * step) - max(start, at * step))


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
    each = math.ceil(files / min(HEIGHT, files))
    return [
        f"{WAITS} waits  {ASKED} asked, no byte yet  {BODY} first byte to end  {LOST} failed  blank: done",
        f"a line: {count(each, 'file')}, by start; a character: {seconds(until / width)}, the same for all",
    ]
