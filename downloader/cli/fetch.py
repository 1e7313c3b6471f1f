"""The default command: fetches lists, shows the progress, and prints the summary."""

import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from downloader.cli.output_files import OutputFiles, check_distinct_files, outputs_of
from downloader.cli.stop_signals import Signals
from downloader.core.model import Download, Result
from downloader.core.report import Report
from downloader.core.text import printable
from downloader.engine.interpreter import resume_collector
from downloader.engine.log import LOG
from downloader.errors import DownloadError, UsageError
from downloader.progress.display import Display, display_for
from downloader.runs import naming
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from downloader.sources.formats import STDIN, is_one_file, is_url, list_options
from downloader.sources.lists import ListReader

if TYPE_CHECKING:  # each is imported where a run needs it
    from pathlib import Path

    from downloader.cli.on_complete import OnComplete
    from downloader.reports.manifest import Manifest
    from downloader.reports.outputs import FailedList
    from downloader.reports.report_file import ReportFile


class FetchRequest(Struct, frozen=True):
    """The command line, parsed.

    ``output``: the argument of ``-o``. ``config_file``: the configuration file that was read, with the profiles, or empty.
    ``ignored_variables``: sentences about environment variables that start with ``DL_`` and are not settings.
    """

    lists: tuple[str, ...]
    settings: Settings
    dry_run: bool = False
    output: str | None = None
    config_file: str = ""
    ignored_variables: tuple[str, ...] = ()


def fetch(request: FetchRequest) -> int:
    """Fetch the lists. Returns the exit code.

    Raises DownloadError where the request is wrong: nothing was started then.
    """
    resume_collector()
    settings = request.settings
    _print_origins(request)
    check_distinct_files(request.lists, settings, request.output)
    naming.namer_for(settings, naming.template_for(settings))  # to raise now if it cannot be used: lists may be long
    on_complete = _on_complete(settings)
    if settings.process and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # the user's module of --process is often in the current folder
    items: list[str | Path | Download] = [*request.lists] or _failed_before(settings)
    lists = ListReader(items, settings.skip_bad_lines, list_options(settings))
    if not request.lists:
        settings = replace(settings, retry_failed=False)  # nothing else is in this list
    _print_terminal_notice(request)
    total = _count_downloads(lists, settings)
    if total == 0:
        _say("nothing to do: the list is empty" if request.lists else "nothing to do: no URL failed before", settings)
        return 0
    if request.output is not None:
        from downloader.cli.output_name import set_output_name

        set_output_name(lists, total, request.output)
    report = Report(keep=False, keep_failed=5)
    if request.dry_run:
        from downloader.cli.dry_run import dry_run, print_unfetched

        again = lists.again if total is not None else None
        code = dry_run(DownloadRun(settings, lists.source(), total, print_unfetched, report, False, again=again))
        _print_notices(lists, settings)
        return code
    return _run(request, settings, lists, total, report, on_complete)


def _on_complete(settings: Settings) -> "OnComplete | None":
    """What runs the command of ``--on-complete``; None without one. Raises UsageError."""
    if not settings.on_complete:
        return None
    from downloader.cli.on_complete import OnComplete

    return OnComplete(settings, any(name == STDIN for _, name in outputs_of(settings)))


def _run(
    request: FetchRequest,
    settings: Settings,
    lists: ListReader,
    total: int | None,
    report: Report,
    on_complete: "OnComplete | None",
) -> int:
    """Fetch the lists, show the progress, and print the summary. Returns the exit code. Raises DownloadError as `fetch`."""
    with ExitStack() as stack:
        files = OutputFiles(settings, stack, whole_list=not request.settings.retry_failed)
        sinks: list[ReportFile | Manifest | FailedList | OnComplete] = [*files.of_results]
        if on_complete is not None:
            sinks.append(on_complete)

        def on_result(result: Result) -> None:
            for sink in sinks:
                sink.add(result)

        detailed = bool(settings.report or settings.manifest)
        traced = files.traces[0].add if files.traces else None
        session = DownloadRun(
            settings,
            lists.source() if on_complete is None else on_complete.source(lists),
            total,
            on_result if sinks else None,
            report,
            on_attempt=traced,
            again=lists.again if total is not None else None,
            has_list=_has_list(request),
            is_paused=None if on_complete is None else on_complete.is_paused,
            detailed=detailed,
        )
        display = display_for(settings, total)
        stack.callback(display.close)
        _open_log(request, display, stack)
        if on_complete is not None:
            on_complete.show_output(display)
        if session.notice:
            display.say(f"dl: {session.notice}")

        def stop() -> None:
            session.stop()
            if on_complete is not None:
                on_complete.stop()
            display.say(f"dl: stopping: running files get up to {settings.grace:g} s to finish; Ctrl-C again ends at once")

        def abort() -> None:
            if on_complete is not None:
                on_complete.abort()
            files.flush()
            display.close()
            print("dl: ended at once: run the same command again to resume", file=sys.stderr)  # noqa: T201

        with Signals(stop, abort) as signals:
            session.start()
            was_full = False
            while not session.wait(display.period):
                if session.stats.full and not was_full:
                    display.say("dl: the disk is full: waiting for space; Ctrl-C ends the run")
                was_full = session.stats.full
                while lists.notices and not settings.quiet:  # of standard input
                    display.say(f"dl: {printable(lists.notices.pop(0))}")
                display.update(session.stats, time.monotonic())
                files.flush()
            if on_complete is not None:
                on_complete.wait(display)
        display.close()
        _print_notices(lists, settings)
        return _conclude(session, settings, lists, signals.exit_code, files, on_complete)


