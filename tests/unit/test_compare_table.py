"""What `dl compare` prints: at every width it fits, nothing is told by colour alone, and nothing from outside is markup."""

import io

import pytest
from rich.console import Console

from downloader.compare import figures, screen, table
from downloader.compare.caveats import caveats
from downloader.compare.measurements import AttemptSpan, Bound, Comparison, Machine, Measure, Point, ResultRow, Study, Sweep
from downloader.compare.scenarios import SCENARIOS, Scenario

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def row(
    name: str, elapsed: float, failures: int = 0, errors: tuple[str, ...] = (), peer: bool = False, how: str = ""
) -> ResultRow:
    """Six runs that differ a little, and, of a strategy, a traced one."""
    runs = [
        Measure(
            elapsed * (0.98 + 0.01 * number),
            0.3,
            0.05,
            52_400_000,
            40,
            409_600,
            failures,
            voluntary=12_000,
            involuntary=345,
            threads=33,
            processes=5,
            errors=errors,
        )
        for number in (0, 1, 2, 2, 3, 4)
    ]
    traced = [AttemptSpan(f"{number}.bin", 1, "task", 0.2, 0.2512, 0.252) for number in range(40)]
    jobs = 40 if peer else 1 if name == "serial" else 0
    return ResultRow(name, jobs, peer, how, runs, [] if peer else traced, 0.3, elapsed * 0.98, elapsed * 1.02, 0.9375)


def latency(*more: ResultRow) -> Comparison:
    """The scenario, with all strategies that there are."""
    rows = [row("serial", 2.37), row("threads", 0.343), row("processes", 1.21), row("async", 0.515), row("multiplex", 0.267)]
    rows += [row("gevent", 0.56), row("hybrid", 0.61), row("auto", 0.28), *more]
    return Comparison(BY_NAME["latency"], rows, bound=Bound(0.05, latency=0.05))


PEERS = (
    row("aria2c", 0.486, peer=True, how="defaults"),
    row("aria2c", 0.127, peer=True, how="-j 40"),
    row("curl", 0.13, peer=True, how="--parallel-max 40 --parallel-immediate"),
)


