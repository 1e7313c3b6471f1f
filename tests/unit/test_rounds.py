"""The order of runs, and when there were enough: against enumeration, not against the formula."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.compare.rounds import interval, is_narrow, order


@pytest.mark.parametrize("count", range(2, 13))
def test_interval_holds_the_median_as_often_as_it_says(count: int) -> None:
    values = [float(number) for number in range(count)]
    low, high, confidence = interval(values)
    held = 0
    for coins in itertools.product((False, True), repeat=count):
        held += low < sum(coins) - 0.5 < high  # so many values are below the median: there it is
    assert confidence == held / 2**count
    assert confidence >= 0.95 or (low, high) == (0, count - 1)


def test_interval_is_the_narrowest_that_will_do() -> None:
    assert interval([5, 3, 4])[:2] == (3, 5)
    assert interval([5, 3, 4]).confidence == 0.75
    assert interval(range(6)) == (0, 5, 1 - 2 / 64)
    assert interval(range(9))[:2] == (1, 7)
    assert interval(range(20))[:2] == (5, 14)


@pytest.mark.parametrize(("values", "told"), [([], (0, 0, 0)), ([3.0], (3, 3, 0))])
def test_one_value_tells_nothing(values: list[float], told: tuple[float, float, float]) -> None:
    assert interval(values) == told


@pytest.mark.parametrize(
    ("values", "narrow"),
    [([1.0, 1.0], False), ([1.0, 0.96, 1.04], True), ([1.0, 0.94, 1.0], False), ([1.0, 1.06, 1.0], False)],
)
def test_narrow_is_within_5_percent(values: list[float], narrow: bool) -> None:
    assert is_narrow(values) is narrow


@given(st.integers(0, 50), st.integers(1, 20))
def test_each_runs_once_a_round(number: int, count: int) -> None:
    assert sorted(order(number, count)) == list(range(count))


@pytest.mark.parametrize("count", range(2, 12))
def test_each_follows_each_other_as_often_and_has_each_place(count: int) -> None:
    rounds = [order(number, count) for number in range(count * (1 + count % 2))]
    follows = Counter(pair for row in rounds for pair in itertools.pairwise(row))
    assert len(follows) == count * (count - 1)
    assert len(set(follows.values())) == 1
    places = Counter((row.index(index), index) for row in rounds for index in range(count))
    assert len(places) == count**2
    assert len(set(places.values())) == 1
