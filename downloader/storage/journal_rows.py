"""What the journal of a folder says of each file: the schema of the database, and its rows as values.

The table ``files`` is a log: a run appends one row for each Result, and changes none. The last row of a URL counts.
"""

from msgspec import Struct

APPLICATION_ID = 0x646C6A6F
"""``PRAGMA application_id`` of a journal: the letters dljo."""

SCHEMA_VERSION = 1
"""``PRAGMA user_version`` of a journal."""

SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,   -- seconds since the epoch
    ended REAL,              -- NULL: the run goes on, or was killed
    naming TEXT NOT NULL     -- the settings that names depend on
);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    url TEXT NOT NULL,       -- without credentials
    path TEXT NOT NULL,      -- relative to the folder
    status INTEGER NOT NULL, -- 0: done, 1: skipped, 2: failed
    size INTEGER NOT NULL,   -- bytes on disk; 0: failed
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    digests TEXT NOT NULL,   -- sha256=…, separated by blanks
    http_status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    received INTEGER NOT NULL,
    ended REAL NOT NULL,     -- seconds since the epoch
    error_class TEXT NOT NULL,
    error TEXT NOT NULL
);
"""


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
