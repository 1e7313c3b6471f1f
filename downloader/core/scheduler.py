"""Which Attempt starts next, and what an Outcome leads to.

The scheduler reads the list lazily (`window` Downloads ahead, so that one busy host does not hide the others behind it),
names each file, hands out Attempts as slots allow, and turns each Outcome into a Result or a further Attempt. It alone
knows about order, priorities, limits for each host, mirrors, retries and their waiting, and names already taken.

Pure: `now` and `chance` come in, values go out. A driver calls, from one thread::

    take(now, most) -> list[Attempt]     they share one slot, and are to run one after the other
    settle(outcome, now, chance)         exactly once for each Attempt taken
    results() -> list[Result]            what has ended since the last call
    wake_at                              when a waiting retry falls due
    finished                             nothing is left, and nothing is under way

A Source may yield None: nothing to read at the moment, ask again.
"""

import heapq
from collections.abc import Iterator, Mapping

from downloader.core.limits import Slots
from downloader.core.model import Attempt, Checksum, Download, End, Outcome, Result, Status
from downloader.core.naming import host_of, public_url, wished_path
from downloader.core.queues import Entry, HostQueues, Lease, Names, default_path, path_by_server
from downloader.core.retry import RetryPolicy, another_server_may_help
from downloader.errors import (
    DownloadError,
    IntegrityError,
    Interrupted,
    WorkerError,
)

POLL = 0.05
"""Seconds until a Source that had nothing is asked again."""


