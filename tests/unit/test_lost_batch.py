"""What becomes of a batch whose worker process died: a table of cases."""

import pytest

from downloader.core.model import End
from downloader.core.scheduling.lost_batch import ends_of_lost_batch

UNREPORTED, LOST, UNSTARTED = End.UNREPORTED, End.WORKER_LOST, End.UNSTARTED


@pytest.mark.parametrize(
    ("count", "begun", "ends"),
    [
        (0, -1, []),
        (1, -1, [UNSTARTED]),
        (3, -1, [UNSTARTED, UNSTARTED, UNSTARTED]),
        (1, 0, [LOST]),
        (3, 0, [LOST, UNSTARTED, UNSTARTED]),
        (3, 1, [UNREPORTED, LOST, UNSTARTED]),
        (3, 2, [UNREPORTED, UNREPORTED, LOST]),
    ],
)
def test_the_one_begun_last_is_lost_those_before_are_unreported_the_rest_is_unstarted(
    count: int, begun: int, ends: list[End]
) -> None:
    assert ends_of_lost_batch(count, begun) == ends


@pytest.mark.parametrize(("count", "begun"), [(0, 0), (3, 3), (3, -2)])
def test_an_index_outside_of_the_batch_is_an_error(count: int, begun: int) -> None:
    with pytest.raises(ValueError, match="has no Attempt"):
        ends_of_lost_batch(count, begun)
