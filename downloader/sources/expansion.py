"""``--expand``: the Downloads that one entry of a list stands for, if there are patterns with braces in it.

The URL, its mirrors, ``out=`` and ``dir=`` may have patterns. The n-th URL belongs with the n-th text of each of the others: so
each of them has as many texts as the URL, or no pattern. `downloader.core.names.brace_patterns` describes the patterns.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from downloader.core.model import Download
from downloader.core.names.brace_patterns import Pattern, has_pattern, parse_pattern
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import clean_url
from downloader.errors import UsageError

MAX_HOSTS = 100_000
"""Hosts that one pattern may stand for: each is checked before anything starts."""


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
