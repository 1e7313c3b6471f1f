"""The rows of an earlier ``--report FILE``: what is known of files that exist already and are skipped.

While FILE is written anew, the earlier report is kept as ``FILE.earlier``, in the same format, until a run has come to its end.
So no row is lost, whenever a run is stopped or killed. What a killed run had written is merged into ``FILE.earlier`` by the
next run: of each file, the last row counts.

In memory there is only a table of hashes and offsets, about 25 bytes for each row. The offsets belong to a temporary file,
which has no name, and from which a row is read when its file is skipped.
"""

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO

import msgspec

from downloader.core.model import Result
from downloader.core.names.claimed_paths import HashTable
from downloader.errors import StorageError
from downloader.reports.row_reader import names_of, read_rows
from downloader.reports.rows import Column, RowFormat, Value, format_of, open_rows
from downloader.reports.schema import COLUMNS, META, KnownFile, spread, with_names

SUFFIX = ".earlier"
ROWS = ".rows"
"""The suffix of the rows of a Parquet file that is not complete, as JSON Lines."""

_KNOWN_COLUMNS = [column for column in COLUMNS if column.name in KnownFile.__struct_fields__]
_encode = msgspec.json.Encoder().encode


class RowIndex:
    """Rows in a temporary file without a name; of rows with the same key, the last one counts. Raises OSError.

    Args:
        folder: where the temporary file is made.
    """

    def __init__(self, folder: str) -> None:
        self._stream: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._offsets = HashTable()
        self._end = 0

    def __len__(self) -> int:
        return len(self._offsets)

    def put(self, key: object, row: object) -> None:
        """Append a row. Not to be called after `get`."""
        line = _encode(row) + b"\n"
        self._stream.write(line)
        self._offsets.put(hash(key), self._end)
        self._end += len(line)

    def get(self, key: object) -> bytes | None:
        """The last row that was put under this key, as JSON; perhaps that of another key with the same hash."""
        offset = self._offsets.get(hash(key))
        return None if offset is None else self._at(offset)

    def _at(self, offset: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.readline()

    def rows(self) -> Iterator[bytes]:
        """The last row of each key, in the order in which they were put."""
        for offset in sorted(self._offsets.values()):
            yield self._at(offset)

    def close(self) -> None:
        """Remove the temporary file."""
        self._stream.close()


class EarlierReport:
    """The report at ``path`` that an earlier run has written. It is moved out of the way.

    Raises StorageError; UsageError for a Parquet file without pyarrow.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.earlier = self.path + SUFFIX
        self._kind = format_of(path)
        self._index: RowIndex | None = None
        try:
            self._set_aside()
            if _has_rows(self.earlier):
                self._index = self._known_files()
        except OSError as error:
            raise StorageError(f"cannot keep the earlier report as {self.earlier}: {error.strerror or error}") from None

    def _set_aside(self) -> None:
        """Rename the report; merge it with the kept one if the run before did not come to its end."""
        files: list[tuple[str, RowFormat]] = [
            (self.earlier, self._kind),
            (self.path, self._kind),
            (self.path + ROWS, "jsonl"),
        ]
        files = [(name, kind) for name, kind in files if _has_rows(name)]
        if files == [(self.path, self._kind)]:
            os.rename(self.path, self.earlier)
        elif files and files != [(self.earlier, self._kind)]:
            merge_rows(files, COLUMNS, self.earlier, self._kind)
            for name, _ in files:
                if name != self.earlier:
                    os.unlink(name)

    def _known_files(self) -> RowIndex:
        index = RowIndex(os.path.dirname(self.earlier))
        for row in read_rows(self.earlier, _KNOWN_COLUMNS, self._kind):
            known = msgspec.convert(dict(zip([column.name for column in _KNOWN_COLUMNS], row, strict=True)), KnownFile)
            if known.is_useful:
                index.put((known.url, known.path), known)
        return index

    def row(self, result: Result, size: int) -> KnownFile | None:
        """The last row of this Result's file, if the file has not changed: same URL and path, ``size`` bytes, same ETag."""
        if self._index is None or (line := self._index.get((result.url, result.path))) is None:
            return None
        known = msgspec.json.decode(line, type=KnownFile)
        same = (known.url, known.path, known.bytes) == (result.url, result.path, size)
        return known if same and (not result.etag or not known.etag or result.etag == known.etag) else None

    def close(self, begun: bool, complete: bool) -> None:
        """Forget the earlier report. Remove its file if ``complete``, move it back unless ``begun``.

        ``begun``: the new report has a row. ``complete``: it has all rows of a run that came to its end.
        """
        if self._index is None:
            return
        self._index.close()
        with suppress(OSError):
            if complete:
                os.unlink(self.earlier)
            elif not begun:
                os.replace(self.earlier, self.path)


def _has_rows(path: str) -> bool:
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
