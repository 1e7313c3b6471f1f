"""What complete shards say of their files: which URLs need not be fetched again, in some 25 bytes each."""

from collections.abc import Iterable, Iterator
from typing import Any

from downloader.core.facts import Validator
from downloader.core.model import Status
from downloader.core.names.claimed_paths import MAX_NUMBER, HashTable
from downloader.core.names.earlier_files import NOT_WANTED, UNKNOWN
from downloader.errors import StorageError
from downloader.extras import require
from downloader.reports.parquet import GROUP_ROWS

_DONE, _FAILED = str(Status.DONE), str(Status.FAILED)
_READ_COLUMNS = ["url", "path", "status", "bytes"]

SampleRow = tuple[str, str, str, int]
"""The URL, the path, the status and the size in bytes of a file."""


class StoredSamples:
    """The files of complete shards, by URL and path, as `downloader.core.names.earlier_files.EarlierFiles`.

    A file that is in a tar file stays there, so a row with the status ``done`` counts, whatever other rows say.

    ``failed``: number of files that failed, and are in no tar file.

    Args:
        only_failed: the run only fetches what failed before.
    """

    def __init__(self, only_failed: bool = False) -> None:
        self._only_failed = only_failed
        self._sizes = HashTable()  # the size, and one bit: whether it failed
        self.failed = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def load(self, rows: Iterable[SampleRow]) -> None:
        """Take over rows."""
        table = self._sizes
        for url, path, status, size in rows:
            key = hash((url, path))
            known = table.get(key)
            if status == _DONE:
                self.failed -= known is not None and known & 1
                table.put(key, min(size, MAX_NUMBER >> 1) << 1)
            elif status == _FAILED and known is None:
                self.failed += 1
                table.put(key, 1)

    def is_failed(self, url: str, path: str) -> bool:
        """Whether this file failed, and is in no tar file."""
        return self._sizes.get(hash((url, path))) == 1

    def state_of(self, url: str, path: str) -> int:
        """See `EarlierFiles`."""
        number = self._sizes.get(hash((url, path)))
        if self._only_failed:
            return UNKNOWN if number == 1 else NOT_WANTED
        return UNKNOWN if number is None or number & 1 else number >> 1

    def version_of(self, url: str, path: str) -> Validator | None:
        """See `EarlierFiles`: no server is asked about a file that is stored."""
        return None


def sample_rows(path: str) -> Iterator[SampleRow]:
    """The rows of the table of a shard. Raises StorageError if it cannot be read."""
    require("reading Parquet", "pyarrow", extra="parquet")
    from pyarrow import ArrowException, parquet  # here: 50 ms that only tar files need to pay

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=_READ_COLUMNS, use_threads=False):
                columns: list[list[Any]] = [batch.column(name).to_pylist() for name in _READ_COLUMNS]
                yield from zip(*columns, strict=True)
    except (ArrowException, OSError, KeyError) as error:
        hint = "remove the files of this number to fetch its URLs again"
        raise StorageError(f"cannot read {path}: {error}", hint=hint) from None
