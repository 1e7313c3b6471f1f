"""What the journal knows of the files of a list, in 24 bytes each; and whether these files are on disk as they were left."""

import os
import stat
from collections.abc import Iterable

from downloader.core.facts import Validator
from downloader.core.names.claimed_paths import HashTable
from downloader.core.names.earlier_files import MISSING, NOT_WANTED, RESIZED, UNKNOWN
from downloader.storage.base import Storage
from downloader.storage.journal_rows import FAILED

_PATH_BITS = (1 << 18) - 1
_MAX_SIZE = (1 << 41) - 1
"""Bytes. Larger files are not known."""

_KIND, _FILE = 0o170000, stat.S_IFREG
_FAILED_AGAIN = 3
"""A status beside those of the journal: it failed, and an earlier run had completed the file with the size in the table."""


class KnownFiles:
    """The last row of each URL: its size, its status, and 18 bits of a hash of its path, packed into one number.

    If the hashes of two paths agree by chance, the file at the other path counts as known only if it has the same size.

    ``failed``: number of URLs whose last row says that they failed.

    Args:
        folder: of the run.
        only_failed: the run only fetches what failed before.
        count: how many URLs are expected.
        skips: files that are known and unchanged are skipped; False: ``--on-exists`` has another value than ``skip``.
    """

    def __init__(self, folder: Storage, count: int = 0, only_failed: bool = False, skips: bool = True) -> None:
        self._folder = folder.local
        self._remote = folder if folder.is_remote else None
        self._only_failed = only_failed
        self._skips = skips
        self._rows = HashTable(count)  # by hash of URL
        self.failed = 0

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, rows: Iterable[tuple[str, str, int, int]]) -> None:
        """Take over rows in the order in which they were written: URL, path, status and size of each."""
        table = self._rows
        for url, path, status, size in rows:
            key, path_bits = hash(url), hash(path) & _PATH_BITS
            if status == FAILED and (known := table.get(key)) is not None and known & 3 != FAILED:
                size, path_bits, status = known >> 20, known >> 2 & _PATH_BITS, _FAILED_AGAIN
            elif size > _MAX_SIZE:
                size, path_bits = 0, path_bits ^ _PATH_BITS  # so that the path does not match
            table.put(key, size << 20 | path_bits << 2 | status)
        self.failed = sum([number & 3 >= FAILED for number in table.values()]) if self._only_failed else 0

    def state_of(self, url: str, path: str) -> int:
        """See `downloader.core.names.earlier_files.EarlierFiles`."""
        number = self._rows.get(hash(url))
        if number is None or (self._only_failed and number & 3 < FAILED):
            return NOT_WANTED if self._only_failed else UNKNOWN
        if number & 3 == FAILED or not self._skips or number >> 2 & _PATH_BITS != hash(path) & _PATH_BITS:
            return UNKNOWN
        return self._state_on_disk(path, number)

    def _state_on_disk(self, path: str, number: int) -> int:
        size = number >> 20
        if self._remote is not None:
            existing = self._remote.existing(path)
            if existing is None:
                return MISSING
            return RESIZED if existing.size != size else UNKNOWN if number & 3 == _FAILED_AGAIN else size
        try:
            status = os.stat(path, dir_fd=self._folder.descriptor)
        except OSError:
            return MISSING
        if status.st_mode & _KIND != _FILE:
            return UNKNOWN
        if status.st_size != size:
            return RESIZED
        return UNKNOWN if number & 3 == _FAILED_AGAIN else size

    def version_of(self, url: str, path: str) -> Validator | None:
        """See `downloader.core.names.earlier_files.EarlierFiles`: no server is asked about a file that exists."""
        return None
