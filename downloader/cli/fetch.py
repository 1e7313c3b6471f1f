"""The default command: fetch lists, show how it goes, say what came of it."""

import itertools
import logging
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from downloader.cli.output import name_only
from downloader.cli.signals import Signals
from downloader.core.model import End, Outcome, Result, Status
from downloader.core.names.exists_policy import ON_EXISTS
from downloader.core.names.file_names import numbered
from downloader.core.names.urls import public_url
from downloader.core.report import Report
from downloader.core.text import printable
from downloader.errors import DownloadError, UsageError
from downloader.progress.lines import Display, JsonProgress, PlainLines
from downloader.reports.outputs import FailedList, JsonLines, Traces
from downloader.reports.summary import complaint, summary
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from downloader.sources.lists import STDIN, Lists, is_url
from downloader.storage.part import PartFile

LOG = logging.getLogger("downloader")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    lists: tuple[str, ...]
    settings: Settings
    dry_run: bool = False
    output: str | None = None
    file: str = ""  # the configuration that was read
    passed_over: tuple[str, ...] = ()  # a sentence for each unknown environment variable


def fetch(request: Request) -> int:
    """Do it. The exit code. Raises DownloadError for what is wrong before anything starts."""
    settings = request.settings
    _tell_origins(request)
    _keep_apart(request)
    if settings.process and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where the user's own module is, as likely as not
    lists = Lists(list(request.lists), settings.skip_bad_lines)
    _tell_of_terminal(request)
    total = _checked(lists, settings)
    if total == 0:
        _say("nothing to do: the list is empty", settings)
        return 0
    if request.output is not None:
        name_only(lists, total, request.output)
    report, again = Report(keep=False, keep_failed=5), None if total is None else lists.again
    if request.dry_run:
        return _dry_run(DownloadRun(settings, lists.source(), total, _print_unfetched, report, False, again=again))
    with ExitStack() as stack:
        sinks, traces = _sinks(settings, stack)

        def on_result(result: Result) -> None:
            for sink in sinks:
                sink.add(result)

        traced = traces[0].add if traces else None
        session = DownloadRun(settings, lists.source(), total, on_result, report, on_attempt=traced, again=again)
        display = _display(settings, total)
        stack.callback(display.close)
        stack.enter_context(_logging(request, display))
        if session.notice:
            display.say(f"dl: {session.notice}")

        def stop() -> None:
            session.stop()
            display.say(f"dl: stopping: running files get up to {settings.grace:g} s to end; once more ends at once")

        def flush() -> None:
            for sink in (*sinks, *traces):
                sink.flush()

        def abort() -> None:
            flush()
            display.close()
            print("dl: ended at once: run the same command again to go on from here", file=sys.stderr)  # noqa: T201

        with Signals(stop, abort) as signals:
            session.start()
            full = False
            while not session.wait(display.period):
                if session.stats.full and not full:
                    display.say("dl: the disk is full: waiting for space; Ctrl-C ends the run")
                full = session.stats.full
                display.update(session.stats, time.monotonic())
                flush()
        display.close()
        return _conclude(session, settings, lists, signals.exit_code, sinks)


def _tell_of_terminal(request: Request) -> None:
    """Else nobody knows that the program waits for a list to be typed."""
    if STDIN in request.lists and sys.stdin is not None and sys.stdin.isatty():
        _say("reading URLs from the terminal, one a line; Ctrl-D ends the list", request.settings)


def _tell_origins(request: Request) -> None:
    """Which configuration was read; before a dry run, which logs nothing, also which variables are passed over."""
    settings = request.settings
    said = [f"settings from {request.file}"] if request.file and not settings.quiet else []
    said += request.passed_over if settings.verbose and request.dry_run else ()
    for text in said:
        if settings.progress == "json":
            JsonProgress(sys.stderr).say(f"dl: {printable(text)}")
        else:
            print(f"dl: {printable(text)}", file=sys.stderr)  # noqa: T201


def _sinks(settings: Settings, stack: ExitStack) -> tuple[list[JsonLines | FailedList], list[Traces]]:
    """The files that are to be written, open: what takes Results, and what takes Outcomes."""
    sinks: list[JsonLines | FailedList] = []
    if settings.report:
        sinks.append(stack.enter_context(JsonLines(settings.report, settings.dir, settings.process)))
    if settings.failed:
        sinks.append(stack.enter_context(FailedList(settings.failed)))
    return sinks, [stack.enter_context(Traces(settings.trace))] if settings.trace else []


def _keep_apart(request: Request) -> None:
    """Raises UsageError where what is to be written would destroy what is to be read, or two outputs would be one file."""
    settings = request.settings
    files = [("the list", name) for name in request.lists if name != STDIN and not is_url(name)]
    files += [("--checksums", settings.checksums), ("--netrc-file", settings.netrc_file), ("--cookies", settings.cookies)]
    seen = {os.path.realpath(name): what for what, name in files if name}
    named = [("-o", os.path.join(os.path.expanduser(settings.dir), request.output))] if request.output else []
    for what, name in (*named, *_outputs(settings)):
        if name and name != STDIN:
            other = seen.setdefault(os.path.realpath(name), what)
            if other != what:
                raise UsageError(f"{other} and {what} are the same file: {name}", hint="give another name")


def _outputs(settings: Settings) -> list[tuple[str, str]]:
    names = ("report", "failed", "trace", "log_file")
    return [(f"--{name.replace('_', '-')}", getattr(settings, name)) for name in names]


