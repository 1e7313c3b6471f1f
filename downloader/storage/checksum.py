"""Checksums of files: computed while the bytes are written, and compared with the expected digests."""

import os
from collections.abc import Sequence

from downloader.core.facts import Checksum
from downloader.errors import IntegrityError
from downloader.storage.folder import Folder

READ_BYTES = 1 << 20
"""Bytes read at a time from a file that is hashed."""


class ChecksumVerifier:
    """Hashes the bytes of a file in order, with every algorithm that the checksums need, and compares the digests.

    ``count``: bytes hashed so far.
    """

    def __init__(self, checksums: Sequence[Checksum]) -> None:
        import hashlib  # here: 3 ms that only checksums need to pay

        self._checksums = checksums
        names = {name for item in checksums for name in item.algorithm.split("|")}
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self.count = 0

    def update(self, data: bytes | memoryview) -> None:
        """Hash the next bytes of the file."""
        self.count += len(data)
        for state in self._hashes.values():
            state.update(data)

    def hash_existing(self, descriptor: int, size: int) -> None:
        """Hash the first ``size`` bytes of an open file. Stops early at the end of the file. Raises OSError."""
        offset = 0
        while offset < size:
            block = os.pread(descriptor, min(READ_BYTES, size - offset), offset)
            if not block:
                return
            self.update(block)
            offset += len(block)

    def hash_file(self, folder: Folder, path: str) -> None:
        """Hash the whole file at ``path`` in the folder. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder.descriptor)
        try:
            self.hash_existing(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    @property
    def matches(self) -> bool:
        """Whether every checksum has the expected digest."""
        return all(item.digest in self._digests(item) for item in self._checksums)

    def _digests(self, item: Checksum) -> list[str]:
        """The digests of the file to compare with ``item``: one, or two where the algorithm is one of two."""
        return [self._hashes[name].hexdigest() for name in item.algorithm.split("|")]

    def verify(self, url: str) -> None:
        """Raises IntegrityError if a digest differs from the expected one. ``url``: shown in the message."""
        for item in self._checksums:
            digests = self._digests(item)
            if item.digest not in digests:
                kind = f"the {' or '.join(item.algorithm.split('|'))} checksum is wrong"
                raise IntegrityError(f"{kind}: got {' or '.join(digests)}, wanted {item.digest}", url, kind=kind)
