"""One lazy Source from all that a caller names: files with lists, standard input, URLs, Downloads.

A regular file is read twice: first to check and count its lines, then to fetch. What can only be read once (standard input, a
pipe, an iterator) is read by a thread, so that a slow producer does not block the run.
"""

import io
import itertools
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING

from msgspec import Struct, field

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.urls import clean_url
from downloader.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

STDIN = "-"
KEPT_ERRORS = 20
"""Errors of invalid lines that are kept; further ones are only counted."""

PUT_SECONDS = 0.2
"""Seconds after which a thread that waits for space in the queue checks whether the source was closed."""

_END = object()


class ListReader(Struct):
    """Reads lists one after the other.

    ``items``: paths of lists, ``-`` for standard input, URLs, or Downloads. ``skip_bad``: skip the invalid lines of a list
    that can only be read once, instead of raising. ``bad_lines``: the first `KEPT_ERRORS` errors of lines; ``bad_count``: how
    many there were.
    """

    items: "list[str | Path | Download]"
    skip_bad: bool = False
    bad_lines: list[UsageError] = field(default_factory=list)
    bad_count: int = 0

    def check(self) -> int | None:
        """Read every list that can be read twice, and collect the errors of its lines.

        Returns the number of Downloads; None if a list can only be read once. Raises UsageError if a list cannot be read.
        """
        count: int | None = 0
        for item in self.items:
            if isinstance(item, Download) or is_url(item):
                clean_url(item.url if isinstance(item, Download) else str(item))
                count = None if count is None else count + 1
            elif _can_be_read_once(item):
                count = None
            else:
                from downloader.sources import text  # here, and below: a single URL does not need it

                with _open(item) as stream:
                    entries = text.count_url_lines(stream)
                if entries is None:
                    from downloader.sources import text  # here, and below: a single URL does not need it

                with _open(item) as stream:
                    entries = sum(1 for _ in text.parse(text.lines_of(stream), str(item), self._note_bad_line))
                count = None if count is None else count + entries
        return count

    def _note_bad_line(self, error: UsageError) -> None:
        self.bad_count += 1
        if len(self.bad_lines) < KEPT_ERRORS:
            self.bad_lines.append(error)

    def source(self, is_paused: Callable[[], bool] | None = None) -> "BackgroundSource | Iterator[Download]":
        """The Downloads, in order; read in the background if a list can only be read once. ``is_paused``: see there."""
        if any(not isinstance(item, Download) and not is_url(item) and _can_be_read_once(item) for item in self.items):
            return BackgroundSource(self._all(), is_paused=is_paused)
        return self._all()

    def again(self) -> Iterator[Download]:
        """The Downloads a second time, if every list can be read twice: see `check`."""
        return self._all()

    def _all(self) -> Iterator[Download]:
        return itertools.chain.from_iterable(self._one(item) for item in self.items)

    def _one(self, item: "str | Path | Download") -> Iterator[Download]:
        if isinstance(item, Download):
            yield item
        elif is_url(item):
            yield Download(clean_url(str(item)))
        else:
            from downloader.sources import text

            with _open(item) as stream:
                on_bad_line = self._raise_or_note if _can_be_read_once(item) else self._ignore
                yield from text.parse(text.lines_of(stream), str(item), on_bad_line)

    def _ignore(self, error: UsageError) -> None:
        """Ignore the error: `check` has noted it."""

    def _raise_or_note(self, error: UsageError) -> None:
        if not self.skip_bad:
            raise error
        self._note_bad_line(error)


def is_url(item: "str | Path") -> bool:
    """Whether the name of a list is itself the URL of a file to fetch."""
    return isinstance(item, str) and "://" in item


def _can_be_read_once(item: "str | Path") -> bool:
    """Whether a list can be read only once: standard input, a pipe, a device."""
    if item == STDIN:
        return True
    from pathlib import Path  # here: a single URL does not need it

    try:
        mode = Path(item).stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    except OSError:
        return False


