"""A run that waits for space in a full folder: how long, and for how much."""

import itertools

import pytest

from downloader.core.scheduling.space_wait import FIRST_SPACE_CHECK, LONGEST_SPACE_CHECK, SPACE_CHECK_RESET, SpaceWait
from downloader.errors import DownloadError, FolderError, FolderFull, NetworkError


def full(needed: int) -> FolderFull:
    """No room for so many bytes."""
    return FolderFull("not enough space", "https://example.org/file", "free some space", needed)


def test_a_run_waits_until_there_is_space_for_the_largest_file_that_had_none() -> None:
    space = SpaceWait(True)
    assert space.begins(full(100), 0.0)
    assert space.begins(full(5000), 0.5)
    assert space.is_waiting
    assert (space.is_due(FIRST_SPACE_CHECK / 2), space.is_due(FIRST_SPACE_CHECK)) == (False, True)
    space.check(5000, FIRST_SPACE_CHECK)
    assert space.is_waiting
    assert space.next_check == 2 * FIRST_SPACE_CHECK
    space.check(5001, 2 * FIRST_SPACE_CHECK)
    assert not space.is_waiting


def test_the_space_that_one_wait_needed_does_not_count_for_the_next() -> None:
    space = SpaceWait(True)
    space.begins(full(5000), 0.0)
    space.check(5001, 1.0)
    space.begins(full(10), 2.0)
    space.check(11, 4.0)
    assert not space.is_waiting


def test_the_run_goes_on_where_the_free_space_is_unknown() -> None:
    space = SpaceWait(True)
    space.begins(full(5000), 0.0)
    space.check(None, 1.0)
    assert not space.is_waiting


def test_the_pause_grows_while_the_folder_is_full_again_soon() -> None:
    space, now, pauses = SpaceWait(True), 0.0, []
    for _ in range(8):
        space.begins(full(10), now)
        pauses.append(space.next_check - now)
        now = space.next_check
        space.check(None, now)
    assert pauses[0] == FIRST_SPACE_CHECK
    assert all(later == min(LONGEST_SPACE_CHECK, 2 * sooner) for sooner, later in itertools.pairwise(pauses))
    now += SPACE_CHECK_RESET + 1
    space.begins(full(10), now)
    assert space.next_check == now + FIRST_SPACE_CHECK


@pytest.mark.parametrize(
    ("wanted", "error"), [(False, full(10)), (True, FolderError("read-only file system")), (True, NetworkError("reset"))]
)
def test_a_run_waits_only_for_a_full_folder_and_only_if_enabled(wanted: bool, error: DownloadError) -> None:
    space = SpaceWait(wanted)
    assert not space.begins(error, 0.0)
    assert not space.is_waiting
