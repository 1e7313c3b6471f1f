"""One progress bar for a run of the library, in a script or a notebook; tqdm detects which of the two it is."""

import sys
from contextlib import suppress
from typing import Any

from tqdm.auto import tqdm

from downloader.engine.stats import RunStats
from downloader.progress.bars import BAR_FORMAT, TEXT_FORMAT, headline
from downloader.progress.display import Display
from downloader.progress.estimate import Estimate
from downloader.progress.lines import waiting

BAR_TOTAL = 1000
"""The total of the bar.

The widget of a notebook needs its total when it is created, and the total of the run may be unknown then.
"""


class _NotebookBar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # without tqdm's thread: the bar is drawn only at a sample

    def refresh(self, nolock: bool = False, lock_args: object = None) -> None:
        """Draw the bar. tqdm's method would not release its lock, which all bars share, if the stream cannot be written."""
        if nolock:
            super().refresh(nolock=True)
        else:
            with self.get_lock():  # type: ignore[no-untyped-call]
                super().refresh(nolock=True)


class OneBar(Display):
    """Shows the share of the bytes if their total is known, else the share of the files.

    Create it in the thread of the caller, so that a notebook shows the bar below the right cell.
    """

    def __init__(self) -> None:
        self._estimate = Estimate()
        self._started: float | None = None
        self._bar: Any = None
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                self._bar = _NotebookBar(total=BAR_TOTAL, bar_format=TEXT_FORMAT, mininterval=0, dynamic_ncols=True)

    def update(self, stats: RunStats, now: float) -> None:
        if self._bar is None:
            return
        progress = self._estimate.sample(stats, now)
        self._started = now if self._started is None else self._started
        done, total = progress.bytes_done, progress.bytes_total
        if total is None:
            done, total = stats.ended, stats.total
        wait = waiting(stats, now)
        text = headline(stats, progress, now - self._started) + (f" {wait}" if wait else "")
        try:
            self._bar.bar_format = BAR_FORMAT if total else TEXT_FORMAT
            self._bar.n = min(BAR_TOTAL, BAR_TOTAL * done // total) if total else 0
            self._bar.set_description_str(text, refresh=False)
            self._bar.refresh()
        except (OSError, ValueError):
            self._bar = None  # the stream was closed; the downloads continue

    def close(self) -> None:
        if self._bar is not None:
            if self._bar.bar_format == TEXT_FORMAT:
                self._bar.total = None  # a notebook would show a bar below its total in red
            with suppress(OSError, ValueError):
                self._bar.close()
