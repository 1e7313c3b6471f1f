"""One bar for a whole run, in a script or a notebook: tqdm's own choice of the two, drawn by whoever calls `update`."""

import sys
from contextlib import suppress
from typing import Any

from tqdm.auto import tqdm

from downloader.engine.stats import RunStats
from downloader.progress.bars import KNOWN, UNKNOWN, headline
from downloader.progress.estimate import Estimate
from downloader.progress.lines import Display, waiting

FULL = 1000
"""The bar's own total: a notebook's widget learns its total when it is made, and the run may learn its own later."""


class _Bar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # no thread of tqdm's: the bar is drawn when we sample

    def refresh(self, nolock: bool = False, lock_args: object = None) -> None:
        """Draw. tqdm's own keeps its lock, which all bars of the program share, when the stream cannot be written."""
        if nolock:
            super().refresh(nolock=True)
        else:
            with self.get_lock():  # type: ignore[no-untyped-call]
                super().refresh(nolock=True)


class OneBar(Display):
    """Shows the part of the bytes that is there where their total is known, else the part of the files that have ended.

    It is to be made in the thread of the caller, so that a notebook shows it below the right cell.
    """

    def __init__(self) -> None:
        self._estimate = Estimate()
        self._began: float | None = None
        self._bar: Any = None
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                self._bar = _Bar(total=FULL, bar_format=UNKNOWN, mininterval=0, dynamic_ncols=True)

    def update(self, counters: RunStats, now: float) -> None:
        if self._bar is None:
            return
        progress = self._estimate.sample(counters, now)
        self._began = now if self._began is None else self._began
        done, total = progress.bytes_done, progress.bytes_total
        if total is None:
            done, total = counters.ended, counters.total
        wait = waiting(counters, now)
        text = headline(counters, progress, now - self._began) + (f" {wait}" if wait else "")
        try:
            self._bar.bar_format = KNOWN if total else UNKNOWN
            self._bar.n = min(FULL, FULL * done // total) if total else 0
            self._bar.set_description_str(text, refresh=False)
            self._bar.refresh()
        except (OSError, ValueError):
            self._bar = None  # nobody reads it any more; the downloads go on

    def close(self) -> None:
        if self._bar is not None:
            if self._bar.bar_format == UNKNOWN:
                self._bar.total = None  # a notebook shows a bar red that is closed below its total
            with suppress(OSError, ValueError):
                self._bar.close()
