"""Files of rows as a whole: written so that a kill leaves the file as it was, and merged."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from downloader.reports.row_index import RowIndex
from downloader.reports.row_reader import names_of, read_rows
from downloader.reports.rows import Column, RowFormat, Value, open_rows
from downloader.reports.schema import META, spread, with_names

ROWS = ".rows"
"""The suffix of the rows of a run whose file is made at the end of the run, as JSON Lines."""


def has_rows(path: str) -> bool:
    """Whether this is a regular file that is not empty."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def merge_rows(files: Iterable[tuple[str, RowFormat]], columns: Sequence[Column], path: str, kind: RowFormat) -> None:
    """Write the rows of these files into one; of each URL and path, the last row counts. Raises OSError, StorageError.

    ``columns``: those of the rows; the last one is `META`.
    """
    url, place = [[column.name for column in columns].index(name) for name in ("url", "path")]
    index = RowIndex(os.path.dirname(path))
    names: dict[str, None] = {}
    try:
        for name, format_ in files:
            names.update(dict.fromkeys(names_of(name, META.name, format_)))
            for row in read_rows(name, columns, format_):
                index.put((row[url], row[place]), row)
        write_rows((msgspec.json.decode(line) for line in index.rows()), columns, list(names), path, kind)
    finally:
        index.close()


def write_rows(rows: Iterable[list[Value]], columns: Sequence[Column], names: list[str], path: str, kind: RowFormat) -> None:
    """Write rows to ``path.new``, and rename it to ``path``: a kill leaves the file as it was. Raises OSError, StorageError.

    Args:
        rows: one value for each of ``columns``, the last of which is `META`.
        columns: those of the rows.
        names: the keys of `META` that get columns of their own, where the format has no objects.
        path: the file.
        kind: its format.
    """
    new = path + ".new"
    table = kind != "jsonl"
    try:
        with open_rows(new, with_names(columns, names) if table else columns, kind) as sink:
            for row in rows:
                sink.add(spread(row, names) if table else row)
        with open(new, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise
