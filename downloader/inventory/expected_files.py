"""What is known of the files of a folder: read, one file after the other, from a journal, a report or a sums file."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from downloader.core.digests import checksum
from downloader.core.facts import Checksum
from downloader.core.names.checksum_lines import parse_line
from downloader.errors import StorageError, UsageError
from downloader.inventory.file_check import ExpectedFile, path_problem
from downloader.reports.row_reader import long_rows
from downloader.sources.nul_records import has_nul, nul_records
from downloader.storage.journal_reader import MAGIC, JournalReader

RecordKind = Literal["journal", "jsonl", "csv", "tsv", "parquet", "sums"]

_HEAD_BYTES = 4096
_PARQUET_MAGIC = b"PAR1"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_MAX_LINE_CHARACTERS = 64 * 1024


def kind_of(path: str) -> RecordKind:
    """What records are at ``path``, as told by the first bytes, and by the name where these fit several kinds.

    A folder is asked for its journal. Raises UsageError if there is nothing, StorageError if it cannot be read.
    """
    if os.path.isdir(path):
        return "journal"
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            head = stream.read(_HEAD_BYTES) or b""
    except FileNotFoundError:
        raise UsageError(f"there is no file or folder {path!r}") from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    if head.startswith(MAGIC):
        return "journal"
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "jsonl"
    first = text.partition(b"\n")[0].lower().replace(b'"', b"").strip()
    if b"path" in first.split(b","):
        return "csv"
    return "tsv" if b"path" in first.split(b"\t") else "sums"


def from_journal(journal: JournalReader) -> Iterator[ExpectedFile]:
    """The complete files of a journal. Raises UsageError if a package is missing that computes a digest."""
    for row in journal.complete_files():
        yield ExpectedFile(row.path, row.size, _digests(row.digests.split()), path_problem(row.path), row.url)


def _digests(items: Iterable[str]) -> tuple[Checksum, ...]:
    """The checksums of texts such as ``sha256=…``. What is no checksum is left out. Raises UsageError for a missing package."""
    found = []
    for item in items:
        kind, equals, digest = item.partition("=")
        if equals:
            try:
                found.append(checksum(kind, digest))
            except UsageError as error:
                _raise_if_uninstalled(error)
    return tuple(found)


def _raise_if_uninstalled(error: UsageError) -> None:
    """Raise the error if it says that a package has to be installed: without it, files would seem to have no digest."""
    if error.hint.startswith("pip install"):
        raise error


def from_sums(path: str) -> Iterator[ExpectedFile]:
    """The lines of a sums file. A line that cannot be read, or whose path leaves the folder, has a ``problem``.

    Raises UsageError if the first line cannot be read: then it is no sums file. StorageError if the file cannot be read.
    """
    name = os.path.basename(path)
    is_first = True
    with _opened(path) as stream:
        for number, line in enumerate(_lines(stream, path), 1):
            text = line.removeprefix("\ufeff").rstrip("\r\n")
            if text.startswith(_SIGNATURE):
                return
            if not text.strip() or text.startswith(("#", "-----BEGIN PGP", "Hash: ")):
                continue
            where = f"{name}:{number}"
            try:
                found, item = parse_line(text, name)
            except UsageError as error:
                _raise_if_uninstalled(error)
                if is_first:
                    what = f"{path} is no report, and not a sums file: line {number}: {error.reason}"
                    raise UsageError(what, hint=error.hint or "a line of a sums file is `digest  name`") from None
                yield ExpectedFile("", problem=error.reason, origin=where)
            else:
                yield ExpectedFile(found, None, (item,), path_problem(found), where)
            is_first = False


def _lines(stream: io.TextIOWrapper, path: str) -> Iterator[str]:
    """The lines of a file; a line that is too long ends the reading with UsageError."""
    try:
        if has_nul(stream):
            yield from nul_records(stream)
            return
        while line := stream.readline(_MAX_LINE_CHARACTERS):
            if len(line) == _MAX_LINE_CHARACTERS:
                raise UsageError(
                    f"{path} is no report, and not a sums file: a line is longer than {_MAX_LINE_CHARACTERS} characters"
                )
            yield line
    except OSError as error:
        raise StorageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def _opened(path: str) -> io.TextIOWrapper:
    try:
        return open(path, encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def from_report(path: str, kind: RecordKind) -> Iterator[ExpectedFile]:
    """The rows of ``--report`` or ``--manifest`` of which the file is complete. ``kind``: jsonl, csv, tsv or parquet.

    A row that cannot be read has a ``problem``: the run may have been killed while it wrote the row. Raises UsageError if the
    rows have no path, StorageError if the file cannot be read.
    """
    rows = _parquet_rows(path) if kind == "parquet" else _text_rows(path, kind)
    name = os.path.basename(path)
    for number, row in enumerate(rows, 1):
        where = f"{name}: row {number}"
        if row is not None and "path" not in row:
            raise UsageError(f"{path}: row {number} has no path", hint="expected a report, a manifest or a sums file")
        found = None if row is None else row["path"]
        if row is None or not isinstance(found, str) or not isinstance(status := row.get("status", "done"), str):
            yield ExpectedFile("", problem="the row is cut, or no row of a report", origin=where)
        elif status in ("done", "skipped") and row.get("reason") != "duplicate":
            try:
                size = _size(row)
            except ValueError as error:
                yield ExpectedFile(found, problem=str(error), origin=where)
            else:
                yield ExpectedFile(found, size, _digests(_texts(row.get("digests"))), path_problem(found), where)


def _size(row: Mapping[str, Any]) -> int | None:
    """The size that a row states; None: none. Raises ValueError for a size that is no number."""
    value = row.get("bytes", row.get("size"))
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"not a number of bytes: {str(value)[:40]!r}") from None


def _texts(value: object) -> list[str]:
    """Digests as texts ``sha256=…``, from a text, a list, or an object (also one that is written as JSON)."""
    if isinstance(value, str):
        if value.startswith("{"):
            try:
                return _texts(msgspec.json.decode(value))
            except msgspec.DecodeError:
                return []
        return value.split()
    if isinstance(value, Mapping):
        return [f"{key}={item}" for key, item in value.items()]
    return [str(item) for item in value] if isinstance(value, list) else []


_Row = Mapping[str, Any] | None
"""A row by the names of its columns; None: it cannot be read."""


def _text_rows(path: str, kind: RecordKind) -> Iterator[_Row]:
    with _opened(path) as stream:
        lines = (line.removeprefix("\ufeff") if number == 0 else line for number, line in enumerate(stream))
        try:
            yield from _json_rows(lines) if kind == "jsonl" else _table_rows(lines, "\t" if kind == "tsv" else ",")
        except OSError as error:
            raise StorageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def _json_rows(lines: Iterable[str]) -> Iterator[_Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in lines:
        if line.strip():
            try:
                yield decode(os.fsencode(line))
            except (msgspec.MsgspecError, ValueError):
                yield None


def _table_rows(lines: Iterable[str], delimiter: str) -> Iterator[_Row]:
    rows = long_rows(lines, delimiter)
    try:
        header = next(rows, [])
        for row in rows:
            if row:
                yield dict(zip(header, row, strict=True)) if len(row) == len(header) else None
    except csv.Error:
        yield None


def _parquet_rows(path: str) -> Iterator[_Row]:
    from downloader.reports.parquet import read_parquet  # here: 50 ms that only Parquet needs to pay

    try:
        yield from read_parquet(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read {path}: {error}") from None
