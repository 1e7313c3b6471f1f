"""Reads sitemaps (sitemaps.org): each ``loc`` of a ``urlset`` is a Download.

``lastmod``, ``changefreq`` and ``priority`` are its metadata, as text; so are the URLs of the page's images, in one text with
spaces between them: an image is a part of its page, and is not fetched. A ``priority`` also becomes the priority of the
Download: 0.5, the default of the format, is 0; 1.0 is 500; 0.0 is -500.
"""

from collections.abc import Iterator
from typing import IO

from downloader.core.model import Download
from downloader.core.names.urls import clean_url, public_url
from downloader.errors import DownloadError, UsageError
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.streams import fetched_list
from downloader.sources.xml_entries import Element, read_entries

METADATA = ("lastmod", "changefreq", "priority")


def read(
    stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine, is_nested: bool = False
) -> Iterator[Download]:
    """The Downloads of a sitemap, read lazily. An entry without a usable URL goes to ``on_bad_line``.

    Of a sitemap index, the sitemaps that it names are fetched and read, one after the other. An index in an index is an error.

    ``name``: of the sitemap, for messages. ``is_nested``: an index names this sitemap. Raises UsageError where the document
    itself is wrong (see `read_entries`), and for an index without ``options.open_url``.
    """
    for number, entry in enumerate(read_entries(stream, name, ["urlset", "sitemapindex"], ["url", "sitemap"]), 1):
        where = f"{name}:{entry.line}"
        try:
            url = clean_url(entry.text_of("loc"))
        except UsageError as error:
            reason = f"{entry.name} {number}: {error.reason}{': ' + error.url if error.url else ''}"
            on_bad_line(UsageError(reason, where, error.hint))
            continue
        if entry.name == "url":
            yield Download(url, origin=where, metadata=_metadata(entry), priority=_priority(entry))
        elif is_nested:
            raise UsageError("a sitemap index in a sitemap index", where, "give its URL, with --format sitemap")
        elif options.open_url is None:
            raise UsageError("a sitemap index: its sitemaps would have to be fetched", where, "give the URLs of its sitemaps")
        else:
            yield from _sitemap_of_index(url, where, options, on_bad_line)


def _sitemap_of_index(url: str, where: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a sitemap that an index names. ``where``: its place in the index, for messages."""
    assert options.open_url is not None  # noqa: S101 - the caller has looked
    name = public_url(url)
    try:
        opened = fetched_list(options.open_url(url), name, "sitemap")
    except DownloadError as error:
        on_bad_line(UsageError(f"a sitemap cannot be read: {error.reason}: {name}", where, error.hint))
        return
    with opened.stream:
        yield from read(opened.stream, name, options, on_bad_line, is_nested=True)


def _metadata(entry: Element) -> tuple[tuple[str, str], ...]:
    """What the entry says beside its URL: pairs of a name and a text."""
    pairs = [(name, entry.text_of(name)) for name in METADATA]
    images = [image.text_of("loc") for image in entry.children if image.name == "image"]
    return tuple((name, text) for name, text in (*pairs, ("image", " ".join(images))) if text)


def _priority(entry: Element) -> int:
    """The priority in thousandths above the default of the format; 0 where the sitemap has none, or no number."""
    try:
        value = float(entry.text_of("priority") or 0.5)
    except ValueError:
        return 0
    return round(1000 * min(1.0, max(0.0, value))) - 500 if value == value else 0  # NaN is not equal to itself
