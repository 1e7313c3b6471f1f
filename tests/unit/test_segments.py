"""How a file is shared out among several Attempts: by hand, and in whole runs whatever happens in them."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.facts import WHOLE, Checksum, Segment, Span
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.names.urls import host_of
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.running_segment import MIN_SPEED_SAMPLE, SLOW_SEGMENT_GRACE, RunningSegment
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.segment_layout import (
    MAX_CAPPED_SPEED,
    MIN_GAIN,
    MIN_GAIN_IF_CAPPED,
    PendingSegment,
    SegmentLayout,
    SplitLimit,
    SplitPolicy,
    split_limit,
)
from downloader.core.spans import first_gap, merged
from downloader.errors import (
    AuthError,
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NetworkError,
    NoAnswer,
    ProtocolError,
    StorageError,
    WorkerError,
)
from tests.support.scheduling import take_all

MB = 1 << 20
URL = "https://a.example/file"
MIRROR = "https://b.example/file"
OTHER = "https://c.example/file"
LOCAL = "http://127.0.0.1/file"


# --- one Segment's speed


def test_the_speed_is_measured_over_a_minimum_time_and_then_averaged() -> None:
    running = RunningSegment(0, 1000, 0, 10.0, URL)
    running.sample(50, 10.1)
    assert (running.speed, running.seconds_left, running.bytes_left) == (None, 0.0, 1000)
    running.sample(100, 10.0 + MIN_SPEED_SAMPLE)
    assert (running.speed, running.bytes_left) == (100 / MIN_SPEED_SAMPLE, 900)
    running.sample(100, 10.0 + 2 * MIN_SPEED_SAMPLE)
    assert running.speed == 50 / MIN_SPEED_SAMPLE
    assert running.seconds_left == 900 / (50 / MIN_SPEED_SAMPLE)


def test_an_attempt_without_a_byte_has_no_speed_at_first() -> None:
    running = RunningSegment(0, 1000, 0, 10.0, URL)
    running.sample(0, 10.0 + SLOW_SEGMENT_GRACE / 2)
    assert (running.speed, running.seconds_left) == (None, 0.0)
    running.sample(0, 10.0 + SLOW_SEGMENT_GRACE)
    assert (running.speed, running.seconds_left) == (0.0, math.inf)
    running.sample(500, 11.0 + SLOW_SEGMENT_GRACE)
    assert running.speed == 250


def test_a_segment_with_no_bytes_left_takes_no_time() -> None:
    running = RunningSegment(0, 1000, 0, 10.0, URL, speed=0.0)
    running.stop = 0
    assert (running.bytes_left, running.seconds_left) == (0, 0.0)
    running.position = 10
    assert running.bytes_left == 0


@pytest.mark.parametrize(
    ("positions", "speed"),
    [
        ([50, 100], 800),
        ([50, 120], 960),
        ([50, 90], 720),
        ([50, 150], None),  # TCP slow start: twice as fast in the second half
        ([80, 100], None),
        ([0, 100], None),
        ([100, 100], None),
        ([20, 60, 90, 130], 560),  # the second measurement is
        ([50, 100, 150, 250], None),  # the second measurement is not
        ([50, 100, 100, 100], None),  # no more came
    ],
    ids=str,
)
def test_a_speed_is_steady_if_both_halves_of_a_measurement_agree(positions: list[int], speed: float | None) -> None:
    running = RunningSegment(0, 10_000, 0, 10.0, URL)
    for number, position in enumerate(positions, 1):
        at = 10.0 + number * 0.0625
        running.sample(position, at + 0.001, received_at=at)
        running.sample(position, at + 0.02, received_at=at)  # no news
        assert running.reached == position
    assert running.steady.value == speed


def test_without_a_middle_a_speed_is_steady_if_two_measurements_agree() -> None:
    running = RunningSegment(0, 10_000, 0, 10.0, URL)
    running.sample(100, 10.125)
    assert running.steady.value is None
    running.sample(220, 10.25)
    assert running.steady.value == 960
    running.sample(500, 10.375)
    assert running.steady.value is None


def test_a_speed_that_the_rate_limit_makes_is_not_steady() -> None:
    running = RunningSegment(0, 10_000, 0, 10.0, URL)
    for number in range(1, 9):
        running.sample(50 * number, 10.0 + number * 0.0625, paused=number * 0.05)
        assert (running.speed, running.steady.value) == (None, None)


# --- cutting


def layout(total: int = 100 * MB, *running: RunningSegment) -> SegmentLayout:
    """A SegmentLayout with these under way, by the keys 0, 1, …; with the whole file, unless said."""
    items = running or [RunningSegment(0, total, 0, 0.0, URL)]
    return SegmentLayout(URL, total, running=dict(enumerate(items)))


def cut_up(found: SegmentLayout, now: float, free: int, policy: SplitPolicy) -> bool:
    """Split it under this policy, if that allows it."""
    found.limit = split_limit(policy, unsplittable=False, is_at_public_host=False)
    return found.split(now, free)


def at_speed(start: int, stop: int, at: int, speed: float | None, **values: Any) -> RunningSegment:
    """A RunningSegment that has this speed, since time 0."""
    return RunningSegment(start, stop, at, 0.0, URL, speed=speed, **values)


def segments(found: SegmentLayout) -> list[Span]:
    """What waits, in order."""
    return sorted((item.segment.start, item.segment.stop or -1) for item in found.pending)


def test_a_file_is_split_into_equal_pieces() -> None:
    found = layout(100 * MB)
    assert cut_up(found, 1.0, 10, SplitPolicy(4))
    assert segments(found) == [(25 * MB, 50 * MB), (50 * MB, 75 * MB), (75 * MB, 100 * MB)]
    assert found.cuts == [(0, 25 * MB)]
    assert found.running[0].stop == 25 * MB


def test_only_the_bytes_that_are_missing_are_split() -> None:
    found = layout(100, at_speed(0, 100, 60, None))
    assert cut_up(found, 1.0, 10, SplitPolicy(4, 1))
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
    assert cut_up(found, 1.0, free, policy) is (pieces > 1)
    assert len(found.pending) == pieces - 1


@pytest.mark.parametrize(("speed", "pieces"), [(None, 1), (1000.0, 1), (100.0, 1), (50.0, 2), (20.0, 5), (1.0, 8)], ids=str)
def test_without_a_given_number_a_file_is_split_only_if_each_piece_takes_long_enough(speed: float | None, pieces: int) -> None:
    found = layout(100, at_speed(0, 100, 0, speed))
    assert cut_up(found, 1.0, 7, SplitPolicy(0, 1)) is (pieces > 1)
    assert len(found.pending) == pieces - 1


def test_running_and_pending_segments_count_toward_the_limit() -> None:
    found = layout(1000, at_speed(0, 500, 0, 1.0), at_speed(500, 1000, 500, 1.0))
    found.pending.append(PendingSegment(0.0, Segment(700, 800), 1))
    assert not cut_up(found, 1.0, 9, SplitPolicy(3, 1))
    assert cut_up(found, 1.0, 9, SplitPolicy(4, 1))
    assert len(found.pending) == 2


def test_the_segment_that_would_take_longest_is_cut() -> None:
    found = layout(1000, at_speed(0, 400, 0, 10.0), at_speed(400, 500, 400, 1.0), at_speed(500, 1000, 500, 50.0))
    assert cut_up(found, 1.0, 1, SplitPolicy(0, 10))
    assert segments(found) == [(450, 500)]


def test_another_segment_is_split_if_the_slowest_is_too_short() -> None:
    found = layout(1000, at_speed(0, 400, 0, 10.0), at_speed(400, 415, 400, 0.3))
    assert cut_up(found, 1.0, 1, SplitPolicy(0, 10))
    assert segments(found) == [(200, 400)]


def test_the_pieces_inherit_the_tries() -> None:
    found = layout(100, at_speed(0, 100, 0, None, tries=3))
    cut_up(found, 1.0, 1, SplitPolicy(2, 1))
    assert [item.tries for item in found.pending] == [3]


def test_a_file_is_not_split_once_its_outcome_is_known_or_nothing_runs() -> None:
    found = layout(100)
    found.final_outcome = Outcome(0, End.COMPLETE)
    assert not cut_up(found, 1.0, 5, SplitPolicy(4, 1))
    assert not cut_up(SegmentLayout(URL, 100), 1.0, 5, SplitPolicy(4, 1))


@pytest.mark.parametrize(
    ("policy", "unsplittable", "is_at_public_host", "limit"),
    [
        (SplitPolicy(), False, False, None),
        (SplitPolicy(1, 5), False, True, None),
        (SplitPolicy(4, 5), True, False, None),
        (SplitPolicy(0, 5), True, False, None),
        (SplitPolicy(4, 5), False, False, SplitLimit(4, 5, 0.0)),
        (SplitPolicy(4, 0), False, False, SplitLimit(4, 1, 0.0)),
        (SplitPolicy(4, 5, 6), False, True, SplitLimit(4, 5, 0.0)),
        (SplitPolicy(0, 5, 6), False, True, SplitLimit(6, 5, MIN_GAIN)),
        (SplitPolicy(0, 5, 0), False, True, SplitLimit(None, 5, MIN_GAIN)),
        (SplitPolicy(0, 5, 6), False, False, SplitLimit(None, 5, MIN_GAIN)),
    ],
)
def test_how_far_a_file_may_be_split(
    policy: SplitPolicy, unsplittable: bool, is_at_public_host: bool, limit: SplitLimit | None
) -> None:
    assert split_limit(policy, unsplittable=unsplittable, is_at_public_host=is_at_public_host) == limit


# --- servers that limit the rate of each connection


CAPPED_LIMIT = SplitLimit(None, MB, MIN_GAIN)


def capped(start: int, stop: int, at: int, speed: float | None) -> RunningSegment:
    """A RunningSegment with a speed that does not change, or with one that does (None)."""
    item = at_speed(start, stop, at, None)
    item.steady.value = speed
    return item


@pytest.mark.parametrize(
    ("limit", "run_speed", "speed", "pieces"),
    [
        (CAPPED_LIMIT, 10.0 * MB, 10.0 * MB, 8),
        (CAPPED_LIMIT, 10.0 * MB, 5.0 * MB, 16),
        (CAPPED_LIMIT, 10.0 * MB, 100_000.0, 20),
        (CAPPED_LIMIT, MAX_CAPPED_SPEED, 10.0 * MB, 1),  # this machine may be the limit
        (CAPPED_LIMIT, math.inf, 10.0 * MB, 1),
        (CAPPED_LIMIT, 10.0 * MB, None, 1),
        (SplitLimit(6, MB, MIN_GAIN), 10.0 * MB, 10.0 * MB, 2),  # a public host
        (SplitLimit(6, MB, MIN_GAIN), 10.0 * MB, 1.0 * MB, 6),
        (SplitLimit(None, 5 * MB, MIN_GAIN), 10.0 * MB, 10.0 * MB, 4),
    ],
    ids=str,
)
def test_shorter_pieces_are_worth_it_where_the_server_limits_the_rate(
    limit: SplitLimit, run_speed: float, speed: float | None, pieces: int
) -> None:
    found = layout(20 * MB, capped(0, 20 * MB, 0, speed))
    found.limit = limit
    assert found.split(1.0, 40, run_speed) is (pieces > 1)
    assert len(found.pending) == pieces - 1


def test_a_segment_is_cut_behind_the_last_byte_that_came() -> None:
    found = layout(100 * MB, capped(0, 100 * MB, 0, 10.0 * MB))
    found.limit = CAPPED_LIMIT
    found.running[0].reached = 40 * MB
    assert found.split(1.0, 1, 10.0 * MB)
    assert segments(found) == [(70 * MB, 100 * MB)]


@pytest.mark.parametrize("make", [capped, at_speed])
def test_further_slots_are_used_by_all_long_segments(make: Callable[[int, int, int, float], RunningSegment]) -> None:
    found = layout(800 * MB, *(make(start, start + 100 * MB, start, 10.0 * MB) for start in range(0, 800 * MB, 100 * MB)))
    found.limit = CAPPED_LIMIT
    while free := 8 - len(found.pending):
        assert found.split(1.0, free, 80.0 * MB)
    assert {stop - start for start, stop in segments(found)} == {50 * MB}
    assert {item.bytes_left for item in found.running.values()} == {50 * MB}


@dataclass
class Connection:
    """A running Attempt at a connection of constant speed, which receives blocks of a certain size."""

    key: int
    begun_at: float
    start: int
    stop: int


@settings(max_examples=200)
@given(
    rate=st.floats(20_000, 40e6),
    total=st.integers(1, 4 << 30),
    jobs=st.integers(2, 40),
    block_seconds=st.sampled_from([0.001, 0.01, 0.03, 0.05]),
    first_sample=st.floats(0.0, 0.02),
)
def test_a_steady_capped_file_uses_every_slot_that_is_worth_it_after_two_measurements(
    rate: float, total: int, jobs: int, block_seconds: float, first_sample: float
) -> None:
    run = Scheduler(iter([Download(LOCAL)]), Slots(jobs, jobs), RetryPolicy(0, wait=1.0), split=SplitPolicy(0, MB))
    (first,) = run.take(0.0)
    connections = {first.key: Connection(first.key, 0.0, 0, total)}
    fetched: list[Span] = []
    positions: dict[int, int] = {}
    received, now = 0, first_sample
    while now < 0.4:
        now += 0.02
        for connection in list(connections.values()):
            blocks = math.floor((now - connection.begun_at) / block_seconds)
            received_at = connection.begun_at + blocks * block_seconds
            position = connection.start + int((received_at - connection.begun_at) * rate)
            if position >= connection.stop:
                fetched.append((connection.start, connection.stop))
                del connections[connection.key]
                end = End.SEGMENT_DONE if connections else End.COMPLETE
                run.settle(Outcome(connection.key, end, received=connection.stop - connection.start, size=total), now, 0.5)
            elif position > connection.start:
                run.segments.progress(connection.key, position, total, now, received_at=received_at)
            received += max(0, min(position, connection.stop) - max(positions.get(connection.key, 0), connection.start))
            positions[connection.key] = min(position, connection.stop)
        run.sample(now, received)
        for attempt in take_all(run, now):
            assert attempt.segment.stop is not None
            connections[attempt.key] = Connection(attempt.key, now, attempt.segment.start, attempt.segment.stop)
        for key, stop in run.segments.cuts():
            connections[key].stop = stop
        spans = sorted([*fetched, *((item.start, item.stop) for item in connections.values())])
        assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])], "a gap, or bytes asked for twice"
        assert spans[-1][1] == total
    for connection in connections.values():
        left = connection.stop - (connection.start + (now - connection.begun_at) * rate)
        is_worth_it = left > 2.5 * max(MB, MIN_GAIN_IF_CAPPED * rate) and rate * len(connections) < MAX_CAPPED_SPEED / 2
        measured = now - connection.begun_at > 0.35  # twice 0.1 s, each up to the end of a block
        assert len(connections) == jobs or not (is_worth_it and measured)


@given(speed=st.floats(0.9e9, 3e9), total=st.integers(MB, int(1.5e9)), blocks=st.integers(1, 50))
def test_a_fast_local_file_is_not_split(speed: float, total: int, blocks: int) -> None:
    run = Scheduler(iter([Download(LOCAL)]), Slots(40, 40), RetryPolicy(0, wait=1.0), split=SplitPolicy(0, MB))
    (first,) = run.take(0.0)
    for number in range(1, math.ceil(total / speed / 0.02) + 1):
        position = int(number * 0.02 * speed) // blocks * blocks
        run.sample(number * 0.02, min(position, total))
        run.segments.progress(first.key, min(position, total), total, number * 0.02, received_at=number * 0.02)
        assert take_all(run, number * 0.02) == []


# --- taking over


def test_the_rest_of_a_slow_segment_is_taken_over() -> None:
    found = layout(1000, at_speed(0, 500, 100, 100.0), at_speed(500, 1000, 510, 1.0))
    assert not cut_up(found, SLOW_SEGMENT_GRACE / 2, 1, SplitPolicy(0, 10_000))
    assert cut_up(found, SLOW_SEGMENT_GRACE, 1, SplitPolicy(0, 10_000))
    assert segments(found) == [(510, 1000)]
    assert found.cuts == [(1, 510)]
    assert found.pending[0].grace == 2 * SLOW_SEGMENT_GRACE


def test_an_attempt_that_takes_over_has_twice_as_long() -> None:
    found = layout(1000, at_speed(0, 500, 100, 100.0))
    found.pending.append(PendingSegment(10.0, Segment(510, 1000), 2, 2 * SLOW_SEGMENT_GRACE))
    found.start(7, MIRROR, found.pending[0], 10.0)
    assert found.pending == []
    taken = found.running[7]
    assert (taken.start, taken.stop, taken.position, taken.url, taken.tries) == (510, 1000, 510, MIRROR, 2)
    taken.sample(510, 10.0 + SLOW_SEGMENT_GRACE)
    assert taken.speed is None
    taken.sample(510, 10.0 + 2 * SLOW_SEGMENT_GRACE)
    assert taken.speed == 0
    assert not cut_up(found, 9.9 + 2 * SLOW_SEGMENT_GRACE, 1, SplitPolicy(0, 10_000))
    assert cut_up(found, 10.0 + 2 * SLOW_SEGMENT_GRACE, 1, SplitPolicy(0, 10_000))
    assert found.pending[0].grace == 4 * SLOW_SEGMENT_GRACE


def test_an_attempt_without_a_byte_is_taken_over_whole() -> None:
    found = layout(1000, at_speed(0, 500, 400, 100.0), at_speed(500, 1000, 500, 0.0))
    assert cut_up(found, SLOW_SEGMENT_GRACE, 5, SplitPolicy(8, 1))
    assert segments(found) == [(500, 1000)]


def test_a_segment_at_the_start_of_the_file_is_cut_at_zero() -> None:
    found = layout(1000, at_speed(0, 500, 0, 0.0), at_speed(500, 1000, 600, 100.0))
    assert cut_up(found, SLOW_SEGMENT_GRACE, 1, SplitPolicy(0, 10_000))
    assert found.cuts == [(0, 0)]


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
    found.ended_speeds = speeds
    assert cut_up(found, SLOW_SEGMENT_GRACE, 1, SplitPolicy(0, 10_000)) is taken


# --- what becomes of them


def test_a_segment_that_failed_becomes_pending_again() -> None:
    found = layout(100, at_speed(0, 50, 0, 7.0), at_speed(50, 100, 60, None))
    ended = found.ended(Outcome(0, End.FAILED))
    found.requeue(ended, 12.5)
    assert (found.pending, found.ended_speeds) == ([PendingSegment(12.5, Segment(0, 50), 1)], [7.0])
    found.ended(Outcome(1, End.FAILED))
    assert found.ended_speeds == [7.0]  # the other's was not known
    found.pending.append(PendingSegment(0.0, Segment(50, 100), 1))
    found.start(2, URL, found.pending[-1], 0.0)
    found.ended(Outcome(2, End.SEGMENT_DONE, received=50, elapsed=0.1))
    assert found.ended_speeds == [7.0, 500.0]  # over before it was looked at


def test_a_segment_that_was_taken_over_is_not_asked_for_again() -> None:
    found = layout(100)
    found.running[0].stop = 0
    found.requeue(found.ended(Outcome(0, End.FAILED)), 0.0)
    assert found.pending == []


def test_a_final_outcome_ends_running_and_pending_segments() -> None:
    found = layout(100, at_speed(0, 50, 0, 1.0), at_speed(50, 100, 50, 1.0))
    found.pending.append(PendingSegment(0.0, Segment(80, 90), 1))
    first, second = Outcome(5, End.FAILED), Outcome(6, End.MUST_RESTART)
    found.finish_with(first)
    assert (found.final_outcome, found.pending, found.cuts) == (first, [], [(0, 0), (1, 0)])
    found.finish_with(second)
    assert found.final_outcome is first
    found.requeue(found.ended(Outcome(0, End.FAILED)), 0.0)
    assert found.pending == []


def test_a_complete_file_stays_complete_after_an_earlier_failure() -> None:
    found = layout()
    found.finish_with(Outcome(5, End.FAILED))
    found.finish_with(done := Outcome(6, End.COMPLETE))
    assert found.final_outcome is done


# --- with a scheduler


def scheduler(
    downloads: Iterable[Download],
    max_in_flight: int = 4,
    per_host: int = 4,
    max_segments: int = 4,
    retries: int = 2,
    **options: Any,
) -> Scheduler:
    """A Scheduler that splits files of a few bytes."""
    policy = RetryPolicy(retries=retries, wait=8.0, longest_wait=1000.0, max_retry_after=100.0)
    return Scheduler(iter(downloads), Slots(max_in_flight, per_host), policy, split=SplitPolicy(max_segments, 1), **options)


def split(
    *mirrors: str, retries: int = 2, max_segments: int = 4, total: int = 100, **values: Any
) -> tuple[Scheduler, list[Attempt]]:
    """A run whose one file has just been split, and the Attempts at it, the first one first."""
    run = scheduler([Download(URL, mirrors=mirrors, **values)], retries=retries, max_segments=max_segments)
    (first,) = take_all(run)
    run.segments.progress(first.key, 0, total, 0.0)
    return run, [first, *take_all(run)]


def settle(
    run: Scheduler,
    attempt: Attempt,
    end: End = End.SEGMENT_DONE,
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
    assert run.segments.cuts() == [(first.key, 25)]
    assert run.segments.cuts() == []
    assert [tuple(item.segment) for item in others] == [(25, 50), (50, 75), (75, 100)]
    assert all(item.same_process_as == first.key and not item.is_alternate_url and item.url == URL for item in others)
    assert [item.number for item in attempts] == [1, 2, 3, 4]
    assert len({item.key for item in attempts}) == 4
    for attempt in others:
        settle(run, attempt)
        assert run.results() == []
    settle(run, first, End.COMPLETE, size=100)
    (result,) = run.results()
    assert (result.status, result.bytes, result.attempts) == (Status.DONE, 100, 4)
    assert run.finished


def test_files_that_are_ready_come_before_further_segments() -> None:
    run = scheduler([Download(URL), Download(URL + "2"), Download(URL + "3")], max_in_flight=3)
    first, second = run.take(0.0)[0], run.take(0.0)[0]
    run.segments.progress(first.key, 0, 100, 0.0)
    third = run.take(0.0)[0]
    assert third.segment == WHOLE
    settle(run, second, End.COMPLETE)
    settle(run, third, End.COMPLETE)
    assert [item.segment for item in take_all(run)] == [Segment(33, 66), Segment(66, 100)]


def test_segments_hold_slots_of_their_host() -> None:
    run = scheduler([Download(URL)], max_in_flight=9, per_host=2, max_segments=4)
    (first,) = take_all(run)
    run.segments.progress(first.key, 0, 100, 0.0)
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
    assert (again.segment, again.number, again.same_process_as) == (second.segment, 5, first.key)
    settle(run, again)
    assert run.results() == []


def test_retry_after_is_obeyed_for_a_segment() -> None:
    run, attempts = split()
    fail(run, attempts[1], HTTPStatusError(503, retry_after=50.0), now=1.0)
    assert run.wake_at == 51.0
    for attempt in (attempts[0], *attempts[2:]):
        settle(run, attempt, now=2.0)
    assert run.results() == []
    assert take_all(run, 50.0) == []  # the rest is of one Attempt again, and waits as long
    (rest,) = take_all(run, 51.0)
    assert (rest.segment, rest.from_scratch) == (WHOLE, False)
    assert not run.finished


def test_refused_connections_do_not_fail_the_first_one() -> None:
    run, (first, *others) = split(max_segments=2, retries=1)
    now = 0.0
    (other,) = others
    for _ in range(2):
        fail(run, other, HTTPStatusError(503), now)
        now += 1000
        found = take_all(run, now)
        other = found[0] if found else other
    assert found == []  # it is not split any more
    run.segments.progress(first.key, 10, 100, now)
    assert take_all(run, now) == []
    settle(run, first, now=now)
    (rest,) = take_all(run, now)
    assert rest.segment == WHOLE
    settle(run, rest, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("error", [AuthError(403), HTTPStatusError(404), ProtocolError("nonsense")])
def test_the_other_segments_go_on_if_one_fails_for_good(error: DownloadError) -> None:
    run, (first, second, third, fourth) = split()
    fail(run, second, error)
    assert run.segments.cuts() == [(first.key, 25)]
    for attempt in (third, fourth, first):
        assert take_all(run) == []
        settle(run, attempt)
    (rest,) = take_all(run)
    fail(run, rest, error)
    (result,) = run.results()
    assert (result.status, result.error) == (Status.FAILED, error)
    assert run.finished


@pytest.mark.parametrize("error", [StorageError("disk full"), IntegrityError("wrong size")])
def test_an_error_of_the_whole_file_ends_all_its_segments(error: DownloadError) -> None:
    run, (first, second, third, fourth) = split(retries=0)
    run.segments.cuts()
    fail(run, second, error)
    assert sorted(run.segments.cuts()) == sorted((item.key, 0) for item in (first, third, fourth))
    for attempt in (third, fourth, first):
        assert run.results() == []
        settle(run, attempt)
    (result,) = run.results()
    assert result.error is error


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_after_a_wrong_checksum_the_file_starts_again_from_zero(order: tuple[int, int]) -> None:
    run, attempts = split(max_segments=2)
    wrong = IntegrityError("the checksum is wrong")
    for number in order:
        if number:
            fail(run, attempts[number], wrong)
        else:
            settle(run, attempts[number])
    assert run.results() == []
    (again,) = take_all(run)
    assert (again.segment, again.from_scratch) == (WHOLE, True)
    run.segments.progress(again.key, 0, 100, 10.0)
    (beside,) = take_all(run, 10.0)
    assert not beside.from_scratch, "what the first one brings is what it joins in"
    fail(run, beside, wrong)
    settle(run, again)
    assert [result.error for result in run.results()] == [wrong]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_file_that_changed_starts_again_and_is_not_split_any_more(order: tuple[int, int]) -> None:
    """Servers that disagree about its version would have it begin again for ever."""
    run, attempts = split(max_segments=2)
    run.segments.cuts()
    for number in order:
        settle(run, attempts[number], End.MUST_RESTART if number else End.SEGMENT_DONE)
        assert run.segments.cuts() == ([(attempts[0].key, 0)] if number and order[0] else [])
    (again,) = take_all(run)
    assert (again.segment, again.from_scratch) == (WHOLE, True)
    run.segments.progress(again.key, 0, 100, 10.0)
    assert take_all(run, 10.0) == []
    settle(run, again, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("end", [End.UNSTARTED, End.UNREPORTED, End.MAYBE_STARTED])
def test_a_segment_that_was_not_started_is_asked_for_again_at_once(end: End) -> None:
    run, (_, second, *_) = split()
    settle(run, second, end)
    (again,) = take_all(run)
    assert again.segment == second.segment
    assert again.number == (5 if end is End.UNREPORTED else 4)
    assert again.may_exist_already is (end is not End.UNSTARTED)


@pytest.mark.parametrize("end", [End.UNSTARTED, End.UNREPORTED, End.MAYBE_STARTED, End.SEGMENT_DONE])
def test_one_attempt_fetches_the_rest_if_no_segment_runs_any_more(end: End) -> None:
    run, attempts = split(max_segments=2)
    settle(run, attempts[0])
    settle(run, attempts[1], end)
    (rest,) = take_all(run)
    assert (rest.segment, rest.key) == (WHOLE, attempts[0].key)
    fail(run, rest, NetworkError("reset"))
    assert len(take_all(run, 1e6)) == 1  # only one try has been used


def test_a_worker_that_is_lost_with_all_segments_costs_one_try() -> None:
    run, attempts = split(retries=1)
    for attempt in attempts:
        settle(run, attempt, End.WORKER_LOST)
    (again,) = take_all(run, 1000.0)
    assert (again.segment, again.may_exist_already) == (WHOLE, True)
    settle(run, again, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


@pytest.mark.parametrize("error", [FileInUse("another run is writing this file"), WorkerError("died")])
def test_a_segment_that_fails_locally_is_fetched_after_the_others(error: DownloadError) -> None:
    run, (first, second) = split(max_segments=2, retries=0)
    fail(run, second, error)
    assert take_all(run) == []
    settle(run, first)
    (rest,) = take_all(run)
    assert rest.segment == WHOLE


def test_an_end_of_the_whole_file_is_the_end_of_the_download() -> None:
    run, attempts = split()
    settle(run, attempts[2], End.EXISTS)
    for attempt in (attempts[0], attempts[1], attempts[3]):
        settle(run, attempt)
    assert [(result.status, result.reason) for result in run.results()] == [(Status.SKIPPED, "exists")]


def test_a_failure_before_the_file_was_complete_does_not_matter() -> None:
    run, (first, second) = split(max_segments=2)
    fail(run, second, StorageError("disk full"))
    settle(run, first, End.COMPLETE, size=100)
    assert [result.status for result in run.results()] == [Status.DONE]


def test_after_the_last_failure_one_attempt_fetches_the_rest() -> None:
    run, (first, second) = split(max_segments=2, retries=2)
    settle(run, first)
    fail(run, second, NetworkError("reset"), now=1.0)
    (rest,) = take_all(run, 5.0)
    assert (rest.segment, rest.from_scratch) == (WHOLE, False)
    fail(run, rest, NetworkError("reset"), now=5.0)
    (rest,) = take_all(run, 1e6)
    fail(run, rest, NetworkError("reset"), now=1e6)
    assert [result.status for result in run.results()] == [Status.FAILED]


def test_a_last_segment_refused_is_left_to_one_attempt() -> None:
    run, (first, second) = split(max_segments=2, retries=1)
    fail(run, second, NetworkError("reset"))
    (second,) = take_all(run, 1000.0)
    settle(run, first, now=1000.0)
    fail(run, second, NetworkError("reset"), now=1000.0)
    for _ in range(2):
        assert run.results() == []
        (rest,) = take_all(run, 1e6)
        assert rest.segment == WHOLE
        run.segments.progress(rest.key, 10, 100, 1e6)
        assert take_all(run, 1e6) == []
        fail(run, rest, NetworkError("reset"))
    assert [result.status for result in run.results()] == [Status.FAILED]


def test_progress_of_an_attempt_that_has_ended_is_ignored() -> None:
    run = scheduler([Download(URL)])
    (first,) = take_all(run)
    run.stop()
    run.segments.progress(first.key, 0, 100, 0.0)
    settle(run, first, End.COMPLETE)
    run.segments.progress(first.key, 0, 100, 0.0)
    run.segments.progress(-99, 0, 100, 0.0)
    assert run.segments.cuts() == []


def test_progress_of_a_segment_that_has_ended_is_ignored() -> None:
    run, (first, second, *_) = split()
    settle(run, second)
    run.segments.progress(second.key, 30, 100, 1.0)
    run.segments.progress(first.key, 10, 100, 1.0)
    assert run.wake_at is None


def test_no_segment_starts_after_a_stop() -> None:
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


def test_a_file_may_become_complete_after_a_stop() -> None:
    run, (first, second) = split(max_segments=2)
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


@pytest.mark.parametrize(("end", "attempts"), [(End.UNSTARTED, 1), (End.MAYBE_STARTED, 1), (End.UNREPORTED, 2)])
@pytest.mark.parametrize("last", [True, False])
def test_a_segment_that_was_not_started_is_not_counted_as_an_attempt(end: End, attempts: int, last: bool) -> None:
    run, (first, second) = split(max_segments=2)
    if last:
        settle(run, first, End.COMPLETE, size=100)
    settle(run, second, end)
    if not last:
        settle(run, first, End.COMPLETE, size=100)
    assert [(result.status, result.attempts) for result in run.results()] == [(Status.DONE, attempts)]


def test_a_file_is_not_split_by_the_call_that_stops_the_run() -> None:
    dead = "https://dead.example/"
    listed = [Download(dead + "b"), Download(dead + "c", mirrors=(MIRROR,)), Download(URL)]
    run = scheduler(listed, host_failures=1, fail_fast=True)
    b, c, split_one = sorted(take_all(run), key=lambda item: item.key)
    fail(run, b, NetworkError("refused"))
    fail(run, c, NoAnswer("no connection"))  # goes on at its mirror: nothing has failed so far
    run.segments.progress(split_one.key, 0, 100, 0.0)
    assert run.take(1000.0) == []  # the first one is due, and its host is given up
    assert run.failed_fast


# --- mirrors


def test_mirrors_serve_different_segments() -> None:
    _, attempts = split(MIRROR, OTHER)
    assert {item.url for item in attempts} == {URL, MIRROR, OTHER}
    assert all(item.is_alternate_url is (item.url != URL) for item in attempts)
    assert all(item.primary_url == URL for item in attempts)


def at_mirror(attempts: list[Attempt]) -> Attempt:
    """The first one at a mirror."""
    return next(item for item in attempts if item.is_alternate_url)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (End.FAILED, HTTPStatusError(404)),
        (End.FAILED, AuthError(403)),
        (End.FAILED, ProtocolError("x")),
        (End.MUST_RESTART, None),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_mirror_that_fails_for_good_is_dropped(end: End, error: DownloadError | None, last: bool) -> None:
    run, attempts = split(MIRROR, max_segments=2)
    bad = at_mirror(attempts)
    good = next(item for item in attempts if item is not bad)
    if last:
        settle(run, good)
    settle(run, bad, end, error)
    if not last:
        (again,) = take_all(run)
        assert (again.url, again.is_alternate_url, again.segment) == (URL, False, bad.segment)
        settle(run, again)
        settle(run, good)
    (rest,) = take_all(run)
    assert (rest.url, rest.segment, rest.from_scratch) == (URL, WHOLE, False)
    settle(run, rest, End.COMPLETE)
    assert [result.status for result in run.results()] == [Status.DONE]


def test_a_mirror_is_dropped_when_its_tries_are_used_up() -> None:
    run, attempts = split(MIRROR, max_segments=2, retries=0)
    fail(run, at_mirror(attempts), HTTPStatusError(500))
    (again,) = take_all(run)
    assert again.url == URL


def test_the_first_url_is_dropped_where_a_mirror_goes_on() -> None:
    run, attempts = split(MIRROR, max_segments=2)
    first = attempts[0]
    fail(run, first, HTTPStatusError(404))
    (again,) = take_all(run)
    assert (again.url, again.segment, again.is_alternate_url) == (MIRROR, Segment(0, 50), True)


def test_a_full_disk_drops_no_mirror() -> None:
    run, attempts = split(MIRROR, max_segments=2)
    fail(run, at_mirror(attempts), StorageError("disk full"))
    settle(run, attempts[0])
    assert [type(result.error) for result in run.results()] == [StorageError]


def test_a_wrong_checksum_of_several_servers_leads_to_one_at_a_time() -> None:
    run, attempts = split(MIRROR, max_segments=2, checksums=(Checksum("md5", "0" * 32),), retries=5)
    asked = []
    error = IntegrityError("wrong")
    settle(run, attempts[0])
    fail(run, attempts[1], error)
    for _ in range(2):
        (again,) = take_all(run)
        assert again.from_scratch
        run.segments.progress(again.key, 0, 100, 0.0)
        (beside,) = take_all(run)
        assert (again.url, again.is_alternate_url) == (beside.url, beside.is_alternate_url)
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
    (End.WORKER_LOST, None),
    (End.UNREPORTED, None),
    (End.MAYBE_STARTED, None),
    (End.UNSTARTED, None),
    (End.MUST_RESTART, None),
    (End.INTERRUPTED, Interrupted("stopped")),
)


@dataclass
class World:
    """What a driver and a server would do: each Attempt fetches bytes of its Segment, in order, until told otherwise."""

    run: Scheduler
    max_in_flight: int
    per_host: int
    max_segments: int
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
            self.begun[attempt.primary_url] += 1
            if attempt.from_scratch:
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
        return int(attempt.primary_url.rpartition("/")[2])

    def fetch(self, attempt: Attempt, at: int, stop: int, count: int) -> None:
        """It gets so many bytes, and tells where it is."""
        if attempt.key in self.stops:
            stop = min(stop, self.stops[attempt.key])
        spans = self.files.setdefault(self.of(attempt), [])
        gap = first_gap(merged(spans), at, stop)
        if gap is not None:
            got = min(gap[1], gap[0] + count)
            spans.append((gap[0], got))
            self.fetched += got - gap[0]
            at = got
            self.flying[attempt.key] = attempt, at, stop
        if first_gap(merged(spans), at, stop) is None:
            complete = merged(spans) == ((0, TOTAL),) and stop != 0
            if complete:
                spans.append((TOTAL, TOTAL + 1))  # claimed: nobody else ends it
            self.end(attempt, End.COMPLETE if complete else End.SEGMENT_DONE, size=TOTAL)
            return
        self.run.segments.progress(attempt.key, at, TOTAL, self.now)

    def end(self, attempt: Attempt, end: End, error: DownloadError | None = None, **values: Any) -> None:
        """It ends like this."""
        if end is End.MUST_RESTART and attempt.from_scratch:
            end = End.SEGMENT_DONE if attempt.segment != WHOLE else End.UNREPORTED
        if isinstance(error, IntegrityError):
            self.files[self.of(attempt)] = []
        if end in (End.UNSTARTED, End.MAYBE_STARTED):
            self.unbegun[attempt.primary_url] += 1
        del self.flying[attempt.key]
        self.stops.pop(attempt.key, None)
        self.run.settle(Outcome(attempt.key, end, error=error, received=1, **values), self.now, 0.5)
        self.collect()

    def collect(self) -> None:
        """Hear what the scheduler says."""
        self.stops.update((key, stop) for key, stop in self.run.segments.cuts() if key in self.flying)
        self.results += self.run.results()

    def check(self) -> None:
        """What holds at any moment."""
        self.collect()
        assert len(self.flying) == len(self.run._running) <= self.max_in_flight
        hosts = Counter(host_of(attempt.url) for attempt, _, _ in self.flying.values())
        assert max(hosts.values(), default=0) <= self.per_host
        of_one = Counter(attempt.primary_url for attempt, _, _ in self.flying.values())
        assert max(of_one.values(), default=0) <= self.max_segments or not self.max_segments
        for attempt, _, _ in self.flying.values():
            assert attempt.segment == WHOLE or not attempt.from_scratch


@st.composite
def worlds(draw: st.DrawFn, quiet: bool) -> World:
    """Any such run, of up to three files."""
    max_in_flight = draw(st.integers(1, 8))
    per_host, max_segments = draw(st.integers(1, max_in_flight)), draw(st.sampled_from([0, 1, 2, 3, 8]))
    mirrors = [f"https://{host}.example/" for host in draw(st.sampled_from(["", "b", "bc", "a"]))]
    downloads = [
        Download(f"https://a.example/{number}", mirrors=tuple(f"{mirror}{number}" for mirror in mirrors))
        for number in range(draw(st.integers(1, 3)))
    ]
    choices = draw(st.lists(st.tuples(st.integers(0, 52), st.integers(0, 9), st.integers(0, 9)), max_size=150))
    run = Scheduler(
        iter(downloads),
        slots := Slots(max_in_flight, per_host),
        RetryPolicy(draw(st.integers(0, 2)), wait=1.0),
        split=SplitPolicy(max_segments, draw(st.sampled_from([1, 100, 5000]))),
        fail_fast=not quiet and draw(st.booleans()),
        host_failures=draw(st.integers(0, 2)),
    )
    world = World(run, max_in_flight, per_host, max_segments, iter(choices), quiet)
    world.slots, world.downloads = slots, downloads  # type: ignore[attr-defined]
    return world


def released(world: World) -> bool:
    """Whether every slot was given back, and nothing is kept of any file."""
    slots: Slots = world.slots  # type: ignore[attr-defined]
    return slots.in_flight == 0 and not slots.at_host and not world.run.segments.split_files and not world.run._ready._leases


@settings(max_examples=300)
@given(worlds(quiet=True))
def test_without_failures_every_byte_is_fetched_once(world: World) -> None:
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
            assert merged(world.files[number]) == ((0, TOTAL + 1),), "a byte is missing"
        else:
            assert result.error is not None
    assert released(world)
