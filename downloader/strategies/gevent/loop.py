"""The greenlets of `gevent`, for a process that was patched before it imports this module: see `gevent.worker`."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from downloader.core.model import Attempt, Outcome
from downloader.engine.address_space import possible_threads
from downloader.engine.attempt.commands import STORAGE_THREADS, Answer, Call, Command, Steps
from downloader.engine.attempt.failure import internal_error
from downloader.engine.blocking_driver import BlockingDriver, Watchdog
from downloader.engine.contract import Run
from downloader.errors import Interrupted

_WORK_THREADS = 2
"""Threads for calls that keep a processor busy."""

_READABLE = 1
"""For the loop's watchers: when a descriptor can be read."""


class GreenletLoop:
    """A greenlet for each Attempt in flight. Only the greenlet that runs `main` talks to the run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._changed = Event()
        self._message_came = False
        self._outcomes: list[Outcome] = []
        self._flying: set[gevent.Greenlet[..., None]] = set()
        self._spare: list[BlockingDriver] = []
        self._threads, self._storage_threads = _thread_pools()
        self._watchdog = Watchdog(lambda: run.grace_over)  # a thread by its class; patched, a greenlet
        self._in_thread: set[Any] = set()  # greenlets that wait for a call in a thread
        self._all_ended = False

    def main(self) -> None:
        """Start what may start, wait, settle what has ended, until the run is finished."""
        run = self._run
        assert run.waker is not None  # noqa: S101 - a worker's run has one
        watcher = gevent.get_hub().loop.io(run.waker, _READABLE)

        def on_message() -> None:
            watcher.stop()  # else it would call until the message is read, and that may have to wait
            self._message_came = True
            self._changed.set()

        watcher.start(on_message)
        self._watchdog.start()
        try:
            while not run.finished:
                run.tick()
                while len(self._flying) < run.jobs and (batch := run.take()):
                    self._start(batch[0])
                self._changed.wait(run.wait())
                self._changed.clear()
                if self._message_came:
                    self._message_came = False
                    run.wake()
                    watcher.start(on_message)
                if self._outcomes:
                    outcomes, self._outcomes = self._outcomes, []
                    run.settle(outcomes)
                if run.grace_over and not self._all_ended:
                    self._end_all()
        finally:
            watcher.stop()
            watcher.close()
            self._watchdog.stop()
            for driver in self._watchdog.drivers:
                driver.close()

    def _start(self, attempt: Attempt) -> None:
        driver = self._spare.pop() if self._spare else self._new_driver()
        self._flying.add(gevent.spawn(self._fetch, driver, attempt))

    def _new_driver(self) -> BlockingDriver:
        slot = self._run.new_slot()
        slot.stats.place = len(self._watchdog.drivers) + 1
        driver = BlockingDriver(self._run.context, slot)
        self._watchdog.watch(driver)
        return driver

    def _fetch(self, driver: BlockingDriver, attempt: Attempt) -> None:
        """One greenlet, from its begin to its end. A defect of this program fails the Attempt, and not the run."""
        try:
            outcome = driver.run(attempt, lambda steps: _Aside(steps, self._call_in_thread))
        except Exception as error:  # noqa: BLE001 - see above
            outcome = internal_error(attempt, error)
        self._outcomes.append(outcome)
        self._spare.append(driver)
        self._flying.discard(gevent.getcurrent())
        self._changed.set()

    def _end_all(self) -> None:
        """The grace time is over, also for greenlets that wait for a name server, and not for a socket.

        A call in a thread cannot be ended: the thread still uses the file. Its greenlet ends at its next command.
        """
        self._all_ended = True
        gevent.sleep(0)  # so that all have begun: one that is killed before it begins would end without an Outcome
        for greenlet in self._flying - self._in_thread:
            greenlet.kill(Interrupted("stopped"), block=False)

    def _call_in_thread(self, command: Call) -> None:
        """Make a call in a thread; other greenlets run meanwhile. Raises what the call raises."""
        greenlet, interrupt = gevent.getcurrent(), None
        self._in_thread.add(greenlet)
        threads = self._storage_threads if command.waits else self._threads
        done = threads.spawn(_error_of, command.call)
        while not done.ready():
            try:
                done.wait()
            except Interrupted as error:  # sent before the call began: raised when the thread no longer uses the file
                interrupt = error
        self._in_thread.discard(greenlet)
        if (error_or_interrupt := done.get() or interrupt) is not None:
            raise error_or_interrupt


class _Aside(Generator[Command, Answer, Outcome]):
    """The steps of an Attempt; a thread makes the calls that would block the loop, and with it every other file, for long."""

    def __init__(self, steps: Steps, call_in_thread: Callable[[Call], None]) -> None:
        self._steps = steps
        self._call_in_thread = call_in_thread

    def send(self, answer: Answer) -> Command:
        """See `Generator`."""
        return self._in_thread_if_long(self._steps.send(answer))

    def throw(self, *error: Any) -> Command:
        """See `Generator`."""
        return self._in_thread_if_long(self._steps.throw(*error))

    def _in_thread_if_long(self, command: Command) -> Command:
        if isinstance(command, Call) and command.long:
            return Call(partial(self._call_in_thread, command))
        return command


def _thread_pools() -> tuple[ThreadPool, ThreadPool]:
    """Threads for calls that keep a processor busy, and threads for calls that wait for slow storage.

    gevent loses a call for which it cannot start a thread. So where the address space has no room for all threads, each pool is
    smaller; also the one of gevent's hub, where names are looked up.
    """
    names = gevent.get_hub().threadpool
    sizes = [_WORK_THREADS, STORAGE_THREADS, names.maxsize]
    possible = possible_threads(sum(sizes))
    work, storage, names.maxsize = [max(1, size * possible // sum(sizes)) for size in sizes]
    return ThreadPool(work), ThreadPool(storage)


def _error_of(call: Callable[[], object]) -> Exception | None:
    """Call it; what it raises is returned, for gevent would print it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - it is raised again in the greenlet
        return error
    return None
