"""Opens the journal of a folder: a database of SQLite, in WAL mode, that only its owner may read.

What can be wrong with it, and what follows:

====================================  ==================================================================================
the file                              what happens
====================================  ==================================================================================
is of a newer version                 StorageError: nothing is started, and the file stays as it is
is another program's database         StorageError
is no database, or is damaged         with ``auto``: it is renamed to ``journal.sqlite.damaged``, and a new one begins, with
                                      a notice; a file that the user named: StorageError
cannot be opened or written, for      with ``auto``: the run goes on without a journal, with a notice; a file that the user
example on a read-only or full disk   named: StorageError
====================================  ==================================================================================
"""

import os
import sqlite3
import stat
import time
from contextlib import suppress
from urllib.parse import quote

from downloader.errors import JournalDamaged, JournalUnavailable, StorageError
from downloader.storage.journal_rows import (
    APPLICATION_ID,
    FOLDER,
    JOURNAL_NAME,
    SCHEMA,
    SCHEMA_VERSION,
    Defect,
    defect_of,
)

BUSY_SECONDS = 10.0
"""Seconds that a statement waits for a lock. Who only reads waits for the recovery after a crash alone."""

WAL_RETRY_SECONDS = 0.01

UNREADABLE_SCHEMA = "its schema is not UTF-8"
"""What is wrong where the message of SQLite quotes the schema, and cannot be decoded: sqlite3 raises UnicodeDecodeError."""

_WITHOUT = "use --journal none to go on without a journal"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def default_path(root: str) -> str:
    """The path of the journal of a folder, with ``auto``."""
    return os.path.join(root, FOLDER, JOURNAL_NAME)


def open_journal(path: str) -> sqlite3.Connection:
    """Open the journal at ``path``; create it if it is missing. Any thread may use the connection, one at a time.

    Raises:
        JournalUnavailable: the file cannot be opened or written.
        JournalDamaged: it is no database, or a damaged one.
        StorageError: it is another program's database, or of a newer version.
    """
    try:
        _create(path)
        return _open(path)
    except OSError as error:
        raise JournalUnavailable(f"cannot open the journal {path}: {error.strerror}", hint=_WITHOUT) from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise failure(path, error) from None


def open_to_read(path: str, is_in_use: bool = False) -> sqlite3.Connection:
    """Open a journal that exists, and write nothing. Raises as `open_journal`. ``is_in_use``: this process writes to it."""
    try:
        os.stat(path)
        # Without `immutable`, SQLite makes a -wal and a -shm file to read, even in a folder that must not be written.
        mode = "mode=ro" if is_in_use or os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
        return _checked(connected(path, mode), path)
    except OSError as error:
        raise JournalUnavailable(f"cannot read the journal {path}: {error.strerror}") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise failure(path, error) from None


def connected(path: str, mode: str) -> sqlite3.Connection:
    """A connection to a file that exists, which nothing was read from yet. Any thread may use it, one at a time.

    ``mode``: parameters of SQLite's URIs, as ``mode=ro``. Raises sqlite3.Error.
    """
    uri = f"file:{quote(os.path.abspath(os.fsencode(path)))}?{mode}"
    return sqlite3.connect(uri, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def failure(path: str, error: sqlite3.Error | UnicodeDecodeError) -> StorageError:
    """The StorageError for an error of the database at ``path``; a UnicodeDecodeError: of a message that quotes its bytes."""
    if isinstance(error, UnicodeDecodeError):
        return JournalDamaged(f"the journal {path} is damaged: {UNREADABLE_SCHEMA}", hint=_WITHOUT)
    if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED:
        return JournalDamaged(f"the journal {path} is damaged: {error}", hint=_WITHOUT)
    return JournalUnavailable(f"cannot use the journal {path}: {error}", hint=_WITHOUT)


def set_aside(path: str) -> str:
    """Rename a damaged journal, so that a new one can begin. Returns the new path. Raises JournalUnavailable."""
    other = f"{path}.damaged"
    try:
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(path + suffix, other + suffix)
        os.replace(path, other)
    except OSError as error:
        raise JournalUnavailable(f"cannot rename the damaged journal {path}: {error.strerror}", hint=_WITHOUT) from None
    return other


def _create(path: str) -> None:
    """Make the file and its folder, if they are missing. Raises OSError; also for links, which may lead elsewhere."""
    parent = os.path.dirname(path) or "."
    if os.path.basename(parent) == FOLDER:
        with suppress(FileExistsError):
            os.mkdir(parent)
        if not stat.S_ISDIR(os.lstat(parent).st_mode):
            raise NotADirectoryError(20, f"{FOLDER} is not a folder")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _open(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    _checked(connection, path)
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")  # two runs may create the tables at the same moment
        if not _number(connection, "user_version"):
            for statement in SCHEMA.split(";\n")[:-1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set the mode of the database. SQLite itself does not wait for another process that does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if (getattr(error, "sqlite_errorcode", 0) & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(WAL_RETRY_SECONDS)


def _checked(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    """The connection, if its database is a journal of this version, or empty. Raises StorageError, sqlite3.DatabaseError."""
    try:
        connection.execute("BEGIN")  # one state of the database, see `defect_of`
        defect = defect_of(connection)
        connection.execute("COMMIT")
        if defect is Defect.FOREIGN:
            raise StorageError(f"{path} is the database of another program", hint="give another file with --journal")
        if defect is Defect.DAMAGED:
            raise JournalDamaged(f"the journal {path} is damaged: {defect.value}", hint=_WITHOUT)
        if defect is Defect.NEWER:
            hint = f"update this program, or {_WITHOUT}"
            raise StorageError(f"the journal {path} was written by a newer version of this program", hint=hint)
    except BaseException:
        connection.close()
        raise
    return connection


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
