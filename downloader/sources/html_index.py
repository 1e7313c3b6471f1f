"""Reads an HTML page as a list: its links whose names match a pattern. For the indexes of servers, and for any other page.

The links are those of ``<a href>`` and ``<area href>``. The pages that they lead to are not read: one level. A link to a folder
(its path ends in ``/``), to the page itself, or of another scheme than http and https is no file.
"""

import codecs
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

    ``name``: of the page, for messages. A link that matches and is malformed goes to ``on_bad_line``. Raises UsageError if no
    link matches, if a relative link has no URL that it is relative to, or if a tag does not end.
    """
    page = options.base_url
    patterns = options.links or ("*",)
    seen = HashTable()
    unmatched = _Unmatched()
    found = False
    for target, base, line in _links(stream, name):
        where = f"{name}:{line}"
        try:
            url = _resolved(target, urljoin(page, base) if base else page)
            if url is None:
                continue
            last = unquote(urlsplit(url).path.rpartition("/")[2])
            if not _matches(last, patterns):
                unmatched.add(last)
                continue
            url = clean_url(url)
        except (UsageError, ValueError) as error:
            text = unquote(target.rpartition("/")[2])
            if _matches(text, patterns):
                reason = error.reason if isinstance(error, UsageError) else "not a URL"
                hint = error.hint if isinstance(error, UsageError) else ""
                found = True
                on_bad_line(UsageError(f"a link: {reason}: {public_url(target)[:200]}", where, hint))
            continue
        if seen.get(hash(url)) is None:
            seen.put(hash(url), 1)
            found = True
            yield Download(url, origin=where)
    if not found:
        raise unmatched.error(name, patterns)


class _Unmatched:
    """The files that match no pattern: how many, and the names of the first ones."""

    def __init__(self) -> None:
        self._count = 0
        self._names: list[str] = []

    def add(self, name: str) -> None:
        self._count += 1
        if len(self._names) < _SHOWN_NAMES and name not in self._names:
            self._names.append(name)

    def error(self, page: str, patterns: Sequence[str]) -> UsageError:
        """The error of a page with no file to fetch."""
        if not self._count:
            return UsageError("the page has no link to a file", page)
        names = ", ".join(name[:80] for name in self._names) + (", …" if self._count > len(self._names) else "")
        links = "1 link" if self._count == 1 else f"{self._count} links"
        hint = "patterns match the last part of a link, and distinguish capital letters"
        return UsageError(f"none of the {links} matches {' or '.join(patterns)}: {names}", page, hint)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _resolved(target: str, base: str) -> str | None:
    """The absolute URL of a link, without its fragment; None if the link does not lead to a file.

    Raises ValueError if the link is malformed, UsageError if it is relative to nothing.
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)", target)
    if scheme is not None and scheme.group().lower() not in ("http", "https"):
        return None
    if scheme is None and not base.startswith(("http://", "https://")):
        if urldefrag(target).url.partition("?")[0].endswith("/") or target.startswith("#") or not target:
            return None
        raise UsageError("a relative link", hint="give the URL of the page instead of a file, or a <base href> in the page")
    url = urldefrag(urljoin(base, target)).url
    path = urlsplit(url).path
    return None if path.endswith("/") or not path or url == urldefrag(base).url else url


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
