"""Writes the rows of a run to its journal: in a thread of its own, one transaction about every second.

The run only appends each Result to a queue. The thread makes rows of them, and inserts many rows with one statement: SQLite
works without the interpreter's lock during a statement, so the run goes on meanwhile. What was not committed when the process
is killed is lost; the files themselves are there, and the next run finds them by their names.
"""

import os
import sqlite3
import threading
import time
from collections import deque

from downloader.core.model import Result
from downloader.errors import StorageError
from downloader.storage.journal import failure
from downloader.storage.journal_rows import COLUMNS, row_of

COMMIT_SECONDS = 1.0
MAX_WAITING = 100_000
"""Results that wait to be written at most; then the run waits."""

ROWS_PER_STATEMENT = 64
"""At 14 columns, 64 rows are less than the 999 values that old versions of SQLite accept in a statement."""

_ROW = f"({', '.join('?' * len(COLUMNS))})"
_INSERT = f"INSERT INTO files ({', '.join(COLUMNS)}) VALUES "  # noqa: S608 - names from the schema
_INSERT_MANY = _INSERT + ", ".join([_ROW] * ROWS_PER_STATEMENT)


class JournalWriter:
    """Appends the Results of one run to the journal.

    ``error``: why rows were lost, or None; after `close`. ``lost``: how many.

    Args:
        connection: to the journal; closed by `close`.
        path: of the journal, for messages.
        root: the folder of the run.
        naming: the settings that names depend on, as JSON.

    Raises:
        StorageError: the journal cannot be written.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, root: str, naming: str) -> None:
        self._connection = connection
        self._path = path
        self._root = root
        self._waiting: deque[Result] = deque()
        self._unwritten: list[tuple[object, ...]] = []
        self._closing = threading.Event()
        self.error: StorageError | None = None
        self.lost = 0
        try:
            cursor = connection.execute("INSERT INTO runs (started, naming) VALUES (?, ?)", (time.time(), naming))
        except sqlite3.Error as error:
            raise failure(path, error) from None
        self._run = int(cursor.lastrowid or 0)
        self._thread = threading.Thread(target=self._write_all, name="dl-journal", daemon=True)
        self._thread.start()

    def add(self, result: Result) -> None:
        """Append the row of a Result, within a second or so. Waits while too many Results wait to be written."""
        self._waiting.append(result)
        if len(self._waiting) >= MAX_WAITING:
            self._wait()

    def _wait(self) -> None:
        while len(self._waiting) >= MAX_WAITING and self._thread.is_alive():
            time.sleep(COMMIT_SECONDS / 20)

    def close(self) -> None:
        """Write what waits, note the end of the run, and close the connection. May be called twice."""
        self._closing.set()
        self._thread.join()

    def _write_all(self) -> None:
        try:
            while not self._closing.wait(COMMIT_SECONDS):
                self._commit()
            self._commit(time.time())
        except Exception as error:  # noqa: BLE001 - the run goes on without a journal, and says so at its end
            self.error = self.error or StorageError(f"cannot write the journal {self._path}: {error}")
        finally:
            self.lost += len(self._unwritten) + len(self._waiting)
            self._waiting.clear()
            self._connection.close()

    def _commit(self, ended: float | None = None) -> None:
        """Write what waits; rows that cannot be written now are kept for the next time. ``ended``: of the run."""
        waiting, now = self._waiting, time.time()
        for _ in range(min(len(waiting), max(0, MAX_WAITING - len(self._unwritten)))):
            result = waiting.popleft()
            self._unwritten.append(row_of(result, self._run, result.bytes or self._size_of(result), now))
        if not self._unwritten and ended is None:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(self._unwritten)
            if ended is not None:
                self._connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (ended, self._run))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.error = failure(self._path, error)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        else:
            self.error = None
            self._unwritten.clear()

    def _insert(self, rows: list[tuple[object, ...]]) -> None:
        end = len(rows) - len(rows) % ROWS_PER_STATEMENT
        for start in range(0, end, ROWS_PER_STATEMENT):
            values: list[object] = []
            for row in rows[start : start + ROWS_PER_STATEMENT]:
                values += row
            self._connection.execute(_INSERT_MANY, values)
        self._connection.executemany(_INSERT + _ROW, rows[end:])

    def _size_of(self, result: Result) -> int:
        """The size of a file that exists, and of which the Result gives no size: it is empty, or was not modified."""
        if result.error is not None or result.reason != "not modified":
            return 0
        try:
            return os.stat(os.path.join(self._root, result.path)).st_size
        except OSError:
            return 0
