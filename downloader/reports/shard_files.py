"""Writes the files of one shard: a tar file, the rows of its Results as Parquet, and its statistics.

The rows have the columns of a report, and two more: ``key``, the key of the sample (empty where there is none, because the file
failed), and ``sha256``, the digest of its bytes as they are in the tar file. The same row is in the tar file as JSON.
"""

import hashlib
import os
import tarfile
import time
from collections.abc import Sequence
from functools import cache
from typing import IO

import msgspec

from downloader.core.model import Result, Status
from downloader.core.names.shard_names import PARQUET, ROW_SUFFIX, STATS, TAR, data_suffix, sample_key, shard_name
from downloader.core.report import Report
from downloader.reports.parquet import ParquetRows
from downloader.reports.rows import Column, RowEncoder
from downloader.reports.schema import COLUMNS, META, row_of, spread, with_names

KEY, SHA256 = Column("key"), Column("sha256")
SHARD_COLUMNS = (KEY, *COLUMNS[:-1], SHA256, META)
"""The columns of the rows of a shard."""

ROW_BYTES = 4096
"""Bytes that a row as JSON is expected to need in the tar file at most."""

_BLOCK = tarfile.BLOCKSIZE
_READ_BYTES = 1 << 20
_MAX_USTAR_SIZE = 8 * 1024**3  # a larger number does not fit into its field


class ShardFiles:
    """The files of one shard, in the folder ``work``. `add` Results, then `close`. Methods raise OSError, StorageError.

    ``files``: number of files in the tar file. ``size``: bytes of the tar file, when it is closed now. ``report``: counts the
    Results.

    Args:
        work: an existing folder.
        number: of the shard.
        metadata: the keys of metadata that have columns of their own in the table.
        function: the name of the function that has processed the files; empty: none.
    """

    def __init__(self, work: str, number: int, metadata: Sequence[str] = (), function: str = "") -> None:
        self._number = number
        self._path = os.path.join(work, shard_name(number))
        self._metadata = metadata
        self._function = function
        self._encoder = RowEncoder(SHARD_COLUMNS)
        self._started, self._began = time.time(), time.monotonic()
        self._written = 0
        self.files = 0
        self.report = Report(keep=False, keep_failed=0)
        self._tar: IO[bytes] = open(self._path + TAR, "wb", buffering=_READ_BYTES)  # noqa: SIM115 - closed by `close`
        try:
            self._rows = ParquetRows(self._path + PARQUET, with_names(SHARD_COLUMNS, metadata))
        except BaseException:
            self._tar.close()
            raise

    @property
    def size(self) -> int:
        """See the class."""
        return _padded(self._written + 2 * _BLOCK, tarfile.RECORDSIZE)

    def size_with(self, size: int) -> int:
        """The size of the tar file, if a file of so many bytes were added: an estimate that is rarely too small."""
        return _padded(self._written + 4 * _BLOCK + _padded(size) + ROW_BYTES, tarfile.RECORDSIZE)

    def add(self, result: Result, file: IO[bytes] | None = None) -> None:
        """Add the row of a Result; if it is done, also the file, from where the stream stands to its end."""
        key = digest = ""
        if file is not None:
            key = sample_key(self._number, self.files)
            status = os.fstat(file.fileno())
            digest = self._add_data(key + data_suffix(result.path), file, status.st_size, int(status.st_mtime))
        processed = bool(self._function) and result.status is Status.DONE
        row = row_of(result, processed, self._function if processed else "")
        row = [key, *row[:-1], digest, row[-1]]
        if file is not None:
            line = self._encoder.line(row)
            self._write(_header(key + ROW_SUFFIX, len(line), int(time.time())) + line)
            self._pad(len(line))
            self.files += 1
        self._rows.add(spread(row, self._metadata))
        self.report.add(result)

    def _add_data(self, name: str, file: IO[bytes], size: int, modified: int) -> str:
        """Add a member with the bytes of the file. Returns their digest."""
        self._write(_header(name, size, modified))
        digest = hashlib.sha256()
        left = size
        while left and (block := file.read(min(left, _READ_BYTES))):
            digest.update(block)
            self._write(block)
            left -= len(block)
        if left:
            raise OSError(None, f"the file was changed while it was read: {file.name}")
        self._pad(size)
        return digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._tar.write(data)
        self._written += len(data)

    def _pad(self, size: int) -> None:
        if rest := _padded(size) - size:
            self._write(bytes(rest))

    def close(self) -> None:
        """Complete the files, and flush them to the disk; the statistics appear last."""
        self._write(bytes(self.size - self._written))
        self._tar.flush()
        os.fsync(self._tar.fileno())
        self._tar.close()
        self._rows.close()
        with open(self._path + PARQUET, "rb") as rows:
            os.fsync(rows.fileno())
        new = f"{self._path}.new"
        with open(new, "wb") as stats:
            stats.write(msgspec.json.format(msgspec.json.encode(self._stats()), indent=2) + b"\n")
            stats.flush()
            os.fsync(stats.fileno())
        os.rename(new, self._path + STATS)

    def _stats(self) -> dict[str, object]:
        report = self.report
        ended = report.done + report.failures
        return {
            "shard": shard_name(self._number),
            "done": report.done,
            "failed": report.failures,
            "success_rate": round(report.done / ended, 6) if ended else 1.0,
            "bytes": report.bytes,
            "received": report.received,
            "tar_bytes": self._written,
            "started": round(self._started, 3),
            "elapsed": round(time.monotonic() - self._began, 3),
            "reasons": dict(report.reasons),
        }

    def discard(self) -> None:
        """Close what is open, after an error."""
        from contextlib import suppress  # here: few runs need it

        with suppress(OSError):
            self._tar.close()
        self._rows.discard()


def _padded(size: int, block: int = _BLOCK) -> int:
    return -(-size // block) * block


def _header(name: str, size: int, modified: int) -> bytes:
    """The header of a member (POSIX.1-2017, pax, section "ustar Interchange Format"). Its owner is nobody.

    As `tarfile.TarInfo.tobuf` makes it, but in a tenth of the time: only the fields that differ are made anew.
    """
    if size >= _MAX_USTAR_SIZE:
        return _tar_info(name, size, modified).tobuf(tarfile.GNU_FORMAT)
    template = _template()
    fields = b"%s%s%011o\0%011o\0" % (name.encode().ljust(100, b"\0"), template[100:124], size, max(0, modified))
    checksum = sum(fields) + sum(template[156:]) + 8 * ord(" ")  # the field itself counts as blanks
    return b"%s%06o\0 %s" % (fields, checksum, template[156:])


@cache
def _template() -> bytes:
    return _tar_info("", 0, 0).tobuf(tarfile.USTAR_FORMAT)


def _tar_info(name: str, size: int, modified: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, max(0, modified), 0o644
    return info
