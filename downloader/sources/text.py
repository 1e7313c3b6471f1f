"""Reads lists of URLs as text: one URL a line, or aria2's input format. Also writes them, for ``--failed``.

A list may have ``#`` comments, blank lines, CRLF line ends and a byte order mark. aria2's format ("Input File" in its manual)
adds further URLs of the same file on the line, separated by TAB; and below the line, indented, ``out=``, ``dir=``,
``checksum=sha-256=…``, ``header=``, ``referer=`` and ``user-agent=``. Other options say how to fetch; they are ignored.
"""

import itertools
import re
from collections.abc import Iterator
from typing import IO

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import CLEAN_URL, clean_url
from downloader.errors import DownloadError, UsageError
from downloader.settings.definitions import parse_header
from downloader.sources.formats import ListOptions, OnBadLine

MAX_LINE_CHARACTERS = 64 * 1024
"""Characters of a line at most."""

_OPTION = r"[a-z][a-z0-9-]*\s*="  # compiled at its first use, as all patterns here: a single URL needs none of them
_NOT_TEXT = r"[\0\udc80-\udcff]"
"""What `lines_of` puts into a line that is too long, and the decoder (surrogateescape) into one that is not UTF-8."""

_UNFIT = r"[\r\n\0\ud800-\udfff]"
"""What no line of a list can contain."""

_URL_LINES = rf"(?:{CLEAN_URL.pattern}\n)*+"
_BLOCK_CHARACTERS = MAX_LINE_CHARACTERS // 2

OPTIONS = ("out", "dir", "checksum", "header", "referer", "user-agent")


