"""The client of a cluster: deals Attempts to its workers, and settles what they report.

All of it runs in the thread of the run, in an asyncio loop of its own. Nothing that comes from the cluster is handled in a
callback: a callback of Dask would swallow an error.
"""

import asyncio
import pickle
import platform
import time
import uuid
from collections import deque
from typing import Any

from downloader._version import __version__
from downloader.core.model import End, Outcome
from downloader.core.scheduling.dealing import Dealing, Seat
from downloader.engine.contract import Run
from downloader.engine.log import LOG
from downloader.errors import Interrupted, NetworkError, UsageError
from downloader.strategies.dask import remote
from downloader.strategies.dask.cluster_worker import ClusterWorker
from downloader.strategies.dask.link import Link
from downloader.strategies.dask.marker import marker_in
from downloader.strategies.dask.messages import (
    GRACE_OVER,
    RUNNING,
    STOPPING,
    Engagement,
    pack_shards,
    unpack_report,
)
from downloader.strategies.dask.vetting import jobs_of, problem_of

LEASE_SECONDS = 10.0
"""A worker that hears nothing of the client for so long ends what it does."""

SILENT_AFTER_LEASE = 2.0
"""So many seconds after the end of its lease, a worker that says nothing is given up, and its Attempts are dealt to others."""

RENEWALS = 5
"""How often a lease is renewed within its time."""

REPORT_SECONDS = 0.05
"""Seconds from one report of a worker to the next."""

REPORT_SECONDS_EACH = 0.002
"""For each worker of the cluster, so that the scheduler can forward the reports of many workers."""

SHARD_SECONDS = 0.3
"""Seconds that a shard takes, as far as can be said in advance."""

SHARES = 4
"""A shard is at most this part of what each slot would get of the rest of the list."""

NO_WORKER_SECONDS = 60.0
"""The run ends after so many seconds without any worker."""


def drive(run: Run) -> None:
    """Download with the workers of a cluster. See `Strategy.drive`."""
    try:
        asyncio.run(_Cluster(run).drive())
    except BaseException as error:
        run.fail(error)
        raise


