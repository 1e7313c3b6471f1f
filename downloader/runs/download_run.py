"""One run, from settings and a Source to a Report: here its parts are put together.

The run has a thread of its own, whatever the strategy. So the caller's thread is free to draw progress, to wait, or to run its
own event loop (that of a notebook, for example), and several runs can share a process.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from downloader.core.model import Download, Outcome, Result
from downloader.core.names.earlier_files import EarlierFiles
from downloader.core.names.file_names import RESERVED_FOLDER
from downloader.core.report import Report
from downloader.engine.contract import POLL_SECONDS, AttemptContext
from downloader.engine.log import LOG
from downloader.engine.run import LocalRun
from downloader.engine.stats import RunStats
from downloader.errors import DownloadError, JournalUnavailable, UsageError
from downloader.runs import naming, plan
from downloader.runs.done_callbacks import DoneCallbacks
from downloader.settings.definitions import Settings
from downloader.sources.background import BackgroundSource
from downloader.storage.folder import Folder
from downloader.strategies.registry import find

if TYPE_CHECKING:
    from downloader.engine.contract import WorkerConfig
    from downloader.runs.run_journal import RunJournal
    from downloader.runs.tar_output import TarOutput
    from downloader.storage.base import Storage


class DownloadRun:
    """One run, from settings and a Source to a Report. `start` it, read its `stats` meanwhile, `join` it.

    ``jobs``: Attempts in flight at most. ``notice``: a sentence for the user about the settings, or empty. ``error``: what
    broke the run, after its end. ``run``: what the strategy works on.
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
        has_list: bool = False,
        is_paused: Callable[[], bool] | None = None,
        detailed: bool = False,
    ) -> None:
        """Check everything that can be checked before anything starts. Raises UsageError, StorageError.

        ``total``: Downloads in the source, None if unknown. ``on_result``: called with each Result, in the run's thread; with
        tar files, by the thread that writes them. ``report``: counts the Results; by default a new one. ``make_folder``: make
        the folder if it is missing. ``on_attempt``: called with the Outcome of each Attempt; Outcomes have a Trace then.
        ``again``: reads the list a second time, to check before the start that the checksums belong to it. ``has_list``: the
        Downloads are those of a list, not only URLs that the user gave one by one: a journal is kept. ``is_paused``: while it
        returns True, ``source`` yields None, and no Download that was read ahead starts. ``detailed``: the Results say all that
        is known, also `Timings`, which cost a microsecond for each file.
        """
        settings = plan.effective_settings(settings)
        self._tar = _tar_output(settings)
        if self._tar is not None:
            settings, detailed = self._tar.settings, True
        self._source = source
        self._on_result = on_result
        self._strategy = find(settings.strategy)()
        capabilities = self._strategy.capabilities
        plan.check_supported(settings, capabilities)
        self.jobs, self.notice = plan.jobs_for(settings, capabilities)
        if settings.cluster and not capabilities.cluster:
            self._add_notice(f"--cluster is not used: {settings.strategy} runs on this machine, --strategy dask on the cluster")
        self.stats = RunStats(total=None if settings.retry_failed else total)
        self.report = report if report is not None else Report()
        self.report.strategy = settings.strategy
        self.error: BaseException | None = None
        config = plan.worker_config(settings, capabilities, self.jobs, on_attempt is not None, detailed)
        template = naming.template_for(settings)
        namer = naming.namer_for(settings, template)
        if template is not None and again is not None:
            template.check_columns(again())
        self._checksums = plan.checksums_for(settings)
        if self._checksums is not None and again is not None and not namer.asks_server:
            self._checksums.check_any_matches(again(), namer)
        if settings.order != "listed":
            from downloader.runs.start_order import ordered  # here: few runs need it

            numbers = template is not None and template.uses_index
            source = ordered(source, settings.order, is_paused, numbers)
        scheduler = plan.scheduler_for(settings, capabilities, self.jobs, source, self._checksums, namer)
        if self._tar is not None:
            scheduler.reader.trusts_earlier = True
            if make_folder:
                self._tar.open()
        self._folder = _open_storage(settings, config, make_folder)
        written = self._tar if make_folder else None
        limiter, budget = plan.rate_limiter_for(settings), config.new_byte_budget()
        self.run = LocalRun(
            scheduler=scheduler,
            context=AttemptContext(config, self._folder, limiter, byte_budget=budget),
            jobs=self.jobs,
            stats=self.stats,
            emit=self._emit if written is None else written.add,
            emit_recorded=self.report.add_recorded if written is None else written.add_recorded,
            grace=settings.grace,
            on_attempt=on_attempt,
        )
        if detailed:
            self.run.scheduler.reader.detailed = True
        keeps_journal = make_folder and settings.journal != "none"
        self._journal = self._open_journal(settings, has_list) if keeps_journal else None
        self._read_earlier_runs(settings, make_folder)
        self._done = DoneCallbacks()
        self._thread = threading.Thread(target=self._main, name="dl-run", daemon=True)

    def _read_earlier_runs(self, settings: Settings, make_folder: bool) -> None:
        """Read what earlier runs have done, where this run does not write the record that it goes on from."""
        if self._tar is None and self._journal is None and (settings.retry_failed or not make_folder):
            self._read_journal(settings)
        elif self._tar is not None and not make_folder:
            self._use_earlier_files(self._tar.earlier(self.report, lambda: False))

    def _add_notice(self, text: str) -> None:
        self.notice = "; ".join(filter(None, (self.notice, text)))

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call this function when the run has ended, in the run's thread; at once, if it has ended already."""
        self._done.add(call)

    def _open_journal(self, settings: Settings, create: bool) -> "RunJournal | None":
        """The journal of the run; None where none is kept, or where it cannot be written and the user has not named it."""
        is_auto = settings.journal in ("auto", "")
        if is_auto and self._folder.is_remote:
            return None
        if is_auto and not create and not os.path.exists(f"{self._folder.root}/{RESERVED_FOLDER}"):
            return None
        from downloader.runs.run_journal import RunJournal  # here: `dl URL` keeps no journal

        try:
            journal = RunJournal(settings, self._folder)
        except JournalUnavailable as error:
            if not is_auto or settings.retry_failed:
                raise
            self._add_notice(f"no journal is kept: {error.reason}")
            return None
        self._add_notice(journal.notice)
        return journal

    def _read_journal(self, settings: Settings) -> None:
        """Take over what a journal says, and write nothing to it: for a dry run. Raises UsageError, StorageError."""
        from downloader.runs.run_journal import EarlierRuns, has_journal, no_journal, path_of

        is_there = has_journal(settings, path_of(settings, self._folder.root))
        earlier = EarlierRuns(settings, self._folder).files(self.report) if is_there else None
        if earlier is None and settings.retry_failed:
            raise no_journal(settings)
        self._use_earlier_files(earlier)

    def _use_earlier_files(self, earlier: EarlierFiles | None) -> None:
        reader = self.run.scheduler.reader
        if earlier is not None:
            reader.use_earlier_files(earlier)
            reader.counts_recorded = self._on_result is None and not self.report.keep and not LOG.is_on

    def _emit(self, result: Result) -> None:
        self.report.add(result)
        if self._journal is not None and not result.is_recorded and result.reason != "duplicate":
            self._journal.record(result)
        if self._on_result is not None:
            self._on_result(result)

    def _main(self) -> None:
        started = time.perf_counter()
        try:
            if self._journal is not None:
                self._journal.wait(self._pause)
                self._use_earlier_files(self._journal.earlier(self.report))
            elif self._tar is not None:
                self._use_earlier_files(self._tar.earlier(self.report, lambda: self.run.stopping))
                self._tar.begin(self._folder.local, self.run, self._emit, self.report.add_recorded)
            self._folder.end_when(lambda: self.run.grace_over)
            self._folder.begin(lambda: self.run.stopping)
            self._strategy.drive(self.run)
            if self.run.broken is not None:
                raise self.run.broken
            if not self.run.finished:
                raise RuntimeError(f"the strategy {self._strategy.name} has returned before the run was finished")
        except BaseException as error:  # noqa: BLE001 - `join` raises it in the caller's thread
            self.error = error
            if not isinstance(error, DownloadError):
                LOG.info("the run failed", exc_info=True)
        finally:
            if self._tar is not None:
                self._tar.close()
                self.error = self.error or self.run.broken
            self.report.elapsed = time.perf_counter() - started
            if isinstance(self._source, BackgroundSource):
                self._source.close()
                self.error = self.error or self.source_error
            self.report.interrupted = not self.run.scheduler.complete
            self.report.stopped_by_failure = self.run.scheduler.failed_fast
            self.report.ended_by = self.error or self.run.scheduler.ended_by
            self._report_checksums()
            self._report_changed_list()
            if self._journal is not None:
                self._journal.close(self.report)
            self._folder.close()
            self._done.set_done()

    def _pause(self) -> bool:
        time.sleep(POLL_SECONDS)
        return not self.run.stopping

    def _report_checksums(self) -> None:
        checksums, report = self._checksums, self.report
        if checksums is not None:
            report.without_checksum, report.ambiguous = checksums.without, checksums.ambiguous
            if checksums.no_match_error is not None and not report.interrupted:
                report.errors.append(checksums.no_match_error)

    def _report_changed_list(self) -> None:
        """Report a list that had fewer entries when it was read the second time."""
        report, total = self.report, self.stats.total
        entries = report.done + report.skipped + report.failures
        if total is not None and entries < total and not report.interrupted and report.ended_by is None:
            report.errors.append(UsageError(f"the list was changed while it was read: {entries} of {total} entries were left"))

    @property
    def source_error(self) -> Exception | None:
        """The exception that ended the source, if it is read in the background."""
        return self._source.error if isinstance(self._source, BackgroundSource) else None

    def start(self) -> Self:
        """Start the run's thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Start no further Attempt, and end the running ones within the grace time. Any thread may call this, repeatedly."""
        self.run.stop()

    def wait(self, seconds: float) -> bool:
        """Wait until the run has ended, at most so many seconds. Returns whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def join(self) -> Report:
        """Wait for the end of the run, and return its Report. Raises what broke the run.

        An exception in the waiting thread, such as KeyboardInterrupt, stops the run as `stop` does, and is raised at its end.
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


def _tar_output(settings: Settings) -> "TarOutput | None":
    """The tar files of the run; None if it writes none. Raises UsageError."""
    if "://" not in settings.dir:
        return None
    from downloader.runs.tar_output import TarOutput, tar_location  # here: few runs need it

    location = tar_location(settings)
    return TarOutput(settings, location) if location is not None else None


def _open_storage(settings: Settings, config: "WorkerConfig", make: bool) -> "Storage":
    if config.store is None:
        return Folder(os.path.expanduser(settings.dir), make)
    from downloader.runs.destination import open_destination  # here: few runs need it

    return open_destination(config, make)
