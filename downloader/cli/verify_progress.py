"""What `dl verify` shows on a terminal meanwhile: one line, and what is left out."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from downloader.core.amounts import clock, size
from downloader.core.text import printable
from downloader.inventory.folder_files import IGNORED

DRAW_SECONDS = 0.2
"""Seconds between two drawings of the progress."""

Draw = Callable[[int, int], None]
"""Called with the numbers of files and bytes that are done; a negative number removes the line."""


class Total(NamedTuple):
    """How much there is to do; 0: not known. ``bytes``: those that are to be read."""

    files: int = 0
    bytes: int = 0


@contextmanager
def progress(total: Total = Total()) -> Iterator[Draw]:  # noqa: B008 - it is immutable
    """A function that draws the progress on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda files, count: None
        return
    from tqdm import tqdm  # here: only a terminal needs it

    started = last = time.monotonic()
    with tqdm(file=sys.stderr, leave=False, bar_format="{desc}") as bar:

        def draw(files: int, count: int) -> None:
            nonlocal last
            now = time.monotonic()
            if files < 0:
                bar.clear()
            elif now - last >= DRAW_SECONDS:
                last = now
                bar.set_description_str(progress_line(files, count, total, now - started))

        yield draw


def progress_line(files: int, count: int, total: Total, seconds: float) -> str:
    """``12 of 20 files, 1.2 GB of 3.4 GB, 500.0 MB/s, 0:04 left``. ``count``: bytes that were read."""
    rate = count / max(seconds, 1e-6)
    parts = [f"{files:,} of {total.files:,} files" if total.files else f"{files:,} files"]
    parts.append(f"{size(count)} of {size(total.bytes)}" if total.bytes else size(count))
    parts.append(f"{size(rate)}/s")
    if total.bytes and count:
        parts.append(f"{clock(max(0, total.bytes - count) / rate)} left")
    return ", ".join(parts)


class LeftOut:
    """Prints what a walk through a folder leaves out. Symbolic links and special files are only counted."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._ignored = 0

    def add(self, path: str, reason: str) -> None:
        """Print a path and why it is left out, or count it."""
        if reason in IGNORED:
            self._ignored += 1
        else:
            self._draw(-1, 0)
            click.echo(f"dl: left out: {printable(path)}: {reason}", err=True)

    def end(self) -> None:
        """Print what was counted."""
        if self._ignored:
            self._draw(-1, 0)
            one, several = "1 symbolic link or special file", f"{self._ignored:,} symbolic links and special files"
            click.echo(f"dl: left out: {one if self._ignored == 1 else several}", err=True)
