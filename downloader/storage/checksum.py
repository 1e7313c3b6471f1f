"""Digests of what is written, as it is written."""

import hashlib
import os
from collections.abc import Sequence

from downloader.core.model import Checksum
from downloader.errors import IntegrityError
from downloader.storage.folder import Folder

READ = 1 << 20


class Verifier:
    """Hashes bytes in order, with as many algorithms as there are checksums, and compares at the end."""

    def __init__(self, checksums: Sequence[Checksum]) -> None:
        self._checksums = checksums
        self._hashes = {item.algorithm: hashlib.new(item.algorithm, usedforsecurity=False) for item in checksums}
        self.count = 0

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes of the file."""
        self.count += len(data)
        for state in self._hashes.values():
            state.update(data)

    def prime(self, descriptor: int, size: int) -> None:
        """Take in the ``size`` bytes that the file holds already. Raises OSError."""
        at = 0
        while at < size:
            block = os.pread(descriptor, min(READ, size - at), at)
            if not block:
                return
            self.update(block)
            at += len(block)

    def take_in(self, folder: Folder, path: str) -> None:
        """Take in a whole file. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder.descriptor)
        try:
            self.prime(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    @property
    def holds(self) -> bool:
        """Whether every digest is the one wanted."""
        return all(self._hashes[item.algorithm].hexdigest() == item.digest for item in self._checksums)

    def verify(self, url: str) -> None:
        """Raises IntegrityError where a digest differs. ``url`` is for the message."""
        for item in self._checksums:
            found = self._hashes[item.algorithm].hexdigest()
            if found != item.digest:
                kind = f"the {item.algorithm} checksum is wrong"
                raise IntegrityError(f"{kind}: got {found}, wanted {item.digest}", url, kind=kind)
