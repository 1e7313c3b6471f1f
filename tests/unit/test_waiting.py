"""A run that waits for space in a full folder: how long, and for how much."""

import itertools

import pytest

from downloader.core.scheduling.space_wait import CALM, FIRST_PAUSE, LONGEST_PAUSE, SpaceWait
from downloader.errors import DownloadError, FolderError, FolderFull, NetworkError


def full(needed: int) -> FolderFull:
    """No room for so many bytes."""
    return FolderFull("not enough space", "https://example.org/file", "free some space", needed)


def test_a_run_waits_until_there_is_room_for_the_largest_file_that_had_none() -> None:
    space = SpaceWait(True)
    assert space.takes(full(100), 0.0)
    assert space.takes(full(5000), 0.5)
    assert space.waits
    assert (space.is_due(FIRST_PAUSE / 2), space.is_due(FIRST_PAUSE)) == (False, True)
    space.look(5000, FIRST_PAUSE)
    assert space.waits
    assert space.due == 2 * FIRST_PAUSE
    space.look(5001, 2 * FIRST_PAUSE)
    assert not space.waits


def test_what_one_wait_needed_does_not_count_for_the_next() -> None:
    space = SpaceWait(True)
    space.takes(full(5000), 0.0)
    space.look(5001, 1.0)
    space.takes(full(10), 2.0)
    space.look(11, 4.0)
    assert not space.waits


def test_the_run_goes_on_where_the_free_space_is_unknown() -> None:
    space = SpaceWait(True)
    space.takes(full(5000), 0.0)
    space.look(None, 1.0)
    assert not space.waits


def test_a_folder_that_is_full_again_at_once_is_looked_at_ever_more_rarely() -> None:
    space, now, pauses = SpaceWait(True), 0.0, []
    for _ in range(8):
        space.takes(full(10), now)
        pauses.append(space.due - now)
        now = space.due
        space.look(None, now)
    assert pauses[0] == FIRST_PAUSE
    assert all(later == min(LONGEST_PAUSE, 2 * sooner) for sooner, later in itertools.pairwise(pauses))
    now += CALM + 1
    space.takes(full(10), now)
    assert space.due == now + FIRST_PAUSE


@pytest.mark.parametrize(
    ("wanted", "error"), [(False, full(10)), (True, FolderError("read-only file system")), (True, NetworkError("reset"))]
)
def test_only_a_full_folder_is_waited_for_and_only_where_asked_to(wanted: bool, error: DownloadError) -> None:
    space = SpaceWait(wanted)
    assert not space.takes(error, 0.0)
    assert not space.waits
