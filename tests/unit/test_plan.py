"""What a run is set up with: whether its files may be split."""

import pytest

from downloader.runs.plan import may_split, worker_config
from downloader.settings.definitions import Settings
from downloader.strategies.registry import BUILT_IN, find


@pytest.mark.parametrize(("segments", "expected"), [(0, True), (1, False), (2, True), (16, True)])
def test_a_strategy_that_can_splits_files_unless_one_segment_is_asked_for(segments: int, expected: bool) -> None:
    able = find("threads").capabilities
    assert may_split(Settings(segments=segments), able) is expected
    assert worker_config(Settings(segments=segments), able, 4).policy.may_split is expected


@pytest.mark.parametrize("strategy", sorted(BUILT_IN))
def test_a_strategy_that_cannot_never_does(strategy: str) -> None:
    able = find(strategy).capabilities
    assert may_split(Settings(segments=0), able) is able.segments
