"""The one loop that deals shards of the list to event loops elsewhere: for `hybrid` and `gevent`.

A shard is a few Attempts that share one slot and run one after the other. Here everything is decided; a worker process
only drives. So limits hold for the run, a retry may go to any worker, and a worker that dies costs what it held at that
moment another try. The Attempts at one file's Segments go to one worker, which has the file open.

Workers are new interpreters that are told what to import. multiprocessing would import the caller's script again in each
of them, and so run it again, where it is not guarded against that; nobody needs to know that a download uses processes.
"""

import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

from downloader.core.limits.batches import batch_size
from downloader.core.model import Attempt, End, Outcome
from downloader.engine.rate_limiter import shared_file
from downloader.engine.run import Run
from downloader.engine.stats import PlainLane
from downloader.engine.workers.channel import Channel, Ended, Shard
from downloader.engine.workers.shared_memory import EXPIRED, STOPPING, NamedLane, SharedLane, mapped
from downloader.engine.workers.signals import terminal_signals_blocked
from downloader.errors import UsageError

_PROGRAM = """
import sys
sys.path[:] = {path!r}
import {module}  # before anything else: it may patch what others import
from downloader.engine.workers.process import start
start({fd}, {memory}, {strategy!r})
"""
_HOPELESS = 3
"""So many workers in a row that died before they ended anything: there is something wrong with the machine, not with a file."""

_START_TIME = 30.0
"""Seconds in which a worker must be up."""

_END_TIME = 10.0
"""Seconds in which workers end that were told to, and run nothing."""


