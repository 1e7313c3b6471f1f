"""The warnings beside a comparison: each where it belongs, and nowhere else."""

import pytest

from downloader.compare.caveats import caveats
from downloader.compare.measurements import Comparison, Measure, ResultRow
from downloader.compare.rounds import interval
from downloader.compare.scenarios import MIB, Scenario


def row(name: str, cpu: float, server: float, failures: int = 0, traced: float = 0.0) -> ResultRow:
    """Runs that took a second each."""
    return ResultRow(name, 4, runs=[Measure(1.0, cpu, 0.0, 1, 1, 1, failures, server=server)] * 3, traced=traced)


def elsewhere(row: ResultRow) -> ResultRow:
    """The same with three processes on other machines."""
    row.elsewhere = 3
    return row


def warnings_of(*rows: ResultRow, size: int = 10, server_cores: float = 1.0) -> list[str]:
    """The warnings on a machine with two cores."""
    scenario = Scenario("tiny", "nothing", "nothing", files=3, size=size)
    return caveats(Comparison(scenario, list(rows), server_cores=server_cores), 2)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row("a", 0.5, 0.9)], ["The server used 90 % of its processors while a ran"]),
        ([row("a", 0.5, 0.8)], []),
        ([row("a", 1.3, 0.7)], ["The server and a together used 100 % of all cores"]),
        ([row("a", 1.0, 0.7)], []),
        ([row("a", 0.5, 0.0, traced=1.3), row("b", 0.5, 0.0, traced=1.3)], ["The traced run of a and b took over 25 %"]),
        ([row("a", 0.5, 0.0, traced=1.2)], []),
        ([row("a", 0.5, 0.0, failures=1), row("b", 0.5, 0.0)], ["Files failed under a:"]),
        (
            [elsewhere(row("a", 0.5, 0.0))],
            ["3 processes of the cluster are on other machines: the CPU time and memory of a"],
        ),
        ([row("a", 1.0, 0.7, failures=1), row("b", 1.0, 0.7, failures=1)], ["Some files failed under every strategy"]),
    ],
)
def test_warnings_name_what_is_doubtful(rows: list[ResultRow], words: list[str]) -> None:
    found = warnings_of(*rows)
    assert len(found) == len(words)
    assert all(text.startswith(start) for text, start in zip(found, words, strict=True))


def test_fastest_strategy_is_what_the_server_is_measured_by() -> None:
    slow = ResultRow("b", 4, runs=[Measure(2.0, 0.1, 0.0, 1, 1, 1, 0, server=2.0)] * 3)
    assert warnings_of(row("a", 0.5, 0.1), slow) == []


def test_other_server_is_advised_for_large_bodies_only() -> None:
    assert "nginx" in warnings_of(row("a", 0.5, 0.9), size=MIB)[0]
    assert "nginx" not in warnings_of(row("a", 0.5, 0.9))[0]


def test_nothing_is_known_of_servers_of_others() -> None:
    assert warnings_of(row("a", 1.99, 0.0), server_cores=0.0) == []


def timed(name: str, *times: float, others: float | None = 0.0) -> ResultRow:
    """A row of runs that took these seconds."""
    runs = [Measure(time, 0.5, 0.0, 1, 1, 1, 0, others=others) for time in times]
    low, high, confidence = interval(times)
    return ResultRow(name, 4, runs=runs, low=low, high=high, confidence=confidence)


def test_noise_is_told_as_a_figure_however_many_rounds_were_asked_for() -> None:
    quiet = timed("b", 0.99, 1.0, 1.01)
    assert warnings_of(timed("a", 0.85, 1.0, 1.2), quiet) == [
        "Runs of one strategy differ by up to 35 %: smaller differences mean nothing."
    ]
    assert warnings_of(quiet) == []
    times = [0.8, *[1.0] * 8, 1.4]
    assert warnings_of(timed("a", *times), timed("b", *times)) == []  # ten runs: the interval leaves one out at each end
    assert warnings_of(timed("a", *[0.9, 1.0, 1.1] * 4)) == [
        "The interval of a median is up to 20 % wide: smaller differences mean nothing."
    ]


def test_one_run_proves_nothing_and_says_so() -> None:
    assert warnings_of(timed("a", 1.0), timed("b", 2.0)) == [
        "One run of each strategy proves nothing: no winner is named, and nothing is advised."
    ]


def test_neighbours_are_told_as_a_figure() -> None:
    assert warnings_of(timed("a", 1.0, 1.0, 1.0, others=0.62), timed("b", 2.0, 2.0, 2.0, others=0.62)) == [
        "Other programs used 62 % of the machine meanwhile: no winner is named, and nothing is advised."
    ]
    assert warnings_of(timed("a", 1.0, 1.0, 1.0, others=None)) == []