def _has_list(request: FetchRequest) -> bool:
    """Whether more is fetched than URLs of the command line, each of which is a file."""
    options = list_options(request.settings)
    return not all(is_one_file(item, options) for item in request.lists)


def _failed_before(settings: Settings) -> "list[str | Path | Download]":
    """What failed before, as the journal says, or the tables beside tar files: for ``--retry-failed`` without a list.

    Raises UsageError, StorageError.
    """
    from downloader.runs.run_journal import failed_downloads  # here, and below: few runs need it
    from downloader.runs.tar_output import failed_samples, tar_location

    tar = tar_location(settings)
    downloads, left_out = failed_downloads(settings) if tar is None else failed_samples(settings, tar)
    if left_out:
        what = "1 failed URL needs" if left_out == 1 else f"{left_out} failed URLs need"
        message = f"{what} a secret, which was not recorded"
        if not downloads:
            raise UsageError(message, hint="give the list, too")
        _say(f"{message}: give the list, too", settings)
    return [*downloads]


def _open_log(request: FetchRequest, display: Display, stack: ExitStack) -> None:
    """Write the log until the end of the stack, if the settings ask for it. Without ``-v``, only warnings are shown."""
    settings = request.settings
    if not settings.verbose:
        LOG.show_warning = lambda text: None if settings.quiet else display.say(f"dl: {text}")
        stack.callback(setattr, LOG, "show_warning", None)
    if settings.verbose or settings.log_file:
        from downloader.cli.log_output import LogOutput  # here: `logging` takes 2 ms to import

        stack.enter_context(LogOutput(settings, request.ignored_variables, display))


def _print_terminal_notice(request: FetchRequest) -> None:
    """Tell the user that the program waits for a list to be typed, where standard input is a terminal."""
    if STDIN in request.lists and sys.stdin is not None and sys.stdin.isatty():
        _say("reading URLs from the terminal, one per line; Ctrl-D ends the list", request.settings)


def _print_origins(request: FetchRequest) -> None:
    """Print which configuration file was read. A dry run has no log: print the ignored variables too."""
    settings = request.settings
    messages = [f"settings from {request.config_file}"] if request.config_file else []
    messages += request.ignored_variables if settings.verbose and request.dry_run else ()
    if messages:
        from downloader.cli.list_check import print_sentences  # here: few runs need it

        print_sentences(messages, settings)


def _conclude(
    session: DownloadRun,
    settings: Settings,
    lists: ListReader,
    interrupted: int | None,
    files: OutputFiles,
    on_complete: "OnComplete | None",
) -> int:
    report = session.report
    notes = [] if on_complete is None else on_complete.conclude(report)
    files.set_complete(session.error is None and not report.interrupted)
    ended = report.done + report.skipped + report.failures
    error_printed = (settings.quiet or report.interrupted or ended > 0) and settings.progress != "json"
    if not settings.quiet or notes or report.failures or report.errors or report.ended_by is not None:
        from downloader.cli.end_summary import print_summary  # here: a quiet run has none

        known = files.reports[0].unprocessed if files.reports else None
        print_summary(report, settings, session.stats.total, known, notes, {} if on_complete is None else on_complete.figures())
    if session.error is not None and not isinstance(session.error, DownloadError):  # an internal error
        return 1
    if interrupted is not None:
        return interrupted
    if isinstance(session.error, DownloadError):
        if error_printed:  # as part of the summary
            return session.error.exit_code
        raise session.error
    for text in report.notices:
        _say(printable(text), settings)
    if report.done + report.skipped + report.failures == 0 and not report.interrupted and not report.notices:
        what = "no entry of the list failed before" if settings.retry_failed else "the list is empty"
        _say(f"nothing to do: {what}", settings)
    if lists.bad_count:
        _say(f"skipped {lists.bad_count} invalid {'line' if lists.bad_count == 1 else 'lines'}", settings)
    return report.exit_code


def _count_downloads(lists: ListReader, settings: Settings) -> int | None:
    """The number of Downloads; None where it is not known. Raises UsageError for an invalid list."""
    if not lists.options.url_is_list and all(isinstance(item, str) and is_url(item) for item in lists.items):
        return lists.check()
    from downloader.cli.list_check import count_downloads  # here: a URL does not need it

    return count_downloads(lists, settings)


def _print_notices(lists: ListReader, settings: Settings) -> None:
    """Print what was understood of the lists since these sentences were printed last."""
    if lists.notices:
        from downloader.cli.list_check import print_notices  # here: few runs need it

        print_notices(lists, settings)


def _say(text: str, settings: Settings) -> None:
    if not settings.quiet:
        print(f"dl: {text}", file=sys.stderr)  # noqa: T201
