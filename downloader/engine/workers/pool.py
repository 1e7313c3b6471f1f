"""A pool of worker processes, each with an event loop of its own: what `hybrid` and `gevent` run on.

The pool deals parcels. A parcel is a few Attempts that share one slot and run one after the other. The parent makes every
decision, a worker only drives: so limits hold for the whole run, a retry may go to any worker, and the death of a worker costs
only its running Attempts another try. The Attempts at the Segments of one file go to one worker, which has the file open.

Workers are new interpreters that are told what to import. multiprocessing would import the caller's script again in each of
them, and so run the script again, where it is not guarded against that.
"""

import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Self

from downloader.core.model import Attempt, Outcome
from downloader.core.scheduling.dealing import Dealing, Seat
from downloader.engine.contract import DEATHS_TO_GIVE_UP, Run, Slot
from downloader.engine.rate_limiter import shared_file
from downloader.engine.workers.channel import Channel
from downloader.engine.workers.parcels import Ended
from downloader.engine.workers.shared_memory import GRACE_OVER, STOPPING, SharedCut, SharedMemory, SharedStats
from downloader.engine.workers.signals import terminal_signals_blocked
from downloader.errors import UsageError

_PROGRAM = """
import gc, sys; gc.disable()  # until `start` has imported everything
sys.path[:] = {path!r}
import {module}  # before anything else: it may patch what others import
from downloader.engine.workers.process import start
start({fd}, {memory}, {strategy!r})
"""

_START_SECONDS = 30.0
"""A worker that is not up after so many seconds is killed, and replaced."""

_SHUTDOWN_SECONDS = 10.0
"""An idle worker that was told to end, and has not ended after so many seconds, is killed."""


