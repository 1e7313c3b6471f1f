"""One slot of a `CurlLoop`: drives the steps of an Attempt with an easy handle of libcurl.

Blocks are written and files are named in line: a thread would cost more than the call. Threads make the calls that take long:
those that read or process a whole file and, where the storage is slow (`Folder.is_slow`), all that wait for the storage.
"""

import time
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from downloader.core.facts import Timings
from downloader.core.http.messages import Head, Request
from downloader.core.model import Attempt, Outcome
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import CUT, DROP, READ, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.attempt.failure import internal_error
from downloader.engine.contract import Run
from downloader.engine.deadlines import NEVER, Verdict, deadline_of, error_of, verdict
from downloader.errors import DownloadError, NetworkError
from downloader.transports.base import DRAIN_SECONDS
from downloader.transports.curl_client import CurlExchange


class FlightLoop(Protocol):
    """What a flight needs of the loop that it belongs to."""

    run: Run

    def new_place(self) -> int:
        """A number for one more flight."""

    def ended(self, flight: "CurlFlight", outcome: Outcome) -> None:
        """The flight's Attempt has ended."""

    def pause(self, seconds: float, flight: "CurlFlight", ticket: int) -> None:
        """Resume the flight after so many seconds."""

    def call_in_thread(self, command: Call, flight: "CurlFlight", ticket: int) -> None:
        """Make a long call in a thread, and resume the flight then."""

    def begin_exchange(self, exchange: CurlExchange, request: Request) -> None:
        """Send a request. Raises DownloadError for a request that libcurl will not take."""

    def abandon(self, exchange: CurlExchange) -> None:
        """End an exchange from outside; its flight is not told."""


