"""``--on-complete``: the commands of one run of `dl`."""

import os
import sys
import time
from collections.abc import Iterator

from downloader.core.model import Download, Result
from downloader.core.report import Report
from downloader.errors import ProcessError
from downloader.progress.display import Display
from downloader.runs.completion_command import CompletionCommand
from downloader.runs.hooks import CompletionHooks
from downloader.settings.definitions import Settings
from downloader.sources.background import BackgroundSource, pausable
from downloader.sources.lists import ListReader

QUIET_SECONDS = 1.0
"""Seconds that the end of the run waits for commands before it says so."""


class OnComplete:
    """Runs the command of ``--on-complete`` for each file of a run that is done.

    What commands write to standard output goes to that of `dl`, unless this is a terminal, where it would disturb the display,
    or has a report (``is_stdout_used``). Raises UsageError if the command cannot be run.
    """

    def __init__(self, settings: Settings, is_stdout_used: bool) -> None:
        root = os.path.realpath(os.path.expanduser(settings.dir))
        shares_stdout = not is_stdout_used and sys.stdout is not None and not sys.stdout.isatty()
        self._hooks = CompletionHooks(CompletionCommand(settings.on_complete), root, shares_stdout)
        self._grace = settings.grace
        self._stopped = False

    def is_paused(self) -> bool:
        """Whether so many files wait for their command that no further file is to be fetched."""
        return self._hooks.is_paused()

    def source(self, lists: ListReader) -> Iterator[Download | None]:
        """The Downloads of the lists; None while many files wait for their command."""
        source = lists.source(self._hooks.is_paused)
        return source if isinstance(source, BackgroundSource) else pausable(source, self._hooks.is_paused)

    def add(self, result: Result) -> None:
        """Run the command for the file, if it is done."""
        self._hooks.add(result)

    def show_output(self, display: Display) -> None:
        """Let the display show what commands write."""
        self._hooks.say = display.say

    def stop(self) -> None:
        """End the commands within the grace time."""
        self._stopped = True
        self._hooks.stop(self._grace)

    def abort(self) -> None:
        """End the commands at once."""
        self._hooks.abort()

    def wait(self, display: Display) -> None:
        """Wait until all commands have ended, when all files have. Say so if it takes long."""
        say_at = time.monotonic() + QUIET_SECONDS
        while not self._hooks.wait(display.period):
            if time.monotonic() > say_at and not self._stopped:
                say_at = float("inf")
                count = self._hooks.unfinished
                word = "command" if count == 1 else "commands"
                display.say(f"dl: waiting for {count} {word} of --on-complete; Ctrl-C ends them")

    def conclude(self, report: Report) -> list[str]:
        """Let failures of commands show in the exit code. Returns lines about them for the summary."""
        if self._hooks.failures or self._hooks.unrun:
            report.error_classes.add(ProcessError)
        return self._hooks.summary()

    def figures(self) -> dict[str, object]:
        """What the JSON summary says about the commands."""
        hooks = self._hooks
        return {"commands_failed": hooks.failures, "commands_not_run": hooks.unrun, "command_errors": hooks.failed}
