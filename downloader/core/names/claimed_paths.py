"""The paths that were given out in a run, with the URL of each: no two files get one path, and no file is fetched twice."""

from array import array
from collections.abc import Iterator

from downloader.core.names.file_names import with_digest
from downloader.core.names.urls import public_url
from downloader.errors import PolicyError

_INITIAL_SIZE = 1 << 15
_BITS = (1 << 64) - 1


class HashTable:
    """A hash table with open addressing, from 64-bit hashes to 64-bit numbers. It needs some 25 bytes for each.

    A dict of the same numbers needs 105. A list of a million lines has a million of them.
    """

    def __init__(self) -> None:
        self._count = 0
        self._allocate(_INITIAL_SIZE)

    def __len__(self) -> int:
        return self._count

    def _allocate(self, size: int) -> None:
        self._mask = size - 1
        self._keys = array("Q", bytes(8 * size))  # 0: free
        self._numbers = array("Q", bytes(8 * size))

    def _find(self, key: int) -> int:
        """Index of this key, or of the free place for it."""
        keys, mask = self._keys, self._mask
        at = key & mask
        while (other := keys[at]) and other != key:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        keys, numbers = self._keys, self._numbers
        self._allocate(2 * len(keys))
        for key, number in zip(keys, numbers, strict=True):
            if key:
                at = self._find(key)
                self._keys[at], self._numbers[at] = key, number

    def put(self, key: int, number: int) -> None:
        """Store a number under a hash; it replaces an earlier one."""
        key = key & _BITS or 1
        at = self._find(key)
        self._count += not self._keys[at]
        self._keys[at], self._numbers[at] = key, number
        if 3 * self._count > 2 * self._mask:
            self._grow()

    def get(self, key: int) -> int | None:
        """The number that is stored under a hash; None if there is none."""
        key = key & _BITS or 1
        at = self._find(key)
        return self._numbers[at] if self._keys[at] else None

    def values(self) -> Iterator[int]:
        """All numbers, in no particular order."""
        for key, number in zip(self._keys, self._numbers, strict=True):  # mypyc would make a list of a generator expression
            if key:
                yield number


class ClaimedPaths(HashTable):
    """The URL that each path was given to. Only hashes are stored."""

    def claim(self, path: str, url: str) -> str | None:
        """Give a path to a URL. Raises PolicyError if the path is taken even with the longest digest.

        Returns:
            The path; if it belongs to another URL, the path with a digest of this URL; None if this URL has the path already.
        """
        owner = hash(url) & _BITS
        for digits in (0, 8, 16, 32):
            candidate = with_digest(path, url, digits) if digits else path
            key = hash(candidate) & _BITS or 1
            at = self._find(key)
            if not self._keys[at]:
                self._keys[at], self._numbers[at] = key, owner
                self._count += 1
                if 3 * self._count > 2 * self._mask:
                    self._grow()
                return candidate
            if self._numbers[at] == owner:
                return None
        raise PolicyError(f"no free name for {path!r}", public_url(url), kind="no free name")
