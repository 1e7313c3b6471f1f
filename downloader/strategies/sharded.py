"""The one loop that deals shards of the list to event loops elsewhere: for `hybrid` and `gevent`.

A shard is a few Attempts that share one slot and run one after the other. Here everything is decided; a worker process
only drives. So limits hold for the run, a retry may go to any worker, and a worker that dies costs what it held at that
moment another try. The Attempts at one file's Segments go to one worker, which has the file open.
"""

import multiprocessing
import selectors
import socket
from typing import Any

from downloader.core.limits import batch_size
from downloader.core.model import Attempt, End, Outcome
from downloader.errors import UsageError
from downloader.strategies.base import Run
from downloader.strategies.channel import Channel
from downloader.strategies.meter import shared_file
from downloader.strategies.shared import EXPIRED, STOPPING, SharedLane, numbers, terminal_signals_blocked

_HOPELESS = 3
"""So many workers in a row that died before they ended anything: there is something wrong with the machine, not with a file."""


class Sharded:
    """Worker processes, each with as many lanes as the run has jobs. ``strategy``: what each runs, as ``module:Class``."""

    def __init__(self, run: Run, strategy: str, workers: int) -> None:
        self._run = run
        self._strategy = strategy
        self._context = multiprocessing.get_context("spawn")
        self._shared = numbers(self._context, workers * run.jobs)
        self._workers = [_Worker(number) for number in range(workers)]
        self._selector = selectors.DefaultSelector()
        self._seconds_each = 1.0  # until it is known better: one at a time
        self._at: dict[int, _Worker] = {}
        self._paths: dict[int, str] = {}
        self._rates = shared_file(bool(run.job.limit_rate or run.job.limit_rate_per_host))
        self._deaths = 0

    def start(self) -> None:
        """Start the processes; does not wait for them."""
        self._rates_path = self._rates.__enter__()
        for worker in self._workers:
            for lane in range(self._run.jobs):
                self._run.counters.lanes.append(_NamedLane(self._shared, worker.number * self._run.jobs + lane, self._paths))
            self._begin(worker)

    def drive(self) -> None:
        """Deal shards until the run is finished. Raises UsageError where no worker can be started."""
        run = self._run
        while not run.finished:
            if run.stopping.is_set():
                self._shared[0] = EXPIRED if run.expired else STOPPING
            self._deal()
            for key, mask in self._selector.select(run.wait()):
                worker: _Worker = key.data
                try:
                    if mask & selectors.EVENT_WRITE:
                        worker.channel.flush()
                        self._watch(worker)
                    if mask & selectors.EVENT_READ:
                        for message in worker.channel.receive():
                            self._settle(worker, message)
                except (EOFError, OSError):
                    self._lost(worker)

    def close(self) -> None:
        """End the processes, and wait for them."""
        for worker in self._workers:
            if worker.process is not None:
                try:
                    worker.channel.send(None)
                except OSError:
                    worker.process.kill()
        for worker in self._workers:
            if worker.process is not None:
                worker.process.join()
                worker.process.close()
                worker.channel.close()
        self._selector.close()
        self._rates.__exit__(None, None, None)

    def _begin(self, worker: "_Worker") -> None:
        ours, theirs = socket.socketpair()
        run = self._run
        arguments = (theirs, self._strategy, run.job, self._shared, worker.number * run.jobs, run.jobs, self._rates_path)
        process = self._context.Process(target=_main, args=arguments, daemon=True, name=f"dl-{worker.number}")
        with terminal_signals_blocked():
            process.start()
        theirs.close()
        worker.process, worker.channel = process, Channel(ours, blocking=False)
        worker.free = list(range(run.jobs))
        worker.told = False
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _watch(self, worker: "_Worker") -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.pending else 0)
        self._selector.modify(worker.channel, wanted, worker)

    def _deal(self) -> None:
        """Hand out what may start now."""
        run, busy = self._run, len(self._at)
        shards: dict[_Worker, list[tuple[int, list[Attempt]]]] = {}
        while busy < run.jobs:
            lanes = max(1, min(run.jobs, run.scheduler.at_once))
            batch = run.take(batch_size(self._seconds_each, run.scheduler.waiting, lanes))
            if not batch:
                break
            busy += 1
            beside = self._at.get(batch[0].beside) if batch[0].beside is not None else None
            worker = beside or max(self._workers, key=_Worker.room)
            if not worker.free:
                run.settle([Outcome(attempt.key, End.UNSTARTED) for attempt in batch])
                break
            lane = worker.free.pop()
            worker.batches[lane] = batch
            self._at[batch[0].key] = worker
            for attempt in batch:
                self._paths[attempt.key] = attempt.path
            shards.setdefault(worker, []).append((lane, batch))
        for worker, dealt in shards.items():
            try:
                worker.channel.send(dealt)
                if worker.channel.pending:
                    self._watch(worker)
            except OSError:
                self._lost(worker)

    def _settle(self, worker: "_Worker", ended: list[tuple[int, list[Outcome]]]) -> None:
        self._deaths, worker.told = 0, True
        for lane, outcomes in ended:
            self._forget(worker, lane)
            for outcome in outcomes:
                if outcome.elapsed:
                    self._seconds_each += 0.2 * (outcome.elapsed - self._seconds_each)
            self._run.settle(outcomes)

    def _forget(self, worker: "_Worker", lane: int) -> list[Attempt]:
        batch = worker.batches.pop(lane)
        worker.free.append(lane)
        del self._at[batch[0].key]
        for attempt in batch:
            del self._paths[attempt.key]
        return batch

    def _lost(self, worker: "_Worker") -> None:
        """A process died. Of each shard: what it was at is lost, of what came before we were not told, the rest was not begun."""
        run = self._run
        self._selector.unregister(worker.channel)
        worker.channel.close()
        worker.process.join()
        self._deaths += 1
        if self._deaths >= _HOPELESS and not worker.told and not run.stopping.is_set():
            worker.process = None
            raise UsageError(
                "worker processes die as soon as they start",
                hint="a script that uses worker processes must start them below `if __name__ == '__main__':`",
            )
        outcomes: list[Outcome] = []
        for lane in list(worker.batches):
            seen = SharedLane(self._shared, worker.number * run.jobs + lane)
            batch, begun = self._forget(worker, lane), int(seen.begun)
            ends = [End.UNTOLD] * max(0, begun) + [End.LOST] * (begun >= 0) + [End.UNSTARTED] * (len(batch) - begun - 1)
            outcomes += [Outcome(attempt.key, end) for attempt, end in zip(batch, ends, strict=True)]
        for lane in range(run.jobs):
            silent = SharedLane(self._shared, worker.number * run.jobs + lane)
            silent.since = silent.heard = silent.splittable = 0
            silent.begun = -1
        self._begin(worker)
        run.settle(outcomes)


class _Worker:
    """A worker process as its parent sees it."""

    channel: Channel

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Any = None
        self.free: list[int] = []
        self.batches: dict[int, list[Attempt]] = {}
        self.told = False

    def room(self) -> int:
        """Lanes that are free."""
        return len(self.free)


class _NamedLane(SharedLane):
    """A worker's lane as its parent sees it: named by the Attempt that it says it runs."""

    __slots__ = ("_paths",)

    def __init__(self, shared: Any, number: int, paths: dict[int, str]) -> None:
        super().__init__(shared, number)
        self._paths = paths

    @property
    def name(self) -> str:
        """The path of what is on its way there."""
        return self._paths.get(int(self.key), "")

    @name.setter
    def name(self, value: str) -> None:
        """It goes by the key."""


def _main(*arguments: Any) -> None:
    from downloader.strategies.worker import main  # in the worker process only

    main(*arguments)