def _conclude(
    session: DownloadRun, settings: Settings, lists: Lists, interrupted: int | None, sinks: list[JsonLines | FailedList]
) -> int:
    report = session.report
    for sink in sinks:
        if isinstance(sink, JsonLines):
            sink.complete = session.error is None and not report.interrupted
    told = settings.quiet or report.interrupted or report.done + report.skipped + report.failures > 0
    if settings.progress == "json":
        told = False
        _print_json_summary(report)
    elif not settings.quiet and (report.interrupted or report.done + report.skipped + report.failures):
        text = summary(report, total=session.stats.total, unprocessed=_unprocessed(report, settings, sinks))
        print(text, file=sys.stderr)  # noqa: T201
    elif settings.quiet and (report.failures or report.errors or report.ended_by is not None):
        print(complaint(report, total=session.stats.total), file=sys.stderr)  # noqa: T201
    if session.error is not None and not isinstance(session.error, DownloadError):  # a mistake of ours
        return 1
    if interrupted is not None:
        return interrupted
    if isinstance(session.error, DownloadError):
        if told:  # by the summary
            return session.error.exit_code
        raise session.error
    if report.done + report.skipped + report.failures == 0 and not report.interrupted:
        _say("nothing to do: the list is empty", settings)
    if lists.bad_count:
        _say(f"{lists.bad_count} bad lines were passed over", settings)
    return report.exit_code


def _unprocessed(report: Report, settings: Settings, sinks: list[JsonLines | FailedList]) -> str:
    """What is said of files that were there already, and so were not processed; with a report, of those that never were."""
    if not settings.process:
        return ""
    known = [sink.unprocessed for sink in sinks if isinstance(sink, JsonLines)]
    count = known[0] if known else report.reasons["skipped: exists"] + report.reasons["skipped: not modified"]
    if not count:
        return ""
    if known:
        return f"{count} never processed: they were there already (--on-exists overwrite fetches them again)"
    return f"{count} not processed by this run: they were there already (--report keeps what is known of them)"


def _checked(lists: Lists, settings: Settings) -> int | None:
    total = lists.check()
    for error in lists.bad_lines:
        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
    if lists.bad_count and not settings.skip_bad_lines:
        word = "line" if lists.bad_count == 1 else "lines"
        raise UsageError(f"{lists.bad_count} bad {word}, nothing was started", hint="--skip-bad-lines goes on past them")
    return total


def _say(text: str, settings: Settings) -> None:
    if not settings.quiet:
        print(f"dl: {text}", file=sys.stderr)  # noqa: T201


def _print_json_summary(report: Report) -> None:
    import json

    about = {
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
    print(json.dumps(about), file=sys.stderr)  # noqa: T201


def _display(settings: Settings, total: int | None) -> Display:
    kind = settings.progress
    if kind == "auto":
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        kind = "none" if settings.quiet else "bar" if terminal else "plain"
    if kind == "bar":
        from downloader.progress.bars import Bars  # here: tqdm is only loaded to be seen

        return Bars(sys.stderr, total)
    if kind == "plain":
        return PlainLines(sys.stderr)
    if kind == "json":
        return JsonProgress(sys.stderr)
    return _Quiet()


class _Quiet(Display):
    def say(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201


class _DisplayHandler(logging.Handler):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.say(self.format(record))


class _logging:  # noqa: N801 - used as a function: `with _logging(...)`
    """While entered, log lines go where the settings say. What is secret was taken out where the lines are made."""

    def __init__(self, request: Request, display: Display) -> None:
        settings = request.settings
        self._first = request.passed_over
        self._handlers: list[logging.Handler] = []
        if settings.verbose:
            self._handlers.append(_DisplayHandler(display))
        if settings.log_file:
            try:
                self._handlers.append(logging.FileHandler(settings.log_file, encoding="utf-8", errors="backslashreplace"))
            except OSError as error:
                raise UsageError(f"cannot write --log-file {settings.log_file}: {error.strerror}") from None

    def __enter__(self) -> None:
        for handler in self._handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            LOG.addHandler(handler)
        if self._handlers:
            LOG.setLevel(logging.INFO)
            for text in self._first:
                LOG.info("%s", text)

    def __exit__(self, *details: object) -> None:
        for handler in self._handlers:
            LOG.removeHandler(handler)
            handler.close()
        LOG.setLevel(logging.NOTSET)


def _dry_run(session: DownloadRun) -> int:
    """Print what would be fetched and where to: one line for each Download, on standard output."""
    run = session.run
    while not run.finished:
        batch = run.take()
        for attempt in batch:
            path, size = attempt.path, PartFile(run.context.folder, attempt.path, attempt.source).held().size
            verb = f"resume at {size}" if size else "ask, then fetch" if attempt.probe else "fetch"
            for number in itertools.count(1) if ON_EXISTS[run.context.config.on_exists].numbers else ():
                if run.context.folder.look(path) is None:
                    break
                path = numbered(attempt.path, number)
            if not attempt.kept:
                _print_fate(verb, public_url(attempt.url), path)
            run.settle((Outcome(attempt.key, End.NOT_MODIFIED),))
        if not batch:
            time.sleep(run.wait())
    if session.source_error is not None:
        raise session.source_error
    return 0


def _print_unfetched(result: Result) -> None:
    if result.status is Status.SKIPPED and result.reason != End.NOT_MODIFIED.value:
        _print_fate(f"skip ({result.reason})", result.url, result.path)
    elif result.status is Status.FAILED:
        _print_fate(f"refuse ({result.error.reason if result.error else ''})", result.url, result.path)


def _print_fate(verb: str, url: str, path: str) -> None:
    print(f"{verb}\t{printable(url)}\t{printable(path)}")  # noqa: T201
