"""Rows of a fixed schema, written as JSON Lines, CSV, TSV or Parquet: the suffix of the file's name chooses the format.

Memory does not grow with the number of rows. In every format each column has one type from the first row to the last, and no
value is null: a text that is not known is empty, a number 0.

======================  ============  ===================================  =================
type of a column        JSON Lines    CSV and TSV                          Parquet
======================  ============  ===================================  =================
``text``                string        quoted, also if empty                string
``integer``             number        digits                               int64
``number``              number        with a decimal point or an exponent  double
``boolean``             true, false   ``true``, ``false``                  boolean
``texts``               object        the object as JSON; empty: no key    string, as in CSV
======================  ============  ===================================  =================

A column whose name has a dot, ``error.class``, is a key of an object in JSON Lines: ``{"error": {"class": …}}``.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

import msgspec

from downloader.reports.output_file import OutputFile

ColumnType = Literal["text", "integer", "number", "boolean", "texts"]
RowFormat = Literal["jsonl", "csv", "tsv", "parquet"]
Value = str | int | float | bool | dict[str, str]

_FORMATS: dict[str, RowFormat] = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_encode = msgspec.json.Encoder().encode


class Column(NamedTuple):
    """A column: its name, and the type of its values."""

    name: str
    type: ColumnType = "text"


class RowWriter(Protocol):
    """Writes rows to one file. A context manager, which closes the file. Every method raises StorageError."""

    def add(self, row: Sequence[Value]) -> None:
        """Write one row: a value for each column, in their order. A ``number`` is a float, and finite.

        Characters that UTF-8 cannot encode (lone surrogates, which names of files may have) are written as ``\\udc80``.
        """

    def flush(self) -> None:
        """Write what is buffered. Of Parquet, only groups of 10,000 rows are written before the end."""

    def close(self) -> None:
        """Write the rest, and close the file. A Parquet file appears under its name only now."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def format_of(path: str) -> RowFormat:
    """The format that the name of a file chooses; JSON Lines for ``-`` (standard output) and for any other suffix."""
    name = path.lower()
    return next((kind for suffix, kind in _FORMATS.items() if name.endswith(suffix)), "jsonl")


def open_rows(path: str, columns: Sequence[Column], kind: RowFormat | None = None) -> RowWriter:
    """Open a file for rows with these columns; an existing file is replaced.

    ``kind``: the format; None: `format_of` the path.

    Raises:
        StorageError: the file cannot be written.
        UsageError: the file is to be Parquet, and pyarrow is not installed.

    Example::

        with open_rows("files.csv", [Column("url"), Column("bytes", "integer")]) as rows:
            rows.add(["https://example.org/a", 12])
    """
    match kind or format_of(path):
        case "parquet":
            from downloader.reports.parquet import ParquetRows  # here: few runs write Parquet

            return ParquetRows(path, columns)
        case "csv":
            return DelimitedRows(path, columns, ",")
        case "tsv":
            return DelimitedRows(path, columns, "\t")
        case _:
            return JsonRows(path, columns)


def clean(text: str) -> str:
    """The text with characters that UTF-8 cannot encode escaped."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def clean_value(value: Value) -> Value:
    """The value, with every text in it as `clean` returns it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): clean(text) for name, text in value.items()}
    return value


def texts_as_json(texts: Value) -> str:
    """A value of the type ``texts`` for a format that has no objects: JSON; empty for an empty object."""
    return _encode(clean_value(texts)).decode() if texts else ""


class RowEncoder:
    """Makes a line of JSON of each row with these columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        parts = [column.name.partition(".") for column in columns]
        self._places = [(head, tail) if dot else ("", head) for head, dot, tail in parts]

    def line(self, row: Sequence[Value]) -> bytes:
        """The row as a line of JSON."""
        try:
            return _encode(self._object(row)) + b"\n"
        except UnicodeEncodeError:
            return _encode(self._object([clean_value(value) for value in row])) + b"\n"

    def _object(self, row: Sequence[Value]) -> dict[str, object]:
        record: dict[str, object] = {}
        for (group, name), value in zip(self._places, row, strict=True):
            if group:
                inner = record.setdefault(group, {})
                assert isinstance(inner, dict)  # noqa: S101 - no column has the name of a group
                inner[name] = value
            else:
                record[name] = value
        return record


class JsonRows(OutputFile):
    """JSON Lines: one object for each row."""

    def __init__(self, path: str, columns: Sequence[Column]) -> None:
        super().__init__(path)
        self._line = RowEncoder(columns).line

    def add(self, row: Sequence[Value]) -> None:
        """See `RowWriter`."""
        self._write(self._line(row))


class DelimitedRows(OutputFile):
    """CSV (RFC 4180, with LF at the end of a row) or TSV, in UTF-8. The first row has the names of the columns.

    ``columns`` may be replaced before the first row is added.
    """

    def __init__(self, path: str, columns: Sequence[Column], delimiter: str) -> None:
        super().__init__(path)
        self.columns = columns
        self._delimiter = delimiter
        self._width = 0

    def add(self, row: Sequence[Value]) -> None:
        """See `RowWriter`."""
        if not self._width:
            self._write_header()
        if len(row) != self._width:
            raise ValueError(f"{len(row)} values for {self._width} columns")
        self._write_cells(row)

    def _write_header(self) -> None:
        self._width = len(self.columns)
        self._write_cells([column.name for column in self.columns])

    def _write_cells(self, row: Sequence[Value]) -> None:
        try:
            line = (self._delimiter.join([_cell(value) for value in row]) + "\n").encode()
        except UnicodeEncodeError:
            line = (self._delimiter.join([_cell(clean_value(value)) for value in row]) + "\n").encode()
        self._write(line)

    def close(self) -> None:
        """See `RowWriter`. A file without rows has the names of the columns, too."""
        if not (self._width or self._failed):
            self._write_header()
        super().close()


def _cell(value: Value) -> str:
    """One cell. Every text is quoted, as no mode of the csv module does it: so an empty text is not taken for null."""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"' if '"' in value else f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return _cell(texts_as_json(value)) if isinstance(value, dict) else repr(value)