class CurlFlight:
    """An easy handle, and the Attempt that uses it. The listener of its `CurlExchange`."""

    def __init__(self, loop: FlightLoop) -> None:
        self._loop = loop
        self._context = loop.run.context
        self._exchange = CurlExchange(self, self._context.config.client)
        self._steps: Steps
        self._state: Command = DROP
        self._attempt: Attempt
        self._outcome: Outcome | None = None
        self._deadline = NEVER
        self._began_at = self._asked_at = 0.0
        self._dropping_since = 0.0
        self._busy = False  # the Attempt pauses, or a thread works for it
        self._answer_over = False  # the answer ended while the Attempt was busy
        self._error: DownloadError | None = None
        self._ticket = 0
        self.slot = loop.run.new_slot()
        self.slot.stats.place = loop.new_place()

    def begin(self, attempt: Attempt) -> None:
        """Start an Attempt here."""
        self._attempt = attempt
        self._outcome = None
        self._state = DROP
        self._dropping_since = 0.0
        self._busy = self._answer_over = False
        self.slot.stats.name = attempt.path
        timeout = self._context.config.policy.timeout
        self._began_at = time.monotonic()
        self._deadline = deadline_of(self._began_at, timeout)
        self._steps = attempt_steps(attempt, self._context, self.slot)
        self._advance(None)

    def break_off(self) -> None:
        """End the Attempt without an Outcome, because nobody takes Outcomes any more. What can be resumed is kept."""
        with suppress(Exception):
            self._steps.close()

    def _advance(self, answer: Answer, error: BaseException | None = None) -> None:
        """Take steps until one must wait; settle the Attempt where it ends. Never within a callback of libcurl."""
        self._step(answer, error)
        if self._outcome is not None:
            self._loop.abandon(self._exchange)
            self._end(self._outcome)
        elif isinstance(self._state, Request):
            self._asked_at = time.monotonic()
            try:
                self._loop.begin_exchange(self._exchange, self._state)
            except DownloadError as failure:
                self._advance(None, failure)

    def _end(self, outcome: Outcome) -> None:
        if self._context.config.timed:
            timings = self._timings(bool(outcome.status))
            outcome = replace(outcome, elapsed=timings.total, timings=timings)
        self._loop.ended(self, outcome)

    def _timings(self, answered: bool) -> Timings:
        """All from the same start, on one clock (libcurl's is the same), so that no step can be longer than the whole."""
        total = time.monotonic() - self._began_at
        if self._asked_at < self._began_at:
            return Timings(total=total)  # no request was sent
        from downloader.transports.curl_times import times_of  # here: few runs need it

        before = self._asked_at - self._began_at  # earlier requests, which led elsewhere
        dns, connect, tls, first_byte = [before + seconds if seconds else 0.0 for seconds in times_of(self._exchange.easy)]
        return Timings(dns, connect, tls, first_byte if answered else 0.0, total)

    def _step(self, answer: Answer, error: BaseException | None = None) -> bool:
        """Send an answer to the steps, and obey them as far as that needs no waiting. Whether the last command is `READ`."""
        steps = self._steps
        try:
            command = steps.throw(error) if error is not None else steps.send(answer)
            while command is not READ:
                self._state = command
                if isinstance(command, Write):
                    if self._context.folder.local.is_slow:
                        self._wait_for(_write_in_thread(command))
                        return True
                    try:
                        command.part.write(command.data)
                    except OSError as failure:
                        command = steps.throw(failure)
                    else:
                        command = steps.send(None)
                elif isinstance(command, Call) and not command.long:
                    command.call()
                    command = steps.send(None)
                else:
                    self._wait_for(command)
                    return command is not DROP and not isinstance(command, Request)
            self._state = READ
        except StopIteration as end:
            self._outcome = end.value
            return False
        except Exception as failure:  # noqa: BLE001 - a defect of this program fails the Attempt, and not the run
            self._outcome = internal_error(self._attempt, failure)
            return False
        return True

    def _wait_for(self, command: Command) -> None:
        if command is DROP:
            self._dropping_since = time.monotonic()
        elif isinstance(command, (Call, Pause)):
            self._busy = True
            self._ticket += 1
            self._exchange.pause()
            if isinstance(command, Call):
                self._loop.call_in_thread(command, self, self._ticket)
            else:
                self._loop.pause(command.seconds, self, self._ticket)

    def on_head(self, head: Head) -> bool:
        """See `Listener`."""
        return self._step(head)

    def on_data(self, data: bytes | list[bytes]) -> bool:
        """See `Listener`."""
        return self._step(data)

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        """See `Listener`."""
        if isinstance(broken, DownloadError):
            error = broken
        elif broken is not None:
            self._outcome = internal_error(self._attempt, broken)
        if self._outcome is not None:
            self._end(self._outcome)
        elif self._busy:
            self._answer_over, self._error = True, error
        elif self._state is DROP:
            self._advance(None)
        elif error is None and self._state is READ:
            self._advance(b"")
        else:
            self._advance(None, error or NetworkError("closed before an answer"))

    def resume(self, ticket: int, error: BaseException | None = None) -> None:
        """A pause is over, or a long call. ``ticket``: of that pause or call, which may no longer be the present one."""
        if ticket != self._ticket or not self._busy:
            return
        self._busy = False
        self._advance(None, error)
        if self._outcome is not None or self._busy:
            return
        if self._answer_over:
            self._answer_over = False
            self.on_done(self._error, None)
        else:
            self._exchange.resume()

    def _silent_at(self) -> float:
        """When the Attempt has waited too long for the server; 0 where it does not wait for the server."""
        allowed = self._context.config.client.read_timeout
        if isinstance(self._state, Request):
            return self._asked_at + self._exchange.connected_after + allowed
        heard = self.slot.stats.heard if self._state is READ else 0.0
        return heard + allowed if heard else 0.0

    def check(self, now: float, grace_over: bool) -> None:
        """End the Attempt if it must end now; end an answer that is read only to keep its connection, if that takes long."""
        if self._state is READ:
            self._exchange.deliver_rest(now)
        if self._outcome is not None:  # the last bytes have just come, and libcurl has not told the end yet
            self._loop.abandon(self._exchange)
            self._end(self._outcome)
            return
        if self._busy and not isinstance(self._state, Pause):
            return  # a thread works with the file
        silent_at = self._silent_at()
        reason = verdict(now, grace_over, self._deadline, silent_at > 0, silent_at, self.slot.has_reached_cut)
        if reason is not None:
            self._end_early(reason)
        elif self._state is DROP and self._dropping_since and now - self._dropping_since > DRAIN_SECONDS:
            self._loop.abandon(self._exchange)
            self._advance(None)

    def _end_early(self, reason: Verdict) -> None:
        self._busy = False
        self._loop.abandon(self._exchange)
        if reason is CUT:
            self._advance(CUT)
        else:
            self._advance(None, error_of(reason, self._context.config.client.read_timeout))
        if self._outcome is None and self._state is DROP:  # there is no answer left to drop
            self._advance(None)


def _write_in_thread(command: Write) -> Call:
    return Call(lambda: command.part.write(command.data), long=True, waits=True)
