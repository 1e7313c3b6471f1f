"""What the journal of a folder says of each file: the schema of the database, and its rows as values.

The table ``files`` is a log: a run appends one row for each Result, and changes none. The last row of a URL counts. Two kinds
of Results get no row: duplicates within a list, and files that were skipped because the journal has a row for them already.
"""

import sqlite3
import time
from enum import Enum
from typing import Any

from msgspec import Struct

from downloader.core.model import Result, Status
from downloader.core.names.file_names import RESERVED_FOLDER

FOLDER = RESERVED_FOLDER
"""Name of the folder with the journal, in the folder of the run."""

JOURNAL_NAME = "journal.sqlite"

APPLICATION_ID = 0x646C6A6F
"""``PRAGMA application_id`` of a journal: the letters dljo."""

SCHEMA_VERSION = 1
"""``PRAGMA user_version`` of a journal."""

DONE, SKIPPED, FAILED = 0, 1, 2
"""The values of the column ``status``."""

SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,   -- seconds since the epoch
    ended REAL,              -- NULL: the run goes on, or was killed
    naming TEXT NOT NULL     -- the settings that names depend on, as JSON
);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    url TEXT NOT NULL,       -- without credentials
    path TEXT NOT NULL,      -- relative to the folder
    status INTEGER NOT NULL, -- 0: done, 1: skipped, 2: failed
    size INTEGER NOT NULL,   -- bytes on disk; 0: failed
    etag TEXT NOT NULL,      -- as the server sent it; a weak one begins with W/
    last_modified TEXT NOT NULL,
    digests TEXT NOT NULL,   -- sha256=…, separated by blanks
    http_status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    received INTEGER NOT NULL,
    ended REAL NOT NULL,     -- seconds since the epoch, precise to about a second
    error_class TEXT NOT NULL,
    error TEXT NOT NULL
);
"""


class Defect(Enum):
    """Why a database cannot be used as a journal."""

    EMPTY = "nothing is in it yet"
    FOREIGN = "it belongs to another program"
    NEWER = "a newer version of this program has written it"
    DAMAGED = "it lacks its tables"


def defect_of(connection: sqlite3.Connection) -> Defect | None:
    """Why this database cannot be used as a journal; None if it can. Raises sqlite3.Error.

    To be called in a transaction: another run may create the tables at the same moment.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not (application or version or tables):
        return Defect.EMPTY
    if application != APPLICATION_ID:
        return Defect.FOREIGN
    if version > SCHEMA_VERSION:
        return Defect.NEWER
    return None if version and tables >= {"runs", "files"} else Defect.DAMAGED


class JournalRow(Struct, frozen=True):
    """One row of ``files``, without its ``id`` and ``run``. The comments of the schema say what each field means."""

    url: str
    path: str
    status: int
    size: int = 0
    etag: str = ""
    last_modified: str = ""
    digests: str = ""
    http_status: int = 0
    attempts: int = 0
    received: int = 0
    ended: float = 0.0
    error_class: str = ""
    error: str = ""


COLUMNS = ("run", *JournalRow.__struct_fields__)
"""The columns of ``files`` but ``id``: the order of the values of `row_of`."""

_CODES = {Status.DONE: DONE, Status.SKIPPED: SKIPPED, Status.FAILED: FAILED}


def row_of(result: Result, run: int, size: int, now: float | None = None) -> tuple[Any, ...]:
    """The values of `COLUMNS` for a Result. ``size``: of the file on disk. ``now``: seconds since the epoch."""
    error = result.error
    return (
        run,
        _text(result.url),
        _text(result.path),
        _CODES[result.status],
        size,
        _text(result.etag),
        _text(result.last_modified),
        " ".join(f"{item.algorithm}={item.digest}" for item in result.digests) if result.digests else "",
        result.http_status,
        result.attempts,
        result.received,
        time.time() if now is None else now,
        "" if error is None else type(error).__name__,
        "" if error is None else _text(str(error)),
    )


def _text(value: str) -> str:
    """The text with characters that UTF-8 cannot encode escaped: the name of a file may have some."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
