"""What a caller may give as ``urls``, and the Source that it becomes."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from downloader.core.model import Download
from downloader.sources.background import BackgroundSource, pausable
from downloader.sources.formats import DEFAULT_OPTIONS, ListOptions, is_url
from downloader.sources.lists import ListReader, from_values

LOG = logging.getLogger("downloader")

Urls = str | Path | Download | Iterable[str | Download]
"""The path of a list, a URL (with the setting ``format``: of a list), a Download, or an iterable of URLs and Downloads."""


def has_list(urls: Urls, options: ListOptions) -> bool:
    """Whether this is more than a single URL or Download: the run keeps a journal then."""
    return not isinstance(urls, Download) and not (isinstance(urls, str) and is_url(urls) and not options.url_is_list)


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
        reader = ListReader([urls], skip_bad, options)
        total = reader.check()
        for sentence in reader.notices:
            LOG.info("%s", sentence)
        if reader.bad_lines and not skip_bad:
            raise reader.bad_lines[0]
        source = reader.source(is_paused)
    elif isinstance(urls, list | tuple | set | frozenset) and options.expand:
        total = _checked_total(urls)
        source = from_values(urls, expand=True)
    elif isinstance(urls, list | tuple | set | frozenset):
        downloads = list(from_values(urls))
        source, total = iter(downloads), len(downloads)
    else:
        source, total = BackgroundSource(from_values(urls, options.expand), is_paused=is_paused), None
    if is_paused is None or isinstance(source, BackgroundSource):
        return source, total
    return pausable(source, is_paused), total


def _checked_total(values: Collection[str | Download]) -> int:
    """The number of Downloads that URLs with patterns, and Downloads, stand for. Raises UsageError for a wrong value."""
    from downloader.sources import expansion  # here: few programs need it

    urls = [value for value in values if isinstance(value, str)]
    others = [value for value in values if not isinstance(value, str)]
    return expansion.count_urls(urls) + sum(1 for _ in from_values(others))
