"""What an earlier ``--report`` knew of files that are there already, for the rows of a run that skips them.

The earlier report is kept as ``FILE.earlier`` while FILE is written anew, and until a run has come to its end: so nothing
that was known is lost, whenever a run is stopped or killed. What is kept in memory is a table of hashes and offsets, some
25 bytes for each row; a row itself is read again when its file is skipped.
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
SPARE = 1000
"""Lines that an earlier report may have beyond two for each file, before it is made shorter."""


class _Key(msgspec.Struct):
    """What is read of each row, to find those that are of use."""

    url: str
    path: str | None = None
    status: str = ""
    bytes: int = 0
    etag: str | None = None
    processed: bool = False


class Row(_Key):
    """What is used of a row of a report. ``processed``: by the function that the row names, if any."""

    value: Any = None
    function: str | None = None


_row, _key = msgspec.json.Decoder(Row), msgspec.json.Decoder(_Key)


class Manifest:
    """The earlier rows of the report at ``path``, which is moved out of the way. Raises StorageError."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.earlier = self.path + SUFFIX
        self._rows = HashTable()
        self._stream: IO[bytes] | None = None
        try:
            self._set_aside()
            self._stream = open(self.earlier, "rb")  # noqa: SIM115 - closed by `close`
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot keep the earlier report as {self.earlier}: {error.strerror}") from None
        lines = self._index(self._stream)
        if lines > 2 * len(self._rows) + SPARE:
            self._compact()

    def _set_aside(self) -> None:
        found = os.stat(self.path)
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return
        try:
            there = open(self.earlier, "r+b")  # noqa: SIM115 - the run before did not come to its end
        except FileNotFoundError:
            os.rename(self.path, self.earlier)
            return
        with there, open(self.path, "rb") as newer:
            if there.seek(0, os.SEEK_END):
                there.write(b"\n")  # the last line may have been cut off
            while block := newer.read(1 << 20):
                there.write(block)
            there.flush()
            os.fsync(there.fileno())
        os.truncate(self.path, 0)

    def _index(self, stream: IO[bytes]) -> int:
        """Note where the last row of each file begins; how many lines there are."""
        at = count = 0
        for line in stream:
            count += 1
            with suppress(msgspec.MsgspecError, ValueError):
                row = _key.decode(line)
                if row.path and (row.status == "done" or row.bytes or row.etag or row.processed):
                    self._rows.put(hash((row.url, row.path)), at)
            at += len(line)
        return count

    def _compact(self) -> None:
        """Leave out rows that have a later one: many runs that were stopped have each added all that they knew."""
        assert self._stream is not None  # noqa: S101 - it was indexed
        shorter = self.earlier + ".new"
        with suppress(OSError):
            with open(shorter, "wb") as stream:
                for at in sorted(self._rows.values()):
                    self._stream.seek(at)
                    stream.write(self._stream.readline())
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(shorter, self.earlier)
            self._stream.close()
            self._stream = open(self.earlier, "rb")  # noqa: SIM115 - closed by `close`
            self._rows = HashTable()
            self._index(self._stream)

    def row(self, result: Result, size: int) -> Row | None:
        """What was known of this file, if it is the same: same URL and path, same size, and no other ETag."""
        at = self._rows.get(hash((result.url, result.path)))
        if at is None or self._stream is None:
            return None
        self._stream.seek(at)
        try:
            row = _row.decode(self._stream.readline())
        except (msgspec.MsgspecError, ValueError, OSError):
            return None
        same = (row.url, row.path, row.bytes) == (result.url, result.path, size)
        return row if same and (not result.etag or not row.etag or result.etag == row.etag) else None

    def close(self, begun: bool, complete: bool) -> None:
        """Forget it. ``begun``: FILE has a row; ``complete``: it has all rows of a run that came to its end."""
        if self._stream is None:
            return
        self._stream.close()
        with suppress(OSError):
            if complete:
                os.unlink(self.earlier)
            elif not begun:
                os.replace(self.earlier, self.path)
