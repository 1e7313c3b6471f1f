"""The rows of an earlier ``--report FILE``: what is known of files that exist already and are skipped.

While FILE is written anew, the earlier report is kept as ``FILE.earlier``, until a run has come to its end. So no row is lost,
whenever a run is stopped or killed. In memory there is only a table of hashes and offsets, about 25 bytes for each row; the
row itself is read again when its file is skipped.
"""

import os
import stat
from contextlib import suppress
from typing import IO, Any

import msgspec

from downloader.core.model import Result
from downloader.core.names.claimed_paths import HashTable
from downloader.errors import StorageError

SUFFIX = ".earlier"
COPY_BYTES = 1 << 20
SPARE_LINES = 1000
"""An earlier report is compacted when it has more than two lines for each file, and this many lines more."""


class _IndexedRow(msgspec.Struct):
    """The keys of a row that are read to build the index."""

    url: str
    path: str | None = None
    status: str = ""
    bytes: int = 0
    etag: str | None = None
    processed: bool = False


class EarlierRow(_IndexedRow):
    """A row of an earlier report.

    ``value``: what post-processing returned. ``processed``: ``function`` has processed the file.
    """

    value: Any = None
    function: str | None = None


_decode_row, _decode_indexed = msgspec.json.Decoder(EarlierRow).decode, msgspec.json.Decoder(_IndexedRow).decode


class EarlierReport:
    """The report at ``path`` that an earlier run has written. It is moved out of the way. Raises StorageError."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.earlier = self.path + SUFFIX
        self._offsets = HashTable()  # by hash of URL and path: where the last row of a file begins
        self._stream: IO[bytes] | None = None
        try:
            self._set_aside()
            self._stream = open(self.earlier, "rb")  # noqa: SIM115 - closed by `close`
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot keep the earlier report as {self.earlier}: {error.strerror}") from None
        lines = self._index(self._stream)
        if lines > 2 * len(self._offsets) + SPARE_LINES:
            self._compact()

    def _set_aside(self) -> None:
        """Rename the report; append it to the kept one if the run before did not come to its end."""
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return
        try:
            kept = open(self.earlier, "r+b")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            os.rename(self.path, self.earlier)
            return
        with kept, open(self.path, "rb") as newer:
            if kept.seek(0, os.SEEK_END):
                kept.write(b"\n")  # the last line may be incomplete
            while block := newer.read(COPY_BYTES):
                kept.write(block)
            kept.flush()
            os.fsync(kept.fileno())
        os.truncate(self.path, 0)

    def _index(self, stream: IO[bytes]) -> int:
        """Note where the last row of each file begins; the number of lines."""
        offset = count = 0
        for line in stream:
            count += 1
            with suppress(msgspec.MsgspecError, ValueError):
                row = _decode_indexed(line)
                if row.path and (row.status == "done" or row.bytes or row.etag or row.processed):
                    self._offsets.put(hash((row.url, row.path)), offset)
            offset += len(line)
        return count

    def _compact(self) -> None:
        """Remove rows that have a later one: each run that was stopped has appended all its rows."""
        assert self._stream is not None  # noqa: S101 - it was indexed
        shorter = self.earlier + ".new"
        with suppress(OSError):
            with open(shorter, "wb") as stream:
                for offset in sorted(self._offsets.values()):
                    self._stream.seek(offset)
                    stream.write(self._stream.readline())
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(shorter, self.earlier)
            self._stream.close()
            self._stream = open(self.earlier, "rb")  # noqa: SIM115 - closed by `close`
            self._offsets = HashTable()
            self._index(self._stream)

    def row(self, result: Result, size: int) -> EarlierRow | None:
        """The last row of this Result's file, if the file has not changed: same URL and path, ``size`` bytes, same ETag."""
        offset = self._offsets.get(hash((result.url, result.path)))
        if offset is None or self._stream is None:
            return None
        self._stream.seek(offset)
        try:
            row = _decode_row(self._stream.readline())
        except (msgspec.MsgspecError, ValueError, OSError):
            return None
        same = (row.url, row.path, row.bytes) == (result.url, result.path, size)
        return row if same and (not result.etag or not row.etag or result.etag == row.etag) else None

    def close(self, begun: bool, complete: bool) -> None:
        """Close the earlier report. Remove it if ``complete``, move it back unless ``begun``.

        ``begun``: the new report has a row. ``complete``: it has all rows of a run that came to its end.
        """
        if self._stream is None:
            return
        self._stream.close()
        with suppress(OSError):
            if complete:
                os.unlink(self.earlier)
            elif not begun:
                os.replace(self.earlier, self.path)
