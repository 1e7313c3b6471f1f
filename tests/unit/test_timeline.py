"""The chart of a traced run: serial is a staircase, threads are bands of steps, asyncio is a wall."""

import io

import pytest
from rich.console import Console

from downloader.compare import timeline
from downloader.compare.measurements import AttemptSpan, Comparison, ResultRow
from downloader.compare.scenarios import SCENARIOS

LATENCY = next(scenario for scenario in SCENARIOS if scenario.name == "latency")


def row(*times: tuple[float, float, float], name: str = "serial", end: str = "complete") -> ResultRow:
    """A traced run of files 0, 1, 2, ...: (started, head, ended) of each."""
    stretches = [AttemptSpan(f"{number}.bin", 1, "task", *each, end=end) for number, each in enumerate(times)]
    return ResultRow(name, 1, stretches=stretches, traced=max((each[2] for each in times), default=0.0))


def staircase(files: int, width: int = 1) -> ResultRow:
    """So many at once, the next ones when those are done: a second to the first byte, a second of bytes."""
    return row(*((2.0 * (n // width), 2.0 * (n // width) + 1, 2.0 * (n // width) + 2) for n in range(files)))


@pytest.mark.parametrize(
    ("traced", "width", "height", "until", "lines"),
    [
        (staircase(4), 8, 8, 8.0, ["▒█      ", "░░▒█    ", "░░░░▒█  ", "░░░░░░▒█"]),
        (staircase(4, width=2), 8, 8, 8.0, ["▒█      ", "▒█      ", "░░▒█    ", "░░▒█    "]),
        (staircase(4, width=4), 8, 8, 8.0, ["▒█      "] * 4),
        (staircase(4), 8, 2, 8.0, ["▒█▒█    ", "░░░░▒█▒█"]),
        (staircase(4), 4, 1, 8.0, ["▒▒▒▒"]),
        (staircase(3), 6, 2, 6.0, ["▒█▒█  ", "░░░░▒█"]),
        (staircase(1), 8, 8, 2.0, ["▒▒▒▒████"]),
        (row((2, 2.001, 2.002)), 8, 8, 8.0, ["░░▒     "]),
        (row((2, 2.0001, 2.002)), 8, 8, 8.0, ["░░█     "]),
        (row((0, 0, 2), end="failed"), 4, 4, 4.0, ["▒▒x "]),
        (row((0, 0, 4), end="failed"), 4, 4, 4.0, ["▒▒▒x"]),
        (row((0, 4, 4), end="segment"), 4, 4, 4.0, ["▒▒▒▒"]),
        (row(), 8, 8, 8.0, []),
        (staircase(2), 0, 8, 8.0, []),
        (staircase(2), 8, 0, 8.0, []),
        (staircase(2), 8, 8, 0.0, []),
    ],
    ids=[
        "one at a time is a staircase",
        "two at a time are steps of two",
        "all at once is a wall",
        "two files a line",
        "all files in one line",
        "lines of one and of two files",
        "one file fills the width",
        "what is short is shown all the same: the wait",
        "what is short is shown all the same: the body",
        "a try that failed",
        "a try that failed at the very end",
        "a piece that is complete has not failed",
        "nothing traced",
        "no width",
        "no height",
        "no time",
    ],
)
def test_chart(traced: ResultRow, width: int, height: int, until: float, lines: list[str]) -> None:
    assert timeline.chart(traced, width, height, until) == lines


def test_try_that_failed_is_followed_by_a_wait_and_another_try() -> None:
    again = row((0, 1, 2))
    again.stretches = [AttemptSpan("a", 1, "task", 0, 0, 1, "failed"), AttemptSpan("a", 2, "task", 3, 4, 5)]
    assert timeline.chart(again, 6, 8, 6.0) == ["▒x░▒█ "]


def test_pieces_of_a_file_are_one_line() -> None:
    pieces = row()
    pieces.stretches = [AttemptSpan("a", 1, "task", start, start, start + 2, "segment", segment=start) for start in (1, 2, 3)]
    assert timeline.chart(pieces, 6, 8, 6.0) == ["░████ "]


def test_files_are_in_order_of_their_start() -> None:
    turned = row((2, 3, 4), (0, 1, 2))
    assert timeline.chart(turned, 4, 8, 4.0) == ["▒█  ", "░░▒█"]


@pytest.mark.parametrize(
    ("width", "until", "line"),
    [
        (24, 2.0, "|0          |1 s"),
        (60, 2.0, "|0             |0.5 s         |1.0 s         |1.5 s"),
        (40, 0.3, "|0           |100 ms      |200 ms"),
        (48, 0.004, "|0          |1 ms       |2 ms       |3 ms"),
        (30, 100.0, "|0             |50 s"),
        (5, 2.0, "|0"),
        (40, 1.0, "|0                  |0.5 s"),
    ],
)
def test_axis(width: int, until: float, line: str) -> None:
    assert timeline.axis(width, until).startswith(line)
    assert len(timeline.axis(width, until)) <= width


def printed(comparison: Comparison, width: int = 80, encoding: str = "utf-8", strategies: list[str] | None = None) -> str:
    """What comes out, without a terminal."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    timeline.show(comparison, Console(file=out, width=width), strategies)
    out.flush()
    return out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def both() -> Comparison:
    """Serial and asyncio, traced."""
    wall = staircase(4, width=4)
    wall.strategy = "async"
    return Comparison(LATENCY, [staircase(4), wall, ResultRow("untraced", 1)])


def test_all_are_drawn_on_one_scale() -> None:
    lines = [line.rstrip() for line in printed(both(), width=19).splitlines()]
    assert [line for line in lines if line.endswith("▒▒██")] == [
        "  ▒▒██",
        "  ░░░░▒▒██",
        "  ░░░░░░░░▒▒██",
        "  ░░░░░░░░░░░░▒▒██",
        *["  ▒▒██"] * 4,
    ]
    assert "untraced" not in "".join(lines)


def test_title_axis_and_legend() -> None:
    text = printed(both())
    assert "serial: requests from 0 s to 8.00 s, 1.0 in flight on average" in text
    assert "async: requests from 0 s to 2.00 s, 4.0 in flight on average" in text
    assert "|0" in text
    assert "░ waits  ▒ asked, no byte yet  █ first byte to end  x failed  blank: done" in text
    assert "a line: 1 file, by start; a character: 0.10 s, the same for all" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits(width: int) -> None:
    many = Comparison(LATENCY, [staircase(100, width=7)])
    lines = printed(many, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("█" in line for line in lines) == timeline.MAX_LINES + 1  # and the legend


def test_without_block_characters_it_is_ascii() -> None:
    text = printed(both(), encoding="ascii")
    assert "  ----" in text
    assert ". waits  - asked, no byte yet  # first byte to end  x failed  blank: done" in text


def test_only_those_that_were_asked_for() -> None:
    assert "serial" not in printed(both(), strategies=["async"])
    assert printed(both(), strategies=["gevent"]) == ""
    assert printed(Comparison(LATENCY, [])) == ""


def test_names_are_no_markup() -> None:
    odd = both()
    odd.rows[0].strategy = "[red]\x1b"
    assert "[red]\\x1b: requests" in printed(odd)
