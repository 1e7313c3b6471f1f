"""Checks the pieces of a file, as a Metalink lists them: which bytes of a damaged file are wrong."""

from downloader.core.facts import Pieces, Span
from downloader.core.spans import merged
from downloader.storage.hashes import Hash, new_hash


class PieceHashes:
    """Hashes the bytes of a file in order, and finds the pieces whose digests are not the expected ones.

    Args:
        pieces: the expected digests, and the length of a piece.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._names = pieces.algorithm.split("|")
        self._number = 0  # of the piece whose bytes come
        self._room = pieces.length  # bytes that this piece can still take
        self._hashes = self._new_hashes()
        self._wrong: list[Span] = []

    def _new_hashes(self) -> list[Hash]:
        return [new_hash(name) for name in self._names]

    def update(self, data: bytes | memoryview) -> None:
        """Hash the next bytes of the file."""
        rest = memoryview(data)
        while rest:
            part = rest[: self._room]
            for state in self._hashes:
                state.update(part)
            rest = rest[len(part) :]
            self._room -= len(part)
            if self._room == 0:
                if not self._is_right():
                    self._wrong.append(self._span())
                self._number += 1
                self._room = self._pieces.length
                self._hashes = self._new_hashes()

    def _is_right(self) -> bool:
        digests = self._pieces.digests
        if self._number >= len(digests):
            return False
        return digests[self._number] in [state.hexdigest() for state in self._hashes]

    def _span(self) -> Span:
        length = self._pieces.length
        start = self._number * length
        return start, start + length - (self._room if self._room < length else 0)

    def wrong_spans(self) -> tuple[Span, ...]:
        """The bytes of all pieces that are wrong, of the file that was hashed so far.

        All bytes, if the file has not as many pieces as there are digests: then the digests are of another file.
        """
        is_cut = self._room < self._pieces.length
        count = self._number + is_cut
        size = self._number * self._pieces.length + (self._pieces.length - self._room)
        if count != len(self._pieces.digests):
            return ((0, size),) if size else ((0, 1),)
        last = [self._span()] if is_cut and not self._is_right() else []
        return merged([*self._wrong, *last])
