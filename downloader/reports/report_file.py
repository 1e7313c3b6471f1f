"""``--report``: one row for each Result, as JSON Lines, CSV, TSV or Parquet. `downloader.reports.schema` has the columns."""

import os
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from downloader.core.model import Result, Status
from downloader.extras import require
from downloader.reports.earlier_report import EarlierReport
from downloader.reports.output_file import STDOUT, is_special
from downloader.reports.row_reader import read_rows
from downloader.reports.rows import DelimitedRows, JsonRows, RowWriter, Value, format_of, open_rows
from downloader.reports.schema import COLUMNS, row_of, spread, with_names
from downloader.reports.table_files import ROWS, write_rows


class ReportFile:
    """``--report``: a row for each Result, as its file ends. A context manager. Raises StorageError.

    A skipped file keeps what an earlier report at the same path says about it. ``complete``: to be set when every file of the
    list has its row. ``unprocessed``: how many skipped files ``function`` has not processed.
    """

    def __init__(self, path: str, root: str = ".", function: str = "") -> None:
        """``root``: the folder of the run. ``function``: the name of the function that processes finished files."""
        if format_of(path) == "parquet":
            require("a report in Parquet", "pyarrow", extra="parquet")
        self._earlier = EarlierReport(path) if path != STDOUT else None
        self._rows = _open(path)
        self._root = os.path.abspath(os.path.expanduser(root))
        self._function = function
        self._begun = self.complete = False
        self.unprocessed = 0

    def add(self, result: Result) -> None:
        """Write the row of a Result."""
        self._begun = True
        if result.status is Status.SKIPPED and result.reason != "duplicate":
            self._rows.add(self._skipped(result))
        else:
            done = bool(self._function) and result.status is Status.DONE
            self._rows.add(row_of(result, done, self._function if done else ""))

    def _skipped(self, result: Result) -> list[Value]:
        if not result.bytes:
            with suppress(OSError):
                result = replace(result, bytes=os.stat(os.path.join(self._root, result.path)).st_size)
        known = self._earlier.row(result, result.bytes) if self._earlier else None
        function = known.function if known else ""
        processed = known is not None and (known.processed or bool(known.value))
        if self._function and function not in ("", self._function):
            processed, function, known = False, "", replace(known, value="") if known else None
        self.unprocessed += bool(self._function) and not processed
        return row_of(result, processed, function, known)

    def flush(self) -> None:
        """Write the rows that are buffered."""
        self._rows.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._rows.__exit__(kind, error, trace)
        if self._earlier is not None:
            self._earlier.close(self._begun, self.complete and error is None)


def _open(path: str) -> RowWriter:
    if path == STDOUT or format_of(path) == "jsonl":
        return open_rows(path, COLUMNS)
    if is_special(path):
        return open_rows(path, COLUMNS)  # with all metadata in one column
    return _SpooledParquet(path) if format_of(path) == "parquet" else _MetadataTable(path)


class _MetadataTable(DelimitedRows):
    """CSV or TSV: the metadata of the first row says which columns there are."""

    def __init__(self, path: str) -> None:
        super().__init__(path, COLUMNS, "\t" if format_of(path) == "tsv" else ",")
        self._names: list[str] | None = None

    def add(self, row: Sequence[Value]) -> None:
        if self._names is None:
            self._names = names_in(row)
            self.columns = with_names(COLUMNS, self._names)
        super().add(spread(row, self._names))


class _SpooledParquet(JsonRows):
    """Parquet, which cannot be read before its end is written: the rows go to ``PATH.rows``, and become Parquet at the end.

    If the run is killed, ``PATH.rows`` stays, and the next run reads it.
    """

    def __init__(self, path: str) -> None:
        self._target = os.path.realpath(path)
        super().__init__(self._target + ROWS, COLUMNS)
        self._converted = False
        self._names: list[str] = []

    def add(self, row: Sequence[Value]) -> None:
        self._names = self._names or names_in(row)
        super().add(row)

    def close(self) -> None:
        super().close()
        if not self._converted:
            self._converted = True
            try:
                write_rows(read_rows(self._path, COLUMNS, "jsonl"), COLUMNS, self._names, self._target, "parquet")
                os.unlink(self._path)
            except OSError as error:
                raise self._cannot_write(error) from None


def names_in(row: Sequence[Value]) -> list[str]:
    """The keys of the metadata of a row."""
    texts = row[-1]
    return list(texts) if isinstance(texts, dict) else []
