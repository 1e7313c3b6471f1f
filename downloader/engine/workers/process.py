"""A worker process of `sharded`: a whole event loop of its own, over the shards that its parent sends.

What it gives its strategy looks like a `Run`: Attempts are taken from the shards, Outcomes go back in batches. All that
decides (order, limits, retries, names) stays in the parent, so that it holds for the run and not for each process.
"""

import os
import pickle
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from downloader.core.model import Attempt, End, Outcome
from downloader.engine.contract import POLL, YIELD_AFTER, WorkerConfig
from downloader.engine.loading import load
from downloader.engine.rate_limiter import SharedRateLimiter
from downloader.engine.stats import Lane
from downloader.engine.workers.channel import Channel, Ended, Shard
from downloader.engine.workers.shared_memory import EXPIRED, STOPPING, MirroredLane, begun_at, mapped
from downloader.engine.workers.signals import ignore_terminal_signals
from downloader.storage.folder import Folder

MIRROR_EVERY = 0.05
"""Seconds from one time that the parent is shown the lanes to the next."""


class WorkerRun:
    """What a strategy in a worker process is given as its Run. See `downloader.engine.contract.Run`."""

    def __init__(self, sock: socket.socket, config: WorkerConfig, shared: Any, first: int, jobs: int, rates: str) -> None:
        self.config = config
        self.jobs = jobs
        self.folder = Folder(config.root)
        self.rate_limiter = SharedRateLimiter(config.limit_rate, config.limit_rate_per_host, rates) if rates else None
        self.clock = time.monotonic
        self.stopping = threading.Event()
        self.waker = sock.fileno()
        self._channel: Channel[Shard] = Channel(sock, blocking=True, kind=Shard)
        self._shared = shared
        self._first = first
        self._lanes: list[MirroredLane] = []
        self._mirrored = 0.0
        self._shards: dict[int, deque[Attempt]] = {}
        self._since: dict[int, float] = {}
        self._done: dict[int, list[Outcome]] = {}
        self._ready: deque[int] = deque()
        self._running: dict[int, int] = {}
        self._looked = 0.0
        self._closing = False

    def lane(self) -> Lane:
        """The next Lane, in shared memory."""
        self._lanes.append(MirroredLane(self._shared, self._first + len(self._lanes)))
        return self._lanes[-1]

    def mirror(self) -> None:
        """Show the parent where all lanes are."""
        for lane in self._lanes:
            lane.mirror()

    @property
    def expired(self) -> bool:
        """The grace time is over."""
        return bool(self._shared[0] >= EXPIRED)

    @property
    def finished(self) -> bool:
        """The parent wants nothing more, and nothing runs."""
        return self._closing and not self._running

    def wake(self) -> None:
        """Read what the parent has sent. Ends the process where the parent is gone, killed perhaps."""
        try:
            messages = self._channel.receive()
        except EOFError:
            os._exit(1)
        now = time.monotonic()
        for shards in messages:
            self._closing = self._closing or not shards
            for lane, attempts in shards:
                self._shards[lane] = deque(attempts)
                self._since[lane] = now
                self._done[lane] = []
                self._begun(lane, -1)
                self._ready.append(lane)

    def _begun(self, lane: int, index: int) -> None:
        self._shared[begun_at(self._first + lane)] = index

    def take(self, most: int = 1) -> list[Attempt]:
        """The next Attempt of a shard that runs none now."""
        if self._shared[0] >= STOPPING:
            self._give_back(list(self._ready))
            self._ready.clear()
            return []
        if not self._ready:
            return []
        lane = self._ready.popleft()
        attempt = self._shards[lane].popleft()
        self._begun(lane, len(self._done[lane]))
        self._running[attempt.key] = lane
        return [attempt]

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Note what became of them; a shard that is done goes back."""
        ended: list[Ended] = []
        for outcome in outcomes:
            lane = self._running.pop(outcome.key)
            self._done[lane].append(outcome)
            if outcome.error is not None and outcome.error.ends_run:
                self._return_unbegun(lane)
            if self._shards[lane]:
                self._ready.append(lane)
            else:
                ended.append(self._end(lane))
        if ended:
            self._tell(ended)

    def _end(self, lane: int) -> Ended:
        del self._shards[lane], self._since[lane]
        return lane, self._done.pop(lane)

    def say_hello(self) -> None:
        """Tell the parent that this process is up."""
        self._tell([])

    def _tell(self, ended: list[Ended]) -> None:
        try:
            self._channel.send(ended)
        except OSError:
            os._exit(1)

    def _give_back(self, lanes: list[int]) -> None:
        """Return what was not begun of these shards, which run nothing now."""
        ended = []
        for lane in lanes:
            self._done[lane] += [Outcome(left.key, End.UNSTARTED) for left in self._shards[lane]]
            ended.append(self._end(lane))
        if ended:
            self._tell(ended)

    def _return_unbegun(self, lane: int) -> None:
        """No file can be written, as was seen in a lane: what was not begun goes back, here and in the others."""
        self._done[lane] += [Outcome(left.key, End.UNSTARTED) for left in self._shards[lane]]
        self._shards[lane].clear()
        self._give_back(list(self._ready))
        self._ready.clear()
        self._shorten(float("inf"))

    def wait(self) -> float:
        """Seconds until there is something to look after, `POLL` at most."""
        now = time.monotonic()
        if now - self._mirrored > MIRROR_EVERY:
            self._mirrored = now
            self.mirror()
        if now - self._looked > POLL:
            self._looked = now
            self._shorten(now)
        return 0.0 if self._ready else MIRROR_EVERY if self._running else POLL

    def _shorten(self, now: float) -> None:
        """Nothing waits behind a slow file: what has not been begun for some time goes back, to be begun elsewhere."""
        ended: list[Ended] = []
        for lane in self._running.values():
            left = self._shards[lane]
            if left and now - self._since[lane] > YIELD_AFTER:
                ended.append((~lane, [Outcome(attempt.key, End.UNSTARTED) for attempt in left]))
                left.clear()
        if ended:
            self._tell(ended)


def start(socket_number: int, memory: int, strategy: str) -> None:
    """A worker process, from here to its end: what the parent runs in a new interpreter.

    ``socket_number``, ``memory``: descriptors that were inherited; ``strategy``: ``module:Class``, a module that was imported
    before this one, so that it may have patched what it wants patched. The first message is a pickle with the rest.
    """
    ignore_terminal_signals()
    cls = load(strategy)
    sock = socket.socket(fileno=socket_number)
    size = int.from_bytes(_exactly(sock, 4), "little")
    config, lanes, first, jobs, rates, empty = pickle.loads(_exactly(sock, size))  # noqa: S301 - our parent's
    run: Any = WorkerRun(sock, config, mapped(memory, lanes), first, jobs, rates)
    run.folder.set_was_empty(empty)
    run.say_hello()
    cls().drive(run)
    run.mirror()


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            os._exit(1)
        data += piece
    return data
