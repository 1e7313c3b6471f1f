"""How a file is shared out among several Attempts: by hand, and in whole runs whatever happens in them."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.limits.slots import Slots
from downloader.core.model import WHOLE, Attempt, Checksum, Download, End, Outcome, Result, Segment, Span, Status
from downloader.core.names.urls import host_of
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.segment_layout import (
    ABORT,
    MEASURED,
    PATIENCE,
    Open,
    Running,
    SegmentLayout,
    SplitPolicy,
    held,
    joined,
    missing,
)
from downloader.errors import (
    AuthError,
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NetworkError,
    ProtocolError,
    StorageError,
    WorkerError,
)
from tests.support.scheduling import take_all

MB = 1 << 20
URL = "https://a.example/file"
MIRROR = "https://b.example/file"
OTHER = "https://c.example/file"


# --- spans


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
def test_joined(spans: list[Span], expected: tuple[Span, ...]) -> None:
    assert joined(spans) == expected


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
        (((20, 30),), 5, ABORT, None),
        (((0, 4), (20, 30)), 5, 3, None),
    ],
)
def test_missing(spans: tuple[Span, ...], start: int, stop: int, expected: Span | None) -> None:
    assert missing(spans, start, stop) == expected


def test_held() -> None:
    assert held(()) == 0
    assert held(((0, 4), (6, 9))) == 7


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def in_them(spans: Iterable[Span]) -> set[int]:
    """The bytes themselves."""
    return {at for start, stop in spans for at in range(start, stop)}


@given(SPANS)
def test_joined_are_the_same_bytes_in_order_with_gaps_between(spans: list[Span]) -> None:
    found = joined(spans)
    assert in_them(found) == in_them(spans)
    assert held(found) == len(in_them(spans))
    marks = [mark for span in found for mark in span]
    assert marks == sorted(set(marks))
    assert joined(found) == found


@given(SPANS, st.integers(0, 50), st.integers(-1, 50))
def test_missing_is_the_first_gap(spans: list[Span], start: int, stop: int) -> None:
    there, wanted = in_them(spans), range(start, max(start, stop))
    gap = missing(joined(spans), start, stop)
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
    found = joined(spans)
    for _ in range(len(spans) + 2):
        gap = missing(found, 0, total)
        if gap is None:
            break
        found = joined([*found, gap])
    assert set(range(total)) <= in_them(found)


# --- one Segment's speed


def test_a_speed_is_believed_after_a_while_and_follows() -> None:
    running = Running(0, 1000, 0, 10.0, URL)
    running.reached(50, 10.1)
    assert (running.speed, running.seconds_left, running.left) == (None, 0.0, 1000)
    running.reached(100, 10.0 + MEASURED)
    assert (running.speed, running.left) == (100 / MEASURED, 900)
    running.reached(100, 10.0 + 2 * MEASURED)
    assert running.speed == 50 / MEASURED
    assert running.seconds_left == 900 / (50 / MEASURED)


def test_an_attempt_without_a_byte_has_no_speed_at_first() -> None:
    running = Running(0, 1000, 0, 10.0, URL)
    running.reached(0, 10.0 + PATIENCE / 2)
    assert (running.speed, running.seconds_left) == (None, 0.0)
    running.reached(0, 10.0 + PATIENCE)
    assert (running.speed, running.seconds_left) == (0.0, math.inf)
    running.reached(500, 11.0 + PATIENCE)
    assert running.speed == 250


def test_one_that_has_nothing_left_takes_no_time() -> None:
    running = Running(0, 1000, 0, 10.0, URL, speed=0.0)
    running.stop = 0
    assert (running.left, running.seconds_left) == (0, 0.0)
    running.at = 10
    assert running.left == 0


# --- cutting


def layout(total: int = 100 * MB, *running: Running) -> SegmentLayout:
    """A SegmentLayout with these under way, by the keys 0, 1, …; with the whole file, unless said."""
    return SegmentLayout(URL, total, dict(enumerate(running or [Running(0, total, 0, 0.0, URL)])))


def at_speed(start: int, stop: int, at: int, speed: float | None, **values: Any) -> Running:
    """A Running that has this speed, since time 0."""
    return Running(start, stop, at, 0.0, URL, speed=speed, **values)


def segments(found: SegmentLayout) -> list[Span]:
    """What waits, in order."""
    return sorted((item.segment.start, item.segment.stop or -1) for item in found.open)


def test_it_is_shared_out_evenly() -> None:
    found = layout(100 * MB)
    assert found.split(1.0, 10, SplitPolicy(4))
    assert segments(found) == [(25 * MB, 50 * MB), (50 * MB, 75 * MB), (75 * MB, 100 * MB)]
    assert found.cuts == [(0, 25 * MB)]
    assert found.running[0].stop == 25 * MB


def test_what_was_fetched_already_is_not_shared_out() -> None:
    found = layout(100, at_speed(0, 100, 60, None))
    assert found.split(1.0, 10, SplitPolicy(4, 1))
    assert segments(found) == [(70, 80), (80, 90), (90, 100)]


@pytest.mark.parametrize(
    ("free", "policy", "pieces"),
    [
        (0, SplitPolicy(4, 1), 1),
        (-2, SplitPolicy(4, 1), 1),
        (1, SplitPolicy(4, 1), 2),
        (99, SplitPolicy(4, 1), 4),
        (99, SplitPolicy(1, 1), 1),
        (99, SplitPolicy(2, 1), 2),
        (99, SplitPolicy(99, 30), 3),
        (99, SplitPolicy(99, 51), 1),
        (99, SplitPolicy(99, 50), 2),
        (99, SplitPolicy(0, 1), 1),  # not known to be slow
    ],
)
def test_how_many_pieces(free: int, policy: SplitPolicy, pieces: int) -> None:
    found = layout(100)
    assert found.split(1.0, free, policy) is (pieces > 1)
    assert len(found.open) == pieces - 1


@pytest.mark.parametrize(("speed", "pieces"), [(None, 1), (1000.0, 1), (100.0, 1), (50.0, 2), (20.0, 5), (1.0, 8)], ids=str)
def test_without_a_number_it_is_split_only_where_that_helps(speed: float | None, pieces: int) -> None:
    found = layout(100, at_speed(0, 100, 0, speed))
    assert found.split(1.0, 7, SplitPolicy(0, 1)) is (pieces > 1)
    assert len(found.open) == pieces - 1


def test_those_that_run_and_those_that_wait_count() -> None:
    found = layout(1000, at_speed(0, 500, 0, 1.0), at_speed(500, 1000, 500, 1.0))
    found.open.append(Open(0.0, Segment(700, 800), 1))
    assert not found.split(1.0, 9, SplitPolicy(3, 1))
    assert found.split(1.0, 9, SplitPolicy(4, 1))
    assert len(found.open) == 2


def test_the_one_that_would_take_longest_is_cut() -> None:
    found = layout(1000, at_speed(0, 400, 0, 10.0), at_speed(400, 500, 400, 1.0), at_speed(500, 1000, 500, 50.0))
    assert found.split(1.0, 1, SplitPolicy(0, 10))
    assert segments(found) == [(450, 500)]


def test_another_segment_is_split_if_the_slowest_is_too_short() -> None:
    found = layout(1000, at_speed(0, 400, 0, 10.0), at_speed(400, 415, 400, 0.3))
    assert found.split(1.0, 1, SplitPolicy(0, 10))
    assert segments(found) == [(200, 400)]


def test_the_pieces_inherit_the_tries() -> None:
    found = layout(100, at_speed(0, 100, 0, None, tries=3))
    found.split(1.0, 1, SplitPolicy(2, 1))
    assert [item.tries for item in found.open] == [3]


def test_nothing_is_cut_that_is_over_or_closed() -> None:
    for name, value in (("over", Outcome(0, End.COMPLETE)), ("closed", True)):
        found = layout(100)
        setattr(found, name, value)
        assert not found.split(1.0, 5, SplitPolicy(4, 1))
    assert not SegmentLayout(URL, 100).split(1.0, 5, SplitPolicy(4, 1))


# --- taking over


def test_one_that_crawls_is_taken_over_whole() -> None:
    found = layout(1000, at_speed(0, 500, 100, 100.0), at_speed(500, 1000, 510, 1.0))
    assert not found.split(PATIENCE / 2, 1, SplitPolicy(0, 10_000))
    assert found.split(PATIENCE, 1, SplitPolicy(0, 10_000))
    assert segments(found) == [(510, 1000)]
    assert found.cuts == [(1, 510)]
    assert found.open[0].patience == 2 * PATIENCE


def test_an_attempt_that_takes_over_has_twice_as_long() -> None:
    found = layout(1000, at_speed(0, 500, 100, 100.0))
    found.start(7, MIRROR, Open(10.0, Segment(510, 1000), 2, 2 * PATIENCE), 10.0)
    taken = found.running[7]
    assert (taken.start, taken.stop, taken.at, taken.url, taken.tries) == (510, 1000, 510, MIRROR, 2)
    taken.reached(510, 10.0 + PATIENCE)
    assert taken.speed is None
    taken.reached(510, 10.0 + 2 * PATIENCE)
    assert taken.speed == 0
    assert not found.split(9.9 + 2 * PATIENCE, 1, SplitPolicy(0, 10_000))
    assert found.split(10.0 + 2 * PATIENCE, 1, SplitPolicy(0, 10_000))
    assert found.open[0].patience == 4 * PATIENCE


def test_an_attempt_without_a_byte_is_taken_over_whole() -> None:
    found = layout(1000, at_speed(0, 500, 400, 100.0), at_speed(500, 1000, 500, 0.0))
    assert found.split(PATIENCE, 5, SplitPolicy(8, 1))
    assert segments(found) == [(500, 1000)]


def test_one_at_the_very_start_is_told_to_stop_at_once() -> None:
    """An end of 0 would be the end of the file."""
    found = layout(1000, at_speed(0, 500, 0, 0.0), at_speed(500, 1000, 600, 100.0))
    assert found.split(PATIENCE, 1, SplitPolicy(0, 10_000))
    assert found.cuts == [(0, ABORT)]


@pytest.mark.parametrize(
    ("others", "speeds", "speed", "at", "taken"),
    [
        ([], [], 1.0, 510, False),  # nothing to compare with
        ([None], [], 1.0, 510, False),
        ([4.0], [], 1.0, 510, False),
        ([4.1], [], 1.0, 510, True),
        ([100.0], [], 1.0, 998, False),  # soon over
        ([100.0], [], 1.0, 1000, False),
        ([100.0], [], None, 510, False),
        ([100.0], [], 0.0, 510, True),
        ([1.0, 100.0, 100.0], [], 2.0, 510, True),
        ([None, None, 100.0], [], 2.0, 510, True),
        ([], [100.0], 1.0, 510, True),
        ([], [100.0] * 50 + [1.0] * 16, 1.0, 510, False),  # what was long ago does not count
    ],
)
def test_an_attempt_crawls_if_it_is_much_slower(
    others: list[float | None], speeds: list[float], speed: float | None, at: int, taken: bool
) -> None:
    running = [at_speed(10 * number, 10 * number + 5, 10 * number, other) for number, other in enumerate(others)]
    found = layout(1000, *running, at_speed(500, 1000, at, speed))
    found.speeds = speeds
    assert found.split(PATIENCE, 1, SplitPolicy(0, 10_000)) is taken


# --- what becomes of them


def test_a_segment_that_failed_waits_to_be_asked_for_again() -> None:
    found = layout(100, at_speed(0, 50, 0, 7.0), at_speed(50, 100, 60, None))
    ended = found.ended(Outcome(0, End.FAILED))
    found.again(ended, 12.5)
    assert (found.open, found.speeds) == ([Open(12.5, Segment(0, 50), 1)], [7.0])
    found.ended(Outcome(1, End.FAILED))
    assert found.speeds == [7.0]  # the other's was not known
    found.start(2, URL, Open(0.0, Segment(50, 100), 1), 0.0)
    found.ended(Outcome(2, End.SEGMENT, received=50, elapsed=0.1))
    assert found.speeds == [7.0, 500.0]  # over before it was looked at


def test_one_that_was_given_away_whole_is_not_asked_for_again() -> None:
    found = layout(100)
    found.running[0].stop = 0
    found.again(found.ended(Outcome(0, End.FAILED)), 0.0)
    assert found.open == []


def test_giving_up_ends_all_that_runs_and_all_that_waits() -> None:
    found = layout(100, at_speed(0, 50, 0, 1.0), at_speed(50, 100, 50, 1.0))
    found.open.append(Open(0.0, Segment(80, 90), 1))
    first, second = Outcome(5, End.FAILED), Outcome(6, End.RESTART)
    found.give_up(first)
    assert (found.over, found.open, found.cuts) == (first, [], [(0, ABORT), (1, ABORT)])
    found.give_up(second)
    assert found.over is first
    found.again(found.ended(Outcome(0, End.FAILED)), 0.0)
    assert found.open == []


def test_a_file_that_is_complete_is_complete_whatever_else_was_said() -> None:
    found = layout()
    found.give_up(Outcome(5, End.FAILED))
    found.give_up(done := Outcome(6, End.COMPLETE))
    assert found.over is done


# --- with a scheduler


def scheduler(
    downloads: Iterable[Download], in_all: int = 4, per_host: int = 4, most: int = 4, retries: int = 2, **options: Any
) -> Scheduler:
    """A Scheduler that splits files of a few bytes."""
    policy = RetryPolicy(retries=retries, wait=8.0, longest_wait=1000.0, max_retry_after=100.0)
    return Scheduler(iter(downloads), Slots(in_all, per_host), policy, split=SplitPolicy(most, 1), **options)


def split(*mirrors: str, retries: int = 2, most: int = 4, total: int = 100, **values: Any) -> tuple[Scheduler, list[Attempt]]:
    """A run whose one file has just been split, and the Attempts at it, the first one first."""
    run = scheduler([Download(URL, mirrors=mirrors, **values)], retries=retries, most=most)
    (first,) = take_all(run)
    run.progress(first.key, 0, total, 0.0)
    return run, [first, *take_all(run)]


def settle(
    run: Scheduler,
    attempt: Attempt,
    end: End = End.SEGMENT,
    error: DownloadError | None = None,
    now: float = 0.0,
    **values: Any,
) -> None:
    """Settle it, with a chance of one half."""
    run.settle(Outcome(attempt.key, end, error=error, **values), now, 0.5)


def fail(run: Scheduler, attempt: Attempt, error: DownloadError, now: float = 0.0) -> None:
    """Settle it as failed."""
    settle(run, attempt, End.FAILED, error, now)


def test_a_file_that_may_be_split_is_fetched_in_segments() -> None:
    run, attempts = split()
    first, *others = attempts
    assert run.cuts() == [(first.key, 25)]
    assert run.cuts() == []
    assert [tuple(item.segment) for item in others] == [(25, 50), (50, 75), (75, 100)]
    assert all(item.beside == first.key and not item.mirror and item.url == URL for item in others)
    assert [item.number for item in attempts] == [1, 2, 3, 4]
    assert len({item.key for item in attempts}) == 4
    for attempt in others:
        settle(run, attempt)
        assert run.results() == []
    settle(run, first, End.COMPLETE, size=100)
    (result,) = run.results()
    assert (result.status, result.bytes, result.attempts) == (Status.DONE, 100, 4)
    assert run.finished


def test_files_that_wait_come_before_more_segments() -> None:
    run = scheduler([Download(URL), Download(URL + "2"), Download(URL + "3")], in_all=3)
    first, second = run.take(0.0)[0], run.take(0.0)[0]
    run.progress(first.key, 0, 100, 0.0)
    third = run.take(0.0)[0]
    assert third.segment == WHOLE
    settle(run, second, End.COMPLETE)
    settle(run, third, End.COMPLETE)
    assert [item.segment for item in take_all(run)] == [Segment(33, 66), Segment(66, 100)]


def test_segments_hold_slots_of_their_host() -> None:
    run = scheduler([Download(URL)], in_all=9, per_host=2, most=4)
    (first,) = take_all(run)
    run.progress(first.key, 0, 100, 0.0)
    (second,) = take_all(run)
    settle(run, second)
    (third,) = take_all(run)
    assert third.segment == Segment(50, 75)


def test_a_segment_that_fails_is_asked_for_again_after_a_while() -> None:
    run, (first, second, *_) = split()
    fail(run, second, NetworkError("reset"), now=1.0)
    assert take_all(run, 1.0) == []
    assert run.wake_at == 5.0
    (again,) = take_all(run, 5.0)
    assert (again.segment, again.number, again.beside) == (second.segment, 5, first.key)
    settle(run, again)
    assert run.results() == []


def test_what_a_server_asks_for_is_obeyed_for_a_segment_too() -> None:
    run, attempts = split()
    fail(run, attempts[1], HTTPStatusError(503, retry_after=50.0), now=1.0)
    assert run.wake_at == 51.0
    for attempt in (attempts[0], *attempts[2:]):
        settle(run, attempt, now=2.0)
    assert run.results() == []
    assert take_all(run, 50.0) == []  # the rest is of one Attempt again, and waits as long
    (rest,) = take_all(run, 51.0)
    assert (rest.segment, rest.fresh) == (WHOLE, False)
    assert not run.finished


def test_refused_connections_do_not_fail_the_first_one() -> None:
    run, (first, *others) = split(most=2, retries=1)
    now = 0.0
    (other,) = others
    for _ in range(2):
        fail(run, other, HTTPStatusError(503), now)
        now += 1000
        found = take_all(run, now)
        other = found[0] if found else other
    assert found == []  # it is not split any more
    run.progress(first.key, 10, 100, now)
    assert take_all(run, now) == []
    settle(run, first, now=now)
    (rest,) = take_all(run, now)
    assert rest.segment == WHOLE
    settle(run, rest, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("error", [AuthError(403), HTTPStatusError(404), ProtocolError("nonsense")])
def test_where_no_other_try_helps_the_other_segments_go_on_all_the_same(error: DownloadError) -> None:
    run, (first, second, third, fourth) = split()
    fail(run, second, error)
    assert run.cuts() == [(first.key, 25)]
    for attempt in (third, fourth, first):
        assert take_all(run) == []
        settle(run, attempt)
    (rest,) = take_all(run)
    fail(run, rest, error)
    (result,) = run.results()
    assert (result.status, result.error) == (Status.FAILED, error)
    assert run.finished


@pytest.mark.parametrize("error", [StorageError("disk full"), IntegrityError("wrong size")])
def test_what_is_true_of_the_whole_file_ends_all_its_segments(error: DownloadError) -> None:
    run, (first, second, third, fourth) = split(retries=0)
    run.cuts()
    fail(run, second, error)
    assert sorted(run.cuts()) == sorted((item.key, ABORT) for item in (first, third, fourth))
    for attempt in (third, fourth, first):
        assert run.results() == []
        settle(run, attempt)
    (result,) = run.results()
    assert result.error is error


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_wrong_checksum_is_found_by_one_and_begins_again_at_zero(order: tuple[int, int]) -> None:
    run, attempts = split(most=2)
    wrong = IntegrityError("the checksum is wrong")
    for number in order:
        if number:
            fail(run, attempts[number], wrong)
        else:
            settle(run, attempts[number])
    assert run.results() == []
    (again,) = take_all(run)
    assert (again.segment, again.fresh) == (WHOLE, True)
    run.progress(again.key, 0, 100, 10.0)
    (beside,) = take_all(run, 10.0)
    assert not beside.fresh, "what the first one brings is what it joins in"
    fail(run, beside, wrong)
    settle(run, again)
    assert [result.error for result in run.results()] == [wrong]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_file_that_changed_begins_again_and_is_not_split_any_more(order: tuple[int, int]) -> None:
    """Servers that disagree about its version would have it begin again for ever."""
    run, attempts = split(most=2)
    run.cuts()
    for number in order:
        settle(run, attempts[number], End.RESTART if number else End.SEGMENT)
        assert run.cuts() == ([(attempts[0].key, ABORT)] if number and order[0] else [])
    (again,) = take_all(run)
    assert (again.segment, again.fresh) == (WHOLE, True)
    run.progress(again.key, 0, 100, 10.0)
    assert take_all(run, 10.0) == []
    settle(run, again, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("end", [End.UNSTARTED, End.UNREPORTED])
def test_one_that_was_not_begun_is_asked_for_at_once(end: End) -> None:
    run, (_, second, *_) = split()
    settle(run, second, end)
    (again,) = take_all(run)
    assert again.segment == second.segment
    assert again.number == (4 if end is End.UNSTARTED else 5)
    assert again.repeated is (end is End.UNREPORTED)


@pytest.mark.parametrize("end", [End.UNSTARTED, End.UNREPORTED, End.SEGMENT])
def test_where_none_runs_any_more_all_that_is_left_is_asked_for(end: End) -> None:
    run, attempts = split(most=2)
    settle(run, attempts[0])
    settle(run, attempts[1], end)
    (rest,) = take_all(run)
    assert (rest.segment, rest.key) == (WHOLE, attempts[0].key)
    fail(run, rest, NetworkError("reset"))
    assert len(take_all(run, 1e6)) == 1  # only one try has been used


def test_a_worker_that_is_lost_with_all_segments_costs_one_try() -> None:
    run, attempts = split(retries=1)
    for attempt in attempts:
        settle(run, attempt, End.LOST)
    (again,) = take_all(run, 1000.0)
    assert (again.segment, again.repeated) == (WHOLE, True)
    settle(run, again, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("error", [FileInUse("another run is writing this file"), WorkerError("died")])
def test_a_segment_that_cannot_join_in_is_left_to_the_others(error: DownloadError) -> None:
    run, (first, second) = split(most=2, retries=0)
    fail(run, second, error)
    assert take_all(run) == []
    settle(run, first)
    (rest,) = take_all(run)
    assert rest.segment == WHOLE


def test_an_end_that_is_true_of_the_file_is_the_downloads() -> None:
    run, attempts = split()
    settle(run, attempts[2], End.EXISTS)
    for attempt in (attempts[0], attempts[1], attempts[3]):
        settle(run, attempt)
    assert [(result.status, result.reason) for result in run.results()] == [(Status.SKIPPED, "exists")]


def test_what_failed_before_the_file_was_complete_does_not_matter() -> None:
    run, (first, second) = split(most=2)
    fail(run, second, StorageError("disk full"))
    settle(run, first, End.COMPLETE, size=100)
    assert [result.status for result in run.results()] == [Status.DONE]


def test_after_the_last_failure_one_attempt_fetches_the_rest() -> None:
    run, (first, second) = split(most=2, retries=2)
    settle(run, first)
    fail(run, second, NetworkError("reset"), now=1.0)
    (rest,) = take_all(run, 5.0)
    assert (rest.segment, rest.fresh) == (WHOLE, False)
    fail(run, rest, NetworkError("reset"), now=5.0)
    (rest,) = take_all(run, 1e6)
    fail(run, rest, NetworkError("reset"), now=1e6)
    assert [result.status for result in run.results()] == [Status.FAILED]


def test_a_last_segment_refused_is_left_to_one_attempt() -> None:
    run, (first, second) = split(most=2, retries=1)
    fail(run, second, NetworkError("reset"))
    (second,) = take_all(run, 1000.0)
    settle(run, first, now=1000.0)
    fail(run, second, NetworkError("reset"), now=1000.0)
    for _ in range(2):
        assert run.results() == []
        (rest,) = take_all(run, 1e6)
        assert rest.segment == WHOLE
        run.progress(rest.key, 10, 100, 1e6)
        assert take_all(run, 1e6) == []
        fail(run, rest, NetworkError("reset"))
    assert [result.status for result in run.results()] == [Status.FAILED]


def test_progress_of_what_has_ended_is_none() -> None:
    run = scheduler([Download(URL)])
    (first,) = take_all(run)
    run.stop()
    run.progress(first.key, 0, 100, 0.0)
    settle(run, first, End.COMPLETE)
    run.progress(first.key, 0, 100, 0.0)
    run.progress(-99, 0, 100, 0.0)
    assert run.cuts() == []


def test_progress_of_one_given_away_changes_nothing() -> None:
    run, (first, second, *_) = split()
    settle(run, second)
    run.progress(second.key, 30, 100, 1.0)
    run.progress(first.key, 10, 100, 1.0)
    assert run.wake_at is None


def test_stopping_asks_for_no_further_segment() -> None:
    run, (first, second, third, fourth) = split()
    fail(run, second, NetworkError("reset"))
    run.stop()
    assert run.wake_at is None
    settle(run, third)
    fail(run, fourth, NetworkError("reset"))
    assert not run.finished
    settle(run, first)
    (result,) = run.results()
    assert isinstance(result.error, Interrupted)
    assert run.finished
    assert not run.complete


def test_stopping_lets_a_file_get_complete() -> None:
    run, (first, second) = split(most=2)
    run.stop()
    settle(run, first)
    settle(run, second, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]
    assert run.complete


def test_interrupted_segments_are_one_interrupted_download() -> None:
    run, attempts = split()
    run.stop()
    for attempt in attempts:
        settle(run, attempt, End.INTERRUPTED, Interrupted("stopped"))
    assert [type(result.error) for result in run.results()] == [Interrupted]


# --- mirrors


def test_mirrors_serve_different_segments() -> None:
    _, attempts = split(MIRROR, OTHER)
    assert {item.url for item in attempts} == {URL, MIRROR, OTHER}
    assert all(item.mirror is (item.url != URL) for item in attempts)
    assert all(item.source == URL for item in attempts)


def at_mirror(attempts: list[Attempt]) -> Attempt:
    """The first one at a mirror."""
    return next(item for item in attempts if item.mirror)


@pytest.mark.parametrize(
    ("end", "error"),
    [(End.FAILED, HTTPStatusError(404)), (End.FAILED, AuthError(403)), (End.FAILED, ProtocolError("x")), (End.RESTART, None)],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_mirror_that_is_of_no_use_is_dropped(end: End, error: DownloadError | None, last: bool) -> None:
    run, attempts = split(MIRROR, most=2)
    bad = at_mirror(attempts)
    good = next(item for item in attempts if item is not bad)
    if last:
        settle(run, good)
    settle(run, bad, end, error)
    if not last:
        (again,) = take_all(run)
        assert (again.url, again.mirror, again.segment) == (URL, False, bad.segment)
        settle(run, again)
        settle(run, good)
    (rest,) = take_all(run)
    assert (rest.url, rest.segment, rest.fresh) == (URL, WHOLE, False)
    settle(run, rest, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


def test_a_mirror_is_dropped_when_its_tries_are_used_up() -> None:
    run, attempts = split(MIRROR, most=2, retries=0)
    fail(run, at_mirror(attempts), HTTPStatusError(500))
    (again,) = take_all(run)
    assert again.url == URL


def test_the_first_url_is_dropped_where_a_mirror_goes_on() -> None:
    run, attempts = split(MIRROR, most=2)
    first = attempts[0]
    fail(run, first, HTTPStatusError(404))
    (again,) = take_all(run)
    assert (again.url, again.segment, again.mirror) == (MIRROR, Segment(0, 50), True)


def test_a_full_disk_is_no_mirrors_fault() -> None:
    run, attempts = split(MIRROR, most=2)
    fail(run, at_mirror(attempts), StorageError("disk full"))
    settle(run, attempts[0])
    assert [type(result.error) for result in run.results()] == [StorageError]


def test_a_wrong_checksum_of_several_servers_leads_to_one_at_a_time() -> None:
    run, attempts = split(MIRROR, most=2, checksums=(Checksum("md5", "0" * 32),), retries=5)
    asked = []
    error = IntegrityError("wrong")
    settle(run, attempts[0])
    fail(run, attempts[1], error)
    for _ in range(2):
        (again,) = take_all(run)
        assert again.fresh
        run.progress(again.key, 0, 100, 0.0)
        (beside,) = take_all(run)
        assert (again.url, again.mirror) == (beside.url, beside.mirror)
        asked.append(again.url)
        settle(run, again)
        fail(run, beside, error)
    assert sorted(asked) == [URL, MIRROR]
    assert [result.error for result in run.results()] == [error]


# --- any run at all

TOTAL = 4096
TROUBLES: tuple[tuple[End, DownloadError | None], ...] = (
    (End.FAILED, NetworkError("reset")),
    (End.FAILED, HTTPStatusError(503, retry_after=3.0)),
    (End.FAILED, HTTPStatusError(404)),
    (End.FAILED, IntegrityError("wrong")),
    (End.FAILED, StorageError("disk full")),
    (End.FAILED, FileInUse("in use")),
    (End.FAILED, ProtocolError("nonsense")),
    (End.LOST, None),
    (End.UNREPORTED, None),
    (End.UNSTARTED, None),
    (End.RESTART, None),
    (End.INTERRUPTED, Interrupted("stopped")),
)


@dataclass
class World:
    """What a driver and a server would do: each Attempt fetches bytes of its Segment, in order, until told otherwise."""

    run: Scheduler
    in_all: int
    per_host: int
    most: int
    choices: Iterator[tuple[int, int, int]]
    quiet: bool
    now: float = 0.0
    flying: dict[int, tuple[Attempt, int, int]] = field(default_factory=dict)
    stops: dict[int, int] = field(default_factory=dict)
    files: dict[int, list[Span]] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)
    unbegun: Counter[str] = field(default_factory=Counter)
    fetched: int = 0

    def step(self) -> None:
        """One event."""
        what, which, pause = next(self.choices, (20, 0, 3))
        self.now += pause / 10
        for attempt in take_all(self.run, self.now):
            assert attempt.key not in self.flying
            start, stop = attempt.segment
            self.flying[attempt.key] = attempt, start, TOTAL if stop is None else stop
            self.begun[attempt.source] += 1
            if attempt.fresh:
                assert attempt.segment == WHOLE
                self.files[self.of(attempt)] = []
        self.check()
        if not self.flying:
            wake = self.run.wake_at
            if not self.run.finished:
                assert wake is not None, "nothing runs, nothing waits, and yet it is not finished"
                self.now = max(self.now, wake)
            self.collect()
            return
        key = sorted(self.flying)[which % len(self.flying)]
        attempt, at, stop = self.flying[key]
        if what < 40 or self.quiet or what - 40 >= len(TROUBLES):
            self.fetch(attempt, at, stop, 1 + what * 37 % 900)
        else:
            self.end(attempt, *TROUBLES[what - 40])

    def of(self, attempt: Attempt) -> int:
        """Which file it is."""
        return int(attempt.source.rpartition("/")[2])

    def fetch(self, attempt: Attempt, at: int, stop: int, count: int) -> None:
        """It gets so many bytes, and tells where it is."""
        if attempt.key in self.stops:
            stop = min(stop, self.stops[attempt.key]) if self.stops[attempt.key] >= 0 else ABORT
        spans = self.files.setdefault(self.of(attempt), [])
        gap = missing(joined(spans), at, stop)
        if gap is not None:
            got = min(gap[1], gap[0] + count)
            spans.append((gap[0], got))
            self.fetched += got - gap[0]
            at = got
            self.flying[attempt.key] = attempt, at, stop
        if missing(joined(spans), at, stop) is None:
            complete = joined(spans) == ((0, TOTAL),) and stop != ABORT
            if complete:
                spans.append((TOTAL, TOTAL + 1))  # claimed: nobody else ends it
            self.end(attempt, End.COMPLETE if complete else End.SEGMENT, size=TOTAL)
            return
        self.run.progress(attempt.key, at, TOTAL, self.now)

    def end(self, attempt: Attempt, end: End, error: DownloadError | None = None, **values: Any) -> None:
        """It ends like this."""
        if end is End.RESTART and attempt.fresh:
            end = End.SEGMENT if attempt.segment != WHOLE else End.UNREPORTED
        if isinstance(error, IntegrityError):
            self.files[self.of(attempt)] = []
        if end is End.UNSTARTED:
            self.unbegun[attempt.source] += 1
        del self.flying[attempt.key]
        self.stops.pop(attempt.key, None)
        self.run.settle(Outcome(attempt.key, end, error=error, received=1, **values), self.now, 0.5)
        self.collect()

    def collect(self) -> None:
        """Hear what the scheduler says."""
        self.stops.update((key, stop) for key, stop in self.run.cuts() if key in self.flying)
        self.results += self.run.results()

    def check(self) -> None:
        """What holds at any moment."""
        self.collect()
        assert len(self.flying) == self.run.in_flight <= self.in_all
        hosts = Counter(host_of(attempt.url) for attempt, _, _ in self.flying.values())
        assert max(hosts.values(), default=0) <= self.per_host
        of_one = Counter(attempt.source for attempt, _, _ in self.flying.values())
        assert max(of_one.values(), default=0) <= self.most or not self.most
        for attempt, _, _ in self.flying.values():
            assert attempt.segment == WHOLE or not attempt.fresh


@st.composite
def worlds(draw: st.DrawFn, quiet: bool) -> World:
    """Any such run, of up to three files."""
    in_all = draw(st.integers(1, 8))
    per_host, most = draw(st.integers(1, in_all)), draw(st.sampled_from([0, 1, 2, 3, 8]))
    mirrors = [f"https://{host}.example/" for host in draw(st.sampled_from(["", "b", "bc", "a"]))]
    downloads = [
        Download(f"https://a.example/{number}", mirrors=tuple(f"{mirror}{number}" for mirror in mirrors))
        for number in range(draw(st.integers(1, 3)))
    ]
    choices = draw(st.lists(st.tuples(st.integers(0, 52), st.integers(0, 9), st.integers(0, 9)), max_size=150))
    run = Scheduler(
        iter(downloads),
        slots := Slots(in_all, per_host),
        RetryPolicy(draw(st.integers(0, 2)), wait=1.0),
        split=SplitPolicy(most, draw(st.sampled_from([1, 100, 5000]))),
        fail_fast=not quiet and draw(st.booleans()),
        host_failures=draw(st.integers(0, 2)),
    )
    world = World(run, in_all, per_host, most, iter(choices), quiet)
    world.slots, world.downloads = slots, downloads  # type: ignore[attr-defined]
    return world


def released(world: World) -> bool:
    """Whether every slot was given back, and nothing is kept of any file."""
    slots: Slots = world.slots  # type: ignore[attr-defined]
    return slots.in_flight == 0 and not slots.at_host and not world.run._splits and not world.run._ready._leases


@settings(max_examples=300)
@given(worlds(quiet=True))
def test_without_trouble_every_byte_is_fetched_once(world: World) -> None:
    steps = 0
    while not world.run.finished:
        steps += 1
        assert steps < 5000, "it does not end"
        world.step()
    downloads = world.downloads  # type: ignore[attr-defined]
    assert [result.status for result in world.results] == [Status.DONE] * len(downloads)
    assert world.fetched == TOTAL * len(downloads)
    assert released(world)


@settings(max_examples=600)
@given(worlds(quiet=False), st.integers(0, 400))
def test_whatever_happens_there_is_one_result_and_no_slot_is_lost(world: World, stop_after: int) -> None:
    steps = 0
    while not world.run.finished:
        steps += 1
        assert steps < 5000, "it does not end"
        if steps == stop_after:
            world.run.stop()
        world.step()
    begun = [result for result in world.results if result.attempts]
    started = {source for source, count in world.begun.items() if count > world.unbegun[source]}
    assert sorted(result.url for result in begun) == sorted(started)
    for result in begun:
        assert result.attempts == world.begun[result.url] - world.unbegun[result.url]
        number = int(result.url.rpartition("/")[2])
        if result.status is Status.DONE:
            assert joined(world.files[number]) == ((0, TOTAL + 1),), "a byte is missing"
        else:
            assert result.error is not None
    assert released(world)
