"""Reads the journal of a folder, also while a run writes it: the last row of each URL, in memory that does not grow.

The schema is in `downloader.storage.journal_rows`. A `JournalReader` sees the journal as it was when the reader was opened:
rows that a run appends meanwhile are left out, so all answers of one reader agree. Nothing is written to the journal.

Which row of a URL is the last one is computed once, into a temporary table, which SQLite keeps on the disk if it is large.
"""

import fnmatch
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self

from downloader.core.names.urls import host_of
from downloader.errors import JournalDamaged, StorageError, UsageError
from downloader.storage.journal import UNREADABLE_SCHEMA, connected
from downloader.storage.journal_rows import DONE, FAILED, SCHEMA_VERSION, SKIPPED, Defect, JournalRow, defect_of

MAGIC = b"SQLite format 3\0"
"""The first bytes of every SQLite database."""

CACHE_KIB = 16 * 1024
"""KiB of memory that SQLite may use for pages. What is sorted beyond that is kept in a temporary file."""

COMPLETE = (DONE, SKIPPED)
"""The statuses of a URL whose file is complete."""

_PORT = r":[0-9*?]+\Z"
_COLUMNS = ", ".join(JournalRow.__struct_fields__)
_LAST_ROWS = """  -- SQLite keeps the order of a CROSS JOIN
CREATE TEMP TABLE last_rows (id INTEGER PRIMARY KEY);
INSERT INTO last_rows SELECT MAX(id) FROM main.files GROUP BY url ORDER BY 1;

-- A run that skips a file computes no digest: that of the run that fetched the file holds.
CREATE TEMP TABLE skipped (url TEXT PRIMARY KEY, id INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO skipped
SELECT url, id, path, size FROM last_rows CROSS JOIN main.files USING (id) WHERE status = 1 AND digests = '';
CREATE TEMP TABLE earlier_digests (id INTEGER PRIMARY KEY, digests TEXT NOT NULL);
INSERT INTO earlier_digests
SELECT skipped.id, fetched.digests
FROM (
    SELECT MAX(files.id) AS id, files.url FROM main.files AS files CROSS JOIN skipped ON skipped.url = files.url
    WHERE files.status = 0 GROUP BY files.url
) AS last_fetched CROSS JOIN main.files AS fetched ON fetched.id = last_fetched.id
CROSS JOIN skipped ON skipped.url = last_fetched.url
WHERE fetched.digests <> '' AND fetched.path = skipped.path AND fetched.size = skipped.size;
DROP TABLE skipped;

CREATE TEMP VIEW last_files AS
SELECT files.id, run, url, path, status, size, etag, last_modified, IFNULL(earlier_digests.digests, files.digests) AS digests,
    http_status, attempts, received, ended, error_class, error
FROM last_rows CROSS JOIN main.files AS files ON files.id = last_rows.id
LEFT JOIN earlier_digests ON earlier_digests.id = files.id;
"""
_LAST_OF_PATH = "SELECT MAX(id) FROM last_files WHERE status IN (0, 1) AND path <> '' GROUP BY path ORDER BY 1"


class JournalRun(NamedTuple):
    """One run: its number, when it started and ended (seconds since the epoch), and its settings for names.

    ``ended``: None if the run goes on, or was killed.
    """

    id: int
    started: float
    ended: float | None
    naming: str


