"""The client of a cluster: deals Attempts to its workers, and settles what they report.

`downloader.core.scheduling.dealing` says who has which Attempts, and `downloader.strategies.dask.link` carries the messages.
All of this runs in the thread of the run.
"""

import queue

from downloader.core.model import End, Outcome
from downloader.core.scheduling.dealing import Dealing, Seat
from downloader.engine.contract import Run
from downloader.engine.log import LOG
from downloader.errors import Interrupted, NetworkError
from downloader.strategies.dask import remote
from downloader.strategies.dask.cluster_worker import ClusterWorker
from downloader.strategies.dask.link import Link, News
from downloader.strategies.dask.messages import GRACE_OVER, STOPPING, pack_parcels, unpack_report
from downloader.strategies.dask.rate_shares import RateShares
from downloader.strategies.dask.recruiting import Recruiting

LEASE_SECONDS = 10.0
"""A worker that hears nothing of the client for so long ends what it does."""

SILENT_AFTER_LEASE = 2.0
"""So many seconds after the end of its lease, a worker that says nothing is given up, and its Attempts are dealt to others."""

PARCEL_SECONDS = 0.5
"""Seconds that a parcel takes, as far as can be said in advance."""

MAX_PARCEL = 256
"""Attempts of a parcel at most."""

PARCELS_AT_ONCE = 8
"""Nothing is dealt until this part of the slots is free, or `DEAL_SECONDS` have passed: each message costs 3 ms in all."""

DEAL_SECONDS = 0.01
"""See `PARCELS_AT_ONCE`."""

GATHER_SECONDS = 1.0
"""At the start, so long at most, nothing is dealt before all workers have answered: a short list is for all of them."""

SHARES = 2
"""A parcel is at most this part of what each slot would get of the rest of the list."""

SHARE_SECONDS = 0.5
"""Seconds from one division of the rate limit to the next."""

NO_WORKER_SECONDS = 60.0
"""The run ends after so many seconds without any worker."""


def drive(run: Run) -> None:
    """Download with the workers of a cluster. See `Strategy.drive`."""
    try:
        _Cluster(run).drive()
    except BaseException as error:
        run.fail(error)
        raise


