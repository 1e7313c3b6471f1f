"""The loop of `multiplex`: how an Attempt ended is settled, however libcurl and the clock interleave."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from downloader.core.model import End, Outcome
from downloader.engine.attempt.commands import READ, Call
from downloader.engine.contract import Slot
from downloader.engine.control import Cut
from downloader.engine.curl_flight import CurlFlight
from downloader.engine.stats import LocalStats
from downloader.errors import NetworkError


class _Loop:
    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def abandon(self, exchange: object) -> None:
        """See `FlightLoop`."""

    def ended(self, flight: object, outcome: Outcome) -> None:
        """See `FlightLoop`."""
        self.outcomes.append(outcome)


class _Exchange:
    def deliver_rest(self, now: float) -> None:
        """See `CurlExchange`."""


def exhausted() -> Any:
    """The steps of an Attempt that has ended."""
    steps = (step for step in ())
    next(steps, None)
    return steps


@pytest.mark.parametrize("state", [READ, Call(lambda: None)])
def test_an_attempt_that_has_ended_is_settled_as_it_ended_though_its_time_is_over(state: Any) -> None:
    loop, outcome = _Loop(), Outcome(1, End.SEGMENT_DONE, received=5_000_000)
    flight: Any = object.__new__(CurlFlight)
    flight._loop, flight._exchange, flight._steps, flight._state = loop, _Exchange(), exhausted(), state
    flight._outcome, flight._busy, flight.slot = outcome, False, Slot(LocalStats(key=1, done=20), Cut())
    flight._context = SimpleNamespace(config=SimpleNamespace(timed=False))
    flight.slot.cut.end_at(1, 10)
    flight.check(1e9, grace_over=True)
    assert loop.outcomes == [outcome]
    with pytest.raises(NetworkError):  # whatever is thrown into the steps would come out again, as an internal error
        flight._steps.throw(NetworkError("too late"))


@pytest.mark.parametrize("grace_over", [False, True])
def test_an_attempt_is_not_ended_while_a_thread_reads_its_file(grace_over: bool) -> None:
    thrown: list[BaseException] = []

    def reading() -> Iterator[Call]:
        try:
            yield Call(lambda: None, long=True)
        except BaseException as error:
            thrown.append(error)
            raise

    steps = reading()
    flight: Any = object.__new__(CurlFlight)
    flight._loop, flight._exchange, flight._steps, flight._state = _Loop(), _Exchange(), steps, next(steps)
    flight._outcome, flight._busy, flight._deadline, flight.slot = None, True, 1.0, Slot(LocalStats(key=1, done=20), Cut())
    flight.slot.cut.end_at(1, 10)
    flight.check(1e9, grace_over)
    assert (thrown, flight._busy) == ([], True)
