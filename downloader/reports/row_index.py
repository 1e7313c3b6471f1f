"""Rows in a temporary file, found by a key: in memory there are only hashes and offsets."""

import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from downloader.core.names.claimed_paths import HashTable

_encode = msgspec.json.Encoder().encode


class RowIndex:
    """Rows in a temporary file without a name; of rows with the same key, the last one counts. Raises OSError.

    Args:
        folder: where the temporary file is made.
    """

    def __init__(self, folder: str) -> None:
        self._stream: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._offsets = HashTable()
        self._popped = HashTable()
        self._end = 0

    def __len__(self) -> int:
        return len(self._offsets)

    def put(self, key: object, row: object) -> None:
        """Append a row. Not to be called after `get` or `pop`."""
        number = hash(key)
        line = b"%d %s\n" % (number, _encode(row))
        self._stream.write(line)
        self._offsets.put(number, self._end)
        self._end += len(line)

    def get(self, key: object) -> bytes | None:
        """The last row that was put under this key, as JSON; perhaps that of another key with the same hash."""
        offset = self._offsets.get(hash(key))
        if offset is None:
            return None
        self._stream.seek(offset)
        return self._stream.readline().partition(b" ")[2]

    def pop(self, key: object) -> bytes | None:
        """As `get`; `rows` leaves the row out, and a second call returns None."""
        number = hash(key)
        if self._popped.get(number) is not None:
            return None
        row = self.get(key)
        if row is not None:
            self._popped.put(number, 1)
        return row

    def rows(self) -> Iterator[bytes]:
        """The last row of each key, in the order in which they were put, without those that `pop` has returned."""
        self._stream.seek(0)
        offset = 0
        for line in self._stream:
            text, _, row = line.partition(b" ")
            number = int(text)
            if self._offsets.get(number) == offset and self._popped.get(number) is None:
                yield row
            offset += len(line)

    def close(self) -> None:
        """Remove the temporary file."""
        self._stream.close()
