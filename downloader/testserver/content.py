"""What the test server serves: bytes that depend on their position, on the file's number, and on nothing else.

One page of pseudo-random bytes is repeated. Its length is a prime, so that no shift by a block of any usual size goes
unseen: a byte that lands in the wrong place is a wrong byte.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

PERIOD = 1_048_573  # the largest prime below 2**20
_STRIDE = 7919
_PAGE = hashlib.shake_256(b"downloader test server").digest(PERIOD)
_TWICE = _PAGE + _PAGE


def pieces(number: int, start: int, stop: int) -> Iterator[bytes]:
    """Bytes ``start`` to ``stop`` (exclusive) of file ``number``, in pieces of at most `PERIOD` bytes."""
    shift = number * _STRIDE
    while start < stop:
        at = (start + shift) % PERIOD
        count = min(stop - start, PERIOD)
        yield _TWICE[at : at + count]
        start += count


def body(number: int, start: int, stop: int) -> bytes:
    """The same in one piece."""
    return b"".join(pieces(number, start, stop))


def etag(number: int, size: int) -> str:
    """A strong ETag for a file."""
    return f'"{number:x}-{size:x}"'


@lru_cache(maxsize=4096)
def sha256(number: int, size: int) -> str:
    """The hex digest of a whole file."""
    state = hashlib.sha256()
    for piece in pieces(number, 0, size):
        state.update(piece)
    return state.hexdigest()
