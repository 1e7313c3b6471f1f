"""The faults of the test server: which request fails, and how. Pure; `sending` and `connection` execute the faults.

===============  ======================================================================================================
``400``-``599``  this status instead of the file, with ``Retry-After: 0`` (clients usually retry 503 and 429)
``drop``         the connection is closed before the answer
``cut``          the body and the connection end in the middle of the body (HTTP/2: the stream ends)
``stall``        no bytes follow after half of the body for a minute; then as ``cut``
``reset``        as ``cut``, but the connection is reset (RST), so bytes that were sent may be lost
``corrupt``      a byte in the middle of the body is wrong: only a digest can detect it
===============  ======================================================================================================

An answer without a body (HEAD, 304, 416) can only have a status fault or ``drop``. With HTTP/2, ``drop`` and ``reset`` end the
connection with all its streams. With https, a TLS close_notify precedes a ``reset``.

A hash of the seed, the number of the file and the number of earlier requests for the same URL (including the query, since
the last ``/reset``) decides whether a request fails, and how. So a list has the same faults in each run after a reset,
whatever the order of its requests. A file does not fail for ever: after three faults in a row, the next request for the URL
succeeds.
"""

from functools import lru_cache
from hashlib import blake2b

from downloader.testserver.server_errors import WrongQuery

BODY_KINDS = ("cut", "stall", "reset", "corrupt")
KINDS = ("drop", *BODY_KINDS)
"""All kinds except the statuses."""
MAX_CONSECUTIVE_FAULTS = 3
_WORD = 8


@lru_cache(maxsize=256)
def kinds(text: str) -> tuple[str, ...]:
    """Parse the kinds of faults in ``text``, separated by commas. Raises WrongQuery for an unknown kind."""
    parsed = tuple(item.strip() for item in text.split(",") if item.strip())
    for item in parsed:
        if item not in KINDS and not (item.isascii() and item.isdigit() and 400 <= int(item) < 600):
            raise WrongQuery(f"fail: {item[:40]!r} is neither one of {', '.join(KINDS)} nor a status from 400 to 599")
    return parsed


def chosen_fault(among: tuple[str, ...], share: float, seed: int, number: int, before: int) -> str:
    """The fault of a request, or an empty text.

    ``among``: the kinds to choose from. ``share``: the probability of a fault. ``number``: of the file. ``before``: the
    number of earlier requests for the URL.
    """
    digest = blake2b(b"%d %d %d" % (seed, number, before), digest_size=2 * _WORD).digest()
    if int.from_bytes(digest[:_WORD]) >= share * 2 ** (8 * _WORD):
        return ""
    return among[int.from_bytes(digest[_WORD:]) % len(among)]


class Faults:
    """Counts the requests for each URL with faults. It uses about 200 bytes of memory for each URL, until `reset`."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}

    def next(self, url: str, number: int, among: tuple[str, ...], share: float, seed: int) -> str:
        """The fault of this request: one of ``among``, or an empty text. Counts the request."""
        before, in_a_row = self._seen.get(url, (0, 0))
        fault = chosen_fault(among, share, seed, number, before) if in_a_row < MAX_CONSECUTIVE_FAULTS else ""
        self._seen[url] = before + 1, in_a_row + 1 if fault else 0
        return fault

    def reset(self) -> None:
        """Forget all counts: the next request for each URL is its first."""
        self._seen.clear()
