"""What a display of the progress is, and which one the settings ask for."""

import os
import sys

from downloader.engine.stats import RunStats
from downloader.settings.definitions import Settings


class Display:
    """The base class of the displays; it shows nothing. ``period``: seconds between two calls of `update`."""

    period = 0.2

    def update(self, stats: RunStats, now: float) -> None:
        """Show the current progress. ``now``: monotonic seconds."""

    def say(self, text: str) -> None:
        """Print a line of text beside the progress."""

    def close(self) -> None:
        """Remove the display."""


class NoDisplay(Display):
    """Shows no progress, but prints the lines of text."""

    def say(self, text: str) -> None:
        """Print a line of text to standard error."""
        print(text, file=sys.stderr)  # noqa: T201


def display_for(settings: Settings, total: int | None) -> Display:
    """The display of a run of the command. ``total``: entries of the list; None if unknown."""
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
    return NoDisplay()
