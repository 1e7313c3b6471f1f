"""Whether and when there is another try, how many may run at once, and how many are handed over together."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.limits.batches import batch_size
from downloader.core.limits.slots import Slots
from downloader.core.limits.stall import silent
from downloader.core.scheduling.retry import NextStep, RetryPolicy
from downloader.errors import (
    AuthError,
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NameNotFound,
    NetworkError,
    PolicyError,
    ProtocolError,
    StorageError,
    TLSError,
    UsageError,
    WorkerError,
    WrongPieces,
)
from downloader.strategies.dask.client import LEASE_SECONDS

JITTER = st.just(0.0) | st.floats(1e-9, 1, exclude_max=True)
SECONDS = st.floats(0, 1e6)


@given(st.floats(0, 100), st.floats(0, 1000), st.integers(1, 10_000), JITTER)
def test_a_backoff_is_between_nothing_and_its_cap(first: float, cap: float, tries: int, jitter: float) -> None:
    wait = RetryPolicy(wait=first, longest_wait=cap).backoff(tries, jitter)
    assert 0 <= wait <= cap
    assert wait <= first * 2 ** min(tries - 1, 1000)


@given(st.floats(0.001, 100), st.integers(1, 25), JITTER)
def test_the_upper_bound_of_a_backoff_doubles_from_try_to_try(first: float, tries: int, jitter: float) -> None:
    policy = RetryPolicy(wait=first, longest_wait=float("inf"))
    assert policy.backoff(tries + 1, jitter) == 2 * policy.backoff(tries, jitter)
    assert policy.backoff(1, jitter) == jitter * first


@given(st.floats(0.001, 100), st.floats(0, 1000), st.integers(1, 50))
def test_the_jitter_is_full(first: float, cap: float, tries: int) -> None:
    policy = RetryPolicy(wait=first, longest_wait=cap)
    assert policy.backoff(tries, 0.0) == 0.0
    assert policy.backoff(tries, 0.5) == pytest.approx(min(cap, first * 2 ** (tries - 1)) / 2)


@given(SECONDS, SECONDS, st.integers(1, 100), JITTER)
def test_retry_after_is_obeyed_up_to_the_cap(asked: float, cap: float, tries: int, jitter: float) -> None:
    policy = RetryPolicy(max_retry_after=cap)
    wait = policy.backoff(tries, jitter, retry_after=asked)
    assert wait == (asked if asked <= cap else cap)


@pytest.mark.parametrize(
    ("error", "tries", "checksum_mismatches", "allowed"),
    [
        (NetworkError("reset"), 1, 0, True),
        (NetworkError("reset"), 3, 0, True),
        (NetworkError("reset"), 4, 0, False),
        (NameNotFound("no such host"), 1, 0, False),
        (WorkerError("died"), 1, 0, True),
        (WorkerError("died"), 4, 0, False),
        (HTTPStatusError(503), 3, 0, True),
        (HTTPStatusError(503), 4, 0, False),
        (HTTPStatusError(404), 1, 0, False),
        (IntegrityError("wrong"), 1, 1, True),
        (IntegrityError("wrong"), 3, 1, True),
        (IntegrityError("wrong"), 2, 2, False),
        (IntegrityError("wrong"), 4, 1, False),
        (WrongPieces("some"), 3, 0, True),
        (WrongPieces("some"), 3, 2, True),
        (WrongPieces("some"), 4, 0, False),
        (AuthError(401), 1, 0, False),
        (TLSError("bad certificate"), 1, 0, False),
        (ProtocolError("nonsense"), 1, 0, False),
        (PolicyError("refused"), 1, 0, False),
        (StorageError("disk full"), 1, 0, False),
        (UsageError("bad"), 1, 0, False),
        (Interrupted("stopped"), 1, 0, False),
    ],
)
def test_which_errors_are_worth_another_try(error: DownloadError, tries: int, checksum_mismatches: int, allowed: bool) -> None:
    assert RetryPolicy(retries=3).allows(error, tries, checksum_mismatches) is allowed


@pytest.mark.parametrize(
    ("error", "tries", "mismatches", "losses", "alone", "with_mirrors"),
    [
        (NetworkError("reset"), 3, 0, 0, NextStep.RETRY, NextStep.RETRY),
        (NetworkError("reset"), 4, 0, 0, NextStep.FAIL, NextStep.OTHER_URL),
        (HTTPStatusError(404), 1, 0, 0, NextStep.FAIL, NextStep.OTHER_URL),
        (AuthError(403), 1, 0, 0, NextStep.FAIL, NextStep.OTHER_URL),
        (StorageError("disk full"), 1, 0, 0, NextStep.FAIL, NextStep.FAIL),
        (IntegrityError("wrong"), 1, 1, 0, NextStep.RETRY, NextStep.RETRY),
        (IntegrityError("wrong"), 2, 2, 0, NextStep.FAIL, NextStep.FAIL),
        (WrongPieces("some"), 2, 2, 0, NextStep.RETRY, NextStep.RETRY),
        (WorkerError("died"), 9, 0, 3, NextStep.RETRY, NextStep.RETRY),
        (WorkerError("died"), 9, 0, 4, NextStep.FAIL, NextStep.FAIL),
        (WorkerError("died"), 4, 0, 0, NextStep.FAIL, NextStep.FAIL),
    ],
)
def test_what_follows_a_failure(
    error: DownloadError, tries: int, mismatches: int, losses: int, alone: NextStep, with_mirrors: NextStep
) -> None:
    policy = RetryPolicy(retries=3)
    assert policy.next_step(error, tries, False, mismatches, losses) is alone
    assert policy.next_step(error, tries, True, mismatches, losses) is with_mirrors


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (NetworkError("reset"), 2.0),
        (HTTPStatusError(503, retry_after=7.0), 7.0),
        (IntegrityError("wrong"), 0.0),
        (WorkerError("died"), 0.0),
    ],
)
def test_wrong_bytes_and_dead_workers_are_tried_again_without_delay(error: DownloadError, delay: float) -> None:
    assert RetryPolicy(wait=2.0).delay(error, 2, 0.5) == delay


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_a_file_that_another_run_writes_is_tried_until_the_lease_of_its_worker_is_over(jitter: float) -> None:
    policy = RetryPolicy()
    waited = sum(policy.delay(FileInUse("another run is writing this file"), tries, jitter) for tries in range(1, 6))
    assert waited > LEASE_SECONDS
    assert not policy.allows(FileInUse("another run is writing this file"), 6, 0)


@pytest.mark.parametrize("error", [NetworkError("reset"), IntegrityError("wrong")])
def test_without_retries_there_is_no_second_try(error: DownloadError) -> None:
    assert not RetryPolicy(retries=0).allows(error, 1, 1)


@given(
    st.integers(1, 8),
    st.integers(1, 8),
    st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=80),
)
def test_slots_keep_to_their_limits_and_are_given_if_free(
    max_in_flight: int, per_host: int, moves: list[tuple[bool, str]]
) -> None:
    slots = Slots(max_in_flight, per_host)
    held: Counter[str] = Counter()
    for take, host in moves:
        if take:
            room = held.total() < max_in_flight and held[host] < per_host
            assert slots.acquire(host) is room
            held[host] += room
        elif held[host]:
            slots.release(host)
            held[host] -= 1
        assert slots.in_flight == held.total() <= max_in_flight
        assert slots.free == max_in_flight - held.total()
        assert slots.at_host == +held  # a host that has nothing is forgotten: memory does not grow with the list
        assert max(held.values(), default=0) <= per_host


def test_releasing_a_slot_that_was_not_taken_raises() -> None:
    slots = Slots(2, 2)
    with pytest.raises(KeyError):
        slots.release("a")
    assert slots.in_flight == 0


@given(st.just(0.0) | st.floats(1e-9, 10), st.integers(0, 10_000), st.integers(0, 64), st.floats(0.001, 1), st.integers(1, 256))
def test_a_batch_is_between_one_and_a_fair_share(each: float, waiting: int, workers: int, target: float, max_size: int) -> None:
    size = batch_size(each, waiting, workers, target, max_size)
    assert 1 <= size <= max_size
    assert size == 1 or (size - 1) * max(workers, 1) < waiting  # one less for each would not have been enough for all
    assert size == 1 or size * each <= target


@pytest.mark.parametrize(
    ("each", "waiting", "workers", "size"),
    [
        (0.0, 10_000, 4, 64),
        (-1.0, 10_000, 4, 64),
        (0.001, 10_000, 4, 50),
        (0.001, 100, 4, 25),
        (0.001, 101, 4, 26),
        (0.001, 3, 4, 1),
        (0.001, 0, 4, 1),
        (0.01, 10_000, 4, 5),
        (1.0, 10_000, 4, 1),
        (0.001, 10, 0, 10),
    ],
)
def test_a_batch_takes_about_its_target_time(each: float, waiting: int, workers: int, size: int) -> None:
    assert batch_size(each, waiting, workers) == size


@given(st.integers(0, 10_000), st.integers(1, 64), st.floats(0.0001, 1), st.floats(0.0001, 1))
def test_slower_files_never_make_a_larger_batch(waiting: int, workers: int, one: float, other: float) -> None:
    fast, slow = sorted((one, other))
    assert batch_size(slow, waiting, workers) <= batch_size(fast, waiting, workers)


@pytest.mark.parametrize(
    ("heard", "now", "ended"),
    [(100.0, 101.9, False), (100.0, 102.0, True), (100.0, 103.0, True), (0.0, 1000.0, False), (math.inf, 1000.0, False)],
)
def test_silence_is_noticed_when_the_allowed_time_has_passed(heard: float, now: float, ended: bool) -> None:
    """No driver waits for longer than was asked for. Nothing heard yet (0), or no connection yet: nothing to end."""
    assert silent(heard, now, 2.0) is ended
