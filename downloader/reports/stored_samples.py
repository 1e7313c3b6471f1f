"""What complete shards say of their files: which URLs need not be fetched again, in some 25 bytes each."""

from collections.abc import Iterable, Iterator
from typing import IO

from downloader.core.facts import Validator
from downloader.core.model import Status
from downloader.core.names.claimed_paths import MAX_NUMBER, HashTable
from downloader.core.names.earlier_files import NOT_WANTED, UNKNOWN
from downloader.errors import StorageError
from downloader.reports.parquet import read_columns

_DONE, _FAILED = str(Status.DONE), str(Status.FAILED)

SampleRow = tuple[str, str, str, int]
"""The URL, the path, the status and the size in bytes of a file."""


class StoredSamples:
    """The files of complete shards, as `downloader.core.names.earlier_files.EarlierFiles`.

    A URL that is in a tar file is not fetched again, whatever its path is now: names change with the order of a list, where two
    URLs have one name. An entry of a list, a URL and its path, that failed is fetched again.

    ``failed``: number of entries that failed, and are in no tar file.

    Args:
        only_failed: the run only fetches what failed before.
    """

    def __init__(self, only_failed: bool = False) -> None:
        self._only_failed = only_failed
        self._sizes = HashTable()  # by hash of URL
        self._failures = HashTable()  # by hash of URL and path: 1 if it failed, 0 if it is in a tar file since then
        self.failed = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def load(self, rows: Iterable[SampleRow]) -> None:
        """Take over rows, in the order of their shards."""
        for url, path, status, size in rows:
            if status == _DONE:
                self._sizes.put(hash(url), min(size, MAX_NUMBER))
                if self.is_failed(url, path):
                    self._failures.put(hash((url, path)), 0)
                    self.failed -= 1
            elif status == _FAILED and not self.is_failed(url, path):
                self._failures.put(hash((url, path)), 1)
                self.failed += 1

    def is_failed(self, url: str, path: str) -> bool:
        """Whether this entry failed, and is in no tar file."""
        return self._failures.get(hash((url, path))) == 1

    def state_of(self, url: str, path: str) -> int:
        """See `EarlierFiles`."""
        if self.is_failed(url, path):
            return UNKNOWN
        if self._only_failed:
            return NOT_WANTED
        size = self._sizes.get(hash(url))
        return UNKNOWN if size is None else size

    def version_of(self, url: str, path: str) -> Validator | None:
        """See `EarlierFiles`: no server is asked about a file that is stored."""
        return None


def sample_rows(table: str | IO[bytes], name: str = "") -> Iterator[SampleRow]:
    """The rows of the table of a shard. Raises StorageError if it cannot be read.

    ``table``: its path, or the open file; ``name``: for the message, instead of the path.
    """
    try:
        yield from read_columns(table, ("url", "path", "status", "bytes"))
    except (OSError, ValueError, KeyError) as error:
        hint = "remove the files of this number to fetch its URLs again"
        raise StorageError(f"cannot read {name or table}: {error}", hint=hint) from None
