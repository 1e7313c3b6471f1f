"""Progress on a terminal, with tqdm: one bar for all, a line for what waits, and up to six bars for files that take longer."""

import os
from typing import IO, Any

from tqdm import tqdm

from downloader.core.amounts import clock, size
from downloader.core.text import printable
from downloader.engine.stats import FileProgress, RunStats
from downloader.progress.estimate import SETTLED, Estimate, Progress, Speed
from downloader.progress.lines import Display, amount, share, waiting

MOST = 6
NAME_WIDTH = 20
KNOWN = "{percentage:3.0f}%|{bar}| {desc}"
UNKNOWN = "{desc}"


class _Bar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # no thread that wakes bars by itself: they are drawn when we sample


class Bars(Display):
    """Draws on ``stream``, a terminal. Names are escaped: they come from the network."""

    period = 0.1

    def __init__(self, stream: IO[str], total: int | None) -> None:
        self._stream = stream
        self._estimate = Estimate()
        self._began: float | None = None
        self._all = self._bar(0)
        self._note: Any = None
        self._files: list[_FileBar | None] = [None] * MOST
        self._width = self._columns()

    def _bar(self, position: int) -> Any:
        return _Bar(file=self._stream, dynamic_ncols=True, mininterval=0, leave=False, position=position, bar_format=UNKNOWN)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):  # it is no terminal
            return 0

    def update(self, counters: RunStats, now: float) -> None:
        if (columns := self._columns()) != self._width:
            self._width = columns
            self._stream.write("\r\x1b[J")  # the terminal has wrapped the lines that are there: they are drawn anew
        progress = self._estimate.sample(counters, now)
        self._began = now if self._began is None else self._began
        total = progress.bytes_total
        text = headline(counters, progress, now - self._began)
        if total is not None:
            _draw(self._all, text, min(progress.bytes_done, total), total)
        else:
            _draw(self._all, text, counters.ended, counters.total)
        self._show_waiting(waiting(counters, now))
        self._show_files(counters.long_running(now), now)

    def _show_waiting(self, text: str) -> None:
        if text and self._note is None:
            self._note = self._bar(1)
        if text:
            _draw(self._note, f"  {text}", 0, None)
        elif self._note is not None:
            self._note.close()
            self._note = None

    def _show_files(self, moving: list[FileProgress], now: float) -> None:
        by_name = {item.name: item for item in moving}
        for at, bar in enumerate(self._files):
            if bar is not None and bar.name not in by_name:
                bar.close()
                self._files[at] = None
        shown = {bar.name for bar in self._files if bar is not None}
        for item in moving:
            if item.name not in shown and None in self._files:
                at = self._files.index(None)
                self._files[at] = _FileBar(item.name, self._bar(at + 2))
        for bar in self._files:
            if bar is not None:
                bar.update(by_name[bar.name], now)

    def say(self, text: str) -> None:
        _Bar.write(text, file=self._stream)

    def close(self) -> None:
        for bar in (*self._files, self._note, self._all):
            if bar is not None:
                bar.close()


class _FileBar:
    """The bar of one file. Its speed is of what has come since the bar is there, and not of what was there before."""

    def __init__(self, name: str, bar: Any) -> None:
        self.name = name
        self._bar = bar
        self._speed = Speed()
        self._began: float | None = None

    def update(self, item: FileProgress, now: float) -> None:
        """Draw it."""
        self._began = now if self._began is None else self._began
        speed = self._speed.sample(item.done, now)
        name = printable(item.name)
        short = name if len(name) <= NAME_WIDTH else f"…{name[1 - NAME_WIDTH :]}"
        parts = [share(item.done, item.size) if item.size else size(item.done)]
        if now - self._began >= SETTLED:
            parts.append(f"{size(max(0.0, speed))}/s")
            if item.size and speed > 0:
                parts.append(f"{clock(max(0, item.size - item.done) / speed)} left")
        text = f"{short:<{NAME_WIDTH}} {', '.join(parts)}"
        if item.size:
            _draw(self._bar, text, min(item.done, item.size), item.size, "  {percentage:3.0f}%|{bar:6}| {desc}")
        else:
            _draw(self._bar, f"  {text}", 0, None)

    def close(self) -> None:
        """Show it no more."""
        self._bar.close()


def headline(counters: RunStats, progress: Progress, passed: float) -> str:
    """``120/1000 files [0:30, 12.3 MB, 4.1 MB/s, 2:05 left, 2 failed]``. ``passed``: seconds since the run began."""
    files = f"{counters.ended}" + ("" if counters.total is None else f"/{counters.total}") + " files"
    parts = [f"{files} [{clock(passed)}", amount(counters, progress), f"{size(progress.speed)}/s"]
    parts += [f"{clock(progress.seconds_left)} left"] if progress.seconds_left else []  # 0: all is there
    parts += [f"{counters.failed} failed"] if counters.failed else []
    return ", ".join(parts) + "]"


def _draw(bar: Any, text: str, done: int, total: int | None, known: str = KNOWN) -> None:
    bar.bar_format = UNKNOWN if total is None else known
    bar.total, bar.n = total, done
    bar.set_description_str(text, refresh=False)
    bar.refresh()
