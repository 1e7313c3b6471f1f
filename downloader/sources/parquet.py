"""Reads Parquet files as lists: a row is a Download; what the columns mean is told as for other tables.

Rows are read in batches of limited size, and memory does not grow with the file. Columns of bytes, of numbers in lists and of
structures are not decoded: no Download needs them, and they may be most of the file. A Parquet file ends with its index, so a
list from a pipe, or a compressed one, is first written to a temporary file.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from downloader import extras
from downloader.core.model import Download
from downloader.errors import DownloadError, UsageError
from downloader.sources.columns import URL_NAMES, Columns, NoSuchColumn, columns_of, plain
from downloader.sources.formats import ListOptions, OnBadLine

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_BATCH_ROWS = 8192
"""Rows that are decoded at a time at most."""

_BATCH_BYTES = 16 * 1024 * 1024
"""Bytes that are decoded at a time, about."""

_BUFFER_BYTES = 256 * 1024


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a Parquet file, read lazily. A row without a usable URL goes to ``on_bad_line``, with its number from 1.

    ``name``: of the list, for messages. Raises UsageError if pyarrow is not installed, if the file is no Parquet file or a
    truncated one, and if no column has URLs.
    """
    extras.require("a list in Parquet", "pyarrow", extra="parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with _seekable(stream, name) as file:
        try:
            table = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES)
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"not a Parquet file, or a truncated one: {_first_line(error)}", name) from None
        try:
            wanted = _wanted_columns(table, options)
            columns = _meaning(table, wanted, name, options)
            if options.on_notice is not None:
                options.on_notice(f"{name}: a Parquet file; {columns.description('column')}")
            for batch in table.iter_batches(_batch_rows(table, wanted), columns=wanted, use_threads=False):
                rows = zip(*(_texts(column) for column in batch.columns), strict=True)
                for cells in rows:
                    number += 1
                    where = f"{name}:row {number}"
                    try:
                        download = columns.download(cells, where)
                    except DownloadError as error:
                        on_bad_line(UsageError(f"{error.reason}{': ' + error.url if error.url else ''}", where, error.hint))
                    else:
                        yield download
        except (pa.ArrowException, OSError) as error:
            reason = f"the Parquet file is damaged, at row {number + 1} or shortly after it: {_first_line(error)}"
            raise UsageError(reason, name) from None


def _seekable(stream: IO[bytes], name: str) -> IO[bytes]:
    """The stream, or a temporary file with its content. Raises UsageError if the file cannot be written."""
    if stream.seekable():
        return stream
    import tempfile

    try:
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, file)
            file.seek(0)
            stack.pop_all()  # the caller closes it
    except OSError as error:
        hint = "TMPDIR names the folder of temporary files"
        raise UsageError(f"cannot write a temporary file for the list: {error.strerror}", name, hint) from None
    return file


def _wanted_columns(table: "pq.ParquetFile", options: ListOptions) -> list[str]:
    """The names of the columns that a Download may need: those with texts, numbers, dates and lists of texts.

    Columns of bytes are among them only where the name of the column, or the user, says that they are URLs.
    """
    from pyarrow import types

    wanted = []
    for field in table.schema_arrow:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        is_bytes = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
        if types.is_nested(kind):
            is_wanted = _is_list(kind) and _is_text(kind.value_type)
        elif is_bytes:
            is_wanted = plain(field.name) in URL_NAMES or field.name == options.url_column
        else:
            is_wanted = True
        if is_wanted:
            wanted.append(field.name)
    return list(dict.fromkeys(wanted))


def _meaning(table: "pq.ParquetFile", wanted: list[str], name: str, options: ListOptions) -> Columns:
    """What the columns mean, by their names and by the first row. Raises UsageError if none has URLs."""
    first = next(table.iter_batches(1, columns=wanted, use_threads=False), None)
    names = tuple(wanted if first is None else first.schema.names)
    cells = [""] * len(names) if first is None else [_texts(column)[0] for column in first.columns]
    try:
        columns = columns_of(names, cells, options, has_names=True)
    except NoSuchColumn as error:
        raise UsageError(error.reason, name, error.hint) from None
    if columns is None:
        known = ", ".join(table.schema_arrow.names[:40])
        raise UsageError("no column has URLs", name, f"--url-column NAME; the columns are {known}")
    return columns


def _batch_rows(table: "pq.ParquetFile", wanted: list[str]) -> int:
    """How many rows have about `_BATCH_BYTES`, by what the index of the file says."""
    metadata = table.metadata
    size = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.partition(".")[0] in wanted or column.path_in_schema in wanted:
                size += column.total_uncompressed_size
    rows: int = _BATCH_BYTES * metadata.num_rows // max(1, size)
    return max(1, min(MAX_BATCH_ROWS, rows))


def _is_list(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_text(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _texts(column: "pa.Array") -> Sequence[str]:
    """The values of a column as text; empty for null. The items of a list have spaces between them."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        return [" ".join(text or "" for text in texts or ()) for texts in column.to_pylist()]
    if not _is_text(column.type) and not pa.types.is_binary(column.type):
        column = column.cast(pa.string())
    try:
        return [text or "" for text in column.cast(pa.string(), safe=False).to_pylist()]
    except (pa.ArrowException, UnicodeDecodeError):  # bytes that are not UTF-8: each row is judged on its own
        return [(data or b"").decode("utf-8", "surrogateescape") for data in column.cast(pa.binary()).to_pylist()]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