class _Cluster:
    """One run on a cluster."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._config = run.context.config
        self._clock = run.context.clock
        self._dealing = Dealing()
        self._members: dict[str, ClusterWorker] = {}  # by the identity of their opening
        self._of_seat: dict[Seat, ClusterWorker] = {}
        self._addresses: set[str] = set()  # of workers that are members, or are being vetted
        self._refused: dict[str, str] = {}
        self._events: deque[tuple[str, Any]] = deque()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._state = RUNNING
        self._renew_at = 0.0
        self._alone_since = 0.0
        self._link = Link(
            self._config.cluster,
            self._config.client.connect_timeout,
            lambda event: self._note("report", event),
            self._note,
        )

    def _note(self, kind: str, value: Any) -> None:
        self._events.append((kind, value))
        self._news.set()

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drive(self) -> None:
        """Run until the run is finished."""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: LOG.info("dask: %s", context.get("message")))
        try:
            await self._link.connect()
            await self._recruit()
            while not self._run.finished:
                self._run.tick()
                self._heed_stop()
                self._deal()
                await self._wait(self._run.wait())
                self._handle_events()
                self._look_after()
        finally:
            await self._close()

    # --- which workers there are

    async def _recruit(self) -> None:
        """Vet all workers, and open those that can work. Raises UsageError where none can."""
        names = await self._link.workers()
        self._addresses.update(names)
        await asyncio.gather(*(self._vet(address, name) for address, name in names.items()))
        LOG.info("dask: %d of %d workers at %s", len(self._members), len(names), self._link.address)
        if self._members:
            return
        if not names:
            hint = "start some: dask worker ADDRESS; or see docs/cluster.md"
            raise UsageError(f"the cluster at {self._link.address} has no workers", hint=hint)
        reasons = sorted(set(self._refused.values()))
        raise UsageError(f"no worker of the cluster can be used: {'; '.join(reasons[:3])}", hint="see docs/cluster.md")

    async def _vet(self, address: str, name: str) -> None:
        config = self._config
        with marker_in(config.root) as (path, token):
            answer = await self._link.call(address, remote.hello, path, token, config.process)
        python = ".".join(platform.python_version_tuple()[:2])
        problem = problem_of(answer, __version__, python)
        if not problem:
            run, jobs = uuid.uuid4().hex, min(jobs_of(answer), self._run.jobs)
            seconds = max(REPORT_SECONDS, REPORT_SECONDS_EACH * len(self._addresses))
            was_empty = self._run.context.folder.was_empty
            engagement = Engagement(run, config, was_empty, jobs, LEASE_SECONDS, seconds)
            data = pickle.dumps(engagement, protocol=pickle.HIGHEST_PROTOCOL)
            opened = await self._link.call(address, remote.open_engine, data)
            problem = str(opened) if opened != "" else ""
        if problem:
            self._addresses.discard(address)
            self._refused[address] = problem
            LOG.warning("dask: the worker %s is not used: %s", name, problem)
            return
        member = ClusterWorker(address, name, run, jobs, self._clock())
        self._members[run] = member
        self._of_seat[member.seat] = member
        self._dealing.join(member.seat)
        self._run.add_slot(member.slot)
        LOG.info("dask: the worker %s (%s, process %s) has joined, up to %d at once", name, answer["host"], answer["pid"], jobs)
        self._news.set()

    def _give_up(self, member: ClusterWorker, why: str) -> None:
        """A worker is gone: its Attempts go back to the scheduler."""
        if self._members.pop(member.run, None) is None:
            return
        self._addresses.discard(member.address)
        del self._of_seat[member.seat]
        outcomes = self._dealing.gone(member.seat, lambda number: 0)
        member.show(self._clock())
        LOG.warning("dask: the worker %s is gone: %s; %d files go to others", member.name, why, len(outcomes))
        if outcomes:
            self._run.settle(outcomes)

    # --- what they do

    def _deal(self) -> None:
        run, dealing, running = self._run, self._dealing, self._dealing.running
        while running < run.jobs and dealing.has_room:
            slots = SHARES * max(1, min(run.jobs, run.limit))
            batch = run.take(dealing.batch_size(run.ready, slots, SHARD_SECONDS))
            if not batch:
                break
            if refused := dealing.place(batch):
                run.settle(refused)
                break
            running += 1
        for seat, shards in dealing.parcels().items():
            self._begin(self._send(self._of_seat[seat], pack_shards(shards)))

    async def _send(self, member: ClusterWorker, data: bytes) -> None:
        answer = await self._link.call(member.address, remote.work, member.run, data, timeout=LEASE_SECONDS)
        if answer is not True:
            self._note("refused", (member, answer))

    def _handle_events(self) -> None:
        while self._events:
            kind, value = self._events.popleft()
            if kind == "report":
                self._handle_report(value)
            elif kind == "refused":
                member, answer = value
                self._give_up(member, "it does not take part any more" if answer is False else f"{answer}")
            elif kind == "remove-worker":
                for member in [member for member in self._members.values() if member.address == value]:
                    self._give_up(member, "it has left the cluster")
            elif kind == "add-worker" and value not in self._addresses and not self._run.stopping:
                self._addresses.add(value)
                self._begin(self._vet(value, value))

    def _handle_report(self, event: Any) -> None:
        member = self._members.get(event.get("run", ""))
        if member is None:  # of another run, or of a worker that was given up
            return
        report = unpack_report(event["report"])
        member.heard = now = self._clock()
        member.slot.stats.received = report.received
        for number, outcomes in report.ended:
            if valid := self._dealing.reported(member.seat, number, outcomes):
                self._run.settle(valid)
        if report.problem:
            self._give_up(member, report.problem)
        member.show(now)

    def _look_after(self) -> None:
        """Renew the leases; give up who is silent."""
        if not self._link.is_up:
            self._interrupt_all()
            hint = "start the cluster again, and run the same command again: it goes on"
            raise NetworkError(f"the scheduler of Dask at {self._link.address} is gone", hint=hint)
        now = self._clock()
        if now >= self._renew_at:
            self._renew()
        for member in list(self._members.values()):
            if now - member.heard > LEASE_SECONDS + SILENT_AFTER_LEASE:
                self._give_up(member, f"it was silent for {now - member.heard:.0f} s")
        if self._members or self._run.stopping:
            self._alone_since = 0.0
        elif not self._alone_since:
            self._alone_since = now
            LOG.warning("dask: no worker is left: waiting %g s for another", NO_WORKER_SECONDS)
        elif now - self._alone_since > NO_WORKER_SECONDS:
            hint = "start workers, and run the same command again: it goes on"
            raise NetworkError(f"the cluster had no usable worker for {NO_WORKER_SECONDS:g} s", hint=hint)

    def _renew(self) -> None:
        self._renew_at = self._clock() + LEASE_SECONDS / RENEWALS
        for member in self._members.values():
            self._begin(self._renew_one(member))

    async def _renew_one(self, member: ClusterWorker) -> None:
        answer = await self._link.call(member.address, remote.renew, member.run, self._state, timeout=LEASE_SECONDS)
        if answer is False:
            self._note("refused", (member, False))

    def _heed_stop(self) -> None:
        run = self._run
        if not run.stopping:
            return
        if unstarted := self._dealing.withdraw():
            run.settle(unstarted)
        state = GRACE_OVER if run.grace_over else STOPPING
        if state != self._state:
            self._state = state
            self._renew()

    def _interrupt_all(self) -> None:
        """Nobody will report any more: settle what the workers have."""
        error = Interrupted("the cluster was lost", hint="run the same command again")
        for member in list(self._members.values()):
            outcomes = [Outcome(one.key, End.INTERRUPTED, error=error) for one in self._dealing.gone(member.seat, lambda _: 0)]
            self._run.settle(outcomes)
        self._members.clear()

    async def _wait(self, seconds: float) -> None:
        if seconds > 0 and not self._events:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return
        else:
            await asyncio.sleep(0)

    async def _close(self) -> None:
        """Let the workers end, and disconnect."""
        if self._link.is_up:
            members = self._members.values()
            await asyncio.gather(*(self._link.call(member.address, remote.close_engine, member.run) for member in members))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()
        for member in self._members.values():
            member.seat.clear()
            member.show(time.monotonic())
