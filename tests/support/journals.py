"""Journals for tests, made from the schema."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from downloader.storage.journal_rows import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, JournalRow

_FIELDS = JournalRow.__struct_fields__
_INSERT = f"INSERT INTO files (run, {', '.join(_FIELDS)}) VALUES ({', '.join('?' * (len(_FIELDS) + 1))})"


def new_journal(folder: Path, application: int = APPLICATION_ID, version: int = SCHEMA_VERSION) -> sqlite3.Connection:
    """A connection to a new, empty journal of this folder."""
    path = folder / ".downloader" / "journal.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)
    connection.execute(f"PRAGMA application_id = {application}")
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


def add_run(
    connection: sqlite3.Connection, rows: Iterable[JournalRow], started: float = 1000.0, ended: float | None = 2000.0
) -> int:
    """Append a run with these rows. Returns its number."""
    connection.execute("BEGIN")
    cursor = connection.execute("INSERT INTO runs (started, ended, naming) VALUES (?, ?, '{}')", (started, ended))
    run = int(cursor.lastrowid or 0)
    connection.executemany(_INSERT, ((run, *(getattr(row, name) for name in _FIELDS)) for row in rows))
    connection.execute("COMMIT")
    return run


def write_journal(folder: Path, *rows: JournalRow, started: float = 1000.0, ended: float | None = 2000.0) -> str:
    """Write the journal of a folder with one run of these rows. Returns its path."""
    connection = new_journal(folder)
    add_run(connection, rows, started, ended)
    connection.close()
    return str(folder / ".downloader" / "journal.sqlite")


def done(name: str, size: int = 3, digests: str = "", host: str = "a.example", ended: float = 1500.0) -> JournalRow:
    """A file that was fetched."""
    url = f"https://{host}/{name}"
    return JournalRow(url, name, 0, size, "", "", digests, 200, 1, size, ended)


def failed(name: str, error_class: str = "HTTPStatusError", status: int = 404, host: str = "a.example") -> JournalRow:
    """A URL that failed."""
    url = f"https://{host}/{name}"
    error = f"{url}: HTTP {status} Not Found" if status else f"{url}: connection refused"
    return JournalRow(url, name, 2, 0, "", "", "", status, 2, 10, 1600.0, error_class, error)
