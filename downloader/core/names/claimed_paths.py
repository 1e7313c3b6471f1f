"""The paths that were given out in a run, with the URL of each: no two files get one path, and no file is fetched twice."""

from array import array
from collections.abc import Iterator

from downloader.core.names.file_names import with_digest
from downloader.core.names.urls import public_url
from downloader.errors import PolicyError

_INITIAL_SIZE = 1 << 15
MAX_NUMBER = (1 << 61) - 1
"""The largest number that a `HashTable` stores. Compiled code computes with such numbers without making objects of them."""


class HashTable:
    """A hash table with open addressing, from hashes to numbers up to `MAX_NUMBER`. It needs some 25 bytes for each.

    A dict of the same numbers needs 105. A list of a million lines has a million of them.

    Args:
        count: how many numbers are expected.
    """

    def __init__(self, count: int = 0) -> None:
        self._count = 0
        size = _INITIAL_SIZE
        while 3 * count > 2 * size:
            size *= 2
        self._allocate(size)

    def __len__(self) -> int:
        return self._count

    def _allocate(self, size: int) -> None:
        self._size = size
        self._slots = array("q", [0]) * (2 * size)  # key and number of each place, side by side; key 0: free

    def _find(self, key: int) -> int:
        """Index of this key, or of the free place for it. Its number is at the next index."""
        slots, size = self._slots, self._size
        at = 2 * (key & (size - 1))
        while (other := slots[at]) and other != key:
            at = (at + 2) & (2 * size - 1)
        return at

    def _added(self) -> None:
        """A place was taken: make the table larger where few are left."""
        self._count += 1
        if 3 * self._count > 2 * self._size:
            slots = self._slots
            self._allocate(2 * self._size)
            for index in range(0, len(slots), 2):
                if key := slots[index]:
                    at = self._find(key)
                    self._slots[at], self._slots[at + 1] = key, slots[index + 1]

    def put(self, key: int, number: int) -> None:
        """Store a number under a hash; it replaces an earlier one."""
        key = key & MAX_NUMBER or 1
        at = self._find(key)
        is_new = not self._slots[at]
        self._slots[at], self._slots[at + 1] = key, number
        if is_new:
            self._added()

    def get(self, key: int) -> int | None:
        """The number that is stored under a hash; None if there is none."""
        key = key & MAX_NUMBER or 1
        at = self._find(key)
        return self._slots[at + 1] if self._slots[at] else None

    def values(self) -> Iterator[int]:
        """All numbers, in no particular order."""
        slots = self._slots
        for index in range(0, len(slots), 2):  # mypyc would make a list of a generator expression
            if slots[index]:
                yield slots[index + 1]


class ClaimedPaths(HashTable):
    """The URL that each path was given to. Only hashes are stored. ``count``: how many paths are expected."""

    def claim(self, path: str, url: str) -> str | None:
        """Give a path to a URL. Raises PolicyError if the path is taken even with the longest digest.

        Returns:
            The path; if it belongs to another URL, the path with a digest of this URL; None if this URL has the path already.
        """
        owner = hash(url) & MAX_NUMBER
        for digits in (0, 8, 16, 32):
            candidate = with_digest(path, url, digits) if digits else path
            key = hash(candidate) & MAX_NUMBER or 1
            at = self._find(key)
            slots = self._slots
            if not slots[at]:
                slots[at], slots[at + 1] = key, owner
                self._added()
                return candidate
            if slots[at + 1] == owner:
                return None
        raise PolicyError(f"no free name for {path!r}", public_url(url), kind="no free name")
