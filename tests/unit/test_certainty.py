"""What may be said of a comparison: by figures, and by chance, of strategies that are all alike."""

import random

import pytest

from downloader.compare import certainty
from downloader.compare.measurements import Comparison, Measure, ResultRow
from downloader.compare.rounds import interval
from downloader.compare.scenarios import SCENARIOS


def row(name: str, *times: float, others: float | None = 0.0, failures: int = 0, peer: bool = False) -> ResultRow:
    """Runs that took these seconds."""
    runs = [Measure(time, 0.1, 0.1, 1, 1, 1, failures, others=others) for time in times]
    low, high, confidence = interval(times)
    return ResultRow(name, 1, peer, runs=runs, low=low, high=high, confidence=confidence)


def named(*rows: ResultRow) -> tuple[str | None, list[str]]:
    """The winner, and who is level."""
    made = Comparison(SCENARIOS[0], list(rows))
    winner = certainty.winner(made)
    return winner.name if winner else None, [item.name for item in certainty.level(made)]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row("a", 1, 1.1, 1), row("b", 2, 2.1, 2)], ("a", [])),
        ([row("a", 1, 1.1, 1), row("b", 1.05, 1.2, 1.1)], (None, ["a", "b"])),
        ([row("a", 1, 1.1, 1), row("b", 1.2, 1.2, 1.2), row("c", 4, 9, 6)], (None, ["a", "b"])),
        ([row("a", 1, 1, 1), row("b", 2, 2, 2), row("c", 0.1, 0.1, 0.1, failures=1)], ("a", [])),
        ([row("a", 1, 1, 1), row("b", 2, 2, 2), row("c", 0.1, 0.2, 0.4, peer=True)], ("a", [])),
        ([row("a", 1), row("b", 2)], (None, [])),
        ([row("a", 1, 1), row("b", 2, 2)], (None, [])),
        ([row("a", 1, 1, 1, others=0.2), row("b", 2, 2, 2, others=0.2)], (None, [])),
        ([row("a", 1, 1, 1, others=None), row("b", 2, 2, 2, others=None)], ("a", [])),
        ([row("a", 1, 1, 1)], (None, [])),
        ([], (None, [])),
    ],
    ids=[
        *("apart", "overlap", "a third is too noisy", "failed", "a noisy peer is no strategy", "one run", "two runs"),
        *("others", "not told", "alone", "nothing"),
    ],
)
def test_the_winner_is_named_or_all_are_level(rows: list[ResultRow], found: tuple[str | None, list[str]]) -> None:
    assert named(*rows) == found


def test_both_doubts_are_said() -> None:
    doubt = certainty.doubt([row("a", 1.0, others=0.5)])
    assert doubt == "other programs used 50 % of the machine meanwhile, and one run of each strategy proves nothing"


def test_peer_is_told_apart_by_the_noise_of_the_strategies_too() -> None:
    rows = [
        row("a", 1, 1, 1),
        row("b", 2, 3, 2.5),
        row("curl", 0.8, 0.8, 0.8, peer=True),
        row("wget2", 0.5, 0.5, 0.5, peer=True),
    ]
    assert not certainty.is_faster(rows[2], rows[0], rows)
    assert certainty.is_faster(rows[3], rows[0], rows)


@pytest.mark.parametrize("runs", [3, 6])
def test_of_strategies_that_are_alike_none_wins(runs: int) -> None:
    dice = random.Random(runs)
    told = 0
    for _ in range(100):
        rows = [row(name, *(dice.gauss(1, 0.05) for _ in range(runs))) for name in "abcdefgh"]
        assert named(*rows)[0] is None
        told += len(named(*rows)[1]) < len(rows)
    assert told <= 12  # one of eight was told slower
