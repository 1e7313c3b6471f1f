"""What the columns of a table mean, and the keys of JSON objects: by their names, by what the user says, by their contents.

Pure. Names are compared without regard to case, spaces and punctuation: ``Download URL`` is ``downloadurl``.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from downloader.core.digests import checksum, one_algorithm, parse_checksum
from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import clean_url
from downloader.core.text import is_text
from downloader.errors import UsageError
from downloader.sources.formats import ListOptions

URL_NAMES = (
    *("downloadurl", "fileurl", "downloadlink", "filelink", "url", "uri", "link", "href", "src", "imageurl", "imgurl"),
    *("imagelink", "photourl", "pictureurl", "videourl", "audiourl", "mediaurl", "pdfurl", "pdflink", "dataurl"),
    *("documenturl", "contenturl", "objecturl", "resourceurl", "asseturl", "sourceurl", "accessurl", "directurl"),
    *("directlink", "originalurl", "fullurl", "httpurl", "httpsurl", "httplink", "weburl", "urls", "location", "loc"),
)
"""Names of columns with URLs; the first one that a table has is taken."""

NAME_NAMES = (
    *("out", "outputpath", "localpath", "filepath", "path", "filename", "file", "name", "outfile", "target"),
    *("destination", "output", "saveas"),
)
SIZE_NAMES = (
    *("size", "filesize", "sizebytes", "sizeinbytes", "filesizebytes", "bytesize", "bytes", "numbytes"),
    *("contentlength", "length"),
)
DIGEST_NAMES = frozenset({"checksum", "checksums", "hash", "digest", "filehash", "filechecksum"})
MIRROR_NAMES = frozenset(
    {
        *("mirror", "mirrors", "mirrorurl", "mirrorurls", "mirrorlink", "mirrorlinks"),
        *("alternateurl", "alternativeurl", "alturl", "fallbackurl", "backupurl"),
    }
)

_REPORT_NAMES = frozenset({"url", "status", "attempts", "bytes"})
"""A report has these columns. Its bytes are those that were stored: 0 of a file that failed."""

_URL = r"\s*[A-Za-z][A-Za-z0-9+.-]*://\S"
_PLAIN_PATH = r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*"
"""Paths that `wished_path` accepts: nearly all of them."""

_FURTHER_URL = r"(?:url|uri|link)(?:[2-9]|1[0-9])|mirror(?:url)?1?[0-9]"
_DIGEST_AFFIXES = r"^(?:file|checksum|hash|digest)|(?:sum|hash|checksum|digest|hex)$"
_MIRROR_GAP = r"\s+|[,;|](?=\s*[A-Za-z][A-Za-z0-9+.-]*://)"


class NoSuchColumn(UsageError):
    """The list has no column of the name that the user gave, or none with URLs: an error of the list, and not of an entry."""


class Columns(NamedTuple):
    """Which column has what: indexes from 0, and -1 for none.

    ``names``: of all columns. ``checksums``: pairs of a column and the algorithm that its name says, or empty. ``metadata``:
    the columns that have no meaning of their own.
    """

    names: tuple[str, ...]
    url: int
    out: int = -1
    dir: int = -1
    checksums: tuple[tuple[int, str], ...] = ()
    size: int = -1
    mirrors: tuple[int, ...] = ()
    priority: int = -1
    metadata: tuple[int, ...] = ()

    def download(self, cells: Sequence[str], where: str) -> Download:
        """The Download of a row. ``where``: its origin. Raises UsageError or PolicyError for a wrong cell."""
        text = "".join(cells)
        if "\0" in text or not (text.isascii() or is_text(text)):
            raise UsageError("the row is not UTF-8 text, or too long")
        url = cells[self.url].strip()
        if not url:
            raise UsageError(f"no URL in the column {self.names[self.url]}")
        out = cells[self.out].strip() if self.out >= 0 else ""
        folder = cells[self.dir].strip() if self.dir >= 0 else ""
        if (out or folder) and (folder or not re.fullmatch(_PLAIN_PATH, out)):
            wished_path(folder, out)
        return Download(
            clean_url(url),
            out,
            folder,
            mirrors=tuple([mirror for index in self.mirrors for mirror in urls_in(cells[index])]) if self.mirrors else (),
            checksums=self._checksums(cells) if self.checksums else (),
            size=size_of(cells[self.size]) if self.size >= 0 else None,
            priority=_priority(cells[self.priority]) if self.priority >= 0 else 0,
            origin=where,
            metadata=tuple([(self.names[index], cells[index]) for index in self.metadata]) if self.metadata else (),
        )

    def description(self, what: str, numbered: bool = False) -> str:
        """The meanings of the columns, in a sentence. ``what``: what a column is called; ``numbered``: they have no names."""
        return description_of([self], what, numbered)

    def meanings(self) -> list[tuple[str, int]]:
        """The columns that have a meaning, each with its name for the user."""
        meanings = [("url", self.url), ("name", self.out), ("folder", self.dir)]
        meanings += [(kind or "checksum", index) for index, kind in self.checksums]
        meanings += [("size", self.size), *(("mirror", index) for index in self.mirrors), ("priority", self.priority)]
        return [(meaning, index) for meaning, index in meanings if index >= 0]

    def _checksums(self, cells: Sequence[str]) -> tuple[Checksum, ...]:
        return tuple([checksum_of(cells[index], kind) for index, kind in self.checksums if cells[index].strip()])


def description_of(shapes: Sequence[Columns], what: str, numbered: bool = False) -> str:
    """The meanings of the columns of rows that have different columns: see `Columns.description`."""
    shown: dict[str, str] = {}
    for columns in shapes:
        for meaning, index in columns.meanings():
            shown[f"{meaning}: {what} {index + 1 if numbered else columns.names[index]}"] = columns.names[index]
    others = [columns.names[index] for columns in shapes for index in columns.metadata]
    if len(shapes) > 1:  # in one table, several columns may have the same name
        others = [name for name in dict.fromkeys(others) if name not in shown.values()]
    count = len(others)
    rest = f"1 other {what} goes into the report" if count == 1 else f"{count} other {what}s go into the report"
    return ", ".join(shown) + (f"; {rest}" if count else "") + _unused(others, what)


def _unused(names: list[str], what: str) -> str:
    """A remark about columns whose names promise checksums or sizes, and whose first cells have none."""
    promised = [name for name in names if algorithm_of(name) is not None or plain(name) in SIZE_NAMES]
    if not promised:
        return ""
    listed = ", ".join(promised)
    return f"; {what} {listed} verifies nothing: the first row has no such value (see --checksum-column, --size-column)"


def is_url_cell(cell: str) -> bool:
    """Whether a cell has a URL, of whatever scheme."""
    return re.match(_URL, cell) is not None


def urls_in(cell: str) -> list[str]:
    """The URLs of a cell: separated by white space, or by a comma, semicolon or bar. Raises UsageError."""
    return [clean_url(part) for part in re.split(_MIRROR_GAP, cell.strip()) if part]


def size_of(cell: str) -> int | None:
    """The number of bytes in a cell; None if the cell is empty. Raises UsageError."""
    text = cell.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise UsageError(f"not a number of bytes: {text[:40]!r}", hint="--size-column 0: the table has no sizes")
    return int(text)


def _priority(cell: str) -> int:
    text = cell.strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text or "0"):
        raise UsageError(f"the priority is no whole number: {text[:40]!r}")
    return int(text or "0")


def checksum_of(cell: str, kind: str) -> Checksum:
    """The Checksum in a cell: hex digits, or with their algorithm (``sha256:…``, ``sha-256=…``). Raises UsageError.

    ``kind``: the algorithm if the cell names none; empty: by the length of the digest.
    """
    text = cell.strip()
    if kind and text.isalnum():
        return checksum(kind, text)
    try:
        return parse_checksum(text)
    except UsageError as error:
        raise UsageError(error.reason, hint=f"{error.hint}; --checksum-column 0: the table has no checksums") from None


def plain(name: str) -> str:
    """The name of a column in lower case, without spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.lower())


