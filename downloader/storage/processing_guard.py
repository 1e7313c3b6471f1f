"""Detects what a user's function did to a part file, while the function processes the file.

Meanwhile the part file has no sidecar, so that its bytes are not trusted: if the process is killed, the next run fetches the
file again. The bytes are kept only if the function failed and left the file unchanged.
"""

import os

from downloader.storage.part import PartFile

_MARK_NS = 10**18
"""A modification time (nanoseconds since 1970) that no write sets: the clock itself may be too coarse to show a change."""


class ProcessingGuard:
    """Prepares an open, complete part file for a user's function, and takes it over afterwards. Raises OSError."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        part.remove_sidecar()
        os.utime(part.descriptor, ns=(_MARK_NS, _MARK_NS))
        self._size = os.fstat(part.descriptor).st_size

    @property
    def is_unchanged(self) -> bool:
        """Whether it is still the same file, with the same size and modification time. Raises OSError."""
        now = os.fstat(self._part.descriptor)
        return self._part.is_in_place() and (now.st_size, now.st_mtime_ns) == (self._size, _MARK_NS)

    def take_over(self) -> None:
        """Continue with the file that the function left under the part file's name, which may be another file.

        Raises OSError; FileInUse if there is no file.
        """
        part = self._part
        if not part.is_in_place():
            part.open_replacement()
        os.utime(part.descriptor)
