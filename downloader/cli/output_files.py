"""The files that the default command writes beside the downloads: ``--report``, ``--manifest``, ``--failed``, ``--trace``."""

import os
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from downloader.core.text import printable
from downloader.errors import UsageError
from downloader.settings.definitions import Settings
from downloader.sources.formats import STDIN, is_url

if TYPE_CHECKING:  # each is imported where a run needs it
    from downloader.reports.manifest import Manifest
    from downloader.reports.outputs import FailedList, Traces
    from downloader.reports.report_file import ReportFile


class OutputFiles:
    """The files that a run writes, open until the end of the stack; no file or one of each kind.

    ``whole_list``: the run has every file of its list, and not only those that failed before.
    """

    def __init__(self, settings: Settings, stack: ExitStack, whole_list: bool) -> None:
        self.reports: list[ReportFile] = []
        self.manifests: list[Manifest] = []
        self.failed: list[FailedList] = []
        self.traces: list[Traces] = []
        self._whole_list = whole_list
        if settings.report:
            from downloader.reports import report_file

            self.reports.append(stack.enter_context(report_file.ReportFile(settings.report, settings.dir, settings.process)))
        if settings.manifest:
            from downloader.reports import manifest

            wait = _say_that_it_waits if settings.on_busy == "wait" else None
            say = partial(_say_what_is_damaged, settings.manifest)
            file = manifest.Manifest(settings.manifest, settings.dir, settings.process, on_wait=wait, on_bad_rows=say)
            self.manifests.append(stack.enter_context(file))
        if settings.failed or settings.trace:
            from downloader.reports import outputs

            if settings.failed:
                self.failed.append(stack.enter_context(outputs.FailedList(settings.failed)))
            if settings.trace:
                self.traces.append(stack.enter_context(outputs.Traces(settings.trace)))

    @property
    def of_results(self) -> "list[ReportFile | Manifest | FailedList]":
        """The files that each Result is added to."""
        return [*self.reports, *self.manifests, *self.failed]

    def flush(self) -> None:
        """Write what is buffered."""
        for file in self.of_results:
            file.flush()
        for trace in self.traces:
            trace.flush()

    def set_complete(self, complete: bool) -> None:
        """``complete``: the run came to its end, so that each of its files had a Result."""
        for report in self.reports:
            report.complete = complete and self._whole_list
        for manifest in self.manifests:
            manifest.complete = complete and self._whole_list


def _say_that_it_waits() -> None:
    print("dl: another run writes the same manifest: waiting for its end", file=sys.stderr)  # noqa: T201


def _say_what_is_damaged(manifest: str, count: int) -> None:
    what = "1 damaged row is left out" if count == 1 else f"{count} damaged rows are left out"
    print(f"dl: {printable(manifest)}: {what}", file=sys.stderr)  # noqa: T201


def check_distinct_files(lists: tuple[str, ...], settings: Settings, output: str | None) -> None:
    """Raises UsageError where an output would overwrite an input, or where two outputs are the same file.

    ``output``: the argument of ``-o``.
    """
    files = [("the list", name) for name in lists if name != STDIN and not is_url(name)]
    files += [("--checksums", settings.checksums), ("--netrc-file", settings.netrc_file), ("--cookies", settings.cookies)]
    seen = {os.path.realpath(name): what for what, name in files if name}
    named = [("-o", os.path.join(os.path.expanduser(settings.dir), output))] if output else []
    for what, name in (*named, *outputs_of(settings)):
        if name and name != STDIN:
            other = seen.setdefault(os.path.realpath(name), what)
            if other != what:
                raise UsageError(f"{other} and {what} are the same file: {name}", hint="give another name")


def outputs_of(settings: Settings) -> list[tuple[str, str]]:
    """The options that name a file to write, each with its value."""
    names = ("report", "manifest", "failed", "trace", "log_file")
    return [(f"--{name.replace('_', '-')}", getattr(settings, name)) for name in names]