class _Cluster:
    """One run on a cluster."""

    def __init__(self, run: Run) -> None:
        config = run.context.config
        self._run = run
        self._clock = run.context.clock
        self._dealing = Dealing()
        self._link = Link(config.cluster, config.client.connect_timeout, LEASE_SECONDS)
        self._recruiting = Recruiting(run, self._link, LEASE_SECONDS)
        self._workers: dict[str, ClusterWorker] = {}  # by the identity of their opening
        self._by_seat: dict[Seat, ClusterWorker] = {}
        self._alone_since = self._deal_at = self._gather_until = 0.0
        self._shares = RateShares() if config.is_rate_limited else None
        self._share_at = 0.0

    def drive(self) -> None:
        """Run until the run is finished."""
        run, recruiting = self._run, self._recruiting
        try:
            self._link.open()
            recruiting.begin()
            self._gather_until = self._clock() + GATHER_SECONDS
            while not run.finished:
                run.tick()
                self._heed_stop()
                self._deal()
                self._handle_news(min(run.wait(), DEAL_SECONDS))
                if not (self._workers or recruiting.busy or recruiting.ever):
                    raise recruiting.nobody()
                self._look_after()
                self._divide_rate()
        finally:
            self._link.close()
            self._recruiting.close()
            for worker in self._workers.values():
                worker.seat.clear()
                worker.show(self._clock())
        LOG.info("dask: %s", run.explain())

    # --- what the workers get

    def _deal(self) -> None:
        run, dealing, running = self._run, self._dealing, self._dealing.running
        limit, now = min(run.jobs, run.limit), self._clock()
        if now < self._deal_at and running > limit - limit // PARCELS_AT_ONCE:
            return
        if now < self._gather_until and self._recruiting.busy:
            return
        self._deal_at = now + DEAL_SECONDS
        while running < run.jobs and dealing.has_room:
            batch = run.take(dealing.batch_size(run.ready, SHARES * max(1, limit), PARCEL_SECONDS, MAX_PARCEL))
            if not batch:
                break
            if refused := dealing.place(batch):
                run.settle(refused)
                break
            running += 1
        for seat, parcels in dealing.to_send().items():
            worker = self._by_seat[seat]
            worker.show(self._clock())
            self._link.begin("accepted", worker.run, worker.address, remote.work, worker.run, pack_parcels(parcels))

    def _heed_stop(self) -> None:
        run = self._run
        if not run.stopping:
            return
        if unstarted := self._dealing.withdraw():
            run.settle(unstarted)
        state = GRACE_OVER if run.grace_over else STOPPING
        if state != self._link.state:
            self._link.tell(state)

    # --- what comes from them

    def _handle_news(self, seconds: float) -> None:
        """Handle all that has come; wait at most ``seconds`` for the first of it."""
        try:
            item = self._link.news.get(timeout=max(seconds, 0.001))
            while True:
                self._handle(item)
                item = self._link.news.get_nowait()
        except queue.Empty:
            return

    def _handle(self, item: News) -> None:
        worker = self._workers.get(item.about) if isinstance(item.about, str) else None
        if item.kind == "report":
            if worker is not None:
                self._report(worker, item)
        elif item.kind == "accepted":
            if worker is not None and item.value is not True:
                self._give_up(worker, "it has ended its work" if item.value is False else f"{item.value}")
        elif item.kind == "share":
            if worker is not None:
                self._note_share(worker, item.value)
        elif item.kind == "over":
            if worker is not None:
                self._give_up(worker, "it was cut off for too long")
        elif item.kind == "left":
            self._recruiting.forget(item.about)
            for member in [member for member in self._workers.values() if member.address == item.about]:
                self._give_up(member, "it has left the cluster")
        elif (recruit := self._recruiting.handle(item)) is not None:
            self._join(recruit)

    def _join(self, worker: ClusterWorker) -> None:
        self._workers[worker.run] = self._by_seat[worker.seat] = worker
        self._run.add_slot(worker.slot)
        self._link.engage(worker.run, worker.address)
        if self._shares is None:
            self._dealing.join(worker.seat)
        else:
            self._shares.join(worker.run)
            self._share_at = 0.0

    def _report(self, worker: ClusterWorker, item: News) -> None:
        report = unpack_report(item.value)
        worker.heard = item.at
        worker.slot.stats.received = worker.slot.stats.done = report.received
        outcomes: list[Outcome] = []
        for number, ended in report.ended:
            outcomes += self._dealing.reported(worker.seat, number, ended)
        if outcomes:
            self._run.settle(outcomes)
        if report.problem:
            self._give_up(worker, report.problem)
        worker.show(item.at)

    def _give_up(self, worker: ClusterWorker, why: str) -> None:
        """A worker is gone: its Attempts go back to the scheduler."""
        del self._workers[worker.run], self._by_seat[worker.seat]
        self._link.dismiss(worker.run)
        self._recruiting.forget(worker.address)
        outcomes = self._dealing.gone(worker.seat, _unknown) if worker.seat in self._dealing.seats else []
        if self._shares is not None:
            self._shares.leave(worker.run, self._clock() + LEASE_SECONDS)
        worker.show(self._clock())
        LOG.warning("dask: the worker %s is gone: %s; its %d files go to others", worker.name, why, len(outcomes))
        if outcomes:
            self._run.settle(outcomes)

    def _look_after(self) -> None:
        """Give up who is silent; end the run where the cluster is gone."""
        if not self._link.is_up:
            self._interrupt_all()
            raise self._link.lost()
        now = self._clock()
        self._recruiting.ask_again(now)
        for worker in list(self._workers.values()):
            if now - worker.heard > LEASE_SECONDS + SILENT_AFTER_LEASE and self._link.news.empty():
                self._give_up(worker, f"it was silent for {now - worker.heard:.0f} s")
                self._recruiting.vet(worker.address, worker.name)  # it answers when it wakes
        if self._workers or self._run.stopping or self._recruiting.busy:
            self._alone_since = 0.0
        elif not self._alone_since:
            self._alone_since = now
            LOG.warning("dask: no worker is left: waiting %g s for another", NO_WORKER_SECONDS)
        elif now - self._alone_since > NO_WORKER_SECONDS:
            hint = "start workers, and run the same command again: it goes on"
            raise NetworkError(f"the cluster had no usable worker for {NO_WORKER_SECONDS:g} s", hint=hint)

    # --- the limit of the rate

    def _divide_rate(self) -> None:
        """Let each worker have its part of the rate limit."""
        shares, now = self._shares, self._clock()
        if shares is None or now < self._share_at:
            return
        self._share_at = now + SHARE_SECONDS
        for run, share in shares.orders({run: len(worker.seat.parcels) for run, worker in self._workers.items()}, now).items():
            self._link.begin("share", run, self._workers[run].address, remote.set_share, run, share)

    def _note_share(self, worker: ClusterWorker, answer: object) -> None:
        assert self._shares is not None  # noqa: S101 - an order was given
        if answer is not True:
            self._shares.failed(worker.run)
            return
        self._shares.answered(worker.run)
        self._share_at = 0.0  # perhaps another can have more now
        if worker.seat not in self._dealing.seats:  # it has its first part
            self._dealing.join(worker.seat)

    def _interrupt_all(self) -> None:
        """Nobody will report any more: settle what the workers have."""
        error = Interrupted("the cluster was lost", hint="run the same command again")
        for worker in self._workers.values():
            lost = self._dealing.gone(worker.seat, _unknown) if worker.seat in self._dealing.seats else []
            self._run.settle([Outcome(outcome.key, End.INTERRUPTED, error=error) for outcome in lost])
        self._workers.clear()


def _unknown(number: int) -> None:
    """Of a lost parcel, the Attempt that was begun last: several may have ended since the last report."""
