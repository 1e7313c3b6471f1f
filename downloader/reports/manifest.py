"""``--manifest FILE``: one row for each file of a list, kept up to date from run to run.

While a run goes on, its rows are written to ``FILE.rows``. At its end they are merged with FILE, into a new file that replaces
FILE. So FILE is complete at every moment, and a killed run loses nothing: the next run merges ``FILE.rows`` first.

Rows keep their order; new files follow in the order in which they ended. Memory has two tables of hashes, some 50 bytes for
each row of the run.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import astuple, replace

from downloader.core.model import Result, Status
from downloader.errors import StorageError, UsageError
from downloader.extras import require
from downloader.reports.output_file import STDOUT, is_special
from downloader.reports.row_index import RowIndex
from downloader.reports.row_reader import has_columns, names_of, read_rows
from downloader.reports.rows import Column, JsonRows, Value, format_of
from downloader.reports.schema import META, SCHEMA, digests_text, value_text
from downloader.reports.table_files import ROWS, has_rows, write_rows

COLUMNS = (
    Column("schema", "integer"),
    Column("url"),
    Column("path"),
    Column("status"),
    Column("listed", "boolean"),
    Column("bytes", "integer"),
    Column("changed"),
    Column("etag"),
    Column("last_modified"),
    Column("digests"),
    Column("verified", "boolean"),
    Column("value"),
    Column("processed", "boolean"),
    Column("function"),
    Column("warning"),
    Column("http_status", "integer"),
    Column("final_url"),
    Column("error.class"),
    Column("error.message"),
    Column("origin"),
    META,
)
"""docs/reports.md describes each column for readers."""

_DONE, _SKIPPED, _FAILED = (str(status) for status in Status)


class ManifestRow(msgspec.Struct, frozen=True, array_like=True):
    """One row: a field for each of `COLUMNS`, in their order."""

    schema: int
    url: str
    path: str
    status: str
    listed: bool
    bytes: int
    changed: str
    etag: str
    last_modified: str
    digests: str
    verified: bool
    value: str
    processed: bool
    function: str
    warning: str
    http_status: int
    final_url: str
    error_class: str
    error_message: str
    origin: str
    meta: dict[str, str]

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the file."""
        return self.url, self.path


_decode = msgspec.json.Decoder(ManifestRow).decode


