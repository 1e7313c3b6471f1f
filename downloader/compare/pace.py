"""The progress of a study: the next step in words, and an estimate of the remaining time. Pure."""

import math
from typing import NamedTuple

MIN_ELAPSED = 2.0
"""Seconds after which the remaining time can be estimated."""


class StudyStep(NamedTuple):
    """The next run of a study.

    ``row``: the name of the strategy or peer. ``round``: the number of the round; 0: the additional run with a trace.
    ``rounds``: the planned number of rounds, exact if ``exact`` is set, else the minimum. ``done``: the finished share (0 to 1)
    of the scenario, estimated; ``study_done``: that of the study. ``point``: the point of a sweep, such as ``jobs 4``. ``item``
    and ``items``: the number of the scenario, or of the point, and how many there are.
    """

    scenario: str
    row: str
    round: int
    rounds: int
    exact: bool
    done: float
    study_done: float = 0.0
    point: str = ""
    item: int = 1
    items: int = 1

    def __str__(self) -> str:
        """``scenario 2 of 3, latency: auto, round 1 of 3 or more``."""
        what = f"point {self.item} of {self.items}" if self.point else f"scenario {self.item} of {self.items}"
        where = f"{what}, {self.scenario}" + (f", {self.point}" if self.point else "")
        if not self.round:
            return f"{where}: {self.row}, once more for the timeline"
        least = max(self.round, self.rounds)
        return f"{where}: {self.row}, round {self.round} of {least}" + ("" if self.exact else " or more")


def line(step: StudyStep, elapsed: float, width: int) -> str:
    """The step and the remaining time after ``elapsed`` seconds of the study, cut to ``width`` characters."""
    remaining = remaining_time(elapsed, step.study_done)
    text = f"{step}{f', {remaining}' if remaining else ''}"
    if len(text) > width and remaining:  # shorten the step, not the remaining time
        text = f"{str(step)[: max(0, width - len(remaining) - 2)].rstrip(' ,:')}, {remaining}"
    return text[:width]


def remaining_time(elapsed: float, study_done: float) -> str:
    """The remaining time in words, ``about 40 s left``, from the finished share ``study_done``; empty while it is unknown."""
    if elapsed < MIN_ELAPSED or study_done <= 0:
        return ""
    remaining = elapsed * (1 - study_done) / study_done
    if remaining < 5:
        return "a few seconds left"
    if remaining <= 55:
        return f"about {10 * math.ceil(remaining / 10)} s left"
    return f"about {math.ceil(remaining / 60)} min left"


def foreseen(number: int, spent: float, budget: float, least: int) -> int:
    """The expected number of rounds: as many as fit into ``budget`` seconds, if ``number`` rounds took ``spent`` seconds."""
    return max(least, int(budget * number / spent)) if number and spent > 0 else least
