"""A worker process of a `WorkerPool`: an event loop of its own, over the parcels that its parent sends.

The strategy in the worker gets a `WorkerRun`: it takes Attempts from the parcels, and its Outcomes go back in batches. The
parent makes every decision (order, limits, retries, names), so that decisions hold for the run and not for each process.
"""

import os
import pickle
import socket
import time
from collections.abc import Iterable
from typing import NoReturn

from downloader.core.model import Attempt, Outcome
from downloader.core.scheduling.dealing import Parcel
from downloader.engine.contract import (
    BATCH_SECONDS,
    POLL_SECONDS,
    AttemptContext,
    Run,
    RunProgress,
    Slot,
    Strategy,
    WorkerConfig,
)
from downloader.engine.control import Cut
from downloader.engine.interpreter import exit_at_once, resume_collector
from downloader.engine.loading import load
from downloader.engine.rate_limiter import SharedRateLimiter
from downloader.engine.stats import LocalStats
from downloader.engine.workers.channel import Channel
from downloader.engine.workers.parcels import Ended, Parcels
from downloader.engine.workers.shared_memory import GRACE_OVER, STOPPING, MirroredSlot, SharedMemory
from downloader.engine.workers.signals import ignore_terminal_signals
from downloader.storage.opening import open_storage

MIRROR_SECONDS = 0.05
"""Seconds from one copy of the statistics to shared memory to the next."""

ORPHANED = 1
"""The exit code of a worker whose parent has gone."""


class WorkerRun(Run):
    """The `Run` of a worker process. A parcel is a few Attempts that run one after the other, under one number.

    Args:
        sock: to the parent.
        context: what every Attempt needs.
        memory: shared with the parent.
        first: the number of this worker's first slot in the memory.
        jobs: Attempts in flight at most.
    """

    def __init__(self, sock: socket.socket, context: AttemptContext, memory: SharedMemory, first: int, jobs: int) -> None:
        self._context = context
        self._jobs = jobs
        self._waker = sock.fileno()
        self._channel: Channel[Parcel] = Channel(sock, blocking=True, kind=Parcel)
        self._memory = memory
        self._first = first
        self._slots: list[MirroredSlot] = []
        self._mirrored_at = 0.0
        self._parcels = Parcels(whole=True)
        self._looked_at = 0.0
        self._closing = False

    @property
    def context(self) -> AttemptContext:
        """See `Run`."""
        return self._context

    @property
    def jobs(self) -> int:
        """See `Run`."""
        return self._jobs

    @property
    def waker(self) -> int:
        """See `Run`: messages of the parent."""
        return self._waker

    @property
    def stopping(self) -> bool:
        """See `Run`."""
        return self._memory.state >= STOPPING

    @property
    def grace_over(self) -> bool:
        """See `Run`."""
        return self._memory.state >= GRACE_OVER

    @property
    def finished(self) -> bool:
        """See `Run`: the parent will send nothing more, and nothing runs."""
        return self._closing and not self._parcels.running

    @property
    def ready(self) -> int:
        """See `Run`: of this worker's parcels."""
        return self._parcels.waiting

    @property
    def limit(self) -> int:
        """See `Run`: the parent sends no more than may run."""
        return self._jobs

    def progress(self) -> RunProgress:
        """See `Run`: the parent alone counts files."""
        return RunProgress(None, 0, 0, sum(mirrored.slot.stats.received for mirrored in self._slots))

    def explain(self) -> str:
        """See `Run`."""
        return "the parent process decides how many Attempts are in flight"

    def new_slot(self) -> Slot:
        """See `Run`."""
        slot = Slot(LocalStats(), Cut())
        self.add_slot(slot)
        return slot

    def add_slot(self, slot: Slot) -> None:
        """See `Run`. The memory has room for as many slots as there are jobs."""
        self._slots.append(MirroredSlot(slot, self._memory, self._first + len(self._slots)))

    def mirror(self) -> None:
        """Copy the statistics of all slots to shared memory, and orders from there."""
        for mirrored in self._slots:
            mirrored.copy()

    def fail(self, error: BaseException) -> NoReturn:
        """See `Run`. The process ends with the error; the parent notices that, and tries its Attempts elsewhere."""
        raise error

    def wake(self) -> None:
        """Read what the parent has sent. Ends the process where the parent has gone."""
        try:
            messages = self._channel.receive()
        except EOFError:
            os._exit(ORPHANED)
        now = time.monotonic()
        for parcels in messages:
            self._closing = self._closing or not parcels
            for number, attempts in parcels:
                self._parcels.add(number, attempts, now)

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """See `Run`: the next Attempt of a parcel of which none runs now."""
        parcels = self._parcels
        if self._memory.numbers[0] >= STOPPING:
            parcels.return_idle()
            self._send_reports()
            return []
        if not parcels.can_start:
            return []
        number, attempt = parcels.take()
        self._memory.set_started(self._first + number, parcels.ended_of(number))
        return [attempt]

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """See `Run`. The Outcomes of a parcel go to the parent when the last of them is known."""
        for outcome in outcomes:
            self._parcels.settle(outcome)
        self._send_reports()

    def say_hello(self) -> None:
        """Tell the parent that this process is up."""
        self._send([])

    def _send(self, ended: list[Ended]) -> None:
        try:
            self._channel.send(ended)
        except OSError:
            os._exit(ORPHANED)

    def _send_reports(self) -> None:
        if reports := self._parcels.reports():
            self._send(reports)

    def tick(self) -> None:
        """See `Run`."""
        now = time.monotonic()
        if now - self._mirrored_at > MIRROR_SECONDS:
            self._mirrored_at = now
            self.mirror()
        if now - self._looked_at > POLL_SECONDS:
            self._looked_at = now
            self._parcels.return_late(now, BATCH_SECONDS)
            self._send_reports()

    def wait(self) -> float:
        """See `Run`."""
        parcels = self._parcels
        return 0.0 if parcels.can_start else MIRROR_SECONDS if parcels.running else POLL_SECONDS


def start(socket_number: int, memory_number: int, strategy: str) -> None:
    """A worker process, from its begin to its end: what the parent runs in a new interpreter.

    Args:
        socket_number: an inherited descriptor, the way to the parent.
        memory_number: an inherited descriptor of the shared memory.
        strategy: ``module:Class``. That module was imported before this one, so that it could patch the interpreter.

    The first message of the parent is a pickle with the rest: settings, number of slots in the memory, this worker's first
    slot, jobs, the path of the rate limiter's file, and whether the folder was empty when the run began.
    """
    ignore_terminal_signals()
    cls: type[Strategy] = load(strategy)
    sock = socket.socket(fileno=socket_number)
    size = int.from_bytes(_exactly(sock, 4), "little")
    config: WorkerConfig
    config, slots, first, jobs, rates_path, empty = pickle.loads(_exactly(sock, size))  # noqa: S301 - our parent's
    rates = config.limit_rate, config.limit_rate_per_host, rates_path, config.own_rates
    rate_limiter = SharedRateLimiter(*rates) if rates_path else None
    folder = open_storage(config.root, config.store)
    folder.set_was_empty(empty)
    context = AttemptContext(config, folder, rate_limiter, byte_budget=config.new_byte_budget())
    run = WorkerRun(sock, context, SharedMemory.mapped(memory_number, slots), first, jobs)
    folder.end_when(lambda: run.grace_over)
    run.say_hello()
    resume_collector()
    cls().drive(run)
    run.mirror()
    exit_at_once(0)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            os._exit(ORPHANED)
        data += piece
    return data
