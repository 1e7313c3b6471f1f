"""A worker's half of the dealing: which Attempt is next, and what is reported when."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.model import Attempt, End, Outcome
from downloader.engine.workers.parcels import Ended, Parcels
from downloader.errors import DownloadError, FolderFull, NetworkError

DONE, UNSTARTED = End.COMPLETE, End.UNSTARTED
FULL = FolderFull("no space")


def attempts(*keys: int) -> list[Attempt]:
    """Attempts with these keys."""
    return [Attempt(key, 1, f"http://h/{key}", f"http://h/{key}", str(key)) for key in keys]


def parcels_with(whole: bool, *parcels: list[Attempt]) -> Parcels:
    """What a worker has that was sent these, numbered from 0, at second 10."""
    made = Parcels(whole)
    for number, parcel in enumerate(parcels):
        made.add(number, parcel, 10.0)
    return made


def reported(parcels: Parcels) -> list[tuple[int, list[tuple[int, End]]]]:
    """The reports since the last call, in short."""
    return [(number, [(outcome.key, outcome.end) for outcome in outcomes]) for number, outcomes in parcels.reports()]


def test_the_attempts_of_a_parcel_run_one_after_the_other_and_parcels_in_turn() -> None:
    parcels = parcels_with(True, attempts(1, 2), attempts(3))
    assert [parcels.take()[1].key, parcels.take()[1].key] == [1, 3]
    assert not parcels.can_start
    assert (parcels.running, parcels.waiting) == (2, 1)
    with pytest.raises(IndexError):
        parcels.take()
    parcels.settle(Outcome(1, DONE))
    assert parcels.can_start
    assert parcels.ended_of(0) == 1
    assert parcels.take() == (0, attempts(2)[0])


@pytest.mark.parametrize(
    ("whole", "first", "second"),
    [(True, [], [(0, [(1, DONE), (2, DONE)])]), (False, [(0, [(1, DONE)])], [(0, [(2, DONE)])])],
)
def test_a_parcel_is_reported_as_a_whole_or_as_its_attempts_end(whole: bool, first: list[Ended], second: list[Ended]) -> None:
    parcels = parcels_with(whole, attempts(1, 2))
    for key, expected in ((1, first), (2, second)):
        parcels.take()
        parcels.settle(Outcome(key, DONE))
        assert reported(parcels) == expected
        assert parcels.reports() == []
    assert (parcels.running, parcels.waiting, parcels.can_start) == (0, 0, False)


def test_what_waits_behind_a_slow_attempt_is_returned_and_the_slow_one_is_reported_later() -> None:
    parcels = parcels_with(True, attempts(1, 2, 3), attempts(4, 5))
    parcels.take()
    parcels.return_late(10.5, 0.5)  # not later than that
    assert parcels.reports() == []
    parcels.return_late(10.6, 0.5)
    assert reported(parcels) == [(0, [(2, UNSTARTED), (3, UNSTARTED)])]  # the other parcel may still begin
    parcels.return_late(11.0, 0.5)
    assert parcels.reports() == []
    parcels.settle(Outcome(1, DONE))
    assert reported(parcels) == [(0, [(1, DONE)])]


def test_at_a_stop_a_parcel_of_which_nothing_runs_is_returned() -> None:
    parcels = parcels_with(True, attempts(1, 2), attempts(3), attempts(4, 5))
    parcels.take()
    parcels.settle(Outcome(1, DONE))
    parcels.take()
    parcels.return_idle()
    assert reported(parcels) == [(2, [(4, UNSTARTED), (5, UNSTARTED)]), (0, [(1, DONE), (2, UNSTARTED)])]
    assert not parcels.can_start
    parcels.settle(Outcome(3, DONE))
    assert reported(parcels) == [(1, [(3, DONE)])]


@pytest.mark.parametrize("whole", [True, False])
def test_when_no_file_can_be_written_everything_that_was_not_started_is_returned(whole: bool) -> None:
    parcels = parcels_with(whole, attempts(1, 2), attempts(3, 4), attempts(5))
    assert FULL.ends_run
    parcels.take()
    parcels.take()
    parcels.settle(Outcome(1, End.FAILED, error=FULL))
    assert reported(parcels) == [
        (0, [(1, End.FAILED), (2, UNSTARTED)]),
        (2, [(5, UNSTARTED)]),
        (1, [(4, UNSTARTED)]),
    ]
    assert (parcels.running, parcels.waiting, parcels.can_start) == (1, 0, False)
    parcels.settle(Outcome(3, DONE))
    assert reported(parcels) == [(1, [(3, DONE)])]


@settings(max_examples=300)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    whole=st.booleans(),
    errors=st.lists(st.sampled_from([None, NetworkError("reset"), FULL])),
    random=st.randoms(use_true_random=False),
)
def test_each_attempt_is_reported_once_under_the_number_of_its_parcel(
    sizes: list[int], whole: bool, errors: list[DownloadError | None], random: Random
) -> None:
    keys = iter(range(100))
    sent = [attempts(*(next(keys) for _ in range(size))) for size in sizes]
    parcels = parcels_with(whole, *sent)
    running: list[int] = []
    ended: dict[int, list[int]] = {number: [] for number in range(len(sent))}
    while parcels.can_start or running:
        what = random.random()
        if what < 0.05:
            parcels.return_idle()
        elif what < 0.1:
            parcels.return_late(random.choice([10.0, 20.0]), 1.0)
        elif parcels.can_start and (what < 0.5 or not running):
            number, attempt = parcels.take()
            assert attempt in sent[number]
            assert not {other.key for other in sent[number]} & set(running)  # one after the other
            running.append(attempt.key)
        elif running:
            key = running.pop(random.randrange(len(running)))
            error = errors.pop() if errors else None
            parcels.settle(Outcome(key, DONE if error is None else End.FAILED, error=error))
        for number, outcomes in parcels.reports():
            ended[number] += [outcome.key for outcome in outcomes]
    assert {number: sorted(of_parcel) for number, of_parcel in ended.items()} == {
        number: [attempt.key for attempt in parcel] for number, parcel in enumerate(sent)
    }
    assert (parcels.running, parcels.waiting) == (0, 0)
