"""One run, from settings and a Source to a Report: where the parts are put together.

It is driven by a thread of its own, whatever the strategy. So the caller's thread is free to draw, to wait, or to go on
running its own event loop (a notebook's, say), and any number of runs can go on in one process.
"""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from downloader._version import __version__
from downloader.core.adaptive import AdaptiveSlots
from downloader.core.limits import Limits, Slots
from downloader.core.messages import TransferPolicy, replaced
from downloader.core.model import Download, Outcome, Report, Result
from downloader.core.retry import RetryPolicy
from downloader.core.scheduler import Scheduler
from downloader.core.segments import SplitPolicy
from downloader.errors import UsageError
from downloader.progress.counters import Counters
from downloader.settings import Settings
from downloader.sources import credentials
from downloader.sources.lists import Feed, read_sums
from downloader.storage.folder import Folder
from downloader.strategies import processing
from downloader.strategies.base import Capabilities, Job
from downloader.strategies.meter import Meter
from downloader.strategies.registry import find
from downloader.strategies.run import Run
from downloader.transports.base import CHUNK, ClientOptions, check_proxy, environment_proxies

_SPARE_FILES = 64


class Session:
    """One run, from settings and a Source to a Report. `start` it, look at `counters`, `join` it.

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
    ) -> None:
        """``on_attempt``: called with the Outcome of each Attempt, which is traced then."""
        self._strategy = find(settings.strategy)()
        self._source = source
        self._on_result = on_result
        able = self._strategy.capabilities
        check_able(settings, able)
        self.jobs, self.notice = jobs_for(settings, able)
        self.counters = Counters(total=total)
        self.report = report if report is not None else Report()
        self.report.strategy = settings.strategy
        self.error: BaseException | None = None
        job = job_for(settings, self.jobs, on_attempt is not None)
        self._folder = Folder(os.path.expanduser(settings.dir), make_folder)
        retry = RetryPolicy(settings.retries, settings.retry_wait, max_retry_after=settings.max_retry_after)
        self.run = Run(
            scheduler=Scheduler(
                source,
                limits_for(settings, able, self.jobs),
                retry,
                split=SplitPolicy(settings.segments, settings.min_segment_size),
                sums=read_sums(settings.checksums) if settings.checksums else None,
                probe=settings.content_disposition,
                fail_fast=settings.fail_fast,
            ),
            job=job,
            folder=self._folder,
            jobs=self.jobs,
            counters=self.counters,
            emit=self._emit,
            grace=settings.grace,
            splits=able.segments and settings.segments != 1,
            on_attempt=on_attempt,
            meter=Meter(settings.limit_rate, settings.limit_rate_per_host) if job.is_limited else None,
        )
        self._at_end: list[Callable[[], object]] = []
        self._ended = False
        self._lock = threading.Lock()  # for these two
        self._thread = threading.Thread(target=self._main, name="dl-run", daemon=True)

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call this when the run is over, in its thread; at once, if it is."""
        with self._lock:
            if not self._ended:
                self._at_end.append(call)
                return
        call()

    def _emit(self, result: Result) -> None:
        self.report.add(result)
        if self._on_result is not None:
            self._on_result(result)

    def _main(self) -> None:
        started = time.perf_counter()
        try:
            self._strategy.drive(self.run)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that joins
            self.error = error
        finally:
            self.report.elapsed = time.perf_counter() - started
            self.report.interrupted = not self.run.scheduler.complete
            self.report.stopped_by_failure = self.run.scheduler.failed_fast
            self._folder.close()
            if isinstance(self._source, Feed):
                self._source.close()
                self.error = self.error or self.source_error
            with self._lock:
                self._ended = True
            for call in self._at_end:
                call()

    @property
    def source_error(self) -> Exception | None:
        """What ended the reading of a list that is read as it comes."""
        return self._source.error if isinstance(self._source, Feed) else None

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


def jobs_for(settings: Settings, capabilities: Capabilities) -> tuple[int, str]:
    """How many may be in flight in all, and a word about it where it is less than was asked for."""
    wanted = settings.jobs or capabilities.most_jobs or capabilities.default_jobs
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(1, (soft - _SPARE_FILES) // capabilities.files_per_job) if soft != resource.RLIM_INFINITY else wanted
    jobs = min(wanted, files, capabilities.max_jobs or wanted)
    if jobs == files < wanted:
        return jobs, f"--jobs {wanted} lowered to {jobs}: the limit of open files is {soft} (ulimit -n)"
    if jobs < wanted and settings.jobs:
        return jobs, f"--jobs {wanted} lowered to {jobs}: {settings.strategy} runs no more"
    return jobs, ""


def check_able(settings: Settings, able: Capabilities) -> None:
    """Raises UsageError where the strategy cannot do what was asked for."""
    wanted = settings.http_version
    if wanted != "auto" and wanted not in able.http_versions:
        raise UsageError(f"{settings.strategy} does not speak HTTP/{wanted}", hint="--strategy multiplex does")
    if settings.segments > 1 and not able.segments:
        raise UsageError(f"{settings.strategy} fetches each file in one piece", hint="--strategy multiplex splits them")
    if settings.process:
        processing.find(settings.process)
        if able.fresh_main and settings.process.startswith("__main__:"):
            raise UsageError(f"{settings.strategy} runs in processes of its own", hint="put the function into a module")


def limits_for(settings: Settings, capabilities: Capabilities, jobs: int) -> Limits:
    """How many may be in flight: a number that was given stays, else it is found out."""
    if settings.jobs or capabilities.most_jobs is None:
        return Slots(jobs, min(settings.per_host, jobs))
    return AdaptiveSlots(ceiling=jobs, host_ceiling=min(settings.per_host, jobs), start=capabilities.default_jobs)


def job_for(settings: Settings, jobs: int, traced: bool = False) -> Job:
    """What workers are told, from what the user set. Raises UsageError for files and values that cannot be used."""
    netrc = settings.netrc_file or (credentials.default_netrc() if settings.netrc else "")
    client = ClientOptions(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.low_speed_time,
        connections=jobs,
        proxy=check_proxy(settings.proxy),
        proxies=() if settings.proxy else environment_proxies(),
        cacert=settings.cacert,
        cert=settings.cert,
        key=settings.key,
        insecure=settings.insecure,
        chunk=_chunk(settings),
        http_version="" if settings.http_version == "auto" else settings.http_version,
    )
    if settings.cacert or settings.cert:
        from downloader.transports.tls import tls_context

        tls_context(client)  # so that a file that cannot be used is told now
    agent = settings.user_agent or f"downloader/{__version__}"
    return Job(
        root=str(Path(settings.dir).expanduser().absolute()),
        policy=TransferPolicy(
            headers=replaced((("User-Agent", agent),), settings.header_pairs),
            credentials=credentials.load(netrc, settings.cookies),
            max_redirects=settings.max_redirects,
            allow_downgrade=settings.allow_downgrade,
            timeout=settings.timeout,
            low_speed_limit=settings.low_speed_limit,
            low_speed_time=settings.low_speed_time,
        ),
        client=client,
        on_exists=settings.on_exists,
        mtime=settings.mtime,
        segments=settings.segments,
        limit_rate=settings.limit_rate,
        limit_rate_per_host=settings.limit_rate_per_host,
        process=settings.process,
        traced=traced,
    )


def _chunk(settings: Settings) -> int:
    """Bytes to read at a time: little enough that a limit to the rate is kept within a fraction of a second."""
    limits = [rate for rate in (settings.limit_rate, settings.limit_rate_per_host) if rate]
    return max(2048, min([CHUNK, *(rate // 200 for rate in limits)]))
