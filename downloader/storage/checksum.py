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
        names = {name for item in checksums for name in item.algorithm.split("|")}
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self.count = 0

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes of the file."""
        self.count += len(data)
        for state in self._hashes.values():
            state.update(data)

    def hash_existing(self, descriptor: int, size: int) -> None:
        """Hash the first ``size`` bytes of an open file. Raises OSError."""
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
            self.hash_existing(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    @property
    def holds(self) -> bool:
        """Whether every digest is the one wanted."""
        return all(item.digest in self._found(item) for item in self._checksums)

    def _found(self, item: Checksum) -> list[str]:
        """The file's digests, one of which ``item`` wants: of its algorithm, or of each of two where it may be either."""
        return [self._hashes[name].hexdigest() for name in item.algorithm.split("|")]

    def verify(self, url: str) -> None:
        """Raises IntegrityError where a digest differs. ``url`` is for the message."""
        for item in self._checksums:
            found = self._found(item)
            if item.digest not in found:
                kind = f"the {' or '.join(item.algorithm.split('|'))} checksum is wrong"
                raise IntegrityError(f"{kind}: got {' or '.join(found)}, wanted {item.digest}", url, kind=kind)