class Manifest:
    """``--manifest``. A context manager: its end merges the rows of the run into the file.

    ``complete``: to be set when every file of the list has its row: files of earlier runs that have none now are not listed
    any more.

    Args:
        path: the file.
        root: the folder of the run.
        function: the name of the function that processes finished files; empty: none.
        epoch_now: gives seconds since the epoch.
        on_wait: called before waiting for another run that writes the same manifest; None: that is an error.
        on_bad_rows: called with the number of damaged rows that the file has, and will not have any more; None: nobody is told.

    Raises:
        StorageError: the file cannot be written; every method raises it.
        UsageError: it is to be Parquet, and pyarrow is not installed; or it is no file that can be read again.
    """

    def __init__(
        self,
        path: str,
        root: str = ".",
        function: str = "",
        epoch_now: Callable[[], float] = time.time,
        on_wait: Callable[[], object] | None = None,
        on_bad_rows: Callable[[int], object] | None = None,
    ) -> None:
        if path == STDOUT or is_special(path):
            raise UsageError("--manifest: this is no regular file", hint="--report can write to it")
        self._kind = format_of(path)
        if self._kind == "parquet":
            require("a manifest in Parquet", "pyarrow", extra="parquet")
        self._path = os.path.realpath(path)
        if has_rows(self._path) and not has_columns(self._path, ("url", "path", "listed"), self._kind):
            raise UsageError(f"--manifest: {path} is no manifest, and stays as it is", hint="give the name of a new file")
        self._root = os.path.abspath(os.path.expanduser(root))
        self._function = function
        self._epoch_now = epoch_now
        self._on_bad_rows = on_bad_rows
        self._bad_rows = 0
        self._rows = self._path + ROWS
        self.complete = False
        self._lock = _locked(self._rows, on_wait)
        try:
            if has_rows(self._rows):  # of a run that was killed
                self._merge()
            self._sink = JsonRows(self._rows, COLUMNS)
        except BaseException:
            os.close(self._lock)
            raise

    def add(self, result: Result) -> None:
        """Note what became of a file."""
        if result.reason != "duplicate":  # another Result has the file
            self._sink.add(astuple(self._row_of(result)))

    def _row_of(self, result: Result) -> ManifestRow:
        done = result.status is Status.DONE
        error = result.error
        return ManifestRow(
            schema=SCHEMA,
            url=result.url,
            path=result.path,
            status=result.status.value,
            listed=True,
            bytes=result.bytes or ((self._size(result.path) or 0) if result.status is Status.SKIPPED else 0),
            changed=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._epoch_now())) if done else "",
            etag=result.etag,
            last_modified=result.last_modified,
            digests=digests_text(result.digests),
            verified=result.verified,
            value=value_text(result.value),
            processed=done and bool(self._function),
            function=self._function if done else "",
            warning=result.warning,
            http_status=result.http_status,
            final_url=result.final_url,
            error_class=type(error).__name__ if error else "",
            error_message=str(error) if error else "",
            origin=result.origin,
            meta=dict(result.metadata),
        )

    def _size(self, path: str) -> int | None:
        """Bytes of a file of the run; None if there is none."""
        with suppress(OSError, ValueError):
            if path:
                return os.stat(os.path.join(self._root, path)).st_size
        return None

    def _is_on_disk(self, row: ManifestRow) -> bool:
        """Whether a file that an earlier run found or fetched is there, and has the same size."""
        return bool(row.bytes or row.changed) and self._size(row.path) == row.bytes

    def flush(self) -> None:
        """Write the rows that are buffered."""
        self._sink.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.complete = self.complete and error is None
        try:
            self._sink.close()
            self._merge()
            with suppress(FileNotFoundError):
                os.unlink(self._rows)
        except StorageError:
            if error is None:  # else that error is raised
                raise
        finally:
            os.close(self._lock)

    def _merge(self) -> None:
        """Merge the rows of a run into the file."""
        try:
            index = RowIndex(os.path.dirname(self._path))
            try:
                names = dict.fromkeys(names_of(self._path, META.name, self._kind) if has_rows(self._path) else ())
                for row in map(_row, read_rows(self._rows, COLUMNS, "jsonl")):
                    index.put(row.key, row)
                    if not names:
                        names = dict.fromkeys(row.meta)
                if len(index):
                    rows = (list(astuple(row)) for row in self._merged(index))
                    write_rows(rows, COLUMNS, list(names), self._path, self._kind)
                    if self._bad_rows and self._on_bad_rows is not None:
                        self._on_bad_rows(self._bad_rows)
            finally:
                index.close()
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror or error}") from None

    def _count_bad_row(self) -> None:
        self._bad_rows += 1

    def _merged(self, index: RowIndex) -> Iterator[ManifestRow]:
        self._bad_rows = 0
        rows = read_rows(self._path, COLUMNS, self._kind, self._count_bad_row) if has_rows(self._path) else ()
        for old in map(_row, rows):
            line = index.pop(old.key)
            new = None if line is None else _decode(line)
            if new is not None and new.key == old.key:
                yield self._updated(old, new)
            elif not self.complete:
                yield old
            elif self._is_on_disk(old):
                yield replace(old, listed=False)
        yield from map(_decode, index.rows())

    def _updated(self, old: ManifestRow, new: ManifestRow) -> ManifestRow:
        """What is known of a file after this run."""
        if new.status == _SKIPPED and old.bytes == new.bytes and _may_match(old.etag, new.etag):
            return replace(
                new,
                status=_DONE if old.changed else _SKIPPED,
                etag=new.etag or old.etag,
                verified=new.verified or old.verified,
                last_modified=new.last_modified or old.last_modified,
                digests=new.digests or old.digests,
                final_url=old.final_url or new.final_url,
                http_status=new.http_status or old.http_status,
                **_kept(old),
            )
        if new.status == _FAILED and self._is_on_disk(old):
            return replace(
                new,
                bytes=old.bytes,
                etag=old.etag,
                last_modified=old.last_modified,
                digests=old.digests,
                verified=old.verified,
                **_kept(old),
            )
        return new


def _locked(path: str, on_wait: Callable[[], object] | None) -> int:
    """A descriptor of this file, which is made if it is missing, with a lock that lasts until the descriptor is closed.

    ``on_wait``: see `Manifest`. Raises StorageError if another run has the lock, or if the file cannot be opened.
    """
    mode = fcntl.LOCK_EX | fcntl.LOCK_NB
    try:
        while True:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, mode)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            except FileNotFoundError:
                pass  # the run that had the lock has removed the file and ended
            except BlockingIOError:
                if on_wait is None:
                    os.close(descriptor)
                    raise
                on_wait()
                mode = fcntl.LOCK_EX
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BlockingIOError:
        raise StorageError(f"another run writes this manifest: {path}", hint="give another name, or --on-busy wait") from None
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None


def _kept(old: ManifestRow) -> dict[str, object]:
    """What a run that has not fetched a file cannot know."""
    names = ("changed", "value", "processed", "function", "warning")
    return {name: getattr(old, name) for name in names}


def _row(values: list[Value]) -> ManifestRow:
    return ManifestRow(*values)  # type: ignore[arg-type]  # `read_rows` gives each column its type


def _may_match(etag: str, other: str) -> bool:
    return not etag or not other or etag == other
