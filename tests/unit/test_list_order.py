"""The order of a list within a window: a permutation, lazy, with bounded memory, that never waits for a live source."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.model import Download
from downloader.core.scheduling.list_order import PATIENCE, in_order

ORDERS = ["reversed", "priority", "smallest", "random"]


def entry(number: int, size: int | None = None, priority: int = 0) -> Download:
    return Download(f"https://a.example/{number}", size=size, priority=priority)


def ordered(source: Iterator[Download | None], order: str, window: int = 100, seed: int = 0) -> Iterator[Download | None]:
    return in_order(source, order, random.Random(seed).random, window_size=window)


def numbers(downloads: Iterator[Download | None]) -> list[int]:
    """The numbers of Downloads, without the pauses between them."""
    return [int(download.url.rpartition("/")[2]) for download in downloads if download is not None]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("reversed", [4, 3, 2, 1, 0]), ("priority", [2, 4, 0, 1, 3]), ("smallest", [3, 0, 4, 1, 2])],
)
def test_a_list_that_fits_into_the_window_is_ordered_as_a_whole(order: str, expected: list[int]) -> None:
    sizes, priorities = [5, None, None, 0, 5], [0, 0, 9, -1, 9]
    source = [entry(number, sizes[number], priorities[number]) for number in range(5)]
    assert numbers(ordered(iter(source), order)) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [("reversed", [2, 3, 4, 5, 1, 0]), ("priority", [2, 3, 4, 5, 1, 0]), ("smallest", [0, 1, 2, 3, 4, 5])],
)
def test_a_longer_list_is_ordered_within_the_window(order: str, expected: list[int]) -> None:
    source = (entry(number, number, number) for number in range(6))
    assert numbers(ordered(source, order, window=3)) == expected


def test_equal_sizes_and_priorities_stay_as_listed() -> None:
    for order in ("priority", "smallest"):
        assert numbers(ordered(map(entry, range(50)), order)) == list(range(50))


@pytest.mark.parametrize(("order", "priority"), [("priority", 7), ("reversed", 0), ("smallest", 0), ("random", 0)])
def test_only_the_order_by_priority_keeps_the_priority(order: str, priority: int) -> None:
    """The scheduler starts Downloads of a higher priority first: it would undo the other orders."""
    (download,) = ordered(iter([entry(1, size=3, priority=7)]), order)
    assert download == entry(1, size=3, priority=priority)


def test_random_is_uniform() -> None:
    firsts = Counter(numbers(ordered(map(entry, range(4)), "random", seed=seed))[0] for seed in range(4000))
    assert all(850 < firsts[number] < 1150 for number in range(4))


def test_random_numbers_are_the_callers() -> None:
    assert numbers(in_order(map(entry, range(4)), "random", lambda: 0.0)) == [0, 3, 2, 1]
    assert numbers(in_order(map(entry, range(4)), "random", lambda: 0.999999)) == [3, 2, 1, 0]


entries = st.builds(entry, st.integers(0, 50), st.none() | st.integers(0, 5), st.integers(-3, 3))


@given(st.lists(st.none() | entries, max_size=60), st.sampled_from(ORDERS), st.integers(1, 20), st.integers())
def test_it_is_a_permutation_that_never_holds_more_than_the_window(
    source: list[Download | None], order: str, window: int, seed: int
) -> None:
    read = 0

    def counted() -> Iterator[Download | None]:
        nonlocal read
        for download in source:
            read += download is not None
            yield download

    out: list[Download] = []
    for download in ordered(counted(), order, window, seed):
        if download is not None:
            out.append(download)
        assert read - len(out) <= window
    key: Callable[[Download], object] = lambda download: (download.url, download.size)  # noqa: E731
    assert Counter(map(key, out)) == Counter(key(download) for download in source if download is not None)


@given(st.lists(entries, max_size=60), st.integers(1, 20))
def test_priority_within_the_window_is_that_of_a_simple_model(source: list[Download], window: int) -> None:
    waiting = list(enumerate(source[:window]))
    expected = []
    for index in range(window, len(source) + window):
        if not waiting:
            break
        first = min(waiting, key=lambda item: (-item[1].priority, item[0]))
        waiting.remove(first)
        expected.append(first[1])
        if index < len(source):
            waiting.append((index, source[index]))
    assert list(ordered(iter(source), "priority", window)) == expected


def test_the_source_is_read_lazily() -> None:
    def endless() -> Iterator[Download]:
        for number in range(10**9):
            assert number < 20
            yield entry(number)

    out = ordered(endless(), "reversed", window=10)
    assert numbers(next(out) for _ in range(5)) == [9, 10, 11, 12, 13]


# --- live sources


@pytest.mark.parametrize("order", ORDERS)
def test_a_live_source_that_has_nothing_now_is_passed_on(order: str) -> None:
    """Five Downloads come, and then nothing for ever: all five come out, and no call waits."""

    def live() -> Iterator[Download | None]:
        yield None
        yield None
        yield from map(entry, range(5))
        while True:
            yield None

    out = ordered(live(), order)
    first = [next(out) for _ in range(10)]
    assert first[:3] == [None, None, None]
    assert sorted(numbers(iter(first[3:8]))) == [0, 1, 2, 3, 4]
    assert first[8:] == [None, None]


def test_a_list_that_is_being_written_is_ordered_as_far_as_it_has_come() -> None:
    def live() -> Iterator[Download | None]:
        for number in range(9):
            yield entry(number, size=9 - number)
            yield None
        yield None

    assert numbers(ordered(live(), "smallest")) == list(reversed(range(9)))


def test_a_source_that_drips_is_not_waited_for_for_long() -> None:
    def drip() -> Iterator[Download | None]:
        for number in range(10 * PATIENCE):
            yield entry(number)
            yield None

    out = ordered(drip(), "reversed", window=10**6)
    assert [next(out) is None for _ in range(PATIENCE)] == [True] * PATIENCE
    later = [next(out) for _ in range(PATIENCE)]
    assert sum(download is not None for download in later) == PATIENCE


def test_nothing_comes_out_and_nothing_is_read_while_the_run_is_paused() -> None:
    paused, read = [False], []

    def source() -> Iterator[Download | None]:
        for number in range(9):
            read.append(number)
            yield entry(number)

    out = in_order(source(), "reversed", random.random, lambda: paused[0], window_size=3)
    assert numbers(iter([next(out)])) == [2]
    paused[0] = True
    assert [next(out) for _ in range(5)] == [None] * 5
    assert len(read) == 3
    paused[0] = False
    assert numbers(out) == [3, 4, 5, 6, 7, 8, 1, 0]


def test_an_error_of_the_source_is_raised() -> None:
    def broken() -> Iterator[Download]:
        yield entry(1)
        raise LookupError

    with pytest.raises(LookupError):
        list(ordered(broken(), "random"))