def algorithm_of(name: str) -> str | None:
    """The algorithm that the name of a column says; empty: any; None: the column has no checksums."""
    text = plain(name)
    if text in DIGEST_NAMES:
        return ""
    for algorithm in (text, re.sub(_DIGEST_AFFIXES, "", text)):
        if known := one_algorithm(algorithm):
            return known
    return None


def columns_of(names: tuple[str, ...], cells: Sequence[str], options: ListOptions, has_names: bool) -> Columns | None:
    """What the columns mean; None if no column has URLs.

    ``names``: of the columns; ``cells``: the first row; ``has_names``: the list itself names the columns. A column with a
    name such as ``hash`` has checksums only if its first cell has one. Raises NoSuchColumn for an option that names none.
    """
    keys = [plain(name) if has_names else "" for name in names]

    def chosen(wanted: str, option: str, by_name: Sequence[str] = ()) -> int:
        """The column that the user wants, else the one with the first of these names; -1: none."""
        if wanted:
            return _column(wanted, names, option, has_names)
        return next((keys.index(name) for name in by_name if name in keys), -1)

    url = chosen(options.url_column, "--url-column", URL_NAMES)
    if url < 0 and not options.url_column:
        url = next((index for index, cell in enumerate(cells) if is_url_cell(cell)), -1)
    if url < 0:
        return None
    free = set(range(len(names))) - {url}
    out = chosen(options.name_column, "--name-column", NAME_NAMES)
    if not options.name_column and out >= 0 and _is_no_name(_cell(cells, out)):
        out = -1
    size = chosen(options.size_column, "--size-column", SIZE_NAMES)
    if not options.size_column and size >= 0 and (not _is_size(cells, size) or set(keys) >= _REPORT_NAMES):
        size = -1
    priority = chosen("", "", ("priority",))
    if priority >= 0 and not re.fullmatch(r"\s*[+-]?[0-9]{0,9}\s*", _cell(cells, priority)):
        priority = -1
    folder = chosen("", "", ("dir",))
    free -= {out, size, priority, folder}
    checksums = _checksum_columns(names, cells, options, has_names, free)
    free -= {index for index, _ in checksums}
    mirrors = _mirror_columns(names, keys, options, has_names, free)
    free -= set(mirrors)
    return Columns(names, url, out, folder, checksums, size, mirrors, priority, tuple(sorted(free)))


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _is_no_name(cell: str) -> bool:
    """Whether a cell has a URL, or a path from the root: no name that a file can get here."""
    return is_url_cell(cell) or cell.lstrip().startswith(("/", "\\", "~"))


