"""A part file in a user's hands, while a function of theirs has it: nothing vouches for its bytes meanwhile.

Whoever is killed in the middle leaves a part file that the next run begins anew. Only where the function failed, and
left the file as it was, are the bytes kept.
"""

import os
import stat

from downloader.storage.part import PartFile

_MARK = 10**18
"""A time (nanoseconds since 1970) that a file has which was not written to since: the clock may be too coarse to tell."""


class ProcessingGuard:
    """Lends an open part file, whole, until `take_back`. Raises OSError."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        part.drop_sidecar()
        os.utime(part.descriptor, ns=(_MARK, _MARK))
        self._size = os.fstat(part.descriptor).st_size

    @property
    def untouched(self) -> bool:
        """Whether it is the same file, with the same bytes as far as its size and its time tell."""
        now = os.fstat(self._part.descriptor)
        return self._part.is_ours() and (now.st_size, now.st_mtime_ns) == (self._size, _MARK)

    def take_back(self) -> None:
        """Go on with what stands under the name now: changed, or another file. Raises OSError, FileInUse for none."""
        part = self._part
        if not part.is_ours():
            os.close(part.descriptor)
            part.descriptor = -1
            part.reopen()
            part.lock()
            if not stat.S_ISREG(os.fstat(part.descriptor).st_mode):
                raise IsADirectoryError("the existing file is not a regular file")
        os.utime(part.descriptor)
