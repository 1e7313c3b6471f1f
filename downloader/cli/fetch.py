"""The default command: fetches lists, shows the progress, and prints the summary."""

import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from downloader.cli.output_files import OutputFiles, check_distinct_files
from downloader.cli.stop_signals import Signals
from downloader.core.model import Download, Result
from downloader.core.report import Report
from downloader.core.text import printable
from downloader.engine.interpreter import resume_collector
from downloader.errors import DownloadError, UsageError
from downloader.progress.display import Display
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from downloader.sources.formats import STDIN, is_url, list_options
from downloader.sources.lists import ListReader

if TYPE_CHECKING:  # each is imported where a run needs it
    from pathlib import Path


class FetchRequest(Struct, frozen=True):
    """The command line, parsed.

    ``output``: the argument of ``-o``. ``config_file``: the configuration file that was read, or empty.
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
    if settings.process and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # the user's module of --process is often in the current folder
    items: list[str | Path | Download] = [*request.lists] or _failed_before(settings)
    lists = ListReader(items, settings.skip_bad_lines, list_options(settings), numbers="{index" in settings.name)
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
    again = lists.again if total is not None else None
    if request.dry_run:
        from downloader.cli.dry_run import dry_run, print_unfetched

        code = dry_run(DownloadRun(settings, lists.source(), total, print_unfetched, report, False, again=again))
        _print_notices(lists, settings)
        return code
    with ExitStack() as stack:
        files = OutputFiles(settings, stack, whole_list=not request.settings.retry_failed)
        sinks = files.of_results

        def on_result(result: Result) -> None:
            for sink in sinks:
                sink.add(result)

        detailed = bool(settings.report or settings.manifest)
        traced = files.traces[0].add if files.traces else None
        session = DownloadRun(
            settings,
            lists.source(),
            total,
            on_result,
            report,
            on_attempt=traced,
            again=again,
            has_list=_has_list(request),
            detailed=detailed,
        )
        display = _display(settings, total)
        stack.callback(display.close)
        _open_log(request, display, stack)
        if session.notice:
            display.say(f"dl: {session.notice}")

        def stop() -> None:
            session.stop()
            display.say(f"dl: stopping: running files get up to {settings.grace:g} s to finish; Ctrl-C again ends at once")

        def abort() -> None:
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
        display.close()
        _print_notices(lists, settings)
        return _conclude(session, settings, lists, signals.exit_code, files)


def _has_list(request: FetchRequest) -> bool:
    """Whether more is fetched than URLs of the command line, each of which is a file."""
    return not all(map(is_url, request.lists)) or bool(request.settings.links) or request.settings.format != "auto"


def _failed_before(settings: Settings) -> "list[str | Path | Download]":
    """What failed before, as the journal says: for ``--retry-failed`` without a list. Raises UsageError, StorageError."""
    from downloader.runs.run_journal import failed_downloads  # here: few runs need it

    return [*failed_downloads(settings)]


def _open_log(request: FetchRequest, display: Display, stack: ExitStack) -> None:
    """Write the log until the end of the stack, if the settings ask for it."""
    settings = request.settings
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
    for text in messages:
        _print_sentence(text, settings)


def _conclude(session: DownloadRun, settings: Settings, lists: ListReader, interrupted: int | None, files: OutputFiles) -> int:
    report = session.report
    files.set_complete(session.error is None and not report.interrupted)
    error_printed = settings.quiet or report.interrupted or report.done + report.skipped + report.failures > 0
    if settings.progress == "json":
        error_printed = False
        _print_json_summary(report)
    elif not settings.quiet and (report.interrupted or report.done + report.skipped + report.failures):
        from downloader.reports.summary import summary

        text = summary(report, total=session.stats.total, unprocessed=_unprocessed(report, settings, files))
        print(text, file=sys.stderr)  # noqa: T201
    elif settings.quiet and (report.failures or report.errors or report.ended_by is not None):
        from downloader.reports.summary import error_summary

        print(error_summary(report, total=session.stats.total), file=sys.stderr)  # noqa: T201
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
        _say("nothing to do: the list is empty", settings)
    if lists.bad_count:
        _say(f"skipped {lists.bad_count} invalid {'line' if lists.bad_count == 1 else 'lines'}", settings)
    return report.exit_code


def _unprocessed(report: Report, settings: Settings, files: OutputFiles) -> str:
    """A text about existing files, which were skipped and so not processed by ``--process``; empty where there are none.

    With ``--report``, which records what was processed, only the files that were never processed are counted.
    """
    if not settings.process:
        return ""
    known = [file.unprocessed for file in files.reports]
    count = known[0] if known else report.reasons["skipped: exists"] + report.reasons["skipped: not modified"]
    if not count:
        return ""
    if known:
        return f"{count} never processed: they existed already (--on-exists overwrite fetches them again)"
    return f"{count} not processed by this run: they existed already (--report records which files were processed)"


def _count_downloads(lists: ListReader, settings: Settings) -> int | None:
    """Check the lists, and count their Downloads; None where the number is not known, as for standard input.

    Raises UsageError for invalid lines, unless ``skip_bad_lines`` is set.
    """
    if lists.options.url_is_list:
        from downloader.cli.fetched_lists import check_lists  # here: few runs need it

        total = check_lists(lists, settings)
    else:
        total = lists.check()
    _print_notices(lists, settings)
    for error in lists.bad_lines:
        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
    if lists.bad_count and not settings.skip_bad_lines:
        word = "line" if lists.bad_count == 1 else "lines"
        raise UsageError(f"{lists.bad_count} invalid {word}, nothing was started", hint="--skip-bad-lines skips them")
    return total


def _print_notices(lists: ListReader, settings: Settings) -> None:
    """Print what was understood of the lists, once."""
    while lists.notices:
        _print_sentence(lists.notices.pop(0), settings)


def _print_sentence(text: str, settings: Settings) -> None:
    """Print a sentence for the user on standard error, unless the settings ask for quiet."""
    if settings.quiet:
        return
    if settings.progress == "json":
        from downloader.progress.lines import JsonProgress

        JsonProgress(sys.stderr).say(f"dl: {printable(text)}")
    else:
        print(f"dl: {printable(text)}", file=sys.stderr)  # noqa: T201


def _say(text: str, settings: Settings) -> None:
    if not settings.quiet:
        print(f"dl: {text}", file=sys.stderr)  # noqa: T201


def _print_json_summary(report: Report) -> None:
    import json

    fields = {
        "event": "summary",
        "strategy": report.strategy,
        "done": report.done,
        "skipped": report.skipped,
        "failed": report.failures,
        "bytes": report.received,
        "elapsed": round(report.elapsed, 6),
        "reasons": dict(report.reasons),
        "verified": report.verified,
        "without_checksum": report.without_checksum,
        "warnings": report.warnings,
        "errors": [str(error) for error in report.errors],
        "interrupted": report.interrupted,
    }
    print(json.dumps(fields), file=sys.stderr)  # noqa: T201


def _display(settings: Settings, total: int | None) -> Display:
    kind = settings.progress
    if kind == "auto":
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        kind = "none" if settings.quiet else "bar" if terminal else "plain"
    if kind == "bar":
        from downloader.progress.bars import Bars  # here: tqdm is loaded only where bars are shown

        return Bars(sys.stderr, total)
    if kind == "plain":
        from downloader.progress.lines import PlainLines

        return PlainLines(sys.stderr)
    if kind == "json":
        from downloader.progress.lines import JsonProgress

        return JsonProgress(sys.stderr)
    return _Quiet()


class _Quiet(Display):
    def say(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201