class WorkerPool:
    """Worker processes, each with as many slots as the run has jobs. ``with`` starts and ends them.

    ``strategy``: what each worker runs, as ``module:Class``. ``workers``: the number of processes.
    """

    def __init__(self, run: Run, strategy: str, workers: int) -> None:
        self._run = run
        self._config = run.context.config
        self._strategy = strategy
        self._memory_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._memory = SharedMemory.mapped(self._memory_file.fileno(), workers * run.jobs)
        self._workers = [_Worker(number, run.jobs) for number in range(workers)]
        self._selector = selectors.DefaultSelector()
        self._dealing = Dealing()
        self._paths: dict[int, str] = {}
        self._rates = shared_file(self._config.is_rate_limited)
        self._rates_path = ""
        self._deaths = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the processes, without waiting for them. Raises UsageError where that fails; everything is closed then."""
        self._rates_path = self._rates.__enter__()
        rate_limiter = self._run.context.rate_limiter
        if rate_limiter is not None:
            rate_limiter.share(self._rates_path)  # `auto` goes on in this process, too
        try:
            for worker in self._workers:
                self._start_worker(worker)
        except UsageError:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether the workers have any Attempts."""
        return self._dealing.busy

    @property
    def ready(self) -> bool:
        """Whether every worker is up."""
        return all(worker.ready for worker in self._workers)

    def fileno(self) -> int:
        """A descriptor that is readable when `turn` has something to do."""
        return self._selector.fileno()

    def drive(self) -> None:
        """Deal parcels until the run is finished. Raises UsageError where no worker can be started."""
        while not self._run.finished:
            self._run.tick()
            self.deal()
            self.turn(self._run.wait())

    def turn(self, seconds: float) -> None:
        """Handle what the workers have sent; wait at most ``seconds`` for that."""
        events = self._selector.select(seconds)
        for key, mask in events:
            worker: _Worker = key.data
            if mask & selectors.EVENT_WRITE:
                with suppress(OSError):  # a worker that has gone is noticed below, after everything that it has sent
                    worker.channel.flush()
                self._watch(worker)
            if mask & selectors.EVENT_READ:
                try:
                    messages = worker.channel.receive()
                except EOFError:
                    self._replace(worker)
                else:
                    for message in messages:
                        self._receive(worker, message)
        if not events:
            self._kill_late_starters()

    def _kill_late_starters(self) -> None:
        for worker in self._workers:
            if not worker.ready and worker.process is not None and time.monotonic() - worker.started_at > _START_SECONDS:
                worker.process.kill()

    def close(self) -> None:
        """End the processes, and wait for them. Attempts that still run, where the run broke, end at once."""
        if self._dealing.busy:
            self._memory.state = GRACE_OVER
        running = [(worker, worker.process) for worker in self._workers if worker.process is not None]
        for worker, _ in running:
            with suppress(OSError):
                worker.channel.send(())
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        for worker, process in running:
            if not worker.channel.drain(deadline - time.monotonic()):
                process.kill()
            process.wait()
            worker.channel.close()
            worker.process = None
        self._selector.close()
        if self._run.context.rate_limiter is not None:
            self._run.context.rate_limiter.close()
        for number in range(len(self._workers) * self._run.jobs):
            self._memory.make_idle(number)
        self._memory.close()
        self._memory_file.close()
        self._rates.__exit__(None, None, None)

    def _start_worker(self, worker: "_Worker") -> None:
        ours, theirs = socket.socketpair()
        run, memory = self._run, self._memory_file.fileno()
        module, fd = self._strategy.partition(":")[0], theirs.fileno()
        program = _PROGRAM.format(path=sys.path, module=module, fd=fd, memory=memory, strategy=self._strategy)
        worker.process = None
        with theirs, terminal_signals_blocked():
            command = [sys.executable or "", "-c", program]
            try:
                worker.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(fd, memory))  # noqa: S603
            except OSError as error:
                ours.close()
                what = f"cannot start a worker process: {sys.executable or 'no interpreter'}: {error.strerror}"
                raise UsageError(what, hint="try --strategy multiplex") from error
        slots, first = len(self._workers) * run.jobs, worker.number * run.jobs
        setup = (self._config, slots, first, run.jobs, self._rates_path, run.context.folder.was_empty)
        data = pickle.dumps(setup, protocol=pickle.HIGHEST_PROTOCOL)
        with suppress(OSError):  # the worker may have died already; reading from its socket tells
            ours.sendall(len(data).to_bytes(4, "little") + data)
        worker.started_at = time.monotonic()
        worker.channel = Channel(ours, blocking=False, kind=Ended)
        worker.ready = False
        self._dealing.join(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _watch(self, worker: "_Worker") -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.pending else 0)
        self._selector.modify(worker.channel, wanted, worker)

    def deal(self, limit: int | None = None, elsewhere: list[Attempt] | None = None) -> None:
        """Hand out what may start now, or tell the workers that nothing more is to start.

        Args:
            limit: at most so many parcels may run then; None: as many as there are jobs.
            elsewhere: where the run has Attempts in this process too, the list that receives those Attempts that must run in
                the process of one of them.
        """
        run, dealing, running = self._run, self._dealing, self._dealing.running
        if run.stopping:
            self._memory.state = GRACE_OVER if run.grace_over else STOPPING
            self._settle(dealing.withdraw())
        while running < (run.jobs if limit is None else limit) and dealing.has_room:
            slots = max(1, min(run.jobs, run.limit))
            batch = run.take(dealing.batch_size(run.ready, slots))
            if not batch:
                break
            if elsewhere is not None and batch[0].same_process_as is not None and not self.has(batch[0].same_process_as):
                elsewhere += batch
            elif refused := dealing.place(batch):
                run.settle(refused)
                break
            else:
                running += 1
        self._send()

    def has(self, key: int | None) -> bool:
        """Whether a worker has this Attempt."""
        return self._dealing.has(key)

    def was_lost(self, attempt: Attempt) -> bool:
        """Whether a worker has died with this file: the file may be the cause, so the Attempt must run in a worker."""
        return self._dealing.was_lost(attempt)

    def hand_out(self, batch: list[Attempt]) -> None:
        """Hand out these Attempts."""
        self._settle(self._dealing.place(batch))
        self._send()

    def _send(self) -> None:
        """Send what was dealt to each worker since the last call."""
        for seat, parcels in self._dealing.to_send().items():
            assert isinstance(seat, _Worker)  # noqa: S101 - no other seat has joined
            for number, batch in parcels:
                if seat.shown < self._run.jobs - len(seat.free):  # slots are filled from the first; sampling all takes time
                    self._show_slot(seat)
                self._memory.set_started(seat.number * self._run.jobs + number, -1)  # before the worker reads of it: it may die
                for attempt in batch:
                    self._paths[attempt.key] = attempt.path
            with suppress(OSError):  # `turn` notices that the worker has gone, after everything that it has sent
                seat.channel.send(parcels)
                if seat.channel.pending:
                    self._watch(seat)

    def _show_slot(self, worker: "_Worker") -> None:
        slot = worker.number * self._run.jobs + worker.shown
        self._run.add_slot(Slot(SharedStats(self._memory, slot, self._paths), SharedCut(self._memory, slot)))
        worker.shown += 1

    def _receive(self, worker: "_Worker", ended: list[Ended]) -> None:
        self._deaths, worker.ready = 0, True
        for number, outcomes in ended:
            self._settle(self._dealing.reported(worker, number, outcomes))

    def _settle(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._paths.pop(outcome.key, None)
        if outcomes:
            self._run.settle(outcomes)

    def _replace(self, worker: "_Worker") -> None:
        """A worker died: its Attempts go back to the scheduler, and another worker starts."""
        run = self._run
        self._selector.unregister(worker.channel)
        worker.channel.close()
        if worker.process is not None:
            worker.process.wait()
        self._deaths += 1
        if self._deaths >= DEATHS_TO_GIVE_UP and not worker.ready and not run.stopping:
            worker.process = None
            raise UsageError("worker processes die as soon as they start", hint="see their output, or try --strategy multiplex")
        first = worker.number * run.jobs
        outcomes = self._dealing.gone(worker, lambda number: self._memory.started(first + number))
        for number in range(run.jobs):
            self._memory.make_idle(first + number)
        self._settle(outcomes)
        self._start_worker(worker)


class _Worker(Seat):
    """A worker process as its parent sees it. ``shown``: slots whose numbers are shown."""

    channel: Channel[Ended]

    def __init__(self, number: int, jobs: int) -> None:
        super().__init__(jobs)
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.shown = 0
        self.started_at = 0.0
