"""What a display of the progress is."""

from downloader.engine.stats import RunStats


class Display:
    """The base class of the displays; it shows nothing. ``period``: seconds between two calls of `update`."""

    period = 0.2

    def update(self, stats: RunStats, now: float) -> None:
        """Show the current progress. ``now``: monotonic seconds."""

    def say(self, text: str) -> None:
        """Print a line of text beside the progress."""

    def close(self) -> None:
        """Remove the display."""
