"""Writes rows of a journal: as a list that `dl` reads, as a report, or as a sums file."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Literal

from msgspec import Struct
from msgspec.structs import replace

from downloader.core.digests import algorithm_by_length, hex_digits, one_algorithm
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

    ``host``: only URLs whose host matches this pattern; empty: all. ``algorithm``: of a sums file; empty: the one of which the
    journal has the most digests.
    """

    to: str
    kind: ExportKind
    status: StatusChoice
    host: str = ""
    algorithm: str = ""


class ExportCounts(Struct, frozen=True):
    """``rows``: written. ``left_out``: rows of the chosen status that could not be written: their secrets are masked in the
    journal (lists), or no digest of the algorithm is recorded (sums files). ``algorithm``: of a sums file."""

    rows: int
    left_out: int
    algorithm: str = ""


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
    spelling = algorithm or in_name or ""
    chosen = check_algorithm(spelling) if known == "sums" and spelling else ""
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
        algorithm = export.algorithm or _most_frequent(_recorded(journal, export), export.to)
        with replaced_file(export.to) as stream:
            counts = _write(stream, _complete(journal, export), lambda row: _sums_entry(row, algorithm, prefix))
            if not counts.rows:
                raise _no_digest(algorithm, _recorded(journal, export))
        return replace(counts, algorithm=algorithm)
    return _write_rows(journal, export)


def _complete(journal: JournalReader, export: Export) -> Iterator[JournalRow]:
    return (row for row in journal.complete_files() if not export.host or host_matches(row.url, export.host))


def _recorded(journal: JournalReader, export: Export) -> Counter[str]:
    """The algorithms of the recorded digests, each with the number of files that have one."""
    return Counter(item.partition("=")[0] for row in _complete(journal, export) for item in row.digests.split() if "=" in item)


def _most_frequent(recorded: Counter[str], name: str) -> str:
    """The algorithm for a sums file with this name, which names none: SHA-256, unless another one has more digests.

    Only what the length of a digest tells can be read again from such a file.
    """
    known = [kind for kind in recorded if kind == one_algorithm(kind)]
    readable = [kind for kind in known if kind in algorithm_by_length(hex_digits(kind), name).split("|")]
    return max(["sha256", *readable], key=lambda kind: recorded[kind])


def _no_digest(algorithm: str, recorded: Counter[str]) -> UsageError:
    """The error for a sums file without a line."""
    what = f"no {algorithm} digest is recorded in the journal"
    if recorded:
        has = ", ".join(f"{kind} of {count:,}" for kind, count in recorded.most_common())
        return UsageError(
            f"{what}; it has {has} files", hint="--algorithm chooses one of these; dl verify --write computes others"
        )
    return UsageError(what, hint=f"a run with --digest {algorithm} records them; dl verify --write computes them")


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
