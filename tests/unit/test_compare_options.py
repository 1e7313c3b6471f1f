"""What `dl compare` was asked for: which strategies take part, and which are left out and why."""

from collections.abc import Sequence
from typing import Any

import click
import pytest

from downloader.cli import compare, compare_request
from downloader.cli.compare_printer import ComparePrinter
from downloader.compare.measurements import Comparison, Measure, ResultRow, Study
from downloader.compare.scenarios import SCENARIOS
from downloader.errors import UsageError
from downloader.strategies.registry import StrategyInfo
from tests.support.sample_study import MACHINE


def parsed(*words: str) -> dict[str, Any]:
    """The values of the options."""
    return compare.command().make_context("dl compare", list(words)).params


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ()),
        (["-s", "serial,threads"], ("serial", "threads")),
        (["-s", "serial, threads", "--strategy", "async", "-s", "serial"], ("serial", "threads", "async")),
    ],
)
def test_strategies_are_given_with_commas_or_one_by_one(words: list[str], names: tuple[str, ...]) -> None:
    assert parsed(*words)["names"] == names


def test_scenarios_are_given_alike() -> None:
    assert parsed("--scenario", "small,latency", "--scenario", "tls")["chosen"] == ("small", "latency", "tls")


def test_name_that_is_none_is_told() -> None:
    with pytest.raises(click.BadParameter, match="comma"):
        parsed("-s", "serial,")


def test_strategies_that_cannot_run_are_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def listing() -> Sequence[StrategyInfo]:
        return [
            StrategyInfo("serial"),
            StrategyInfo("gevent", problem="the strategy gevent needs gevent"),
            StrategyInfo("plug-in"),
        ]

    monkeypatch.setattr(compare_request, "listing", listing)
    assert compare_request.runnable_strategies() == (("serial", "plug-in"), ("the strategy gevent needs gevent",))


def test_help_says_how_long_it_takes() -> None:
    with click.Context(compare.command()) as context:
        said = " ".join(compare.command().get_help(context).split())
    assert "one to three minutes without options" in said


@pytest.mark.parametrize(("others", "times"), [(None, 1), (0.02, 0)])
def test_system_that_does_not_tell_of_other_programs_says_so_once(
    others: float | None, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [Measure(1.0, 0.1, 0.1, 1, 1, 1, 0, others=others)] * 3
    comparisons = [Comparison(scenario, [ResultRow("serial", 1, runs=runs)]) for scenario in SCENARIOS[:2]]
    ComparePrinter(timeline=False, silent=False).conclude(Study(MACHINE, comparisons))
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("This system does not tell how much of the machine other programs used") == times


def test_strategy_of_a_cluster_takes_part_if_there_is_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_request, "listing", lambda: [StrategyInfo("serial"), StrategyInfo("dask", cluster=True)])
    assert compare_request.runnable_strategies() == (("serial",), ())
    assert compare_request.runnable_strategies(with_cluster=True) == (("serial", "dask"), ())
    assert compare_request.clustered_strategies() == {"dask"}


def test_strategy_of_a_cluster_without_a_cluster_is_wrong_usage() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="the strategy dask needs a cluster: --cluster ADDRESS"):
        compare_request.check(compare_request.CompareOptions(**parsed("-s", "dask")))
