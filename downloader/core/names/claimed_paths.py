"""The paths given out in a run, and to which URL each: so that no two files get one name, and no file is fetched twice."""

from array import array
from collections.abc import Iterator

from downloader.core.names.file_names import with_digest
from downloader.core.names.urls import public_url
from downloader.errors import PolicyError

_SMALLEST = 1 << 10
_BITS = (1 << 64) - 1


class HashTable:
    """A hash table with open addressing, from 64-bit hashes to 64-bit numbers: some 25 bytes for each.

    A dict of the same numbers takes 105, which is what a list of a million lines would be remembered for.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make(_SMALLEST)

    def __len__(self) -> int:
        return self._count

    def _make(self, size: int) -> None:
        self._mask = size - 1
        self._paths = array("Q", bytes(8 * size))  # 0: free
        self._numbers = array("Q", bytes(8 * size))

    def _find(self, path: int) -> int:
        """Where this path is, or would be."""
        paths, mask = self._paths, self._mask
        at = path & mask
        while (found := paths[at]) and found != path:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        paths, numbers = self._paths, self._numbers
        self._make(2 * len(paths))
        for path, number in zip(paths, numbers, strict=True):
            if path:
                at = self._find(path)
                self._paths[at], self._numbers[at] = path, number

    def put(self, key: int, number: int) -> None:
        """Keep this number for a hash, instead of the one before."""
        key = key & _BITS or 1
        at = self._find(key)
        self._count += not self._paths[at]
        self._paths[at], self._numbers[at] = key, number
        if 3 * self._count > 2 * self._mask:
            self._grow()

    def get(self, key: int) -> int | None:
        """The number that is kept for a hash."""
        key = key & _BITS or 1
        at = self._find(key)
        return self._numbers[at] if self._paths[at] else None

    def values(self) -> Iterator[int]:
        """All numbers, in no order."""
        return (number for path, number in zip(self._paths, self._numbers, strict=True) if path)


class ClaimedPaths(HashTable):
    """Path to URL, each as its hash."""

    def claim(self, path: str, url: str) -> str | None:
        """The path for this URL: itself, or with a digest of the URL; None where this very URL has one already."""
        owner = hash(url) & _BITS
        for digits in (0, 8, 16, 32):
            candidate = with_digest(path, url, digits) if digits else path
            key = hash(candidate) & _BITS or 1
            at = self._find(key)
            if not self._paths[at]:
                self._paths[at], self._numbers[at] = key, owner
                self._count += 1
                if 3 * self._count > 2 * self._mask:
                    self._grow()
                return candidate
            if self._numbers[at] == owner:
                return None
        raise PolicyError(f"no free name for {path!r}", public_url(url), kind="no free name")
