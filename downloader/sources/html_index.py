"""Reads an HTML page as a list: its links whose names match a pattern. For the indexes of servers, and for any other page.

The links are those of ``<a href>`` and ``<area href>``. The pages that they lead to are not read: one level. A link to a folder
(its path ends in ``/``), to the page itself, or of another scheme than http and https is no file.
"""

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from typing import IO
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from downloader.core.model import Download
from downloader.core.names.claimed_paths import HashTable
from downloader.core.names.urls import clean_url, public_url
from downloader.errors import UsageError
from downloader.sources.formats import ListOptions, OnBadLine

BLOCK_BYTES = 64 * 1024
MAX_UNREAD_CHARACTERS = 4 * 1024 * 1024
"""Characters of one tag, comment or script at most."""

_SNIFFED_BYTES = 1024
"""The page names its encoding within so many bytes, or has the default (HTML Standard, "prescan a byte stream")."""

_CHARSET = rb"<meta[^>]*charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SPACES = " \t\r\n\f"
_SHOWN_NAMES = 5


class _Links(HTMLParser):
    """Collects the targets of links, with the numbers of their lines. ``base``: of ``<base href>``, the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, int]] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins. Called by the parser."""
        if tag in ("a", "area", "base"):
            target = next((value for key, value in attrs if key == "href" and value is not None), None)
            if target is None:
                return
            target = re.sub(r"[\t\r\n]", "", target.strip(_SPACES))  # as the URL Standard says
            if tag != "base":
                self.links.append((target, self.getpos()[0]))
            elif self.base is None:
                self.base = target


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a page, read lazily: each file that it links to, once, if the last part of the path matches.

    ``name``: of the page, for messages. To ``on_bad_line`` go malformed links that match; relative links, once for all, if the
    page has no URL; and that no link matches. Raises UsageError if a tag does not end.
    """
    if _is_bucket_listing(stream):
        from downloader.sources import bucket_listing  # here: few pages are listings

        yield from bucket_listing.read(stream, name, options, on_bad_line)
        return
    patterns = options.links or ("*",)
    seen = HashTable()
    unused = UnusedLinks()
    for target, base, line in _links(stream, name):
        where = f"{name}:{line}"
        try:
            url = _resolved(target, urljoin(options.base_url, base) if base else options.base_url)
            if url is None:
                continue
            last = unquote(urlsplit(url).path.rpartition("/")[2])
            if not matches_any(last, patterns):
                unused.add_unmatched(last)
            elif not url.lower().startswith(("http://", "https://")):
                unused.add_relative(target, where)
            elif seen.get(hash(url := clean_url(url))) is None:
                seen.put(hash(url), 1)
                yield Download(url, origin=where)
        except (UsageError, ValueError) as error:
            if matches_any(unquote(target.rpartition("/")[2]), patterns):
                unused.errors += 1
                hint = error.hint if isinstance(error, UsageError) else ""
                on_bad_line(UsageError(f"a link that is not a URL: {public_url(target)[:200]}", where, hint))
    problem = unused.problem(name, patterns, found=bool(len(seen)))
    if problem is not None:
        on_bad_line(problem)


def _is_bucket_listing(stream: IO[bytes]) -> bool:
    """Whether the page is no HTML, but the listing of a bucket: see `downloader.sources.bucket_listing`."""
    head: bytes = stream.peek(_SNIFFED_BYTES)[:_SNIFFED_BYTES] if isinstance(stream, io.BufferedReader) else b""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<ListBucketResult" in head


class UnusedLinks:
    """The links that are not fetched. ``errors``: how many were malformed."""

    def __init__(self) -> None:
        self.errors = 0
        self._unmatched = self._relative = 0
        self._names: list[str] = []
        self._first_relative = self._where = ""

    def add_unmatched(self, name: str) -> None:
        """Count a file that matches no pattern."""
        self._unmatched += 1
        if len(self._names) < _SHOWN_NAMES and name not in self._names:
            self._names.append(name)

    def add_relative(self, target: str, where: str) -> None:
        """Count a link that is relative to a URL that is not known. ``where``: its file and line."""
        self._relative += 1
        if self._relative == 1:
            self._first_relative, self._where = target, where

    def problem(self, page: str, patterns: Sequence[str], found: bool) -> UsageError | None:
        """The error of the whole page, if it has one. ``found``: whether the page has a file to fetch."""
        if self._relative:
            links = "1 relative link" if self._relative == 1 else f"{self._relative} relative links"
            hint = "give the URL of the page instead of a file, or write a <base href> into the page"
            return UsageError(f"{links}, such as {self._first_relative[:80]}, in a page without a URL", self._where, hint)
        if found or self.errors:
            return None
        if not self._unmatched:
            return UsageError("the page has no link to a file", page)
        names = ", ".join(name[:80] for name in self._names) + (", …" if self._unmatched > len(self._names) else "")
        links = "the only link does not match" if self._unmatched == 1 else f"none of the {self._unmatched} links matches"
        hint = "patterns match the last part of a link, and distinguish capital letters"
        return UsageError(f"{links} {' or '.join(patterns)}: {names}", page, hint)


def matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches one of the patterns, as the shell compares them; capital letters are different."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _resolved(target: str, base: str) -> str | None:
    """The URL of a link, without its fragment; None if the link does not lead to a file. Raises ValueError if it is malformed.

    ``base``: what the link is relative to. Without a base, the URL of a relative link is relative, too.
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)", target)
    if scheme is not None and scheme.group().lower() not in ("http", "https"):
        return None
    url = urldefrag(urljoin(base, target)).url
    path = urlsplit(url).path
    return None if path.endswith(("/", "/.", "/..")) or path in ("", ".", "..") or url == urldefrag(base).url else url


def _links(stream: IO[bytes], name: str) -> Iterator[tuple[str, str, int]]:
    """The target of each link, with the page's ``<base href>`` so far (empty: none) and the line. Raises UsageError."""
    read_block = getattr(stream, "read1", stream.read)  # of a pipe: what is there, without waiting for a full block
    parser = _Links()
    block = head = _head(stream)
    decoder = codecs.getincrementaldecoder(_encoding(head))("replace")
    while block:
        parser.feed(decoder.decode(block))
        yield from _taken(parser)
        if len(parser.rawdata) > MAX_UNREAD_CHARACTERS:
            raise UsageError("a tag, comment or script does not end: this is no HTML page", f"{name}:{parser.getpos()[0]}")
        block = read_block(BLOCK_BYTES)
    parser.feed(decoder.decode(b"", final=True))
    yield from _taken(parser)  # without `close`, which only handles a last tag that does not end


def _taken(parser: _Links) -> Iterator[tuple[str, str, int]]:
    links, parser.links = parser.links, []
    for target, line in links:
        yield target, parser.base or "", line


def _head(stream: IO[bytes]) -> bytes:
    """The first bytes of the page, enough to find its encoding."""
    head = b""
    while len(head) < _SNIFFED_BYTES and (block := stream.read(_SNIFFED_BYTES - len(head))):
        head += block
    return head


def _encoding(head: bytes) -> str:
    """The encoding that the page names, or UTF-8."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    match = re.search(_CHARSET, head, re.IGNORECASE)
    if match is None:
        return "utf-8"
    encoding = match[1].decode()
    try:
        b"x".decode(encoding)
    except (LookupError, ValueError):  # unknown, no encoding of text, or one in which the page cannot name it, such as UTF-16
        return "utf-8"
    return encoding
