"""``--expand``: the Downloads that one entry of a list stands for, if there are patterns with braces in it.

The URL, its mirrors, ``out=`` and ``dir=`` may have patterns. The n-th URL belongs with the n-th text of each of the others: so
each of them has as many texts as the URL, or no pattern. `downloader.core.names.brace_patterns` describes the patterns.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from downloader.core.model import Download
from downloader.core.names.brace_patterns import Pattern, has_pattern, parse_pattern
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import clean_url, public_url
from downloader.errors import DownloadError, UsageError
from downloader.sources.formats import OnBadLine, is_url

if TYPE_CHECKING:
    from pathlib import Path

MAX_HOSTS = 100_000
"""Hosts that one pattern may stand for: each is checked before anything starts."""

MAX_LISTS = 10_000
"""Lists at URLs that one pattern may stand for: all are fetched before anything starts."""


class Expansion(Struct, frozen=True):
    """An entry of a list, and the patterns in it. ``entry``: a Download whose texts are as they were listed."""

    entry: Download
    url: Pattern
    mirrors: tuple[Pattern, ...]
    out: Pattern
    dir: Pattern

    @property
    def count(self) -> int:
        """How many Downloads it stands for."""
        return self.url.count

    def nth(self, index: int) -> Download:
        """The Download with this index, from 0."""
        return replace(
            self.entry,
            url=clean_url(self.url.nth(index)),
            mirrors=tuple(clean_url(_nth(mirror, index)) for mirror in self.mirrors),
            out=_nth(self.out, index),
            dir=_nth(self.dir, index),
        )

    def downloads(self) -> Iterator[Download]:
        """All Downloads, lazily."""
        return map(self.nth, range(self.count))


def expansion_of(entry: Download) -> Expansion | None:
    """The patterns of an entry; None if it has none, and is a Download as it is.

    Raises UsageError, PolicyError: a pattern is malformed; the URL and a mirror, ``out`` or ``dir`` do not have equally many
    texts; one of the hosts is malformed; a checksum is given for several files.
    """
    if not any(map(has_pattern, (entry.url, *entry.mirrors, entry.out, entry.dir))):
        return None
    url, *mirrors = (_url_pattern(text) for text in (entry.url, *entry.mirrors))
    paths = {name: parse_pattern(text) for name, text in (("out", entry.out), ("dir", entry.dir))}
    for name, pattern in (*(("a mirror", mirror) for mirror in mirrors), ("out=", paths["out"]), ("dir=", paths["dir"])):
        if pattern.count not in (1, url.count):
            hint = "they are paired in order: give both the same patterns"
            raise UsageError(f"the URL stands for {url.count} URLs, but {name} for {pattern.count} texts", hint=hint)
    if entry.checksums and url.count > 1:
        raise UsageError(f"one checksum for {url.count} files", hint="give such files a line each, or use --checksums")
    for index in (0, url.count - 1):
        wished_path(_nth(paths["dir"], index), _nth(paths["out"], index))
    return Expansion(entry, url, tuple(mirrors), paths["out"], paths["dir"])


def expanded(entries: Iterable[Download], on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads that the entries of a list stand for, lazily. An entry with a wrong pattern goes to ``on_bad_line``."""
    for entry, expansion in _expansions(entries, on_bad_line):
        if expansion is None:
            yield entry
        else:
            yield from expansion.downloads()


def count(entries: Iterable[Download], on_bad_line: OnBadLine) -> int:
    """How many Downloads the entries of a list stand for. An entry with a wrong pattern goes to ``on_bad_line``."""
    return sum(1 if expansion is None else expansion.count for _, expansion in _expansions(entries, on_bad_line))


def _expansions(entries: Iterable[Download], on_bad_line: OnBadLine) -> Iterator[tuple[Download, Expansion | None]]:
    for entry in entries:
        try:
            expansion = expansion_of(entry)
        except DownloadError as error:
            on_bad_line(UsageError(f"{error.reason}{': ' + error.url if error.url else ''}", entry.origin, error.hint))
        else:
            yield entry, expansion


def expanded_urls(urls: Iterable[str]) -> Iterator[Download]:
    """The Downloads that a caller's URLs stand for, lazily. Raises UsageError."""
    for url in urls:
        expansion = expansion_of(Download(url))
        if expansion is None:
            yield Download(clean_url(url))
        else:
            yield from expansion.downloads()


def count_urls(urls: Iterable[str]) -> int:
    """How many Downloads a caller's URLs stand for. Raises UsageError."""
    total = 0
    for url in urls:
        expansion = expansion_of(Download(url))
        if expansion is None:
            clean_url(url)
        total += 1 if expansion is None else expansion.count
    return total


def expanded_items(items: "Iterable[str | Path | Download]") -> "Iterator[str | Path | Download]":
    """What a caller names, with each URL of a list that has patterns as the URLs that it stands for. Raises UsageError."""
    for item in items:
        expansion = expansion_of(Download(item)) if isinstance(item, str) and is_url(item) else None
        if expansion is None:
            yield item
            continue
        if expansion.count > MAX_LISTS:
            raise UsageError(f"the braces stand for more than {MAX_LISTS:,} lists", public_url(str(item)))
        for download in expansion.downloads():
            yield download.url


def _nth(pattern: Pattern, index: int) -> str:
    return pattern.nth(index if pattern.count > 1 else 0)


def _url_pattern(text: str) -> Pattern:
    """The pattern of a URL, each host of which is well-formed. Raises UsageError."""
    pattern = parse_pattern(text)
    start = _authority(text)
    hosts = parse_pattern(start)
    if hosts.count > MAX_HOSTS:
        raise UsageError(f"the braces stand for more than {MAX_HOSTS:,} hosts", hint="put braces into the path of the URL")
    for index in range(hosts.count):
        clean_url(hosts.nth(index))  # behind its host, every text can be made a URL
    return pattern


def _authority(text: str) -> str:
    """The text up to the path of the URL; the whole text, where the host ends within braces."""
    end = text.find("/", text.find("://") + 3) if "://" in text else -1
    start = text[:end] if end >= 0 else text
    try:
        parse_pattern(start)
    except UsageError:
        return text
    return start
