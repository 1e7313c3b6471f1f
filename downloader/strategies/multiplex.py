"""libcurl's multi interface on epoll: one thread, one loop, and C code that moves the bytes.

There is no task and no coroutine for a file: libcurl calls back when something has come, and the exchange's generator is
sent it there and then. Writes are done in line; only what reads a whole file (to verify what was there) gets a thread.
"""

import heapq
import itertools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from downloader.core.http.messages import Head, Request
from downloader.core.limits.stall import silent
from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.urls import public_url
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import DROP, READ, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.contract import Capabilities
from downloader.engine.stats import Lane
from downloader.errors import DownloadError, Interrupted, NetworkError, NoAnswer, WorkerError
from downloader.transports.base import DRAIN_SECONDS
from downloader.transports.curl_client import CurlExchange, CurlMulti

if TYPE_CHECKING:
    from downloader.engine.long_calls import LongWork
    from downloader.engine.run import Run

LATE_EVERY = 0.1
"""Seconds from one look for transfers that are late to the next."""


class MultiplexStrategy:
    """One epoll loop over Attempts."""

    name: ClassVar[str] = "multiplex"
    about: ClassVar[str] = "one thread, libcurl's multi interface on epoll"
    library: ClassVar[str] = "pycurl (libcurl)"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40, most_jobs=256, segments=True, limit_rate=True, http_versions=("1.1", "2", "3")
    )

    def drive(self, run: "Run") -> None:
        """See `Strategy`."""
        Loop(run).main()


class Loop:
    """The loop: what `drive` runs, and what `auto` runs several of. ``run``: a Run, or what stands for one."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.multi = CurlMulti(run.config.client)
        self.outcomes: list[Outcome] = []
        self.flying: set[_Flight] = set()
        self._spare: list[_Flight] = []
        self._later: list[tuple[float, int, _Flight, int]] = []
        self._count = itertools.count()
        self._places = itertools.count(1)
        self._long: LongWork | None = None
        self._looked = 0.0

    def main(self) -> None:
        """Start what may start, wait, settle what has ended, until all has."""
        run, multi, outcomes = self.run, self.multi, self.outcomes
        if run.waker is not None:
            multi.add_reader(run.waker, run.wake)
        try:
            while not run.finished:
                while len(self.flying) < run.jobs and (batch := run.take()):
                    self._start(batch[0])
                    if outcomes:
                        break
                multi.run_once(0.0 if outcomes else self._wait())
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    _, _, flight, ticket = heapq.heappop(self._later)
                    flight.go_on(ticket)
                if now - self._looked >= LATE_EVERY:
                    self._looked = now
                    self._end_late_ones(now)
                if outcomes:
                    run.settle(outcomes)
                    outcomes.clear()
        finally:
            multi.close()
            if self._long is not None:
                self._long.close()
            for flight in self.flying:  # none, unless the run was broken
                flight.break_off()

    def _wait(self) -> float:
        wait: float = self.run.wait()
        if self.flying:
            wait = min(wait, LATE_EVERY)
        return min(wait, max(0.0, self._later[0][0] - time.monotonic())) if self._later else wait

    def _start(self, attempt: Attempt) -> None:
        flight = self._spare.pop() if self._spare else _Flight(self)
        self.flying.add(flight)
        flight.begin(attempt)

    def new_place(self) -> int:
        """A number for one more place in the loop."""
        return next(self._places)

    def ended(self, flight: "_Flight", outcome: Outcome) -> None:
        """A flight is over."""
        self.outcomes.append(outcome)
        self.flying.discard(flight)
        self._spare.append(flight)

    def later(self, seconds: float, flight: "_Flight", ticket: int) -> None:
        """Let this one go on after a while."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._count), flight, ticket))

    def in_thread(self, work: Call, flight: "_Flight", ticket: int) -> None:
        """Do something long elsewhere, and let the flight go on then."""
        if self._long is None:
            from downloader.engine.long_calls import LongWork  # here: few runs need it

            self._long = LongWork(self.multi)
        self._long.submit(work.call, lambda error: flight.go_on(ticket, error))

    @property
    def working(self) -> int:
        """Long calls that threads have in hand, or will have."""
        return 0 if self._long is None else self._long.working

    def _end_late_ones(self, now: float) -> None:
        """End those that outlast the grace time or their own, and those of which nothing has been heard for too long."""
        expired = self.run.expired
        for flight in list(self.flying):
            flight.check(now, expired)