def printed(comparison: Comparison, width: int, encoding: str = "utf-8") -> list[str]:
    """The lines as they come out, without a terminal."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    table.show(comparison, Console(file=out, width=width))
    out.flush()
    text: str = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert "\x1b" not in text
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_nothing_is_cut_or_wrapped_in_a_table(width: int) -> None:
    lines = printed(latency(*PEERS), width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    heads = [line for line in lines if line.startswith("  strategy")]
    words = " ".join(heads).split()
    for name in ("elapsed", "interval", "speed-up", "ideal", "files/s", "MB/s", "CPU", "peak", "switches", "queued", "failed"):
        assert name in words
    assert len(heads) == (1 if width == 200 else 2)
    for name in ("serial", "threads", "processes", "async", "gevent", "hybrid", "auto"):
        assert sum(line.startswith(f"  {name} ") for line in lines) == len(heads)


def test_cells() -> None:
    (line,) = (line for line in printed(latency(), 200) if line.startswith("> multiplex"))
    cells = line.split()
    assert cells[:5] == [">", "multiplex", "auto", "0.267", "s"]
    assert cells[5] == "0.262-0.272"
    assert cells[6].strip("▏▎▍▌▋▊▉█") == ""
    assert cells[7:] == ["8.9x", "19", "%", "150", "1.53", "0.350", "52", "12.3k", "33/5", "51/51", "0", "0"]


def test_winner_and_peers_are_marked_by_a_character() -> None:
    lines = printed(latency(*PEERS), 80)
    assert sum(line.startswith("> multiplex ") for line in lines) == 2
    assert sum(line.startswith(">") for line in lines) == 2
    assert [line.split()[1:3] for line in lines if line.startswith("+ ")][:3] == [
        ["aria2c", "40"],
        ["aria2c", "40"],
        ["curl", "40"],
    ]
    assert "  > fastest strategy · + another program, as it comes and with 40 connections ·" in lines


def measured(others: float | None, *times: float) -> ResultRow:
    """Runs of a strategy that took these seconds beside other programs."""
    runs = [Measure(time, 0.3, 0.05, 1_000_000, 40, 409_600, 0, others=others) for time in times]
    return ResultRow(
        f"takes {times[0]:g}", 1, runs=runs, low=min(times), high=max(times), confidence=0.75 if len(times) > 2 else 0.0
    )


@pytest.mark.parametrize(
    ("others", "repeat", "marks", "facts"),
    [
        (0.03, 3, [">", " "], "median and range of 3 runs · other programs used 3 % of the machine"),
        (0.62, 3, [" ", " "], "median and range of 3 runs"),
        (None, 3, [">", " "], "median and range of 3 runs"),
        (0.0, 1, [" ", " "], "median of 1 run"),
    ],
)
def test_no_row_is_marked_where_nothing_can_be_told(others: float | None, repeat: int, marks: list[str], facts: str) -> None:
    made = Comparison(BY_NAME["latency"], [measured(others, *[seconds] * repeat) for seconds in (1.0, 2.0)])
    made.warnings = caveats(made, 2)
    lines = printed(made, 120)
    assert [line[0] for line in lines if "takes" in line] == marks
    assert lines[1].endswith(f" · {facts}")
    said = [line.partition("warning: ")[2] for line in lines if "warning" in line]
    assert bool(said) is (marks[0] == " ")
    assert ("speed-up" in " ".join(lines)) is False  # without serial
    assert not said or said[0].endswith("no winner is named, and nothing is advised.")


def test_noise_is_a_figure_where_it_is_no_warning() -> None:
    made = Comparison(BY_NAME["latency"], [measured(0.0, 1.0, 1.02, 1.04), measured(0.0, 2.0, 2.0, 2.0)])
    assert printed(made, 200)[1].endswith(
        " · other programs used 0 % of the machine · runs of one strategy differ by up to 4 %"
    )


def test_strategies_that_cannot_be_told_apart_are_marked_alike() -> None:
    made = Comparison(BY_NAME["latency"], [measured(0.0, 1.0, 1.1, 1.2), measured(0.0, 1.05, 1.1, 1.3), measured(0.0, 3, 3, 3)])
    lines = printed(made, 100)
    assert [line[0] for line in lines if "takes" in line] == ["=", "=", " "]
    assert any("= level: cannot be told from the fastest" in line for line in lines)
    assert " range " in "\n".join(lines)
    assert "interval" not in "\n".join(lines)


def test_strategy_that_failed_does_not_win() -> None:
    lines = printed(latency(row("broken", 0.1, failures=2)), 80)
    (line,) = (line for line in lines if line.startswith("  broken") and line.endswith(" 12"))
    assert not line.startswith(">")


def test_bound_is_a_line() -> None:
    assert "  an ideal client: 50 ms, limited by the way to the first byte" in printed(latency(), 80)


@pytest.mark.parametrize("limit", ["latency", "bytes", "answers", "cap", "work"])
def test_each_bound_is_put_into_words(limit: str) -> None:
    made = latency()
    made.bound = Bound(0.05, **{limit: 0.05})
    assert sum(line.startswith("  an ideal client: 50 ms, limited by ") for line in printed(made, 80)) == 1


def test_columns_without_figures_are_left_out() -> None:
    bare = ResultRow("serial", 1, runs=[Measure(1.0, 0.1, 0.1, 1_000_000, 3, 300, 0)])
    text = "\n".join(printed(Comparison(Scenario("your list", "urls.txt", "", 3, 0), [bare], own=True), 80))
    for name in ("ideal", "interval", "1st byte", "queued", "switches", "thr/proc"):
        assert name not in text
    assert "3 files · median of 1 run\n" in text


def test_all_that_a_scenario_is_made_of_is_told() -> None:
    scenario = Scenario("x", "y", "z", 1500, 10240, 0.05, 1 << 20, "503,cut", 0.1, 1.2, tls=True)
    assert printed(Comparison(scenario, []), 200)[1] == (
        "  1,500 files of around 10 KiB, first byte after around 50 ms, 1 MiB/s for each connection, "
        "10 % of requests meet 503, cut, https"
    )


def test_nothing_measured_is_no_table() -> None:
    assert [line for line in printed(Comparison(BY_NAME["small"], [ResultRow("serial", 1)]), 80) if line][1:] == [
        "  1,500 files of 10 KiB"
    ]


def test_errors_are_told_once_and_cannot_reach_the_terminal() -> None:
    odd = ("[bold]x[/] \x1b[31m", "second")
    lines = printed(latency(row("broken", 0.1, 2, odd)), 80)
    assert [line for line in lines if "broken: " in line] == ["  broken: [bold]x[/] \\x1b[31m", "  broken: second"]


def test_why_and_warnings_follow_whole_and_in_order() -> None:
    made = latency()
    made.why = ["one " * 30 + "end", "[i]two[/]"]
    made.warnings = ["beware " * 20 + "end"]
    lines = printed(made, 80)
    text = " ".join(line.strip() for line in lines)
    assert "- " + "one " * 30 + "end - [i]two[/] ! warning: " + "beware " * 20 + "end" in text
    assert max(map(len, lines)) <= 80


def test_without_block_characters_it_is_ascii() -> None:
    lines = printed(latency(*PEERS), 80, "ascii")
    assert any(line.startswith("  serial") and "######" in line for line in lines)


@pytest.mark.parametrize(
    ("part", "width", "ascii_only", "drawn"),
    [
        (1.0, 4, False, "████"),
        (0.5, 4, False, "██"),
        (0.53125, 4, False, "██▏"),
        (0.375, 1, False, "▍"),
        (0.0, 4, False, "▏"),
        (1.0, 4, True, "####"),
        (0.5, 4, True, "##"),
        (0.0, 4, True, "#"),
    ],
)
def test_bar(part: float, width: int, ascii_only: bool, drawn: str) -> None:
    assert screen.bar(part, width, ascii_only) == drawn


def swept() -> Sweep:
    """Two strategies over the number of jobs; one of them does not do all of them."""
    points = [Point(jobs, [row("threads", 2.0 / jobs), row("async", 1.0)]) for jobs in (1, 2, 4)]
    points[2].rows = [row("threads", 0.6, failures=1)]
    return Sweep("jobs", BY_NAME["latency"], points)


def test_sweep_has_a_line_for_each_strategy_and_marks_its_best() -> None:
    console = Console(file=io.StringIO(), width=80)
    table.show_sweep(swept(), console)
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[1] == ["jobs", "1", "2", "4"]
    assert lines[3] == ["threads", "2.00", ">1.00", "failed"]
    assert lines[4] == ["async", "1.00", "1.00", "-"]  # alike: none is the fastest


def test_sweep_beside_other_programs_marks_none_and_says_why() -> None:
    console = Console(file=io.StringIO(), width=200)
    points = [Point(jobs, [measured(0.62, *[4.0 / jobs] * 3)]) for jobs in (1, 4)]
    for point in points:
        point.rows[0].strategy = "threads"
    table.show_sweep(Sweep("jobs", BY_NAME["latency"], points), console)
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[3] == ["threads", "4.00", "1.00"]
    assert "used 62 % of the machine meanwhile: no winner is named" in " ".join(lines[5])


def test_sweep_that_is_wider_than_the_screen_goes_on_below() -> None:
    console = Console(file=io.StringIO(), width=16)
    table.show_sweep(swept(), console)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert [line.split() for line in lines if line.startswith("jobs")] == [["jobs", "1"], ["jobs", "2"], ["jobs", "4"]]
    assert max(map(len, lines[1:])) <= 16


def test_sweep_over_nothing() -> None:
    console = Console(file=io.StringIO(), width=80)
    table.show_sweep(Sweep("jobs", BY_NAME["latency"], []), console)
    assert "latency: elapsed seconds by the number of jobs" in console.file.getvalue()  # type: ignore[attr-defined]


def test_advice_is_printed_under_a_heading_if_there_is_any() -> None:
    console = Console(file=io.StringIO(), width=80)
    nowhere = Machine("", "", "", "", "", 2, 1, "", "")
    table.show_advice(Study(nowhere, []), console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    table.show_advice(Study(nowhere, [], advice=["Keep the [default]."]), console)
    assert console.file.getvalue().split("\n") == ["On this machine", "  - Keep the [default].", "", ""]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (123.4, "123 s"), (9.996, "10.0 s"), (0.31, "0.31 s"), (0.0994, "99 ms"), (0.0048, "4.8 ms"), (7e-5, "70 µs")],
)
def test_seconds(value: float, text: str) -> None:
    assert figures.seconds(value) == text


def test_figures() -> None:
    assert [figures.number(value) for value in (0, 950, 9994, 12_345, 4.5e6)] == ["0", "950", "9994", "12.3k", "4.50M"]
    assert [figures.ratio(value) for value in (0.53, 1.04, 1.3, 9.96, 23)] == ["0.5", "1.04", "1.3", "10", "23"]
    assert [figures.size(value) for value in (500, 1024, 2.5 * 2**20, 3 * 2**30)] == ["500 B", "1 KiB", "2.5 MiB", "3 GiB"]
    assert [figures.share(value) for value in (0, 0.004, 0.92, 1)] == ["0 %", "<1 %", "92 %", "100 %"]
    assert [figures.decimal(value) for value in (0, 0.0083, 0.312, 31.25, 3125)] == ["0.000", "0.008", "0.312", "31.2", "3125"]
    assert [figures.joined(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [figures.count(n, "file") for n in (0, 1, 1500)] == ["0 files", "1 file", "1,500 files"]
