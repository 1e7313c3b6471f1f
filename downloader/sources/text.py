"""Text lists: one URL a line, or aria2's input format; the other way round too, for `--failed`.

Plain: ``#`` comments, blank lines, CRLF, a byte order mark. aria2 (see "Input File" in its manual): further URLs of the
same file on the line, separated by TAB; below it, indented, ``out=``, ``dir=``, ``checksum=sha-256=…``, ``header=``,
``referer=``, ``user-agent=``. Other aria2 options say how to fetch, which we decide ourselves: they are passed over.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from downloader.core.model import Checksum, Download
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import CLEAN_URL, clean_url
from downloader.errors import DownloadError, UsageError
from downloader.settings.definitions import parse_header

MAX_LINE = 64 * 1024
_OPTION = re.compile(r"[a-z][a-z0-9-]*\s*=")
OPTIONS = ("out", "dir", "checksum", "header", "referer", "user-agent")
_HEX = re.compile(r"[0-9a-f]+")
_SUMS_LINE = re.compile(r"\\?([0-9A-Fa-f]{32,128}) [ *](.+)")
_BSD_LINE = re.compile(r"([A-Z0-9b-]+) \((.+)\) = ([0-9A-Fa-f]{32,128})")
_B2 = re.compile(r"(?<![a-z0-9])b2(?:sums?)?(?![a-z0-9])|blake2")
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512|blake2b"}
"""By the number of hex digits, where nothing else tells. sha512sum and b2sum write the same lines: either will do then."""

ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "sha512|blake2b"})

Bad = Callable[[UsageError], None]
"""Told of a line that is wrong: it raises to end the list there, or returns to go on past the line."""


@dataclass(slots=True)
class _Pending:
    urls: tuple[str, ...]
    where: str
    options: dict[str, str] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    checksums: list[Checksum] = field(default_factory=list)
    good: bool = True

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


def lines_of(stream: IO[str]) -> Iterator[str]:
    """Lines without their ends; one that is too long comes cut, so that it is reported and not kept."""
    while line := stream.readline(MAX_LINE):
        whole = line.endswith("\n") or len(line) < MAX_LINE
        while not whole:
            rest = stream.readline(MAX_LINE)
            whole = rest.endswith("\n") or len(rest) < MAX_LINE
            line += "\0" if not line.endswith("\0") else ""
        yield line.rstrip("\r\n")


def parse(lines: Iterator[str], name: str, bad: Bad) -> Iterator[Download]:
    """The Downloads of a list. ``name`` is what the list is called in messages. ``bad`` hears of each wrong line."""
    pending: _Pending | None = None
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        where = f"{name}:{number}"
        option = line[0] in " \t" and _OPTION.match(text) is not None
        if not option and pending is not None and pending.good:
            yield pending.download()
        try:
            if CLEAN_URL.fullmatch(line):  # nearly every line of nearly every list
                pending = _Pending((line,), where)
                continue
            if "\0" in text or any("\udc80" <= char <= "\udcff" for char in text):
                raise UsageError("the line is not UTF-8 text, or too long")
            if not option and "://" in text and any(" " in item.strip() for item in text.split("\t")):
                raise UsageError("a space in a URL", hint="write %20; mirrors are separated by TAB, a comment has its own line")
            if not option:
                pending = _Pending(tuple(clean_url(item) for item in text.split("\t") if item.strip()), where)
            elif pending is None:
                raise UsageError("an option with no URL above it")
            else:
                _option(pending, text)
        except DownloadError as error:
            if pending is None or not option:
                pending = _Pending((), where)
            pending.good = False  # half understood is not understood
            bad(UsageError(f"{error.reason}{': ' + error.url if error.url else ''}", where, error.hint))
    if pending is not None and pending.good:
        yield pending.download()


def _option(pending: _Pending, text: str) -> None:
    key, _, value = (part.strip() for part in text.partition("="))
    if key not in OPTIONS and (near := difflib.get_close_matches(key, OPTIONS, n=1, cutoff=0.75)):
        raise UsageError(f"unknown option {key!r}", hint=f"did you mean {near[0]}?")
    if key in ("out", "dir"):
        pending.options[key] = value
        wished_path(pending.options.get("dir", ""), pending.options.get("out", ""))
    elif key == "header":
        pending.headers.append(parse_header(value))
    elif key in ("referer", "user-agent"):
        pending.headers.append(parse_header(f"{key.title()}: {value}"))
    elif key == "checksum":
        kind, _, digest = value.partition("=")
        pending.checksums.append(checksum(kind, digest))


def checksum(kind: str, digest: str) -> Checksum:
    """``sha-256`` (or ``sha256``) and hex digits as a Checksum. ``sha512|blake2b``: either. Raises UsageError."""
    algorithm = kind.strip().lower().replace("-", "")
    digest = digest.strip().lower()
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"unknown kind of checksum: {kind[:20]!r}", hint="one of sha-256, sha-512, sha-384, sha-224, sha-1, md5, blake2b"
        )
    if not _HEX.fullmatch(digest) or len(digest) != _digits(algorithm):
        raise UsageError(f"not a {kind} checksum: {digest[:40]!r}")
    return Checksum(algorithm, digest)


def _digits(algorithm: str) -> int:
    return 2 * hashlib.new(algorithm.partition("|")[0], usedforsecurity=False).digest_size


def _by_length(digits: int, name: str) -> str:
    """The algorithm of an untagged line, by the length of its digest, and by what the file is called."""
    name = re.split(r"[/\\]", name)[-1].lower()
    if _B2.search(name):
        return "blake2b"
    found = _BY_LENGTH.get(digits, "")
    return "sha512" if found == "sha512|blake2b" and "512" in name else found


def parse_sums(lines: Iterator[str], name: str) -> dict[str, Checksum]:
    """A SHA256SUMS-style file: ``digest  name`` lines (or BSD's ``SHA256 (name) = digest``), by name. Raises UsageError.

    ``name``: of the file; B2SUMS and the like hold blake2b digests.
    """
    sums: dict[str, Checksum] = {}
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").rstrip()
        if not text or text.startswith("#"):
            continue
        if match := _SUMS_LINE.fullmatch(text):
            digest, path = match.groups()
            algorithm = _by_length(len(digest), name)
            if text.startswith("\\"):  # sha256sum escapes what would break its lines
                path = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], path)
        elif match := _BSD_LINE.fullmatch(text):
            algorithm, path, digest = match.groups()
        else:
            raise UsageError("not a line of `digest  name`", f"{name}:{number}")
        try:
            sums[path.removeprefix("./")] = checksum(algorithm, digest)
        except UsageError as error:
            raise UsageError(error.reason, f"{name}:{number}", error.hint) from None
    return sums


def format_download(download: Download) -> str:
    """The lines that say this Download again in a list. What cannot stand in a line is left out, or made safe."""
    wishes = (("dir", download.dir), ("out", download.out))
    if any(not _fits_a_line(value) for _, value in wishes):
        wishes = (("dir", ""), ("out", wished_path(download.dir, download.out)))
    lines = ["\t".join((download.url, *download.mirrors))]
    lines += [f"  {key}={value}" for key, value in wishes if value]
    lines += [f"  checksum={item.algorithm}={item.digest}" for item in download.checksums]
    lines += [f"  header={name}: {value}" for name, value in download.headers if _fits_a_line(name + value)]
    return "\n".join(lines) + "\n"


def _fits_a_line(text: str) -> bool:
    return text == text.strip() and not any(char in "\r\n\0" or "\ud800" <= char <= "\udfff" for char in text)
