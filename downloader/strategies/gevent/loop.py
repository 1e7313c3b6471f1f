"""The greenlets of `gevent`, for a process that has been patched before it imports this: see `gevent_worker`."""

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.urls import public_url
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import Answer, Call, Command, Steps
from downloader.engine.blocking_driver import perform
from downloader.engine.run import Run
from downloader.errors import Interrupted, WorkerError
from downloader.transports.requests_client import BlockingClient, Watchdog

_READ = 1
"""For the loop's watchers: when a descriptor can be read."""


class Loop:
    """A greenlet for each Attempt in flight; only the one that runs `main` talks to the run, the others leave it word."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._news = Event()
        self._heard = False
        self._outcomes: list[Outcome] = []
        self._flying: set[gevent.Greenlet[..., None]] = set()
        self._spare: list[_Place] = []
        self._threads = ThreadPool(2)
        self._watchdog = Watchdog(lambda: run.expired)  # a thread to look at, a greenlet in truth
        self._ended = False

    def main(self) -> None:
        """Start what may start, wait, settle what has ended, until all has."""
        run = self._run
        assert run.waker is not None  # noqa: S101 - a worker's run has one
        ear = gevent.get_hub().loop.io(run.waker, _READ)

        def hear() -> None:
            ear.stop()  # else it would call until the message is read, and that may have to wait
            self._heard = True
            self._news.set()

        ear.start(hear)
        self._watchdog.start()
        try:
            while not run.finished:
                while len(self._flying) < run.jobs and (batch := run.take()):
                    self._start(batch[0])
                self._news.wait(run.wait())
                self._news.clear()
                if self._heard:
                    self._heard = False
                    run.wake()
                    ear.start(hear)
                if self._outcomes:
                    outcomes, self._outcomes = self._outcomes, []
                    run.settle(outcomes)
                if run.expired and not self._ended:
                    self._end_all()
        finally:
            ear.stop()
            ear.close()
            self._watchdog.stop()
            for client in self._watchdog.clients:
                client.close()

    def _start(self, attempt: Attempt) -> None:
        place = self._spare.pop() if self._spare else _Place(self._run, self._watchdog)
        greenlet = gevent.spawn(self._fetch, place, attempt)
        self._flying.add(greenlet)

    def _fetch(self, place: "_Place", attempt: Attempt) -> None:
        """One greenlet, from its begin to its end. A mistake of ours fails this Attempt, and not the run."""
        try:
            outcome = place.fetch(attempt, self._threads)
        except Exception as error:  # noqa: BLE001 - see above
            failure = WorkerError(f"internal error: {error!r}", public_url(attempt.url), "please report it", "internal error")
            outcome = Outcome(attempt.key, End.FAILED, path=attempt.path, error=failure)
        self._outcomes.append(outcome)
        self._spare.append(place)
        self._flying.discard(gevent.getcurrent())
        self._news.set()

    def _end_all(self) -> None:
        """The grace time is over: also for those that wait for no socket, but for a name server or for a thread."""
        self._ended = True
        gevent.sleep(0)  # so that all have begun: one that is killed before would end without a word
        for greenlet in self._flying:
            greenlet.kill(Interrupted("stopped"), block=False)


class _Place:
    """A client with its connections, and a lane: for one Attempt at a time."""

    def __init__(self, run: Run, watchdog: Watchdog) -> None:
        self._run = run
        self._lane = run.lane()
        self._lane.task = len(watchdog.clients) + 1
        self._client = BlockingClient(run.config.client)
        watchdog.watch(self._client)

    def fetch(self, attempt: Attempt, threads: ThreadPool) -> Outcome:
        """Run one Attempt; other greenlets go on wherever it waits."""
        run, limit = self._run, self._run.config.policy.timeout
        self._lane.name = attempt.path
        self._client.begin(time.monotonic() + limit if limit else 0.0, self._unwanted)
        steps = attempt_steps(attempt, run.config, run.folder, self._lane, time.monotonic, time.time, run.rate_limiter)
        return perform(_Aside(steps, threads), self._client)

    def _unwanted(self) -> bool:
        """Whether the rest is another Attempt's now."""
        return bool(self._lane.stop) and self._lane.done >= self._lane.stop


class _Aside(Generator[Command, Answer, Outcome]):
    """The steps of an exchange; a thread does those that would keep the loop, and with it every other file, for long."""

    def __init__(self, steps: Steps, threads: ThreadPool) -> None:
        self._steps = steps
        self._threads = threads

    def send(self, answer: Answer) -> Command:
        """See `Generator`."""
        return self._changed(self._steps.send(answer))

    def throw(self, *error: Any) -> Command:
        """See `Generator`."""
        return self._changed(self._steps.throw(*error))

    def _changed(self, command: Command) -> Command:
        if isinstance(command, Call) and command.long:
            return Call(partial(self._in_thread, command.call))
        return command

    def _in_thread(self, call: Callable[[], object]) -> None:
        done = self._threads.spawn(_error_of, call)
        while not done.ready():
            with suppress(Interrupted):  # the file must not be closed under it
                done.wait()
        error = done.get()
        if error is not None:
            raise error


def _error_of(call: Callable[[], object]) -> Exception | None:
    """Call it; what it raises is returned, for gevent would print it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - it is raised again in the greenlet
        return error
    return None
