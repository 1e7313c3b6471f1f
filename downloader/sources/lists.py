"""What a caller names as lists, put together as one lazy Source.

A regular file is read twice: once to see that every line is good (and to count), once to fetch. What cannot be read twice
(standard input, a pipe, any iterator) is read by a thread of its own, so that a slow producer holds nobody up.
"""

import difflib
import io
import itertools
import queue
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from downloader.core.model import Checksum, Download
from downloader.core.names.urls import clean_url
from downloader.errors import UsageError
from downloader.sources import text

STDIN = "-"
_END = object()


@dataclass(slots=True)
class Lists:
    """Lists as they were named: files, ``-``, URLs themselves, or Downloads. ``skip_bad``: go on past wrong lines."""

    items: list[str | Path | Download]
    skip_bad: bool = False
    bad_lines: list[UsageError] = field(default_factory=list)
    bad_count: int = 0

    def check(self, most: int = 20) -> int | None:
        """Read what can be read twice, to the end. How many Downloads there are; None where that cannot be known.

        Raises UsageError for a list that cannot be read. Wrong lines are counted, the first ``most`` kept in ``bad_lines``.
        """
        count: int | None = 0
        for item in self.items:
            if isinstance(item, Download) or is_url(item):
                clean_url(item.url if isinstance(item, Download) else str(item))
                count = None if count is None else count + 1
            elif _is_live(item):
                count = None
            else:
                with _open(item) as stream:
                    found = sum(1 for _ in text.parse(text.lines_of(stream), str(item), lambda error: self._note(error, most)))
                count = None if count is None else count + found
        return count

    def _note(self, error: UsageError, most: int) -> None:
        self.bad_count += 1
        if len(self.bad_lines) < most:
            self.bad_lines.append(error)

    def source(self, hold: Callable[[], bool] | None = None) -> "BackgroundSource | Iterator[Download]":
        """The Downloads, in order. ``hold``: see `BackgroundSource`; for a list that cannot be read twice."""
        if any(not isinstance(item, Download) and not is_url(item) and _is_live(item) for item in self.items):
            return BackgroundSource(self._all(), hold=hold)
        return self._all()

    def again(self) -> Iterator[Download]:
        """The Downloads once more, where all of it can be read twice: see `check`."""
        return self._all()

    def _all(self) -> Iterator[Download]:
        return itertools.chain.from_iterable(self._one(item) for item in self.items)

    def _one(self, item: str | Path | Download) -> Iterator[Download]:
        if isinstance(item, Download):
            yield item
        elif is_url(item):
            yield Download(clean_url(str(item)))
        else:
            with _open(item) as stream:
                live = _is_live(item)
                yield from text.parse(text.lines_of(stream), str(item), self._bad_live if live else self._pass_over)

    def _pass_over(self, error: UsageError) -> None:
        """A regular file's wrong lines were told by `check`."""

    def _bad_live(self, error: UsageError) -> None:
        if not self.skip_bad:
            raise error
        self._note(error, 20)


def is_url(item: str | Path) -> bool:
    """Whether a list's name is in truth a URL."""
    return isinstance(item, str) and "://" in item


def _is_live(item: str | Path) -> bool:
    if item == STDIN:
        return True
    try:
        mode = Path(item).stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    except OSError:
        return False


def _open(item: str | Path, what: str = "the list") -> IO[str]:
    if item == STDIN:
        return io.TextIOWrapper(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)), "utf-8", "surrogateescape")
    path = Path(item)
    try:
        stream = path.open("rb")
        encoding = "utf-8"
        if stat.S_ISREG(path.stat().st_mode):
            encoding = "utf-16" if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
            stream.seek(0)
        elif path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
    except OSError as error:
        raise UsageError(f"cannot read {what} {str(item)!r}: {error.strerror}", hint=_near(path, what)) from None
    return io.TextIOWrapper(stream, encoding, "surrogateescape")


def _near(path: Path, what: str) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()] if not path.exists() else []
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f"did you mean {path.parent / near[0]}?"
    return "a LIST is a file, - or a URL that begins with http:// or https://" if what == "the list" else ""


class BackgroundSource:
    """An iterator that never waits: a thread reads ``source``; None means that nothing is there at the moment.

    An error in the source ends the iteration and stands in ``error`` afterwards. ``hold``: whether to hand out nothing now.
    """

    def __init__(self, source: Iterator[Download], ahead: int = 1024, hold: Callable[[], bool] | None = None) -> None:
        self._hold = hold
        self.error: Exception | None = None
        self._queue: queue.Queue[object] = queue.Queue(ahead)
        self._closed = False
        self._thread = threading.Thread(target=self._read, args=(source,), name="dl-source", daemon=True)
        self._thread.start()

    def _read(self, source: Iterator[Download]) -> None:
        try:
            for download in source:
                self._put(download)
                if self._closed:
                    return
        except Exception as error:  # noqa: BLE001 - whatever a caller's iterator raises is told to that caller
            self.error = error
        finally:
            self._put(_END)

    def _put(self, item: object) -> None:
        while not self._closed:
            try:
                self._queue.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def close(self) -> None:
        """Read no further."""
        self._closed = True

    def __iter__(self) -> Iterator[Download | None]:
        return self

    def __next__(self) -> Download | None:
        if self._hold is not None and self._hold():
            return None
        try:
            item = self._queue.get_nowait()
        except queue.Empty:
            return None
        if item is _END:
            self._queue.put(_END)
            raise StopIteration
        assert isinstance(item, Download)  # noqa: S101 - nothing else is put in
        return item


def held(source: Iterator[Download], hold: Callable[[], bool]) -> Iterator[Download | None]:
    """The same Downloads, but nothing (None) at the moments at which ``hold`` says so."""
    for download in source:
        while hold():
            yield None
        yield download


def from_values(values: Iterable[str | Download]) -> Iterator[Download]:
    """A caller's URLs and Downloads as Downloads. Raises UsageError for what is neither, and for a Download that cannot be."""
    from downloader.sources.checked_values import checked  # here: the command has no use for it

    for value in values:
        if isinstance(value, Download):
            yield checked(value)
        elif isinstance(value, str):
            yield Download(clean_url(value))
        else:
            raise UsageError(f"neither a URL nor a Download: {type(value).__name__}")


def read_sums(path: str) -> dict[str, Checksum]:
    """The checksums file at ``path``. Raises UsageError."""
    with _open(path, "the checksums") as stream:
        return text.parse_sums(text.lines_of(stream), path)
