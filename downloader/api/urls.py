"""What a caller may give as ``urls``, and the Source that it becomes."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources.background import BackgroundSource, pausable
from downloader.sources.formats import DEFAULT_OPTIONS, ListOptions, is_one_file, is_url
from downloader.sources.lists import ListReader, from_values

LOG = logging.getLogger("downloader")

Urls = str | Path | Download | Iterable[str | Download]
"""The path of a list, a URL (with the setting ``format``: of a list), a Download, or an iterable of URLs and Downloads."""


def has_list(urls: Urls, options: ListOptions) -> bool:
    """Whether this is more than a single URL or Download: the run keeps a journal then."""
    return not isinstance(urls, Download) and not (isinstance(urls, str) and is_one_file(urls, options))


def source_of(
    urls: Urls,
    skip_bad: bool = False,
    is_paused: Callable[[], bool] | None = None,
    options: ListOptions = DEFAULT_OPTIONS,
) -> tuple[Iterator[Download | None], int | None]:
    """The Source for what a caller gave, and the number of its Downloads; None if it has to be read to its end.

    ``skip_bad``: skip invalid lines of a list. ``is_paused``: while it returns True, the Source yields None.
    ``options``: how lists are read.
    Raises UsageError if a list cannot be read, or a line or a value is invalid.
    """
    if isinstance(urls, Download):
        urls = [urls]
    if isinstance(urls, str | Path):
        source, total = _lists_of([urls], skip_bad, is_paused, options)
    elif isinstance(urls, list | tuple | set | frozenset) and options.url_is_list:
        items: list[str | Path | Download]
        items = [value if isinstance(value, str) and is_url(value) else next(from_values([value])) for value in urls]
        source, total = _lists_of(items, skip_bad, is_paused, options)
    elif isinstance(urls, list | tuple | set | frozenset) and options.expand:
        total = _checked_total(urls)
        source = from_values(urls, expand=True)
    elif isinstance(urls, list | tuple | set | frozenset):
        downloads = list(from_values(urls))
        source, total = iter(downloads), len(downloads)
    else:
        downloads_of_iterator = _files_of(urls, options) if options.links else from_values(urls, options.expand)
        source, total = BackgroundSource(downloads_of_iterator, is_paused=is_paused), None
    if is_paused is None or isinstance(source, BackgroundSource):
        return source, total
    return pausable(source, is_paused), total


def _lists_of(
    items: list[str | Path | Download], skip_bad: bool, is_paused: Callable[[], bool] | None, options: ListOptions
) -> tuple[BackgroundSource | Iterator[Download], int | None]:
    """The Source for lists and Downloads, and the number of Downloads. Raises UsageError."""
    reader = ListReader(items, skip_bad, options)
    total = reader.check()
    for sentence in reader.notices:
        LOG.info("%s", sentence)
    if reader.bad_lines and not skip_bad:
        raise reader.bad_lines[0]
    return reader.source(is_paused), total


def _files_of(values: Iterable[str | Download], options: ListOptions) -> Iterator[Download]:
    """The files that the pages of a caller's iterator link to, and the caller's Downloads. Raises UsageError."""
    from downloader.sources.linked_pages import files_of_pages  # here: few programs need it

    def raise_error(error: UsageError) -> None:
        raise error

    for value in values:
        downloads = from_values([value], options.expand)
        yield from downloads if isinstance(value, Download) else files_of_pages(downloads, options, raise_error)


def _checked_total(values: Collection[str | Download]) -> int:
    """The number of Downloads that URLs with patterns, and Downloads, stand for. Raises UsageError for a wrong value."""
    from downloader.sources import expansion  # here: few programs need it

    urls = [value for value in values if isinstance(value, str)]
    others = [value for value in values if not isinstance(value, str)]
    return expansion.count_urls(urls) + sum(1 for _ in from_values(others))
