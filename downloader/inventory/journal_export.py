"""Writes rows of a journal: as a list that `dl` reads, as a report, or as a sums file."""

from collections.abc import Callable, Iterator
from typing import IO, Literal

from msgspec import Struct

from downloader.core.model import Download
from downloader.core.names.file_names import default_path
from downloader.errors import UsageError
from downloader.inventory.file_check import path_problem
from downloader.inventory.sums_file import algorithm_in_name, base_folder, check_algorithm, sums_line
from downloader.reports import schema
from downloader.reports.rows import Column, Value, open_rows
from downloader.sources.text import format_download
from downloader.storage.journal_reader import COMPLETE, JournalReader, host_matches
from downloader.storage.journal_rows import DONE, FAILED, SKIPPED, JournalRow
from downloader.storage.replaced_file import replaced_file

ExportKind = Literal["urls", "csv", "tsv", "jsonl", "parquet", "sums"]
StatusChoice = Literal["failed", "done", "all"]

KINDS: tuple[ExportKind, ...] = ("urls", "csv", "tsv", "jsonl", "parquet", "sums")
STATUSES: dict[StatusChoice, tuple[int, ...]] = {"failed": (FAILED,), "done": COMPLETE, "all": (DONE, SKIPPED, FAILED)}
"""The statuses of the rows that each choice exports. A skipped file is complete, too."""

_SUFFIXES: dict[str, ExportKind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "urls",
    ".urls": "urls",
    ".list": "urls",
}
_STATUS_NAMES = {DONE: "done", SKIPPED: "skipped", FAILED: "failed"}
_MASK = "=***"
"""What stands in a URL of the journal instead of a secret."""

_FIELDS = {
    "url": "url",
    "path": "path",
    "status": "status",
    "bytes": "size",
    "received": "received",
    "http_status": "http_status",
    "attempts": "attempts",
    "etag": "etag",
    "last_modified": "last_modified",
    "digests": "digests",
    "error.class": "error_class",
    "error.message": "error",
}
"""The columns of a report that the journal knows, each with the name of its field in a `JournalRow`."""

COLUMNS = [*(column for column in schema.COLUMNS if column.name in _FIELDS), Column("ended", "number")]
"""The columns of an exported report. ``ended``: when the file ended, in seconds since the epoch."""


class Export(Struct, frozen=True):
    """What is exported.

    ``host``: only URLs whose host matches this pattern; empty: all. ``algorithm``: of a sums file.
    """

    to: str
    kind: ExportKind
    status: StatusChoice
    host: str = ""
    algorithm: str = ""


class ExportCounts(Struct, frozen=True):
    """``rows``: written. ``left_out``: rows of the chosen status that could not be written: their secrets are masked in the
    journal (lists), or no digest of the algorithm is recorded (sums files)."""

    rows: int
    left_out: int


def plan_export(to: str, kind: str, status: str, host: str, algorithm: str) -> Export:
    """Decide what is exported. What is empty is told by the name of the file ``to``. Raises UsageError.

    A list has the failed URLs, a sums file the complete files, and a report all URLs, unless ``status`` is given.
    """
    name = to.lower()
    in_name = algorithm_in_name(to)
    known = kind or next((item for suffix, item in _SUFFIXES.items() if name.endswith(suffix)), "")
    if not kind and in_name is not None:
        known = "sums"
    if not known:
        what = "--as tells what to write to standard output" if to == "-" else f"the name {to!r} does not tell what to write"
        raise UsageError(what, hint=f"--as {'|'.join(KINDS)}")
    if algorithm and known != "sums":
        raise UsageError("--algorithm is for sums files", hint="--as sums")
    if known == "sums" and status not in ("", "done"):
        raise UsageError(f"a sums file has complete files only, not those of --status {status}")
    usual = "failed" if known == "urls" else "done" if known == "sums" else "all"
    chosen = check_algorithm(algorithm or in_name or "sha256") if known == "sums" else ""
    return Export(to, known, status or usual, host, chosen)  # type: ignore[arg-type]  # the callers check the choices


def write_export(journal: JournalReader, folder: str, export: Export) -> ExportCounts:
    """Write the file; an existing one is replaced, in one step where it is a list or a sums file. Raises StorageError.

    Raises UsageError for a sums file if no digest of the algorithm is recorded; then nothing is written.
    """
    if export.kind == "urls":
        with replaced_file(export.to) as stream:
            return _write(stream, journal.rows(STATUSES[export.status], export.host), _list_entry)
    if export.kind == "sums":
        _, prefix = base_folder(export.to, folder)
        lines = (row for row in journal.complete_files() if not export.host or host_matches(row.url, export.host))
        with replaced_file(export.to) as stream:
            counts = _write(stream, lines, lambda row: _sums_entry(row, export.algorithm, prefix))
            if not counts.rows:
                what = f"no {export.algorithm} digest is recorded in the journal"
                raise UsageError(
                    what, hint=f"a run with --digest {export.algorithm} records them; dl verify --write computes them"
                )
        return counts
    return _write_rows(journal, export)


def _write(stream: IO[bytes], rows: Iterator[JournalRow], entry: Callable[[JournalRow], bytes | None]) -> ExportCounts:
    written = left_out = 0
    for row in rows:
        text = entry(row)
        if text is None:
            left_out += 1
        else:
            written += 1
            stream.write(text)
    return ExportCounts(written, left_out)


def _list_entry(row: JournalRow) -> bytes | None:
    """The lines of a list for one URL; None if the URL in the journal is not the whole URL."""
    if _MASK in row.url:
        return None
    plain = Download(row.url)
    out = row.path if row.path and row.path != default_path(plain) else ""
    return format_download(Download(row.url, out=out)).encode()


def _sums_entry(row: JournalRow, algorithm: str, prefix: str) -> bytes | None:
    """The line of a sums file for one file; None if no digest of the algorithm is recorded."""
    for item in row.digests.split():
        kind, _, digest = item.partition("=")
        if kind == algorithm and not path_problem(row.path):
            return sums_line(digest, prefix + row.path)
    return None


def _write_rows(journal: JournalReader, export: Export) -> ExportCounts:
    count = 0
    with open_rows(export.to, COLUMNS) as rows:
        for row in journal.rows(STATUSES[export.status], export.host):
            rows.add([_value(row, column.name) for column in COLUMNS])
            count += 1
    return ExportCounts(count, 0)


def _value(row: JournalRow, column: str) -> Value:
    if column == "status":
        return _STATUS_NAMES[row.status]
    value: Value = getattr(row, _FIELDS.get(column, column))
    return value
