"""How far a study is: what runs next, in words, and how long the rest may take. Arithmetic and text only."""

import math
from typing import NamedTuple

LEAST_KNOWN = 2.0
"""Seconds after which the pace so far says something of what is left."""


class StudyStep(NamedTuple):
    """What runs next: a row of a scenario, in a ``round`` (0: once more, with a trace) of ``rounds``, or more unless ``exact``.

    ``done``: the part of its scenario that is behind it, as far as can be foreseen; ``whole``: of the study. ``point``: of a
    sweep, as ``jobs 4``. ``place`` of ``places``: which scenario, or which point, it is.
    """

    scenario: str
    row: str
    round: int
    rounds: int
    exact: bool
    done: float
    whole: float = 0.0
    point: str = ""
    place: int = 1
    places: int = 1

    def __str__(self) -> str:
        """``scenario 2 of 3, latency: auto, round 1 of 3 or more``."""
        what = f"point {self.place} of {self.places}" if self.point else f"scenario {self.place} of {self.places}"
        where = f"{what}, {self.scenario}" + (f", {self.point}" if self.point else "")
        if not self.round:
            return f"{where}: {self.row}, once more for the timeline"
        least = max(self.round, self.rounds)
        return f"{where}: {self.row}, round {self.round} of {least}" + ("" if self.exact else " or more")


def line(step: StudyStep, elapsed: float, width: int) -> str:
    """The step and what may be left after ``elapsed`` seconds of the study, cut to this width."""
    told = left(elapsed, step.whole)
    text = f"{step}{f', {told}' if told else ''}"
    if len(text) > width and told:  # what is left is worth more than what runs
        text = f"{str(step)[: max(0, width - len(told) - 2)].rstrip(' ,:')}, {told}"
    return text[:width]


def left(elapsed: float, whole: float) -> str:
    """``about 40 s left``, by the pace so far; empty while it is not known."""
    if elapsed < LEAST_KNOWN or whole <= 0:
        return ""
    rest = elapsed * (1 - whole) / whole
    if rest < 5:
        return "a few seconds left"
    if rest <= 55:
        return f"about {10 * math.ceil(rest / 10)} s left"
    return f"about {math.ceil(rest / 60)} min left"


def foreseen(number: int, spent: float, budget: float, least: int) -> int:
    """How many rounds there may be, where ``number`` took ``spent`` seconds: as many as the budget has room for."""
    return max(least, int(budget * number / spent)) if number and spent > 0 else least
