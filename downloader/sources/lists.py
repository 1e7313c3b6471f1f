"""One lazy Source from all that a caller names: files with lists, standard input, URLs, Downloads.

A regular file is read twice: first to check and count its entries, then to fetch. What can only be read once (standard input, a
pipe, an iterator) is read by a thread, so that a slow producer does not block the run.
"""

import itertools
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.urls import clean_url, public_url
from downloader.errors import UsageError
from downloader.sources.background import BackgroundSource
from downloader.sources.formats import DEFAULT_OPTIONS, STDIN, ListOptions, OnBadLine, is_url, reader_of

if TYPE_CHECKING:
    from pathlib import Path

    from downloader.sources.streams import OpenedList

KEPT_ERRORS = 20
"""Errors of invalid lines that are kept; further ones are only counted."""


class ListReader(Struct):
    """Reads lists one after the other.

    ``items``: paths of lists, ``-`` for standard input, URLs, or Downloads. ``skip_bad``: skip the invalid entries of a list
    that can only be read once, instead of raising. ``options``: how the lists are read. ``bad_lines``: the first `KEPT_ERRORS`
    errors of entries; ``bad_count``: how many there were. ``notices``: what was understood of the lists, in sentences.
    """

    items: "list[str | Path | Download]"
    skip_bad: bool = False
    options: ListOptions = DEFAULT_OPTIONS
    bad_lines: list[UsageError] = field(default_factory=list)
    bad_count: int = 0
    notices: list[str] = field(default_factory=list)

    def check(self) -> int | None:
        """Read every list that can be read twice, and collect the errors of its entries.

        Returns the number of Downloads; None if a list can only be read once. Raises DownloadError if a list cannot be read.
        """
        count: int | None = 0
        for item in self._items():
            if isinstance(item, Download):
                clean_url(item.url)
                count = None if count is None else count + 1
            elif self._is_file_url(item):
                entries = self._count_urls(str(item))
                count = None if count is None else count + entries
            elif _can_be_read_once(item):
                count = None
            else:
                entries = self._count(item)
                count = None if count is None else count + entries
        return count

    def _count(self, item: "str | Path") -> int:
        """The number of good entries of a list."""
        opened = self._open(item)
        if opened.format == "text" and not self.options.links:
            from downloader.sources import streams, text  # here: a single URL does not need them

            if self.options.expand:
                from downloader.sources import expansion  # here, and below: few runs need it

                lines = text.lines_of(streams.decoded(opened.stream))
                return expansion.count(text.parse(lines, _name_of(item), self._note_bad_line, True), self._note_bad_line)
            with streams.decoded(opened.stream) as stream:
                entries = text.count_url_lines(stream)
            if entries is not None:
                return entries
            opened = self._open(item)
        with opened.stream:
            return sum(1 for _ in self._read(item, opened, self._note_bad_line, self._note))

    def _count_urls(self, url: str) -> int:
        """How many URLs a URL of the caller stands for. Raises UsageError."""
        if not self.options.expand:
            clean_url(url)
            return 1
        from downloader.sources import expansion

        return expansion.count_urls([url])

    def _downloads_of_url(self, url: str) -> Iterator[Download]:
        if not self.options.expand:
            return iter((Download(clean_url(url)),))
        from downloader.sources import expansion

        return expansion.expanded_urls([url])

    def _items(self) -> "Iterator[str | Path | Download]":
        """The items; if URLs are those of lists, with patterns expanded."""
        if not (self.options.expand and self.options.url_is_list):
            return iter(self.items)
        from downloader.sources import expansion

        return expansion.expanded_items(self.items)

    def _is_file_url(self, item: "str | Path") -> bool:
        """Whether the item is the URL of a file to fetch, and not of a list."""
        return is_url(item) and not self.options.url_is_list

    def _note_bad_line(self, error: UsageError) -> None:
        self.bad_count += 1
        if len(self.bad_lines) < KEPT_ERRORS:
            self.bad_lines.append(error)

    def _note(self, sentence: str) -> None:
        self.notices.append(sentence)

    def source(self, is_paused: Callable[[], bool] | None = None) -> BackgroundSource | Iterator[Download]:
        """The Downloads, in order; read in the background if a list can only be read once. ``is_paused``: see there."""
        if any(not isinstance(item, Download) and _can_be_read_once(item) for item in self.items):
            return BackgroundSource(self._all(), is_paused=is_paused)
        return self._all()

    def again(self) -> Iterator[Download]:
        """The Downloads a second time, if every list can be read twice: see `check`."""
        return self._all()

    def _all(self) -> Iterator[Download]:
        return itertools.chain.from_iterable(self._one(item) for item in self._items())

    def _one(self, item: "str | Path | Download") -> Iterator[Download]:
        if isinstance(item, Download):
            yield item
        elif self._is_file_url(item):
            yield from self._downloads_of_url(str(item))
        else:
            opened = self._open(item)
            with opened.stream:
                if _can_be_read_once(item):
                    yield from self._read(item, opened, self._raise_or_note, self._note)
                elif opened.format == "text" and not (self.options.links or self.options.expand):
                    from downloader.sources import streams, text  # here: a single URL does not need them

                    yield from text.read_file(streams.decoded(opened.stream), _name_of(item), self._ignore)
                else:
                    yield from self._read(item, opened, self._ignore, None)

    def _open(self, item: "str | Path") -> "OpenedList":
        """Open a list. Raises DownloadError."""
        from downloader.sources import streams  # here: a single URL does not need it

        if is_url(item):
            url = clean_url(str(item))
            if self.options.open_url is None:
                raise UsageError("a list at a URL cannot be fetched here", public_url(url), "fetch the list first")
            opened = streams.fetched_list(self.options.open_url(url), public_url(url), self.options.format)
        else:
            opened = streams.opened_list(item, self.options.format)
        is_table = opened.format == "text" and self.options.format == "auto" and self.options.names_columns
        return opened._replace(format="csv") if is_table else opened

    def _read(
        self,
        item: "str | Path",
        opened: "OpenedList",
        on_bad_line: OnBadLine,
        on_notice: Callable[[str], None] | None,
    ) -> Iterator[Download]:
        options = replace(self.options, format=opened.format, base_url=opened.url, on_notice=on_notice)
        entries = reader_of(opened.format)(opened.stream, _name_of(item), options, on_bad_line)
        if not options.links or opened.format == "html":
            return entries
        from downloader.sources.linked_pages import files_of_pages

        return files_of_pages(entries, options, on_bad_line)

    def _ignore(self, error: UsageError) -> None:
        """Ignore the error: `check` has noted it."""

    def _raise_or_note(self, error: UsageError) -> None:
        if not self.skip_bad:
            raise error
        self._note_bad_line(error)