class _Flight:
    """One place in the loop: an easy handle, a lane, and the exchange under way."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._run = loop.run
        self._wire = CurlExchange(self, loop.run.config.client)
        self._steps: Steps
        self._state: Command = DROP
        self._request: Request | None = None
        self._attempt: Attempt
        self._outcome: Outcome | None = None
        self._started = self._asked = 0.0
        self._dropping = 0.0
        self._busy = self._over = False  # busy: it pauses, or a thread is at work; over: the answer ended meanwhile
        self._error: DownloadError | None = None
        self._ticket = 0
        self.lane: Lane = loop.run.lane()
        self.lane.task = loop.new_place()

    def begin(self, attempt: Attempt) -> None:
        """Start an Attempt here."""
        run = self._run
        self._attempt = attempt
        self._outcome = None
        self._state = DROP
        self._dropping = 0.0
        self._busy = self._over = False
        self.lane.name = attempt.path
        self._started = time.monotonic()
        self._steps = attempt_steps(attempt, run.config, run.folder, self.lane, time.monotonic, time.time, run.rate_limiter)
        self._advance(None)

    def break_off(self) -> None:
        """End the exchange without an Outcome: nobody takes one any more. What can be resumed is kept."""
        with suppress(Exception):
            self._steps.close()

    def _advance(self, answer: Answer, error: BaseException | None = None) -> None:
        """Take steps until one must wait. Ends the flight where the exchange ends. Never within a callback of libcurl."""
        self._step(answer, error)
        if self._outcome is not None:
            self._loop.multi.abandon(self._wire)
            self._loop.ended(self, self._outcome)
        elif isinstance(self._state, Request):
            self._asked = time.monotonic()
            try:
                self._loop.multi.begin(self._wire, self._state)
            except DownloadError as failure:
                self._advance(None, failure)

    def _step(self, answer: Answer, error: BaseException | None = None) -> bool:
        """Send this to the exchange, and do what it wants as far as that needs no waiting; whether it wants to read."""
        steps = self._steps
        try:
            command = steps.throw(error) if error is not None else steps.send(answer)
            while command is not READ:
                self._state = command
                if isinstance(command, Write):
                    try:
                        command.part.write(command.block)
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
        except Exception as failure:  # noqa: BLE001 - a mistake of ours fails this transfer, and not the run
            self._outcome = self._broken(failure)
            return False
        return True

    def _wait_for(self, command: Command) -> None:
        if command is DROP:
            self._dropping = time.monotonic()
        elif isinstance(command, Call | Pause):
            self._busy = True
            self._ticket += 1
            self._wire.pause()
            if isinstance(command, Call):
                self._loop.in_thread(command, self, self._ticket)
            else:
                self._loop.later(command.seconds, self, self._ticket)

    def _broken(self, error: BaseException) -> Outcome:
        failure = WorkerError(f"internal error: {error!r}", public_url(self._attempt.url), "please report it", "internal error")
        return Outcome(self._attempt.key, End.FAILED, path=self._attempt.path, error=failure)

    def on_head(self, head: Head) -> bool:
        """See `Listener`."""
        return self._step(head)

    def on_data(self, data: bytes) -> bool:
        """See `Listener`."""
        return self._step(data)

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        """See `Listener`."""
        if isinstance(broken, DownloadError):
            error = broken
        elif broken is not None:
            self._outcome = self._broken(broken)
        if self._outcome is not None:
            self._loop.ended(self, self._outcome)
        elif self._busy:
            self._over, self._error = True, error
        elif self._state is DROP:
            self._advance(None)
        elif error is None and self._state is READ:
            self._advance(b"")
        else:
            self._advance(None, error or NetworkError("closed before an answer"))

    def go_on(self, ticket: int, error: BaseException | None = None) -> None:
        """A pause is over, or what was done elsewhere; ``ticket`` says which."""
        if ticket != self._ticket or not self._busy:
            return
        self._busy = False
        self._advance(None, error)
        if self._outcome is not None or self._busy:
            return
        if self._over:
            self._over = False
            self.on_done(self._error, None)
        else:
            self._wire.resume()

    def _heard(self) -> float:
        """When something last came, or a head was asked for; 0 where nothing is waited for."""
        if isinstance(self._state, Request):
            return self._asked + self._wire.connected_after
        return self.lane.heard if self._state is READ else 0.0

    def check(self, now: float, expired: bool) -> None:
        """End it, if it outlasts a time, or if nobody wants it any more."""
        if self._state is READ:
            self._wire.deliver_rest(now)
        if self._outcome is not None:  # by what has come meanwhile, of which libcurl has not told the end yet
            self._loop.multi.abandon(self._wire)
            self._loop.ended(self, self._outcome)
            return
        lane, options, limit = self.lane, self._run.config.client, self._run.config.policy.timeout
        error: DownloadError
        if self._busy and not isinstance(self._state, Pause):
            return  # a thread is reading its file
        if expired:
            error = Interrupted("stopped")
        elif limit and now - self._started > limit:
            error = NetworkError("the time for one attempt is over", hint="see --timeout")
        elif self._state is not DROP and lane.stop and lane.done >= lane.stop:
            error = NetworkError("another attempt goes on with it")
        elif silent(self._heard(), now, options.read_timeout):
            error = NoAnswer(f"nothing came for {options.read_timeout:g} s", hint="see --low-speed-time")
        elif self._state is DROP and self._dropping and now - self._dropping > DRAIN_SECONDS:
            self._loop.multi.abandon(self._wire)
            self._advance(None)
            return
        else:
            return
        self._busy = False
        self._loop.multi.abandon(self._wire)
        self._advance(None, error)