def _is_size(cells: Sequence[str], index: int) -> bool:
    return re.fullmatch(r"\s*[0-9]{0,18}\s*", _cell(cells, index)) is not None


def _checksum_columns(
    names: tuple[str, ...], cells: Sequence[str], options: ListOptions, has_names: bool, free: set[int]
) -> tuple[tuple[int, str], ...]:
    if options.checksum_column:
        index = _column(options.checksum_column, names, "--checksum-column", has_names)
        return ((index, (algorithm_of(names[index]) or "") if has_names else ""),) if index >= 0 else ()
    found = []
    for index in sorted(free):
        cell = _cell(cells, index).strip()
        kind = algorithm_of(names[index]) if has_names else ""
        if kind or (kind == "" and (_is_digest(cell) or (has_names and not cell))):
            found.append((index, kind))
    return tuple(found)


def _is_digest(cell: str) -> bool:
    """Whether a cell has a digest, of any algorithm."""
    try:
        checksum_of(cell, "")
    except UsageError:
        return False
    return True


def _mirror_columns(
    names: tuple[str, ...], keys: list[str], options: ListOptions, has_names: bool, free: set[int]
) -> tuple[int, ...]:
    if options.mirror_column:
        index = _column(options.mirror_column, names, "--mirror-column", has_names)
        return (index,) if index >= 0 else ()
    return tuple([i for i in sorted(free) if keys[i] in MIRROR_NAMES or re.fullmatch(_FURTHER_URL, keys[i])])


def _column(wanted: str, names: tuple[str, ...], option: str, has_names: bool) -> int:
    """The index of the column that the user names; -1 for the number 0. Raises NoSuchColumn."""
    if has_names:
        if wanted in names:
            return names.index(wanted)
        keys = [plain(name) for name in names]
        if plain(wanted) in keys and plain(wanted):
            return keys.index(plain(wanted))
    if wanted.isascii() and wanted.isdigit() and int(wanted) <= len(names):
        return int(wanted) - 1
    known = ", ".join(names[:40]) if has_names else f"1 to {len(names)}; the first row has no names"
    raise NoSuchColumn(f"{option}: there is no column {wanted!r}", hint=f"the columns are {known}")
