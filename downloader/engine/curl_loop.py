"""An event loop over libcurl: `multiplex` runs one of them, `auto` several.

There is no task and no coroutine for a file: libcurl calls back when something has come, and the Attempt's generator receives
it at once (`downloader.engine.curl_flight`).
"""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from downloader.core.http.messages import Request
from downloader.core.model import Attempt, Outcome
from downloader.engine.attempt.commands import Call
from downloader.engine.contract import Run
from downloader.engine.curl_flight import CurlFlight
from downloader.transports.curl_client import CurlExchange, CurlMulti

if TYPE_CHECKING:
    from downloader.engine.long_calls import LongCalls

CHECK_SECONDS = 0.1
"""Seconds from one look for Attempts that must end to the next."""


class CurlLoop:
    """One thread, one loop. ``run``: gives the Attempts."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._multi = CurlMulti(run.context.config.client)
        self.outcomes: list[Outcome] = []
        self.flying: set[CurlFlight] = set()
        self._spare: list[CurlFlight] = []
        self._paused: list[tuple[float, int, CurlFlight, int]] = []
        self._order = itertools.count()
        self._places = itertools.count(1)
        self._long: LongCalls | None = None
        self._checked_at = 0.0

    def main(self) -> None:
        """Start what may start, wait, settle what has ended, until the run is finished."""
        run, multi, outcomes, jobs = self.run, self._multi, self.outcomes, self.run.jobs
        if run.waker is not None:
            multi.add_reader(run.waker, run.wake)
        try:
            while not run.finished:
                run.tick()
                while len(self.flying) < jobs and (batch := run.take()):
                    self._start(batch[0])
                    if outcomes:
                        break
                multi.run_once(0.0 if outcomes else self._wait())
                now = time.monotonic()
                while self._paused and self._paused[0][0] <= now:
                    _, _, flight, ticket = heapq.heappop(self._paused)
                    flight.resume(ticket)
                if now - self._checked_at >= CHECK_SECONDS:
                    self._checked_at = now
                    self._check(now)
                if outcomes:
                    run.settle(outcomes)
                    outcomes.clear()
        finally:
            self.close()
            if self._long is not None:
                self._long.close()
            for flight in self.flying:  # none, unless the run was broken
                flight.break_off()

    def close(self) -> None:
        """Close every connection."""
        self._multi.close()

    @property
    def idle(self) -> float:
        """Seconds that this loop has waited so far."""
        return self._multi.idle

    def watch(self, descriptor: int, call: Callable[[], object]) -> None:
        """From within the loop: call this whenever the descriptor can be read."""
        self._multi.add_reader(descriptor, call)

    def unwatch(self, descriptor: int) -> None:
        """Watch this descriptor no longer."""
        self._multi.remove_reader(descriptor)

    def _wait(self) -> float:
        wait = self.run.wait()
        if self.flying:
            wait = min(wait, CHECK_SECONDS)
        return min(wait, max(0.0, self._paused[0][0] - time.monotonic())) if self._paused else wait

    def _start(self, attempt: Attempt) -> None:
        flight = self._spare.pop() if self._spare else CurlFlight(self)
        self.flying.add(flight)
        flight.begin(attempt)

    def new_place(self) -> int:
        """A number for one more flight."""
        return next(self._places)

    def ended(self, flight: "CurlFlight", outcome: Outcome) -> None:
        """The flight's Attempt has ended."""
        self.outcomes.append(outcome)
        self.flying.discard(flight)
        self._spare.append(flight)

    def pause(self, seconds: float, flight: "CurlFlight", ticket: int) -> None:
        """Let this flight go on after so many seconds."""
        heapq.heappush(self._paused, (time.monotonic() + seconds, next(self._order), flight, ticket))

    def call_in_thread(self, command: Call, flight: "CurlFlight", ticket: int) -> None:
        """Make a long call in a thread, and let the flight go on then."""
        if self._long is None:
            from downloader.engine.long_calls import LongCalls  # here: few runs need it

            self._long = LongCalls(self._multi)
        self._long.submit(command, lambda error: flight.resume(ticket, error))

    def begin_exchange(self, exchange: CurlExchange, request: Request) -> None:
        """Send a request. Raises DownloadError for a request that libcurl will not take."""
        self._multi.begin(exchange, request)

    def abandon(self, exchange: CurlExchange) -> None:
        """End an exchange from outside; its flight is not told."""
        self._multi.abandon(exchange)

    def _check(self, now: float) -> None:
        """End the Attempts that must end now."""
        grace_over = self.run.grace_over
        for flight in list(self.flying):
            flight.check(now, grace_over)
