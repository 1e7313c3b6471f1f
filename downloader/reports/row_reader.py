"""Reads the rows of a report or a manifest again, from JSON Lines, CSV, TSV or Parquet.

A run may have been killed while it wrote the file, and the file may come from an earlier version: a row that is cut or is no
row is left out, a column that the file does not have gets an empty text or 0, and a column that is not asked for is ignored.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from downloader.reports.rows import Column, RowFormat, Value, format_of
from downloader.reports.schema import SCHEMA

Record = dict[str, Any]
"""One row: values by the full names of their columns, as ``error.class`` and ``meta.id``."""

_EMPTY: dict[str, Value] = {"text": "", "integer": 0, "number": 0.0, "boolean": False}
_TYPES: dict[str, Any] = {"text": str, "integer": int, "number": float}
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


def read_rows(path: str, columns: Sequence[Column], kind: RowFormat | None = None) -> Iterator[list[Value]]:
    """The rows of a file, each with one value for each of these columns.

    Args:
        path: the file.
        columns: what to read. A column of the type ``texts`` also gets the values of all columns ``NAME.…``.
        kind: the format; None: the name of the file chooses.

    Raises:
        OSError: the file cannot be read.
        UsageError: the file is Parquet, and pyarrow is not installed.
    """
    for record in _records(path, kind or format_of(path)):
        with suppress(ValueError, msgspec.MsgspecError):
            yield [_value(record, column) for column in columns]


def names_of(path: str, group: str, kind: RowFormat | None = None) -> list[str]:
    """The columns ``GROUP.NAME`` of a table, as their ``NAME``; none of JSON Lines. Arguments and errors as `read_rows`."""
    match kind or format_of(path):
        case "parquet":
            from downloader.reports.parquet import parquet_columns  # here, and below: few runs need it

            names = parquet_columns(path)
        case "csv" | "tsv" as delimited:
            names = next(_delimited_rows(path, delimited), [])
        case _:
            names = []
    return [name.partition(".")[2] for name in names if name.startswith(f"{group}.")]


def _records(path: str, kind: RowFormat) -> Iterator[Record]:
    if kind == "parquet":
        from downloader.reports.parquet import read_parquet

        with suppress(ValueError):  # no Parquet
            yield from read_parquet(path)
    elif kind == "jsonl":
        yield from _json_objects(path)
    else:
        rows = _delimited_rows(path, kind)
        header = next(rows, [])
        for row in rows:
            if len(row) == len(header):
                yield dict(zip(header, row, strict=True))


def _delimited_rows(path: str, kind: RowFormat) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)  # a value that a function returned may be long
    with open(path, newline="", encoding="utf-8", errors="backslashreplace") as stream, suppress(csv.Error):
        yield from csv.reader(stream, delimiter="\t" if kind == "tsv" else ",")


def _json_objects(path: str) -> Iterator[Record]:
    with open(path, "rb") as stream:
        for line in stream:
            with suppress(ValueError, msgspec.MsgspecError):
                yield _flat(_decode_object(line))


def _flat(line: Record) -> Record:
    if "schema" not in line and "value" in line:  # version 1: the value itself, not its JSON
        line["value"] = "" if line["value"] is None else _encode(line["value"]).decode()
        line["schema"] = SCHEMA
    record: Record = {}
    for name, value in line.items():
        if isinstance(value, dict):
            record.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            record[name] = value
    return record


def _value(record: Record, column: Column) -> Value:
    """The value of a column. Raises ValueError, MsgspecError for a text that has another type."""
    if column.type == "texts":
        prefix = column.name + "."
        texts = {name.removeprefix(prefix): text for name, text in record.items() if name.startswith(prefix) and text}
        rest = record.get(column.name)
        return {**texts, **_decode_texts(rest)} if rest else texts
    value = record.get(column.name)
    if column.type == "boolean":
        return value is True or value == "true"
    if isinstance(value, str) and column.type != "text":
        number: Value = _TYPES[column.type](value)
        return number
    kind: type[Any] = _TYPES[column.type]
    return value if isinstance(value, kind) else _EMPTY[column.type]
