"""Reads the rows of a report or a manifest again, from JSON Lines, CSV, TSV or Parquet.

A run may have been killed while it wrote the file, and the file may come from an earlier version: a row that is cut or is no
row is left out and counted, a column that the file does not have gets an empty text or 0, and a column that is not asked for is
ignored.
"""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from downloader.reports.rows import Column, RowFormat, Value, format_of
from downloader.reports.schema import META, SCHEMA

Record = dict[str, Any]
"""One row: values by the full names of their columns, as ``error.class`` and ``meta.id``."""

MAX_HEAD_BYTES = 1 << 24
"""Bytes of the first row that are read to tell what a file is."""

_EMPTY: dict[str, Value] = {"text": "", "integer": 0, "number": 0.0, "boolean": False}
_TYPES: dict[str, Any] = {"text": str, "integer": int, "number": float, "boolean": bool, "texts": dict}
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


OnBadRow = Callable[[], object]
"""Called for a row that is left out. Where nothing that follows can be read, it is called once."""


def _ignore() -> None:
    """The caller does not want to know."""


def read_rows(
    path: str, columns: Sequence[Column], kind: RowFormat | None = None, on_bad_row: OnBadRow = _ignore
) -> Iterator[list[Value]]:
    """The rows of a file, each with one value for each of these columns.

    Args:
        path: the file.
        columns: what to read. A column of the type ``texts`` also gets the values of all columns ``NAME.…``.
        kind: the format; None: the name of the file chooses.
        on_bad_row: called for each row that is left out.

    Raises:
        OSError: the file cannot be read.
        UsageError: the file is Parquet, and pyarrow is not installed.
    """
    types = [(column.name, _TYPES[column.type], column) for column in columns]
    for record in _records(path, kind or format_of(path), columns, on_bad_row):
        row: list[Value] = []
        try:
            for name, wanted, column in types:
                value: Any = record.get(name)
                row.append(value if type(value) is wanted else _converted(value, column))
        except (ValueError, msgspec.MsgspecError):
            on_bad_row()
            continue
        yield row


def has_columns(path: str, wanted: Sequence[str], kind: RowFormat) -> bool:
    """Whether the first row of a file, or its header, has all these columns. Raises as `read_rows`."""
    if kind == "parquet":
        from downloader.reports.parquet import parquet_columns

        try:
            names = parquet_columns(path)
        except ValueError:  # no Parquet
            return False
    elif kind == "jsonl":
        with open(path, "rb") as stream:
            try:
                names = list(_decode_object(stream.readline(MAX_HEAD_BYTES)))
            except (ValueError, msgspec.MsgspecError):
                return False
    else:
        names = next(_delimited_rows(path, kind, _ignore), [])
    return set(wanted) <= set(names)


def names_of(path: str, group: str, kind: RowFormat | None = None) -> list[str]:
    """The columns ``GROUP.NAME`` of a table, as their ``NAME``; none of JSON Lines. Arguments and errors as `read_rows`."""
    match kind or format_of(path):
        case "parquet":
            from downloader.reports.parquet import parquet_columns  # here, and below: few runs need it

            names = parquet_columns(path)
        case "csv" | "tsv" as delimited:
            names = next(_delimited_rows(path, delimited, _ignore), [])
        case _:
            names = []
    return [name.partition(".")[2] for name in names if name.startswith(f"{group}.")]


def _records(path: str, kind: RowFormat, columns: Sequence[Column], on_bad_row: OnBadRow) -> Iterator[Record]:
    if kind == "jsonl":
        yield from _json_objects(path, columns, on_bad_row)
    elif kind == "parquet":
        from downloader.reports.parquet import parquet_columns, read_parquet

        try:
            yield from _with_texts(read_parquet(path), parquet_columns(path), columns, on_bad_row)
        except ValueError:  # no Parquet
            on_bad_row()
    else:
        rows = _delimited_rows(path, kind, on_bad_row)
        header = next(rows, [])
        yield from _with_texts(_table_records(rows, header, on_bad_row), header, columns, on_bad_row)


def _table_records(rows: Iterator[list[str]], header: list[str], on_bad_row: OnBadRow) -> Iterator[Record]:
    for row in rows:
        if len(row) == len(header):
            yield dict(zip(header, row, strict=True))
        elif row:  # an empty line is no row
            on_bad_row()


def _delimited_rows(path: str, kind: RowFormat, on_bad_row: OnBadRow) -> Iterator[list[str]]:
    with open(path, newline="", encoding="utf-8", errors="backslashreplace") as stream:
        try:
            yield from long_rows(stream, "\t" if kind == "tsv" else ",")
        except csv.Error:
            on_bad_row()


def long_rows(stream: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The rows of a table whose cells may have any length, as values that a function returned. Raises csv.Error.

    The limit of the module csv holds for the whole process, and lists of URLs rely on it: it is raised for single rows only.
    """
    rows = csv.reader(stream, delimiter=delimiter)
    while True:
        limit = csv.field_size_limit(sys.maxsize)
        try:
            row = next(rows, None)
        finally:
            csv.field_size_limit(limit)
        if row is None:
            return
        yield row


def _with_texts(
    records: Iterator[Record], names: Sequence[str], columns: Sequence[Column], on_bad_row: OnBadRow
) -> Iterator[Record]:
    """The records of a table, with the columns ``NAME.…`` of each column of texts in one object."""
    groups = [column.name for column in columns if column.type == "texts"]
    parts = [
        (group, name, name.removeprefix(f"{group}.")) for group in groups for name in names if name.startswith(f"{group}.")
    ]
    for record in records:
        try:
            for group in groups:
                record[group] = _converted(record.get(group), META)
        except (ValueError, msgspec.MsgspecError):
            on_bad_row()
            continue
        for group, name, key in parts:
            if record[name]:
                record[group].setdefault(key, str(record[name]))
        yield record


def _json_objects(path: str, columns: Sequence[Column], on_bad_row: OnBadRow) -> Iterator[Record]:
    groups = {column.name.partition(".")[0] for column in columns if "." in column.name}
    with open(path, "rb") as stream:
        for line in stream:
            try:
                record = _decode_object(line)
            except (ValueError, msgspec.MsgspecError):
                if not line.isspace():
                    on_bad_row()
                continue
            if "schema" not in record and "value" in record:  # version 1: the value itself, not its JSON
                record["value"] = "" if record["value"] is None else _encode(record["value"]).decode()
                record["schema"] = SCHEMA
            for group in groups:
                inner = record.get(group)
                if isinstance(inner, dict):
                    record.update({f"{group}.{name}": value for name, value in inner.items()})
            yield record


def _converted(value: object, column: Column) -> Value:
    """A value that has another type than its column. Raises ValueError, MsgspecError for a text that is no such value."""
    if column.type == "texts":
        return _decode_texts(value) if isinstance(value, str) and value else {}
    if column.type == "boolean":
        return value == "true"
    if isinstance(value, str) and column.type != "text":
        number: Value = _TYPES[column.type](value)
        return number
    if isinstance(value, int) and column.type == "number":
        return float(value)
    return _EMPTY[column.type]