class WorkerPool:
    """Worker processes, each with as many lanes as the run has jobs. ``strategy``: what each runs, as ``module:Class``."""

    def __init__(self, run: Run, strategy: str, workers: int) -> None:
        self._run = run
        self._strategy = strategy
        self._memory = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._shared = mapped(self._memory.fileno(), workers * run.jobs)
        self._workers = [_Worker(number) for number in range(workers)]
        self._selector = selectors.DefaultSelector()
        self._seconds_each = 1.0  # until it is known better: one at a time
        self._at: dict[int, _Worker] = {}
        self._paths: dict[int, str] = {}
        self._rates = shared_file(run.config.is_limited)
        self._deaths = 0

    def start(self) -> None:
        """Start the processes; does not wait for them. Raises UsageError where that cannot be done; all is closed then."""
        self._rates_path = self._rates.__enter__()
        if self._run.rate_limiter is not None:
            self._run.rate_limiter.share(self._rates_path)  # `auto` goes on here, too
        try:
            for worker in self._workers:
                self._begin(worker)
        except UsageError:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether the processes have anything in hand."""
        return bool(self._at)

    @property
    def ready(self) -> bool:
        """Whether every process is up."""
        return all(worker.ready for worker in self._workers)

    def fileno(self) -> int:
        """Readable when `turn` has something to do: selectors can be watched by other selectors."""
        return self._selector.fileno()

    def drive(self) -> None:
        """Deal shards until the run is finished. Raises UsageError where no worker can be started."""
        while not self._run.finished:
            self.deal()
            self.turn(self._run.wait())

    def turn(self, seconds: float) -> None:
        """See to what the workers say; wait for it so long at most."""
        events = self._selector.select(seconds)
        for key, mask in events:
            worker: _Worker = key.data
            if mask & selectors.EVENT_WRITE:
                with suppress(OSError):  # that it has gone is told below, after all that it said before
                    worker.channel.flush()
                self._watch(worker)
            if mask & selectors.EVENT_READ:
                try:
                    messages = worker.channel.receive()
                except EOFError:
                    self._lost(worker)
                    continue
                for message in messages:
                    self._settle(worker, message)
        if not events:
            self._end_late_starters()

    def _end_late_starters(self) -> None:
        for worker in self._workers:
            if not worker.ready and worker.process is not None and self._run.clock() - worker.began > _START_TIME:
                worker.process.kill()

    def close(self) -> None:
        """End the processes, and wait for them. What they still run, where the run was broken off, ends at once."""
        if self._at:
            self._shared[0] = EXPIRED
        running = [worker for worker in self._workers if worker.process is not None]
        for worker in running:
            with suppress(OSError):
                worker.channel.send(())
        deadline = time.monotonic() + _END_TIME
        for worker in running:
            assert worker.process is not None  # noqa: S101 - see above
            if not worker.channel.drain(deadline - time.monotonic()):
                worker.process.kill()
            worker.process.wait()
            worker.channel.close()
            worker.process = None
        self._selector.close()
        if self._run.rate_limiter is not None:
            self._run.rate_limiter.close()
        self._let_go()
        self._rates.__exit__(None, None, None)

    def _let_go(self) -> None:
        """Give the memory back. What was counted in it is kept."""
        lanes = self._run.counters.lanes
        lanes[:] = [PlainLane(received=lane.received) if isinstance(lane, NamedLane) else lane for lane in lanes]
        memory = self._shared.obj
        self._shared.release()
        memory.close()
        self._memory.close()

    def _begin(self, worker: "_Worker") -> None:
        ours, theirs = socket.socketpair()
        run, memory = self._run, self._memory.fileno()
        module, fd = self._strategy.partition(":")[0], theirs.fileno()
        program = _PROGRAM.format(path=sys.path, module=module, fd=fd, memory=memory, strategy=self._strategy)
        worker.process = None
        with theirs, terminal_signals_blocked():
            command = [sys.executable or "", "-c", program]  # this very interpreter, and a text of ours
            try:
                worker.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(fd, memory))  # noqa: S603
            except OSError as error:
                ours.close()
                what = f"cannot start a worker process: {sys.executable or 'no interpreter'}: {error.strerror}"
                raise UsageError(what, hint="try --strategy multiplex") from error
        about = (
            run.config,
            len(self._workers) * run.jobs,
            worker.number * run.jobs,
            run.jobs,
            self._rates_path,
            run.folder.empty,
        )
        data = pickle.dumps(about, protocol=pickle.HIGHEST_PROTOCOL)
        with suppress(OSError):  # it may have died already; that is told by reading
            ours.sendall(len(data).to_bytes(4, "little") + data)
        worker.began = run.clock()
        worker.channel = Channel(ours, blocking=False, kind=Ended)
        worker.free = list(range(run.jobs))
        worker.ready = False
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _watch(self, worker: "_Worker") -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.pending else 0)
        self._selector.modify(worker.channel, wanted, worker)

    def deal(self, most: int | None = None, others: list[Attempt] | None = None) -> None:
        """Hand out what may start now, to ``most`` lanes at most, or tell the workers that nothing more is to.

        ``others``, where the run has Attempts in this process too: takes those that belong beside one of them.
        """
        run, busy = self._run, sum(len(worker.batches) for worker in self._workers)
        if run.stopping.is_set():
            self._shared[0] = EXPIRED if run.expired else STOPPING
        shards: dict[_Worker, list[Shard]] = {}
        while busy < (run.jobs if most is None else most):
            lanes = max(1, min(run.jobs, run.scheduler.max_in_flight))
            batch = run.take(batch_size(self._seconds_each, run.scheduler.waiting, lanes))
            if not batch:
                break
            if others is not None and batch[0].same_process_as is not None and not self.runs(batch[0].same_process_as):
                others += batch
            elif self._place(batch, shards):
                busy += 1
            else:
                break
        self._send(shards)

    def runs(self, key: int | None) -> bool:
        """Whether a worker has this Attempt in hand."""
        return key in self._at

    def hand(self, batch: list[Attempt]) -> None:
        """Hand out these."""
        shards: dict[_Worker, list[Shard]] = {}
        self._place(batch, shards)
        self._send(shards)

    def _place(self, batch: list[Attempt], shards: "dict[_Worker, list[Shard]]") -> bool:
        """Choose a worker; where it has no lane free, they are unstarted."""
        run = self._run
        beside = self._at.get(batch[0].same_process_as) if batch[0].same_process_as is not None else None
        worker = beside or max(self._workers, key=_Worker.room)
        if not worker.free:
            run.settle([Outcome(attempt.key, End.UNSTARTED) for attempt in batch])
            return False
        lane = worker.free.pop()
        if worker.shown < run.jobs - len(worker.free):  # it fills its lanes from the first; looking at them all takes time
            run.counters.lanes.append(NamedLane(self._shared, worker.number * run.jobs + worker.shown, self._paths))
            worker.shown += 1
        worker.batches[lane] = batch
        for attempt in batch:
            self._at[attempt.key] = worker
            self._paths[attempt.key] = attempt.path
        shards.setdefault(worker, []).append((lane, batch))
        return True

    def _send(self, shards: "dict[_Worker, list[Shard]]") -> None:
        for worker, dealt in shards.items():
            with suppress(OSError):  # that it has gone is told by `turn`, after all that it said before
                worker.channel.send(dealt)
                if worker.channel.pending:
                    self._watch(worker)

    def _settle(self, worker: "_Worker", ended: list[Ended]) -> None:
        self._deaths, worker.ready = 0, True
        for lane, outcomes in ended:
            if lane < 0:  # it is not done, but these were not begun
                self._take_back(worker, ~lane, len(outcomes))
            else:
                self._forget(worker, lane)
            for outcome in outcomes:
                if outcome.elapsed:
                    self._seconds_each += 0.2 * (outcome.elapsed - self._seconds_each)
            self._run.settle(outcomes)

    def _forget(self, worker: "_Worker", lane: int) -> list[Attempt]:
        batch = worker.batches.pop(lane)
        worker.free.append(lane)
        for attempt in batch:
            del self._at[attempt.key], self._paths[attempt.key]
        return batch

    def _take_back(self, worker: "_Worker", lane: int, count: int) -> None:
        batch = worker.batches[lane]
        for attempt in batch[-count:]:
            del self._at[attempt.key], self._paths[attempt.key]
        del batch[-count:]

    def _lost(self, worker: "_Worker") -> None:
        """A process died. Of each shard: what it was at is lost, of what came before we were not told, the rest is unbegun."""
        run = self._run
        self._selector.unregister(worker.channel)
        worker.channel.close()
        if worker.process is not None:
            worker.process.wait()
        self._deaths += 1
        if self._deaths >= _HOPELESS and not worker.ready and not run.stopping.is_set():
            worker.process = None
            raise UsageError("worker processes die as soon as they start", hint="see what they said; or --strategy multiplex")
        outcomes: list[Outcome] = []
        for lane in list(worker.batches):
            seen = SharedLane(self._shared, worker.number * run.jobs + lane)
            batch, begun = self._forget(worker, lane), int(seen.begun)
            ends = (
                [End.UNREPORTED] * max(0, begun) + [End.WORKER_LOST] * (begun >= 0) + [End.UNSTARTED] * (len(batch) - begun - 1)
            )
            outcomes += [Outcome(attempt.key, end) for attempt, end in zip(batch, ends, strict=True)]
        for lane in range(run.jobs):
            silent = SharedLane(self._shared, worker.number * run.jobs + lane)
            silent.since = silent.heard = silent.splittable = 0
            silent.begun = -1
        run.settle(outcomes)
        self._begin(worker)


class _Worker:
    """A worker process as its parent sees it."""

    channel: Channel[Ended]

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.free: list[int] = []
        self.batches: dict[int, list[Attempt]] = {}
        self.ready = False
        self.shown = 0
        self.began = 0.0

    def room(self) -> int:
        """Lanes that are free."""
        return len(self.free)