class Scheduler:
    """See the module. ``sums``: checksums by path or by bare name. ``probe``: ask the server for each name first."""

    def __init__(
        self,
        source: Iterator[Download | None],
        slots: Slots,
        retry: RetryPolicy,
        *,
        sums: Mapping[str, Checksum] | None = None,
        probe: bool = False,
        fail_fast: bool = False,
        window: int = 1024,
    ) -> None:
        self._source = source
        self._slots = slots
        self._retry = retry
        self._sums = sums or {}
        self._probe = probe
        self._fail_fast = fail_fast
        self._window = max(window, 2 * slots.in_all)
        self._names = Names()
        self._ready: HostQueues[Entry] = HostQueues()
        self._waiting: list[tuple[float, int, Entry]] = []
        self._running: dict[int, Entry] = {}
        self._results: list[Result] = []
        self._exhausted = False
        self._ask_again: float | None = None
        self._cut_short = False
        self.stopped = self.failed_fast = False
        self.read = 0

    @property
    def in_flight(self) -> int:
        """Attempts taken and not yet settled."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Downloads read from the list and ready to start."""
        return len(self._ready)

    @property
    def finished(self) -> bool:
        """Nothing is left to do, or the run was stopped and all that ran has ended."""
        if self._running:
            return False
        return self.stopped or (self._exhausted and not self._ready and not self._waiting)

    @property
    def complete(self) -> bool:
        """Every Download of the list has its Result."""
        return self._exhausted and not (self._cut_short or self._running or self._ready or self._waiting)

    @property
    def wake_at(self) -> float | None:
        """When something may be startable that is not now: the next retry, or a Source that had nothing."""
        retry = self._waiting[0][0] if self._waiting else None
        return min((time for time in (self._ask_again, retry) if time is not None), default=None)

    def stop(self) -> None:
        """Start nothing more. What was begun and waits for another try ends here; what was not begun gets no Result."""
        if self.stopped:
            return
        self.stopped = True
        queued = self._ready.clear()
        self._cut_short = not self._exhausted or bool(queued or self._waiting)
        for entry in sorted(queued + [entry for _, _, entry in self._waiting]):
            self._interrupt(entry)
        self._waiting.clear()

    def _interrupt(self, entry: Entry) -> None:
        self._cut_short = True
        if entry.number:
            error = Interrupted("stopped before another try", public_url(entry.url), "run the same command again")
            self._end(entry, Status.FAILED, error=error)

    def results(self) -> list[Result]:
        """The Results since the last call, in order of completion."""
        results, self._results = self._results, []
        return results

    def take(self, now: float, most: int = 1) -> list[Attempt]:
        """Up to ``most`` Attempts for one host, to be run in turn in one slot. Empty: none may start now."""
        if self.stopped:
            return []
        while self._waiting and self._waiting[0][0] <= now:
            self._enqueue(heapq.heappop(self._waiting)[2])
        self._refill(now)
        if self._slots.free <= 0:
            return []
        while (host := self._ready.next_host(self._slots.acquire)) is None:
            if not self._refill(now):  # only busy hosts so far: read on, another may come
                return []
        entries = self._ready.pop(host, most)
        lease = Lease(host, len(entries))
        return [self._start(entry, lease) for entry in entries]

    def _start(self, entry: Entry, lease: Lease) -> Attempt:
        entry.lease = lease
        entry.number += 1
        entry.tries += 1
        self._running[entry.key] = entry
        download = entry.download
        return Attempt(
            key=entry.key,
            number=entry.number,
            url=entry.url,
            source=download.url,
            path=entry.path,
            headers=download.headers,
            checksums=entry.checksums,
            size=download.size,
            fresh=entry.fresh,
            probe=not entry.named,
            repeated=entry.repeated,
        )

    def _enqueue(self, entry: Entry) -> None:
        self._ready.push(host_of(entry.url), entry)

    def _refill(self, now: float) -> bool:
        """Read some more of the list; whether there was any."""
        if self._exhausted or self.stopped or (self._ask_again is not None and now < self._ask_again):
            return False
        before, self._ask_again = self.read, None
        for _ in range(32):  # at a time, so that the first Attempt need not wait for a full window
            if len(self._ready) >= self._window or len(self._waiting) >= 16 * self._window:
                break
            if len(self._results) >= self._window:
                self._ask_again = now  # duplicates by the thousand: let them be told first
                break
            try:
                download = next(self._source)
            except StopIteration:
                self._exhausted = True
                break
            if download is None:
                self._ask_again = now + POLL
                break
            self._admit(download)
            if self.stopped:
                break
        return self.read > before

    def _admit(self, download: Download) -> None:
        key, self.read = self.read, self.read + 1
        try:
            wished = wished_path(download.dir, download.out) if download.out else ""
            named = bool(wished) or not self._probe
            path = wished or default_path(download)
            claimed = self._names.claim(path, download.url) if named else path
        except DownloadError as error:
            located = type(error)(error.reason, public_url(download.url), error.hint)
            self._end(Entry(key, download, "", [download.url], True, ()), Status.FAILED, error=located)
            return
        entry = Entry(key, download, claimed or path, [download.url, *download.mirrors], named, download.checksums)
        if claimed is None:
            self._end(entry, Status.SKIPPED, reason="duplicate")
            return
        self._add_sums(entry)
        self._enqueue(entry)

    def _add_sums(self, entry: Entry) -> None:
        if self._sums and entry.named:
            known = self._sums.get(entry.path) or self._sums.get(entry.path.rpartition("/")[2])
            if known is not None and known not in entry.checksums:
                entry.checksums += (known,)

    def settle(self, outcome: Outcome, now: float, chance: float) -> None:
        """What an Outcome leads to: a Result, a further Attempt at once, or one after a wait. ``chance`` in [0, 1)."""
        entry = self._running.pop(outcome.key)
        lease, entry.lease = entry.lease, None
        assert lease is not None  # noqa: S101 - an entry in _running has one
        lease.left -= 1
        if lease.left == 0:
            self._slots.release(lease.host)
            self._ready.free(lease.host)
        entry.received += outcome.received
        entry.elapsed += outcome.elapsed
        match outcome.end:
            case End.COMPLETE:
                self._end(entry, Status.DONE, outcome)
            case End.EXISTS | End.NOT_MODIFIED:
                self._end(entry, Status.SKIPPED, outcome, reason=outcome.end.value)
            case End.NAMED:
                self._name(entry, outcome)
            case End.UNTOLD:
                entry.repeated = True
                entry.tries -= 1
                self._again(entry)
            case End.UNSTARTED:
                entry.number -= 1
                entry.tries -= 1
                self._again(entry)
            case End.INTERRUPTED:
                self._cut_short = True
                self._end(entry, Status.FAILED, outcome, error=outcome.error)
            case End.RESTART:
                entry.fresh = True
                entry.tries -= 1  # what follows is the try that counts, and it cannot end like this again
                self._again(entry)
            case End.LOST | End.FAILED:
                self._failed(entry, outcome, now, chance)

    def _name(self, entry: Entry, outcome: Outcome) -> None:
        entry.named = True
        entry.tries -= 1
        path = path_by_server(entry.path, outcome.name)
        claimed = self._names.claim(path, entry.download.url)
        entry.path = claimed or path
        if claimed is None:
            self._end(entry, Status.SKIPPED, reason="duplicate")
            return
        self._add_sums(entry)
        self._again(entry)

    def _failed(self, entry: Entry, outcome: Outcome, now: float, chance: float) -> None:
        error = outcome.error or WorkerError("the worker process died", public_url(entry.url))
        if isinstance(error, WorkerError):
            entry.repeated = True
            entry.losses += 1
        entry.fresh = False
        if isinstance(error, IntegrityError):
            entry.mismatches += 1
            entry.fresh = True
        if self.stopped:
            self._end(entry, Status.FAILED, outcome, error=error)
        elif self._allows(error, entry):
            wait = 0.0
            if not isinstance(error, IntegrityError | WorkerError):
                wait = self._retry.backoff(entry.tries, chance, getattr(error, "retry_after", None))
            entry.turn += 1
            self._again(entry, now, wait)
        elif len(entry.urls) > 1 and another_server_may_help(error):
            entry.urls.remove(entry.url)  # this mirror is of no use; the others get their tries
            entry.tries = 0
            self._again(entry)
        else:
            self._end(entry, Status.FAILED, outcome, error=error)

    def _allows(self, error: DownloadError, entry: Entry) -> bool:
        if isinstance(error, WorkerError):  # the first loss is on the house: the file may be complete, and only be unreported
            return entry.losses <= max(1, self._retry.retries)
        return self._retry.allows(error, entry.tries, entry.mismatches)

    def _again(self, entry: Entry, now: float = 0.0, wait: float = 0.0) -> None:
        if self.stopped:
            self._interrupt(entry)
        elif wait > 0:
            heapq.heappush(self._waiting, (now + wait, entry.key, entry))
        else:
            self._enqueue(entry)

    def _end(
        self,
        entry: Entry,
        status: Status,
        outcome: Outcome | None = None,
        *,
        reason: str = "",
        error: DownloadError | None = None,
    ) -> None:
        if status is Status.FAILED and self._fail_fast and not self.stopped:
            self.failed_fast = True
            self.stop()
        self._results.append(
            Result(
                url=public_url(entry.download.url),
                path=(outcome.path if outcome is not None and outcome.path else entry.path),
                status=status,
                bytes=outcome.size if outcome is not None and status is Status.DONE else 0,
                received=entry.received,
                http_status=outcome.status if outcome is not None else 0,
                attempts=entry.number,
                elapsed=entry.elapsed,
                final_url=outcome.final_url if outcome is not None else "",
                etag=outcome.etag if outcome is not None else "",
                reason=reason,
                verified=outcome is not None and outcome.verified,
                error=error,
                download=entry.to_repeat() if status is Status.FAILED else None,
            )
        )
