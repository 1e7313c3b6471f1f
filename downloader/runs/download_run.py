"""One run, from settings and a Source to a Report: where the parts are put together.

It is driven by a thread of its own, whatever the strategy. So the caller's thread is free to draw, to wait, or to go on
running its own event loop (a notebook's, say), and any number of runs can go on in one process.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

from msgspec.structs import replace

from downloader.core.model import Download, Outcome, Result
from downloader.core.report import Report
from downloader.core.scheduling.retry import RetryPolicy, parse_statuses
from downloader.core.scheduling.scheduler import Scheduler
from downloader.engine.contract import AttemptContext
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.run import LocalRun
from downloader.engine.stats import RunStats
from downloader.errors import DownloadError, UsageError
from downloader.runs.end_notice import EndNotice
from downloader.runs.plan import check_able, cut_dirs_of, jobs_for, limits_for, split_policy, sums_for, worker_config
from downloader.settings.definitions import Settings
from downloader.sources.lists import BackgroundSource
from downloader.storage.folder import Folder
from downloader.strategies.registry import find

LOG = logging.getLogger("downloader")


class DownloadRun:
    """One run, from settings and a Source to a Report. `start` it, look at `stats`, `join` it.

    Making one checks everything that can be checked before anything starts: it raises UsageError or StorageError.
    """

    def __init__(
        self,
        settings: Settings,
        source: Iterator[Download | None],
        total: int | None = None,
        on_result: Callable[[Result], None] | None = None,
        report: Report | None = None,
        make_folder: bool = True,
        on_attempt: Callable[[Outcome], None] | None = None,
        again: Callable[[], Iterator[Download | None]] | None = None,
    ) -> None:
        """``on_attempt``: called with the Outcome of each Attempt, which is traced then.

        ``again``: reads the list once more, to see before the start that the checksums are of use for it.
        """
        if (settings.gap or settings.obey_robots) and not settings.segments:
            settings = replace(settings, segments=1)  # pieces are more requests, and each would wait for its turn
        self._strategy = find(settings.strategy)()
        self._source = source
        self._on_result = on_result
        able = self._strategy.capabilities
        check_able(settings, able)
        self.jobs, self.notice = jobs_for(settings, able)
        self.stats = RunStats(total=total)
        self.report = report if report is not None else Report()
        self.report.strategy = settings.strategy
        self.error: BaseException | None = None
        config = worker_config(settings, able, self.jobs, on_attempt is not None)
        self._folder = Folder(os.path.expanduser(settings.dir), make_folder)
        scheduler = _obedient(settings) if settings.obey_robots else Scheduler
        retry_on = parse_statuses(settings.retry_on)
        retry = RetryPolicy(settings.retries, settings.retry_wait, max_retry_after=settings.max_retry_after, retry_on=retry_on)
        cut_dirs = cut_dirs_of(settings)
        self._sums = sums_for(settings)
        if self._sums is not None and again is not None and not settings.content_disposition:
            self._sums.check(again(), cut_dirs)
        self.run = LocalRun(
            scheduler=scheduler(
                source,
                limits_for(settings, able, self.jobs),
                retry,
                split=split_policy(settings),
                sums=self._sums,
                cut_dirs=cut_dirs,
                probe=settings.content_disposition,
                fail_fast=settings.fail_fast,
                host_failures=settings.host_failures,
                wait_for_space=settings.on_full == "wait",
                gap=settings.gap or None,
            ),
            context=AttemptContext(
                config,
                self._folder,
                RateLimiter(settings.limit_rate, settings.limit_rate_per_host) if config.is_rate_limited else None,
            ),
            jobs=self.jobs,
            stats=self.stats,
            emit=self._emit,
            grace=settings.grace,
            on_attempt=on_attempt,
        )
        self._end = EndNotice()
        self._thread = threading.Thread(target=self._main, name="dl-run", daemon=True)

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call this when the run is over, in its thread; at once, if it is."""
        self._end.then(call)

    def _emit(self, result: Result) -> None:
        self.report.add(result)
        if self._on_result is not None:
            self._on_result(result)

    def _main(self) -> None:
        started = time.perf_counter()
        try:
            self._strategy.drive(self.run)
        except BaseException as error:  # it is raised again in the thread that joins
            self.error = error
            if not isinstance(error, DownloadError):
                LOG.info("the run failed", exc_info=True)
        finally:
            self.report.elapsed = time.perf_counter() - started
            if isinstance(self._source, BackgroundSource):
                self._source.close()
                self.error = self.error or self.source_error
            self.report.interrupted = not self.run.scheduler.complete
            self.report.stopped_by_failure = self.run.scheduler.failed_fast
            self.report.ended_by = self.error or self.run.scheduler.ended_by
            self._tell_sums()
            self._tell_list()
            self._folder.close()
            self._end.tell()

    def _tell_sums(self) -> None:
        sums, report = self._sums, self.report
        if sums is not None:
            report.without_checksum, report.ambiguous = sums.without, sums.ambiguous
            if sums.complaint is not None and not report.interrupted:
                report.errors.append(sums.complaint)

    def _tell_list(self) -> None:
        """A list that is read twice may be another the second time."""
        report, total = self.report, self.stats.total
        found = report.done + report.skipped + report.failures
        if total is not None and found < total and not report.interrupted and report.ended_by is None:
            report.errors.append(UsageError(f"the list was changed while it was read: {found} of {total} entries were left"))

    @property
    def source_error(self) -> Exception | None:
        """What ended the reading of a list that is read as it comes."""
        return self._source.error if isinstance(self._source, BackgroundSource) else None

    def start(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Start nothing more; end what runs within the grace time. From any thread, any number of times."""
        self.run.stop()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the run is over; whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def join(self) -> Report:
        """Wait for the end. Raises what broke the run.

        An interrupt meanwhile stops the run in good order, and is then raised.
        """
        try:
            while not self.wait(1.0):
                pass
        except BaseException:
            self.stop()
            self._thread.join()
            raise
        if self.error is not None:
            raise self.error
        return self.report


def _obedient(settings: Settings) -> Callable[..., Scheduler]:
    """What makes the scheduler of a run that obeys robots.txt."""
    from downloader.core.http.robots import product
    from downloader.core.scheduling.robots_scheduler import ObedientScheduler  # here: few runs need it

    return partial(ObedientScheduler, product(settings.user_agent or "downloader"))