class JournalReader:
    """The journal at ``path``. A context manager. Several threads may use one reader, but not two at the same time.

    ``path``: as given.

    Raises:
        UsageError: there is no such file, or it is empty.
        StorageError: the journal cannot be read, is no database or a damaged one, was written by a newer version of dl, or
            belongs to another program. Every method may raise this error.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        _check_file(path)
        self._has_last_rows = False
        with self._raising():
            self._connection = self._open()
        try:
            with self._raising():
                self._check_kind()
                self._connection.create_function("host_of_url", 1, _host, deterministic=True)
                self._connection.execute("BEGIN")
                self._connection.execute("SELECT MAX(id) FROM files").fetchone()  # from now on, later rows are not seen
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> sqlite3.Connection:
        """A connection; the first of several ways that works.

        A connection that may write the file removes SQLite's own files when it is closed; one that may not leaves them behind.
        Without permission to create these files, SQLite opens a journal only if told that nobody writes it.
        """
        folder = os.path.dirname(os.path.abspath(self.path))
        is_writable = os.access(self.path, os.W_OK) and os.access(folder, os.W_OK)
        modes = ["mode=rw"] if is_writable else ["mode=ro"]
        if not is_writable and not _size_of(f"{self.path}-wal"):
            modes.append("mode=ro&immutable=1")
        for number, mode in enumerate(modes, 1):
            connection = connected(self.path, mode)
            try:
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                connection.close()
                if number == len(modes):
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise AssertionError

    def _check_kind(self) -> None:
        """Raises StorageError if the database is not a journal that this version can read."""
        defect = defect_of(self._connection)
        if defect in (Defect.EMPTY, Defect.FOREIGN):
            raise StorageError(f"not a journal of dl: {self.path}", hint="this database belongs to another program")
        if defect is Defect.NEWER:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            hint = f"its format is {version}, this version reads {SCHEMA_VERSION}"
            raise StorageError(f"a newer version of dl has written {self.path}", hint=hint)
        if defect is Defect.DAMAGED:
            raise JournalDamaged(f"the journal is damaged: {self.path} lacks its tables", hint=_REMOVE)

    @contextmanager
    def _raising(self) -> Iterator[None]:
        """Raises StorageError for an error of SQLite."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageError(f"cannot read the journal {self.path}: {error}", hint=_hint(str(error))) from None
        except sqlite3.DatabaseError as error:
            raise JournalDamaged(f"the journal is damaged: {self.path}: {error}", hint=_REMOVE) from None
        except UnicodeDecodeError:
            raise JournalDamaged(f"the journal is damaged: {self.path}: {UNREADABLE_SCHEMA}", hint=_REMOVE) from None

    def select(self, query: str, *values: object) -> Iterator[tuple[object, ...]]:
        """The rows of a query of SQL, read one after the other.

        The tables: ``runs``, ``files``, and ``last_files`` with the last row of each URL; a skipped file has the digests of the
        run that fetched it. ``host_of_url(url)`` is the host of a URL.
        """
        self._make_last_rows()
        with self._raising():
            for row in self._connection.execute(query, values):  # noqa: UP028 - `yield from` would close the cursor at its end
                yield row

    def _make_last_rows(self) -> None:
        if self._has_last_rows:
            return
        with self._raising():
            for statement in _LAST_ROWS.split(";"):
                self._connection.execute(statement)
            self._connection.execute("PRAGMA query_only = 1")
        self._has_last_rows = True

    def rows(self, statuses: tuple[int, ...] = (DONE, SKIPPED, FAILED), host: str = "") -> Iterator[JournalRow]:
        """The last row of each URL, in the order in which the rows were written.

        ``statuses``: only rows with these. ``host``: only URLs whose host matches this pattern, see `host_matches`; empty: all.
        """
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT {_COLUMNS} FROM last_files WHERE status IN ({marks}) ORDER BY id"  # noqa: S608
        for values in self.select(query, *statuses):
            row = JournalRow(*values)  # type: ignore[arg-type]  # the schema declares the types
            if not host or host_matches(row.url, host):
                yield row

    def complete_files(self) -> Iterator[JournalRow]:
        """One row for each file that should be in the folder: of several URLs with one path, the one that ended last."""
        query = f"SELECT {_COLUMNS} FROM last_files WHERE id IN ({_LAST_OF_PATH}) ORDER BY id"  # noqa: S608
        for values in self.select(query):
            yield JournalRow(*values)  # type: ignore[arg-type]

    def runs(self) -> Iterator[JournalRun]:
        """All runs, in the order in which they started."""
        with self._raising():
            for row in self._connection.execute("SELECT id, started, ended, naming FROM runs ORDER BY id"):
                yield JournalRun(*row)

    def close(self) -> None:
        """Close the journal. May be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_REMOVE = "remove the file to begin a new journal: files that are complete are not fetched again"


def _hint(problem: str) -> str:
    """What to do about an error of SQLite."""
    if "locked" in problem:
        return "another program uses it: try again"
    if "readonly" in problem or "unable to open" in problem:
        return "a run was killed, and its folder is read-only: copy the folder of the journal to a place that you can write"
    if "disk is full" in problem or "disk I/O" in problem:
        return "SQLite needs space for temporary files: set TMPDIR to a folder with more space"
    return _REMOVE if "no such column" in problem or "decode" in problem else ""


def _check_file(path: str) -> None:
    """Raises UsageError if there is no file that could be a journal, StorageError if it cannot be read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UsageError(f"not a journal of dl: {path}", hint="it is not a file")
            head = stream.read(len(MAGIC))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"there is no journal: {path}", hint="a run of dl keeps one in its --dir, unless --journal none"
        ) from None
    except IsADirectoryError:
        raise UsageError(f"not a journal of dl: {path}", hint="it is a folder") from None
    except OSError as error:
        raise StorageError(f"cannot read the journal {path}: {(error.strerror or str(error)).lower()}") from None
    if not head:
        raise UsageError(f"the journal is empty: {path}", hint="nothing was recorded yet")
    if head != MAGIC:
        raise JournalDamaged(f"the journal is damaged: {path} is not an SQLite database", hint=_REMOVE)


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _host(url: object) -> str:
    """The host of a URL; empty for what is no URL."""
    text = str(url)
    return host_of(text) if text.count("/") > 2 else ""


def host_matches(url: str, pattern: str) -> bool:
    """Whether the host of a URL matches a pattern such as ``*.example.org``. Case does not matter.

    A pattern with a port, as ``example.org:8080``, is compared with host and port; one without, with the host alone.
    """
    host, pattern = _host(url), pattern.lower()
    if not re.search(_PORT, pattern):
        host = re.sub(_PORT, "", host)
    return fnmatch.fnmatchcase(host, pattern.replace("[", "[[]"))
