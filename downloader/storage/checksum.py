"""Checksums of files: computed while the bytes are written, compared with the expected digests, and recorded."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from downloader.core.facts import Checksum, Pieces, Span
from downloader.errors import IntegrityError

if TYPE_CHECKING:
    from downloader.storage.piece_hashes import PieceHashes

READ_BYTES = 1 << 20
"""Bytes read at a time from a file that is hashed."""


class ChecksumVerifier:
    """Hashes the bytes of a file in order, once with each algorithm that is needed, and compares the digests.

    ``count``: bytes hashed so far.

    Args:
        checksums: the digests that the file must have.
        recorded: an algorithm whose digest is computed, too; empty: none.
        pieces: digests of the pieces of the file, which must be right, too; None: none are checked.
    """

    def __init__(self, checksums: Sequence[Checksum], recorded: str = "", pieces: Pieces | None = None) -> None:
        from downloader.storage.hashes import new_hash  # here: 3 ms that only checksums need to pay

        self._checksums = checksums
        names = {name: None for item in checksums for name in item.algorithm.split("|")}  # a dict keeps the order
        if recorded:
            names[recorded] = None
        self._recorded = recorded
        self._hashes = {name: new_hash(name) for name in names}
        self._pieces: PieceHashes | None = None
        if pieces is not None:
            from downloader.storage import piece_hashes  # here: few lists need it

            self._pieces = piece_hashes.PieceHashes(pieces)
        self.count = 0

    def update(self, data: bytes | memoryview) -> None:
        """Hash the next bytes of the file."""
        self.count += len(data)
        for state in self._hashes.values():
            state.update(data)
        if self._pieces is not None:
            self._pieces.update(data)

    def hash_existing(self, descriptor: int, size: int) -> None:
        """Hash the first ``size`` bytes of an open file. Stops early at the end of the file. Raises OSError."""
        offset = 0
        while offset < size:
            block = os.pread(descriptor, min(READ_BYTES, size - offset), offset)
            if not block:
                return
            self.update(block)
            offset += len(block)

    @property
    def matches(self) -> bool:
        """Whether every checksum, and every piece, has the expected digest."""
        return all(item.digest in self._digests(item) for item in self._checksums) and not self.wrong_pieces

    @property
    def wrong_pieces(self) -> tuple[Span, ...]:
        """The bytes of the pieces that are wrong; empty if all are right, or if none are checked."""
        return () if self._pieces is None else self._pieces.wrong_spans()

    @property
    def digests(self) -> tuple[Checksum, ...]:
        """What was computed: the digests that the checksums expect, and the one that is recorded. Each algorithm once."""
        names = [name for item in self._checksums for name in item.algorithm.split("|") if self._has(name, item)]
        if self._recorded:
            names.append(self._recorded)
        return tuple(Checksum(name, self._hashes[name].hexdigest()) for name in dict.fromkeys(names))

    def _has(self, name: str, item: Checksum) -> bool:
        """Whether the digest of this algorithm is the one that ``item`` expects. One of its two algorithms has another one."""
        return name == item.algorithm or self._hashes[name].hexdigest() == item.digest

    def _digests(self, item: Checksum) -> list[str]:
        """The digests of the file to compare with ``item``: one, or two where the algorithm is one of two."""
        return [self._hashes[name].hexdigest() for name in item.algorithm.split("|")]

    def mismatch(self, url: str) -> IntegrityError | None:
        """The error, if a digest differs from the expected one, or a piece is wrong. ``url``: shown in the message."""
        for item in self._checksums:
            digests = self._digests(item)
            if item.digest not in digests:
                kind = f"the {' or '.join(item.algorithm.split('|'))} checksum is wrong"
                return IntegrityError(f"{kind}: got {' or '.join(digests)}, wanted {item.digest}", url, kind=kind)
        if self.wrong_pieces:
            return IntegrityError("pieces of the file have wrong checksums", url)
        return None

    def verify(self, url: str) -> None:
        """Raises the error of `mismatch`, if there is one. ``url``: shown in the message."""
        error = self.mismatch(url)
        if error is not None:
            raise error