class _ListEntry:
    """A line with URLs, and the options below it. ``is_valid``: every line of it could be read."""

    __slots__ = ("checksums", "headers", "is_valid", "options", "urls", "where")

    def __init__(self, urls: tuple[str, ...], where: str) -> None:
        self.urls = urls
        self.where = where
        self.options: dict[str, str] = {}
        self.headers: list[tuple[str, str]] = []
        self.checksums: list[Checksum] = []
        self.is_valid = True

    def download(self) -> Download:
        return Download(
            url=self.urls[0],
            out=self.options.get("out", ""),
            dir=self.options.get("dir", ""),
            mirrors=self.urls[1:],
            headers=tuple(self.headers),
            checksums=tuple(self.checksums),
            origin=self.where,
        )


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a text list: see `downloader.sources.formats.Read`."""
    from downloader.sources.streams import decoded  # here: it is imported only where a list is read

    entries = parse(lines_of(decoded(stream)), name, on_bad_line, options.expand)
    if not options.expand:
        return entries
    from downloader.sources.expansion import expanded  # here: few runs need it

    return expanded(entries, on_bad_line)


def lines_of(stream: IO[str], max_characters: int = MAX_LINE_CHARACTERS, first: str = "") -> Iterator[str]:
    """Lines without their ends; the stream is closed at its end.

    A line of more than ``max_characters`` is cut, and marked with NUL as invalid. ``first``: what was read already of the first
    line, by ``readline(max_characters)``.
    """
    with stream:
        line = first or stream.readline(max_characters)
        while line:
            is_complete = line.endswith("\n") or len(line) < max_characters
            while not is_complete:
                rest = stream.readline(max_characters)
                is_complete = rest.endswith("\n") or len(rest) < max_characters
                line += "\0" if not line.endswith("\0") else ""
            yield line.rstrip("\r\n")
            line = stream.readline(max_characters)


def count_url_lines(stream: IO[str]) -> int | None:
    """The length of a list each line of which is a URL and no more; None if a line is anything else."""
    count = 0
    while block := stream.read(_BLOCK_CHARACTERS):
        block += stream.readline(_BLOCK_CHARACTERS)
        if not block.endswith("\n"):
            if stream.read(1):
                return None  # a long line
            block += "\n"
        if re.fullmatch(_URL_LINES, block) is None:
            return None
        count += block.count("\n")
    return count


def read_file(stream: IO[str], name: str, on_bad_line: OnBadLine) -> Iterator[Download]:
    """As `parse`, for a stream that never waits for a producer: blocks of URLs and no more are not parsed line by line."""
    number, last = 1, ""  # the last line of a block may have options below it, in the next block
    while block := stream.read(_BLOCK_CHARACTERS):
        block += stream.readline(_BLOCK_CHARACTERS)
        if not block.endswith("\n") or re.fullmatch(_URL_LINES, block) is None:
            break
        for line in block[:-1].split("\n"):
            if last:
                yield Download(last, origin=f"{name}:{number}")
                number += 1
            last = line
    head, _, tail = block.rpartition("\n")
    if tail:
        tail += stream.readline(max(1, MAX_LINE_CHARACTERS - len(tail)))
    earlier = [last] if last else []
    if "\n" in block:
        earlier += [line.rstrip("\r") for line in head.split("\n")]
    yield from parse(itertools.chain(earlier, lines_of(stream, first=tail)), name, on_bad_line, first=number)


def parse(
    lines: Iterator[str], name: str, on_bad_line: OnBadLine, keep_patterns: bool = False, first: int = 1
) -> Iterator[Download]:
    """The Downloads of a list, read lazily. ``name``: of the list, for messages. Each invalid line goes to ``on_bad_line``.

    ``keep_patterns``: URLs with braces or backslashes stay as they are: see `downloader.sources.expansion`. ``first``: the
    number of the first line.
    """
    entry: _ListEntry | None = None
    plain = ""  # instead of an entry: the line above was a URL and no more, as nearly every line of nearly every list is
    for number, line in enumerate(lines, first):
        if CLEAN_URL.fullmatch(line):
            if plain:
                yield Download(plain, origin=f"{name}:{number - 1}")
            elif entry is not None and entry.is_valid:
                yield entry.download()
            entry, plain = None, line
            continue
        if plain:
            entry, plain = _ListEntry((plain,), f"{name}:{number - 1}"), ""
        if number == 1:
            line = line.removeprefix("\ufeff")
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        where = f"{name}:{number}"
        is_option = line[0] in " \t" and re.match(_OPTION, text) is not None
        if not is_option and entry is not None and entry.is_valid:
            yield entry.download()
        try:
            if is_option:
                _read_option(entry, text)
            else:
                entry = _ListEntry(_read_urls(text, keep_patterns), where)
        except DownloadError as error:
            if entry is None or not is_option:
                entry = _ListEntry((), where)
            entry.is_valid = False  # a Download without one of its options would be another one
            on_bad_line(UsageError(f"{error.reason}{': ' + error.url if error.url else ''}", where, error.hint))
    if plain:
        yield Download(plain, origin=f"{name}:{number}")
    elif entry is not None and entry.is_valid:
        yield entry.download()


def _check_text(text: str) -> None:
    """Raises UsageError for a line that is no text."""
    if re.search(_NOT_TEXT, text):
        raise UsageError("the line is not UTF-8 text, or too long")


def _read_urls(text: str, keep_patterns: bool) -> tuple[str, ...]:
    """The URLs of a line that is no option. Raises UsageError, PolicyError."""
    _check_text(text)
    items = [item for item in text.split("\t") if item.strip()]
    if "://" in text and any(" " in item.strip() for item in items):
        raise UsageError("a space in a URL", hint="write %20; mirrors are separated by TAB, a comment has its own line")
    if not keep_patterns:
        return tuple(map(clean_url, items))
    from downloader.core.names.brace_patterns import has_pattern  # here: few runs need it

    return tuple([item.strip() if has_pattern(item) else clean_url(item) for item in items])


def _read_option(entry: _ListEntry | None, text: str) -> None:
    """Add the option of a line to the entry above it. Raises UsageError, PolicyError."""
    _check_text(text)
    if entry is None:
        raise UsageError("an option with no URL above it")
    key, _, value = (part.strip() for part in text.partition("="))
    if key not in OPTIONS:
        import difflib  # here: few lists need it

        if near := difflib.get_close_matches(key, OPTIONS, n=1, cutoff=0.75):
            raise UsageError(f"unknown option {key!r}", hint=f"did you mean {near[0]}?")
    if key in ("out", "dir"):
        entry.options[key] = value
        wished_path(entry.options.get("dir", ""), entry.options.get("out", ""))
    elif key == "header":
        entry.headers.append(parse_header(value))
    elif key in ("referer", "user-agent"):
        entry.headers.append(parse_header(f"{key.title()}: {value}"))
    elif key == "checksum":
        from downloader.core.digests import checksum  # here: few lists need it

        kind, _, digest = value.partition("=")
        entry.checksums.append(checksum(kind, digest))


def format_download(download: Download) -> str:
    """The lines of a list from which `parse` makes this Download again.

    A header that no line can contain is left out; a path that no line can contain is replaced by a safe one.
    """
    paths = (("dir", download.dir), ("out", download.out))
    if any(not _fits_a_line(value) for _, value in paths):
        paths = (("dir", ""), ("out", wished_path(download.dir, download.out)))
    lines = ["\t".join((download.url, *download.mirrors))]
    lines += [f"  {key}={value}" for key, value in paths if value]
    lines += [f"  checksum={item.algorithm}={item.digest}" for item in download.checksums]
    lines += [f"  header={name}: {value}" for name, value in download.headers if _fits_a_line(name + value)]
    return "\n".join(lines) + "\n"


def _fits_a_line(text: str) -> bool:
    return text == text.strip() and re.search(_UNFIT, text) is None
