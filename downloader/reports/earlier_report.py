"""The rows of an earlier ``--report FILE``: what is known of files that exist already and are skipped.

While FILE is written anew, the earlier report is kept as ``FILE.earlier``, in the same format, until a run has come to its end.
So no row is lost, whenever a run is stopped or killed. What a killed run had written is merged into ``FILE.earlier`` by the
next run: of each file, the last row counts.

In memory there is only a table of hashes and offsets, about 25 bytes for each row. The offsets belong to a temporary file,
which has no name, and from which a row is read when its file is skipped.
"""

import os
from contextlib import suppress

import msgspec

from downloader.core.model import Result
from downloader.errors import StorageError
from downloader.reports.row_index import RowIndex
from downloader.reports.row_reader import read_rows
from downloader.reports.rows import RowFormat, format_of
from downloader.reports.schema import COLUMNS, KnownFile
from downloader.reports.table_files import ROWS, has_rows, merge_rows

SUFFIX = ".earlier"
_KNOWN_COLUMNS = [column for column in COLUMNS if column.name in KnownFile.__struct_fields__]


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
            if has_rows(self.earlier):
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
        files = [(name, kind) for name, kind in files if has_rows(name)]
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
