"""Rows as a Parquet file: written and read with pyarrow, some 10,000 rows at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from downloader.errors import StorageError
from downloader.extras import require
from downloader.reports.output_file import is_special
from downloader.reports.rows import Column, Value, clean_value, texts_as_json

GROUP_ROWS = 10_000
"""Rows that are in memory at most; they become one row group."""

NEW = ".new"
"""The suffix of the file until it is complete: a Parquet file cannot be read before its end is written."""


class ParquetRows:
    """A `RowWriter`. The file is ``PATH.new`` until `close`; PATH is replaced by then, and not before."""

    def __init__(self, path: str, columns: Sequence[Column]) -> None:
        require("writing Parquet", "pyarrow", extra="parquet")
        import pyarrow  # here, and below: 50 ms that only Parquet needs to pay
        from pyarrow import parquet

        types = {
            "text": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "boolean": pyarrow.bool_(),
            "texts": pyarrow.string(),
        }
        self._schema = pyarrow.schema([(column.name, types[column.type]) for column in columns])
        self._texts = [column.type == "texts" for column in columns]
        self._rows: list[tuple[Any, ...]] = []
        self._path = os.path.realpath(path)
        self._open = True
        self._renames = not is_special(path)  # a pipe or a device is written as it is
        try:
            self._stream = open(self._path + NEW if self._renames else path, "wb")  # noqa: SIM115 - closed by `close`
            self._writer = parquet.ParquetWriter(self._stream, self._schema, compression="zstd")
        except OSError as error:
            raise self._cannot_write(error) from None

    def add(self, row: Sequence[Value]) -> None:
        """See `RowWriter`."""
        if len(row) != len(self._texts):
            raise ValueError(f"{len(row)} values for {len(self._texts)} columns")
        self._rows.append(tuple(row))
        if len(self._rows) >= GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow

        columns: list[Sequence[Any]] = [
            list(map(texts_as_json, values)) if has_texts else values
            for has_texts, values in zip(self._texts, zip(*self._rows, strict=True), strict=True)
        ]
        try:
            group = pyarrow.table(columns, schema=self._schema)
        except UnicodeEncodeError:
            cleaned = [[clean_value(value) for value in column] for column in columns]
            group = pyarrow.table(cleaned, schema=self._schema)
        try:
            self._writer.write_table(group)
        except OSError as error:
            raise self._cannot_write(error) from None
        self._rows = []

    def flush(self) -> None:
        """See `RowWriter`: a group that is not full yet stays in memory."""

    def close(self) -> None:
        """See `RowWriter`."""
        if not self._open:
            return
        try:
            if self._rows:
                self._write_group()
            self._writer.close()
            self._stream.close()
            if self._renames:
                os.replace(self._path + NEW, self._path)
        except OSError as error:
            raise self._cannot_write(error) from None
        finally:
            self.discard()

    def discard(self) -> None:
        """Close what is open; remove an incomplete file."""
        if self._open:
            self._open = False
            with suppress(Exception):
                self._writer.close()
            with suppress(OSError):
                self._stream.close()
            if self._renames:
                with suppress(OSError):
                    os.unlink(self._path + NEW)

    def _cannot_write(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write {self._path}: {error.strerror or error}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def read_parquet(path: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a group at a time. Raises OSError, and ValueError for a file that is no Parquet."""
    require("reading Parquet", "pyarrow", extra="parquet")
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS):
            yield from batch.to_pylist()


def parquet_columns(path: str) -> list[str]:
    """The names of the columns of a Parquet file; none if it is no Parquet. Raises OSError."""
    require("reading Parquet", "pyarrow", extra="parquet")
    from pyarrow import parquet

    try:
        names: list[str] = parquet.read_schema(path).names
    except ValueError:
        return []
    return names


def read_columns(source: str | IO[bytes], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of these columns, row by row. Raises OSError; ValueError or KeyError for another file."""
    require("reading Parquet", "pyarrow", extra="parquet")
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=list(names), use_threads=False):
            yield from zip(*[batch.column(name).to_pylist() for name in names], strict=True)
