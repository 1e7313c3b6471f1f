"""What a file that is there already leads to: a table."""

import pytest

from downloader.core.model import Attempt, Checksum, End, Existing, Outcome
from downloader.core.names.exists_policy import apply_exists_policy

THERE, FOLDER = Existing(7, 1000.0), Existing(0, 1000.0, is_folder=True)
SUMS = (Checksum("sha256", "0" * 64),)


def attempt(**changes: object) -> Attempt:
    """An Attempt with these fields."""
    return Attempt(0, 1, "http://h/a", "http://h/a", "a", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_exists", ["skip", "overwrite", "rename", "fail", "refresh"])
def test_nothing_there_is_no_obstacle(on_exists: str) -> None:
    assert apply_exists_policy(attempt(), None, on_exists) == attempt()
    assert apply_exists_policy(attempt(is_probe=True), THERE, on_exists) == attempt(is_probe=True)


@pytest.mark.parametrize(
    ("tried", "existing", "on_exists", "end"),
    [
        (attempt(), THERE, "skip", End.EXISTS),
        (attempt(), THERE, "fail", End.FAILED),
        (attempt(), FOLDER, "skip", End.FAILED),
        (attempt(), FOLDER, "overwrite", End.FAILED),
        (attempt(may_exist_already=True), THERE, "skip", End.COMPLETE),
        (attempt(may_exist_already=True), THERE, "fail", End.COMPLETE),
        (attempt(may_exist_already=True), FOLDER, "skip", End.FAILED),
    ],
)
def test_an_existing_file_ends_the_attempt(tried: Attempt, existing: Existing, on_exists: str, end: End) -> None:
    outcome = apply_exists_policy(tried, existing, on_exists)
    assert isinstance(outcome, Outcome)
    assert (outcome.end, outcome.path) == (end, "a")
    assert (outcome.error is not None) == (end is End.FAILED)


@pytest.mark.parametrize(
    ("tried", "on_exists", "changed"),
    [
        (attempt(), "overwrite", attempt()),
        (attempt(), "rename", attempt()),
        (attempt(may_exist_already=True), "overwrite", attempt(may_exist_already=True)),
        (attempt(), "refresh", attempt(modified_since=1000.0)),
        (attempt(checksums=SUMS), "skip", attempt(checksums=SUMS, verify_existing=True)),
    ],
)
def test_an_existing_file_changes_the_attempt(tried: Attempt, on_exists: str, changed: Attempt) -> None:
    assert apply_exists_policy(tried, THERE, on_exists) == changed


def test_wrong_file_is_not_taken_for_a_lost_workers_work() -> None:
    again = attempt(may_exist_already=True, checksums=SUMS)
    assert apply_exists_policy(again, THERE, "skip") == attempt(may_exist_already=True, checksums=SUMS, verify_existing=True)
