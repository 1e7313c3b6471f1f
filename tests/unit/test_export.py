"""A study written to JSON and CSV: everything is in it, and JSON can be read back."""

import csv
import io
import json

import msgspec
import pytest

from downloader.compare.export import COLUMNS, as_csv, as_json
from downloader.compare.measurements import AttemptSpan, Bound, Comparison, Machine, Measure, Point, ResultRow, Study, Sweep
from downloader.compare.scenarios import Scenario

TINY = Scenario("tiny", "nothing", "nothing", files=3, size=10)
RUN = Measure(2.0, 0.5, 0.25, 1000, 3, 30, 0, threads=2, errors=("one, two", "three"))
MACHINE = Machine("2020-01-01T00:00:00+00:00", "1", "3", "Linux", "x86", 2, 1000, "built-in", "memory")


def study() -> Study:
    """A strategy and a peer, and a sweep of one point."""
    row = ResultRow("a", 4, runs=[RUN, msgspec.structs.replace(RUN, elapsed=4.0)], low=2.0, high=4.0, confidence=0.5)
    row.stretches = [AttemptSpan("0.bin", 1, "thread 1", 0.5, 0.75, 1.0), AttemptSpan("1.bin", 1, "thread 1", 1.0, 1.5, 2.0)]
    peer = ResultRow("curl", 8, peer=True, how="defaults", runs=[RUN])
    comparison = Comparison(TINY, [row, peer], bound=Bound(0.3, latency=0.3))
    return Study(MACHINE, [comparison], [Sweep("jobs", TINY, [Point(8, [ResultRow("a", 8, runs=[RUN])])])], ["use a"])


def test_json_holds_what_was_measured_and_can_be_read_back() -> None:
    assert msgspec.json.decode(as_json(study()), type=Study) == study()


def test_json_holds_what_is_computed() -> None:
    found = json.loads(as_json(study()))
    (comparison,) = found["comparisons"]
    assert (comparison["winner"], comparison["level"], comparison["limit"]) == (None, [], "latency")
    assert (comparison["doubt"], comparison["others"]) == ("2 runs of each strategy prove nothing", None)
    assert comparison["noise"] == pytest.approx(2 / 3)
    row, peer = comparison["rows"]
    assert (row["elapsed"], row["low"], row["high"], row["cpu"], row["peak"], row["failures"]) == (3.0, 2.0, 4.0, 0.75, 1000, 0)
    assert row["first_byte"] == {"p50": 0.25, "p95": 0.5, "p99": 0.5}
    assert row["queued"] == {"p50": 0.0, "p95": 0.5, "p99": 0.5}
    assert row["share"] == pytest.approx(0.1)
    assert [run["cpu"] for run in row["runs"]] == [0.75, 0.75]
    assert peer["name"] == "curl defaults"
    swept = found["sweeps"][0]["points"][0]["rows"][0]
    assert (swept["elapsed"], swept["share"]) == (2.0, None)


def test_csv_has_a_line_for_each_run() -> None:
    head, *lines = csv.reader(io.StringIO(as_csv(study())))
    assert tuple(head) == COLUMNS
    found = [dict(zip(head, line, strict=True)) for line in lines]
    told = [(line["strategy"], line["how"], line["over"], line["value"], line["run"], line["elapsed"]) for line in found]
    assert told == [
        ("a", "", "", "", "1", "2.0"),
        ("a", "", "", "", "2", "4.0"),
        ("curl", "defaults", "", "", "1", "2.0"),
        ("a", "", "jobs", "8", "1", "2.0"),
    ]
    assert {line["scenario"] for line in found} == {"tiny"}
    assert [line["peer"] for line in found] == ["0", "0", "1", "0"]
    assert found[0]["errors"] == "one, two; three"
    assert found[0]["threads"] == "2"


def test_other_programs_are_in_both_and_no_winner_is() -> None:
    def row(name: str, elapsed: float) -> ResultRow:
        runs = [msgspec.structs.replace(RUN, elapsed=elapsed, others=0.62)] * 3
        return ResultRow(name, 4, runs=runs, low=elapsed, high=elapsed)

    made = Study(MACHINE, [Comparison(TINY, [row("a", 1.0), row("b", 9.0)])])
    (comparison,) = json.loads(as_json(made))["comparisons"]
    assert (comparison["winner"], comparison["others"]) == (None, pytest.approx(0.62))
    assert comparison["doubt"] == "other programs used 62 % of the machine meanwhile"
    assert [run["others"] for row in comparison["rows"] for run in row["runs"]] == [0.62] * 6
    lines = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert [line["others"] for line in lines] == ["0.62"] * 6
    for item in made.comparisons[0].rows:
        item.runs = [msgspec.structs.replace(run, others=None) for run in item.runs]
    (comparison,) = json.loads(as_json(made))["comparisons"]
    assert (comparison["winner"], comparison["others"], comparison["doubt"]) == ("a", None, None)
