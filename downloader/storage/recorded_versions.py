"""Which version of each file the journal says is on disk, for ``--on-exists refresh``. In memory are 24 bytes for each URL."""

import re
import sqlite3
from collections.abc import Iterable

from downloader.core.facts import Validator
from downloader.core.names.claimed_paths import HashTable
from downloader.core.names.earlier_files import UNKNOWN
from downloader.storage.base import Storage
from downloader.storage.journal_rows import FAILED

_ETAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_SELECT = "SELECT url, path, status, size, etag, last_modified, ended FROM files WHERE id = ?"
_CLOCK_SECONDS = 2
"""A file that was last changed so many seconds after its row was written may still be the one that the row describes."""


class RecordedVersions:
    """The ETag and the Last-Modified of the last row of each URL.

    Args:
        folder: of the run.
        connection: to the journal; it stays open as long as this object is used.
    """

    def __init__(self, folder: Storage, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._connection = connection
        self._rows = HashTable()  # by hash of URL

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, rows: Iterable[tuple[str, int]]) -> None:
        """Take over rows in the order in which they were written: URL and id of each."""
        put = self._rows.put
        for url, number in rows:
            put(hash(url), number)

    def state_of(self, url: str, path: str) -> int:
        """See `downloader.core.names.earlier_files.EarlierFiles`: the server is asked about every file."""
        return UNKNOWN

    def version_of(self, url: str, path: str) -> Validator | None:
        """See `downloader.core.names.earlier_files.EarlierFiles`."""
        number = self._rows.get(hash(url))
        try:
            row = None if number is None else self._connection.execute(_SELECT, (number,)).fetchone()
        except sqlite3.Error:  # the journal is damaged: the time of the file is asked about instead
            return None
        if row is None or row[:2] != (url, path) or row[2] == FAILED:
            return None
        _, _, _, size, etag, last_modified, ended = row
        existing = self._folder.existing(path)
        if existing is None or existing.size != size or existing.modified > ended + _CLOCK_SECONDS:
            return None
        etag = etag if re.fullmatch(_ETAG, etag) else ""
        return Validator(etag, last_modified) if etag or last_modified else None
