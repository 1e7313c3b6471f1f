"""The bytes of the test server's files, which depend only on their position, on the number of the file, and on the seed.

Each file repeats one page of pseudo-random bytes per seed. The length of the page is a prime, so a shift by a block of any
usual size is detected: a byte in the wrong place is a wrong byte.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

PERIOD = 1_048_573  # the largest prime below 2**20
SEED = 1
"""The default seed."""
_STRIDE = 7919


@lru_cache(maxsize=16)
def _twice(seed: int) -> bytes:
    """The page of a seed, repeated twice, so that any piece of it is one slice."""
    name = b"downloader test server" + (b"" if seed == SEED else b" %d" % seed)
    return hashlib.shake_256(name).digest(PERIOD) * 2


def pieces(number: int, start: int, stop: int, seed: int = SEED) -> Iterator[bytes]:
    """Bytes ``start`` to ``stop`` (exclusive) of file ``number``, in pieces of at most `PERIOD` bytes."""
    page = _twice(seed)
    shift = number * _STRIDE
    while start < stop:
        offset = (start + shift) % PERIOD
        count = min(stop - start, PERIOD)
        yield page[offset : offset + count]
        start += count


def body(number: int, start: int, stop: int, seed: int = SEED) -> bytes:
    """The bytes ``start`` to ``stop`` (exclusive) of file ``number``, in one piece."""
    return b"".join(pieces(number, start, stop, seed))


def etag(number: int, size: int, seed: int = SEED) -> str:
    """The strong ETag of a file."""
    return f'"{number:x}-{size:x}"' if seed == SEED else f'"{number:x}-{size:x}-{seed:x}"'


@lru_cache(maxsize=4096)
def sha256(number: int, size: int, seed: int = SEED) -> str:
    """The SHA-256 digest of a whole file in hex."""
    state = hashlib.sha256()
    for piece in pieces(number, 0, size, seed):
        state.update(piece)
    return state.hexdigest()