def _open(item: "str | Path", what: str = "the list") -> IO[str]:
    if item == STDIN:
        return io.TextIOWrapper(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)), "utf-8", "surrogateescape")
    from pathlib import Path

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
        raise UsageError(f"cannot read {what} {str(item)!r}: {error.strerror}", hint=_hint_for(path, what)) from None
    return io.TextIOWrapper(stream, encoding, "surrogateescape")


def _hint_for(path: "Path", what: str) -> str:
    """A hint for a list that cannot be read: the file with the most similar name, or what a list may be."""
    try:
        names = [entry.name for entry in path.parent.iterdir()] if not path.exists() else []
    except OSError:
        names = []
    import difflib  # here: few runs need it

    similar = difflib.get_close_matches(path.name, names, n=1)
    if similar:
        return f"did you mean {path.parent / similar[0]}?"
    return "a LIST is a file, - or a URL that begins with http:// or https://" if what == "the list" else ""


class BackgroundSource:
    """An iterator that never blocks: a thread reads ``source``, and None means that no Download is available now.

    ``read_ahead``: Downloads that the thread reads in advance at most. ``is_paused``: while this returns True, None is
    returned. An exception of the source ends the iteration, and is in ``error`` afterwards.
    """

    def __init__(self, source: Iterator[Download], read_ahead: int = 1024, is_paused: Callable[[], bool] | None = None) -> None:
        self._is_paused = is_paused
        self.error: Exception | None = None
        import queue  # here, and below: only this class needs it

        self._queue: queue.Queue[object] = queue.Queue(read_ahead)
        self._closed = False
        self._thread = threading.Thread(target=self._read, args=(source,), name="dl-source", daemon=True)
        self._thread.start()

    def _read(self, source: Iterator[Download]) -> None:
        try:
            for download in source:
                self._put(download)
                if self._closed:
                    return
        except Exception as error:  # noqa: BLE001 - a caller's iterator may raise anything; the caller gets it
            self.error = error
        finally:
            self._put(_END)

    def _put(self, item: object) -> None:
        import queue

        while not self._closed:
            try:
                self._queue.put(item, timeout=PUT_SECONDS)
                return
            except queue.Full:
                continue

    def close(self) -> None:
        """Stop reading the source."""
        self._closed = True

    def __iter__(self) -> Iterator[Download | None]:
        return self

    def __next__(self) -> Download | None:
        if self._is_paused is not None and self._is_paused():
            return None
        if self._queue.empty():  # nobody else takes from it
            return None
        item = self._queue.get_nowait()
        if item is _END:
            self._queue.put(_END)
            raise StopIteration
        assert isinstance(item, Download)  # noqa: S101 - nothing else is put in
        return item


def pausable(source: Iterator[Download], is_paused: Callable[[], bool]) -> Iterator[Download | None]:
    """The same Downloads; None instead, while ``is_paused`` returns True."""
    for download in source:
        while is_paused():
            yield None
        yield download


def from_values(values: Iterable[str | Download]) -> Iterator[Download]:
    """A caller's URLs and Downloads as Downloads. Raises UsageError for another type, and for a Download with a wrong field."""
    from downloader.sources.checked_values import checked_download  # here: the command does not need it

    for value in values:
        if isinstance(value, Download):
            yield checked_download(value)
        elif isinstance(value, str):
            yield Download(clean_url(value))
        else:
            raise UsageError(f"neither a URL nor a Download: {type(value).__name__}")


def read_checksums(path: str) -> dict[str, Checksum]:
    """The checksums of the file at ``path``, by file name. Raises UsageError."""
    from downloader.core.names.checksum_lines import parse_checksums  # here: few runs need it
    from downloader.sources.text import lines_of

    with _open(path, "the checksums") as stream:
        return parse_checksums(lines_of(stream), path)
