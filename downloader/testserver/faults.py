"""Faults that the test server is asked for: which request meets which. Decides only; `sending` and `connection` do it.

===============  ======================================================================================================
``400``-``599``  that status instead of the file, with ``Retry-After: 0`` (503 and 429 are what clients try again)
``drop``         the connection is closed before any answer
``cut``          the body ends in its middle, and the connection with it (HTTP/2: the stream)
``stall``        nothing comes after half of the body, for a minute; then as ``cut``
``reset``        as ``cut``, but the connection is reset (RST), which overtakes what is on its way
``corrupt``      a byte in the middle of the body is wrong: only a digest can tell
===============  ======================================================================================================

What has no body (HEAD, 304, 416) meets the statuses and ``drop`` only. Under HTTP/2, ``drop`` and ``reset`` end the
connection with all its streams; under https, TLS takes its leave before a ``reset``.

Whether a request meets one, and which, is decided by a hash of the seed, the file's number, and how many requests for
that very URL, query included, came before it since the last ``/reset``. So a list meets the same faults in each run that
follows a reset, in whatever order its files are asked for. A file does not fail for ever: after three hits in a row, the
next request for that URL is spared.
"""

from functools import lru_cache
from hashlib import blake2b

from downloader.testserver.server_errors import WrongQuery

BODY_KINDS = ("cut", "stall", "reset", "corrupt")
KINDS = ("drop", *BODY_KINDS)
"""Besides the statuses."""
MAX_CONSECUTIVE_FAULTS = 3
_WORD = 8


@lru_cache(maxsize=256)
def kinds(text: str) -> tuple[str, ...]:
    """The kinds in ``text``, which has commas between them; empty for none. Raises WrongQuery for one that is unknown."""
    found = tuple(item.strip() for item in text.split(",") if item.strip())
    for item in found:
        if item not in KINDS and not (item.isascii() and item.isdigit() and 400 <= int(item) < 600):
            raise WrongQuery(f"fail: {item[:40]!r} is none of {', '.join(KINDS)}, nor a status from 400 to 599")
    return found


def drawn(among: tuple[str, ...], share: float, seed: int, number: int, before: int) -> str:
    """The fault that a request meets, or nothing. ``share``: its probability; ``before``: requests for that URL so far."""
    digest = blake2b(b"%d %d %d" % (seed, number, before), digest_size=2 * _WORD).digest()
    if int.from_bytes(digest[:_WORD]) >= share * 2 ** (8 * _WORD):
        return ""
    return among[int.from_bytes(digest[_WORD:]) % len(among)]


class Faults:
    """Counts the requests for each URL that asks for faults. Memory: some 200 bytes for each, until `reset`."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}

    def next(self, url: str, number: int, among: tuple[str, ...], share: float, seed: int) -> str:
        """What this request meets: one of ``among``, or nothing. Counts it."""
        before, in_a_row = self._seen.get(url, (0, 0))
        fault = drawn(among, share, seed, number, before) if in_a_row < MAX_CONSECUTIVE_FAULTS else ""
        self._seen[url] = before + 1, in_a_row + 1 if fault else 0
        return fault

    def reset(self) -> None:
        """Begin anew: the next request for each URL is its first."""
        self._seen.clear()
