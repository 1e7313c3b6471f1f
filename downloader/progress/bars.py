"""Progress on a terminal, with tqdm: a bar for the whole run, a line about waiting files, and up to six bars for large
files."""

import os
from typing import IO, Any

from tqdm import tqdm

from downloader.core.amounts import clock, size
from downloader.core.text import printable
from downloader.engine.stats import FileProgress, RunStats
from downloader.progress.display import Display
from downloader.progress.estimate import MIN_TRANSFER_TIME, Estimate, ProgressEstimate, WindowedRate
from downloader.progress.lines import amount, share, waiting

MAX_FILE_BARS = 6
NAME_WIDTH = 20
"""The width of a file's name, in characters."""
BAR_FORMAT = "{percentage:3.0f}%|{bar}| {desc}"
TEXT_FORMAT = "{desc}"


class _TerminalBar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # without tqdm's thread: the bars are drawn only at a sample


class Bars(Display):
    """Draws bars on ``stream``, a terminal. Names of files are escaped, because they come from the network."""

    period = 0.1

    def __init__(self, stream: IO[str], total: int | None) -> None:
        self._stream = stream
        self._estimate = Estimate()
        self._started: float | None = None
        self._total_bar = self._bar(0)
        self._waiting_bar: Any = None
        self._file_bars: list[_FileBar | None] = [None] * MAX_FILE_BARS
        self._width = self._columns()

    def _bar(self, position: int) -> Any:
        return _TerminalBar(
            file=self._stream, dynamic_ncols=True, mininterval=0, leave=False, position=position, bar_format=TEXT_FORMAT
        )

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):  # not a terminal
            return 0

    def update(self, stats: RunStats, now: float) -> None:
        if (columns := self._columns()) != self._width:
            self._width = columns
            self._stream.write("\r\x1b[J")  # the terminal has wrapped the old lines: erase them, and draw again
        progress = self._estimate.sample(stats, now)
        self._started = now if self._started is None else self._started
        total = progress.bytes_total
        text = headline(stats, progress, now - self._started)
        if total is not None:
            _draw(self._total_bar, text, min(progress.bytes_done, total), total)
        else:
            _draw(self._total_bar, text, stats.ended, stats.total)
        self._show_waiting(waiting(stats, now))
        self._show_files(stats.long_running(now), now)

    def _show_waiting(self, text: str) -> None:
        if text and self._waiting_bar is None:
            self._waiting_bar = self._bar(1)
        if text:
            _draw(self._waiting_bar, f"  {text}", 0, None)
        elif self._waiting_bar is not None:
            self._waiting_bar.close()
            self._waiting_bar = None

    def _show_files(self, moving: list[FileProgress], now: float) -> None:
        by_name = {item.name: item for item in moving}
        for slot, bar in enumerate(self._file_bars):
            if bar is not None and bar.name not in by_name:
                bar.close()
                self._file_bars[slot] = None
        shown = {bar.name for bar in self._file_bars if bar is not None}
        for item in moving:
            if item.name not in shown and None in self._file_bars:
                slot = self._file_bars.index(None)
                self._file_bars[slot] = _FileBar(item.name, self._bar(slot + 2))
        for bar in self._file_bars:
            if bar is not None:
                bar.update(by_name[bar.name], now)

    def say(self, text: str) -> None:
        _TerminalBar.write(text, file=self._stream)

    def close(self) -> None:
        for bar in (*self._file_bars, self._waiting_bar, self._total_bar):
            if bar is not None:
                bar.close()


class _FileBar:
    """The bar of one file. Its speed counts only the bytes that arrived after the creation of the bar."""

    def __init__(self, name: str, bar: Any) -> None:
        self.name = name
        self._bar = bar
        self._speed = WindowedRate()
        self._started: float | None = None

    def update(self, item: FileProgress, now: float) -> None:
        """Draw the bar. ``now``: monotonic seconds."""
        self._started = now if self._started is None else self._started
        speed = self._speed.sample(item.done, now)
        name = printable(item.name)
        short = name if len(name) <= NAME_WIDTH else f"…{name[1 - NAME_WIDTH :]}"
        parts = [share(item.done, item.size) if item.size else size(item.done)]
        if now - self._started >= MIN_TRANSFER_TIME:
            parts.append(f"{size(max(0.0, speed))}/s")
            if item.size and speed > 0:
                parts.append(f"{clock(max(0, item.size - item.done) / speed)} left")
        text = f"{short:<{NAME_WIDTH}} {', '.join(parts)}"
        if item.size:
            _draw(self._bar, text, min(item.done, item.size), item.size, "  {percentage:3.0f}%|{bar:6}| {desc}")
        else:
            _draw(self._bar, f"  {text}", 0, None)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def headline(stats: RunStats, progress: ProgressEstimate, elapsed: float) -> str:
    """``120/1000 files [0:30, 12.3 MB, 4.1 MB/s, 2:05 left, 2 failed]``. ``elapsed``: seconds since the start of the run."""
    files = f"{stats.ended}" + ("" if stats.total is None else f"/{stats.total}") + " files"
    parts = [f"{files} [{clock(elapsed)}", amount(stats, progress), f"{size(progress.speed)}/s"]
    parts += [f"{clock(progress.seconds_left)} left"] if progress.seconds_left else []  # 0: everything is complete
    parts += [f"{stats.failed} failed"] if stats.failed else []
    return ", ".join(parts) + "]"


def _draw(bar: Any, text: str, done: int, total: int | None, known: str = BAR_FORMAT) -> None:
    bar.bar_format = TEXT_FORMAT if total is None else known
    bar.total, bar.n = total, done
    bar.set_description_str(text, refresh=False)
    bar.refresh()
