"""What is said while a comparison runs: where it is, and how long it may still take."""

import pytest

from downloader.compare.pace import StudyStep, foreseen, line, remaining_time

STEP = StudyStep("cpu-native", "multiplex", 2, 3, False, 0.5, 0.25, item=10, items=10)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (STEP, "scenario 10 of 10, cpu-native: multiplex, round 2 of 3 or more"),
        (STEP._replace(round=5), "scenario 10 of 10, cpu-native: multiplex, round 5 of 5 or more"),
        (STEP._replace(exact=True), "scenario 10 of 10, cpu-native: multiplex, round 2 of 3"),
        (STEP._replace(round=0), "scenario 10 of 10, cpu-native: multiplex, once more for the timeline"),
        (STEP._replace(point="jobs 4"), "point 10 of 10, cpu-native, jobs 4: multiplex, round 2 of 3 or more"),
    ],
)
def test_step_in_words(step: StudyStep, said: str) -> None:
    assert str(step) == said


@pytest.mark.parametrize(
    ("elapsed", "whole", "said"),
    [
        (0.5, 0.5, ""),
        (10.0, 0.0, ""),
        (10.0, 0.9, "a few seconds left"),
        (10.0, 0.25, "about 30 s left"),
        (30.0, 0.5, "about 30 s left"),
        (60.0, 0.5, "about 1 min left"),
        (60.0, 0.1, "about 9 min left"),
        (61.0, 1.0, "a few seconds left"),
    ],
)
def test_time_left_goes_by_the_pace_so_far(elapsed: float, whole: float, said: str) -> None:
    assert remaining_time(elapsed, whole) == said


@pytest.mark.parametrize("width", [79, 60, 30, 5])
def test_line_fits_and_keeps_what_is_left(width: int) -> None:
    text = line(STEP, 60.0, width)
    assert len(text) <= width
    assert text.endswith("about 3 min left") is (width >= 20)
    assert "  " not in text
    assert line(STEP, 0.0, 79) == str(STEP)


def test_rounds_are_foreseen_by_the_budget() -> None:
    assert [foreseen(0, 0.0, 12.0, 3), foreseen(1, 6.0, 12.0, 3), foreseen(1, 1.0, 12.0, 3)] == [3, 3, 12]
