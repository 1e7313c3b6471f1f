"""What the journal knows of the files of a list, in 24 bytes each; and whether these files are on disk as they were left."""

import os
import stat
from collections.abc import Iterable

from downloader.core.facts import Validator
from downloader.core.names.claimed_paths import HashTable
from downloader.core.names.earlier_files import MISSING, NOT_WANTED, RESIZED, UNKNOWN
from downloader.storage.folder import Folder
from downloader.storage.journal_rows import FAILED

_MAX_SIZE = 1 << 44
_PATH_BITS = (1 << 18) - 1


class KnownFiles:
    """The last row of each URL: its size, its status, and 18 bits of a hash of its path, packed into one number.

    If the hashes of two paths agree by chance, the file at the other path counts as known only if it has the same size.

    ``failed``: number of URLs whose last row says that they failed.

    Args:
        folder: of the run.
        only_failed: the run only fetches what failed before.
        skips: files that are known and unchanged are skipped; False: ``--on-exists`` has another value than ``skip``.
    """

    def __init__(self, folder: Folder, only_failed: bool = False, skips: bool = True) -> None:
        self._folder = folder
        self._only_failed = only_failed
        self._skips = skips
        self._rows = HashTable()  # by hash of URL
        self.failed = 0

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, rows: Iterable[tuple[str, str, int, int]]) -> None:
        """Take over rows in the order in which they were written: URL, path, status and size of each."""
        put = self._rows.put
        for url, path, status, size in rows:
            put(hash(url), min(size, _MAX_SIZE - 1) << 20 | (hash(path) & _PATH_BITS) << 2 | status)
        self.failed = sum([number & 3 == FAILED for number in self._rows.values()]) if self._only_failed else 0

    def state_of(self, url: str, path: str) -> int:
        """See `downloader.core.names.earlier_files.EarlierFiles`."""
        number = self._rows.get(hash(url))
        if self._only_failed:
            return UNKNOWN if number is not None and number & 3 == FAILED else NOT_WANTED
        if number is None or number & 3 == FAILED or not self._skips or number >> 2 & _PATH_BITS != hash(path) & _PATH_BITS:
            return UNKNOWN
        size = number >> 20
        try:
            status = os.stat(path, dir_fd=self._folder.descriptor)
        except OSError:
            return MISSING
        if not stat.S_ISREG(status.st_mode):
            return UNKNOWN
        return size if status.st_size == size else RESIZED

    def version_of(self, url: str, path: str) -> Validator | None:
        """See `downloader.core.names.earlier_files.EarlierFiles`: no server is asked about a file that exists."""
        return None
