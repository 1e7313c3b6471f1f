"""The loop of `multiplex`: what an exchange came to is settled, however libcurl and the clock interleave."""

from typing import Any

import pytest

from downloader.core.model import End, Outcome
from downloader.engine.attempt.commands import READ, Call
from downloader.engine.stats import PlainLane
from downloader.errors import NetworkError
from downloader.strategies.multiplex import _Flight


class _Multi:
    def abandon(self, wire: object) -> None:
        """See `Multi`."""


class _Loop:
    def __init__(self) -> None:
        self.multi = _Multi()
        self.outcomes: list[Outcome] = []

    def ended(self, flight: object, outcome: Outcome) -> None:
        """See `Loop`."""
        self.outcomes.append(outcome)


class _Wire:
    def tell_rest(self, now: float) -> None:
        """See `CurlExchange`."""


def exhausted() -> Any:
    """An exchange that has ended."""
    steps = (step for step in ())
    next(steps, None)
    return steps


@pytest.mark.parametrize("state", [READ, Call(lambda: None)])
def test_an_exchange_that_has_ended_is_settled_as_it_ended_though_its_time_is_over(state: Any) -> None:
    loop, outcome = _Loop(), Outcome(1, End.SEGMENT_DONE, received=5_000_000)
    flight: Any = object.__new__(_Flight)
    flight._loop, flight._wire, flight._steps, flight._state = loop, _Wire(), exhausted(), state
    flight._outcome, flight._busy, flight.lane = outcome, False, PlainLane(stop=10, done=20)
    flight.check(1e9, expired=True)
    assert loop.outcomes == [outcome]
    with pytest.raises(NetworkError):  # what is thrown into it would come out of it again, as a mistake of ours
        flight._steps.throw(NetworkError("too late"))
