"""Byte ranges: merged, counted, and which bytes are missing."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Span
from downloader.core.spans import byte_count, byte_count_after, first_gap, merged, without


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], ()),
        ([(0, 0)], ()),
        ([(5, 5), (7, 7)], ()),
        ([(0, 5)], ((0, 5),)),
        ([(5, 9), (0, 5)], ((0, 9),)),
        ([(0, 5), (6, 9)], ((0, 5), (6, 9))),
        ([(0, 9), (2, 3)], ((0, 9),)),
        ([(0, 5), (5, 5), (4, 8)], ((0, 8),)),
        ([(3, 4), (1, 2), (2, 3)], ((1, 4),)),
    ],
)
def test_merged(spans: list[Span], expected: tuple[Span, ...]) -> None:
    assert merged(spans) == expected


@pytest.mark.parametrize(
    ("spans", "start", "stop", "expected"),
    [
        ((), 0, 10, (0, 10)),
        ((), 10, 10, None),
        (((0, 0),), 0, 10, (0, 10)),
        (((0, 4),), 0, 10, (4, 10)),
        (((4, 6),), 0, 10, (0, 4)),
        (((0, 10),), 0, 10, None),
        (((0, 99),), 5, 10, None),
        (((0, 4), (6, 8)), 0, 10, (4, 6)),
        (((0, 4), (6, 8)), 6, 10, (8, 10)),
        (((0, 4), (6, 8)), 7, 8, None),
        (((20, 30),), 0, 10, (0, 10)),
        (((20, 30),), 5, 5, None),  # it was given away whole
        (((20, 30),), 5, 0, None),
        (((0, 4), (20, 30)), 5, 3, None),
    ],
)
def test_first_gap(spans: tuple[Span, ...], start: int, stop: int, expected: Span | None) -> None:
    assert first_gap(spans, start, stop) == expected


def test_byte_count() -> None:
    assert byte_count(()) == 0
    assert byte_count(((0, 4), (6, 9))) == 7


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def in_them(spans: Iterable[Span]) -> set[int]:
    """The bytes themselves."""
    return {at for start, stop in spans for at in range(start, stop)}


@given(SPANS)
def test_merged_are_the_same_bytes_in_order_with_gaps_between(spans: list[Span]) -> None:
    found = merged(spans)
    assert in_them(found) == in_them(spans)
    assert byte_count(found) == len(in_them(spans))
    marks = [mark for span in found for mark in span]
    assert marks == sorted(set(marks))
    assert merged(found) == found


@given(SPANS, st.integers(0, 50), st.integers(-1, 50))
def test_the_first_gap_is_the_first(spans: list[Span], start: int, stop: int) -> None:
    there, wanted = in_them(spans), range(start, max(start, stop))
    gap = first_gap(merged(spans), start, stop)
    if gap is None:
        assert set(wanted) <= there
    else:
        first, end = gap
        assert start <= first < end <= stop
        assert first == min(set(wanted) - there)
        assert not there & set(range(first, end))
        assert end == stop or end in there


@given(SPANS, st.integers(1, 50))
def test_gap_after_gap_everything_gets_there(spans: list[Span], total: int) -> None:
    found = merged(spans)
    for _ in range(len(spans) + 2):
        gap = first_gap(found, 0, total)
        if gap is None:
            break
        found = merged([*found, gap])
    assert set(range(total)) <= in_them(found)


@given(SPANS, st.integers(-1, 60))
def test_bytes_behind_a_position_are_counted(spans: list[Span], position: int) -> None:
    assert byte_count_after(merged(spans), position) == len([at for at in in_them(spans) if at >= position])


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))), max_size=6)


@given(SPANS, SPANS)
def test_without_leaves_exactly_the_bytes_that_are_in_no_hole(spans: list[Span], holes: list[Span]) -> None:
    def bytes_of(ranges: Iterable[Span]) -> set[int]:
        return {at for start, stop in ranges for at in range(start, stop)}

    left = without(spans, holes)
    assert bytes_of(left) == bytes_of(spans) - bytes_of(holes)
    assert merged(left) == left
