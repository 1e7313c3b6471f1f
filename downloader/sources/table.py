"""Reads tables: CSV (RFC 4180) and TSV, with the names of the columns in the first row or without.

The delimiter is a comma, semicolon, TAB or bar. Cells may be quoted, and have line breaks then. Which column has what:
`downloader.sources.columns`. Columns that have no meaning of their own become ``Download.metadata``.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import IO

from downloader.core.model import Download
from downloader.errors import DownloadError, UsageError
from downloader.sources.columns import NoSuchColumn, columns_of, is_url_cell
from downloader.sources.delimiters import delimiter_of, has_url_name, likely_delimiter
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.streams import decoded

MAX_ROW_CHARACTERS = 1024 * 1024
"""Characters of a row at most."""


class _TableLines:
    """The lines of a table with their ends, for `csv.reader`, which takes several for a row with line breaks in its cells.

    ``number``: of lines that were read. A line of more than `MAX_ROW_CHARACTERS` is cut, and marked with NUL as invalid.
    """

    def __init__(self, stream: IO[str], name: str) -> None:
        self._stream, self._name = stream, name
        self.number = 0
        self._row_start = 1
        self._row_characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_ROW_CHARACTERS)
        if not line:
            raise StopIteration
        self.number += 1
        if self._row_characters > MAX_ROW_CHARACTERS:
            raise self.endless_cell()
        self._row_characters += len(line)
        if len(line) == MAX_ROW_CHARACTERS and not line.endswith(("\n", "\r")):
            while (rest := self._stream.readline(MAX_ROW_CHARACTERS)) and not rest.endswith(("\n", "\r")):
                continue
            return line + "\0\n"
        return line

    def begin_row(self, number: int) -> None:
        """Note that a row begins in the line with this number."""
        self._row_characters = 0
        self._row_start = number

    def endless_cell(self) -> UsageError:
        """The error for a quoted cell of this row that does not end."""
        what = f"a quoted cell of the row that begins in line {self._row_start} has no end"
        return UsageError(what, self._name, 'the quotation mark of a cell in quotes is written "": "a ""word"""')


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a table: see `downloader.sources.formats.Read`."""
    with decoded(stream, newline="") as text:
        lines = _TableLines(text, name)
        head = _first_lines(lines, options)
        if not head:
            return
        delimiter = "\t" if options.format == "tsv" else head[0][4] if _is_separator(head[0]) else likely_delimiter(head)
        skipped = lines.number - len(head)
        if _is_separator(head[0]):
            del head[0]
            skipped += 1
        yield from _downloads(_rows(lines, head, skipped, delimiter, name, on_bad_line), name, options, on_bad_line)


def _is_separator(line: str) -> bool:
    """Whether the line only names the delimiter, as spreadsheets write it."""
    return line.startswith("sep=") and len(line.rstrip("\r\n")) == 5


def _first_lines(lines: _TableLines, options: ListOptions) -> list[str]:
    """The first line that is neither blank nor a comment, and the second one if the first does not tell the delimiter."""
    for line in lines:
        if lines.number == 1:
            line = line.removeprefix("\ufeff")
        if line.strip() and (not line.lstrip().startswith("#") or has_url_name(line)):
            is_clear = options.format == "tsv" or "://" in line or delimiter_of([line]) is not None
            return [line] if is_clear else [line, *itertools.islice(lines, 1)]
    return []


def _rows(
    lines: _TableLines, head: list[str], skipped: int, delimiter: str, name: str, on_bad_line: OnBadLine
) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its first line. ``head``: lines that were read already, after ``skipped`` ones."""
    reader = csv.reader(itertools.chain(head, lines), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + skipped + 1
        lines.begin_row(start)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            text = str(error)
            if "unexpected end" in text or ("limit" in text and reader.line_num + skipped > start):
                raise lines.endless_cell() from None
            reason = "a cell is too long" if "limit" in text else f"the row is malformed: {text}"
            on_bad_line(UsageError(reason, f"{name}:{start}"))
            continue
        if cells and not (len(cells) == 1 and not cells[0].strip()):
            yield start, cells


def _downloads(
    rows: Iterator[tuple[int, list[str]]], name: str, options: ListOptions, on_bad_line: OnBadLine
) -> Iterator[Download]:
    try:
        start, cells = next(rows)
    except StopIteration:
        return
    has_names = not any(is_url_cell(cell) for cell in cells) or options.url_column in cells
    names = _names(cells) if has_names else tuple([f"column{number}" for number in range(1, len(cells) + 1)])
    first: list[tuple[int, list[str]]] = list(itertools.islice(rows, 1)) if has_names else [(start, cells)]
    try:
        columns = columns_of(names, first[0][1][: len(names)] if first else (), options, has_names)
    except NoSuchColumn as error:
        raise UsageError(error.reason, name, error.hint) from None
    if columns is None:
        known = f"the columns are {', '.join(names[:40])}" if has_names else "the first row has none"
        raise UsageError("no column has URLs", name, f"{known}; --url-column names the one with the URLs")
    if options.on_notice is not None:
        kind = f"a table {'with' if has_names else 'without'} a header"
        options.on_notice(f"{name}: {kind}; {columns.description('column', numbered=not has_names)}")
    for start, cells in itertools.chain(first, rows):
        if cells[0].lstrip().startswith("#") and (len(cells) != len(names) or columns.url == 0):
            continue  # a comment
        where = f"{name}:{start}"
        if len(cells) != len(names):
            on_bad_line(UsageError(f"{_counted(len(cells), 'cell')}, but {_counted(len(names), 'column')} in the table", where))
            continue
        try:
            download = columns.download(cells, where)
        except DownloadError as error:
            reason = f"{error.reason}: {error.url}" if error.url else error.reason
            on_bad_line(UsageError(reason, where, error.hint))
            continue
        yield download


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _names(cells: list[str]) -> tuple[str, ...]:
    """The names of the columns, each once."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell.strip().removeprefix("#").strip() if number == 1 else cell.strip()
        name = name or f"column{number}"
        names.append(name if name not in names else f"{name}_{number}")
    return tuple(names)