def _name_of(item: "str | Path") -> str:
    """The name of a list for messages."""
    return public_url(clean_url(str(item))) if is_url(item) else str(item)


def _can_be_read_once(item: "str | Path") -> bool:
    """Whether a list can be read only once: standard input, a pipe, a device."""
    if item == STDIN:
        return True
    if is_url(item):
        return False
    from pathlib import Path  # here: a single URL does not need it

    try:
        mode = Path(item).stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    except OSError:
        return False


def from_values(values: Iterable[str | Download], expand: bool = False) -> Iterator[Download]:
    """A caller's URLs and Downloads as Downloads. Raises UsageError for another type, and for a Download with a wrong field.

    ``expand``: expand the braces in URLs; not those in Downloads.
    """
    from downloader.sources.checked_values import checked_download  # here: the command does not need it

    for value in values:
        if isinstance(value, Download):
            yield checked_download(value)
        elif isinstance(value, str) and expand:
            from downloader.sources import expansion

            yield from expansion.expanded_urls([value])
        elif isinstance(value, str):
            yield Download(clean_url(value))
        else:
            raise UsageError(f"neither a URL nor a Download: {type(value).__name__}")


def read_checksums(path: str) -> dict[str, Checksum]:
    """The checksums of the file at ``path``, by file name. Raises UsageError."""
    from downloader.core.names.checksum_lines import parse_checksums  # here, and below: few runs need it
    from downloader.sources import streams
    from downloader.sources.nul_records import has_nul, nul_records
    from downloader.sources.text import lines_of

    with streams.open_file(path, "the checksums") as raw, streams.decoded(raw) as stream:
        return parse_checksums(nul_records(stream) if has_nul(stream) else lines_of(stream), path)
