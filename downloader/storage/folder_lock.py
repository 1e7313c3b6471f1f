"""A lock that tells the runs on one folder of each other. The system releases it when a process ends, however it ends.

All runs hold it in shared mode (flock). A run that is to work alone first takes it in exclusive mode, which succeeds when no
other run holds it. The file has one line for each run since the last time that a run was alone: process number and start.
"""

import fcntl
import os
import time
from contextlib import suppress

_MAX_BYTES = 4096


class FolderLock:
    """The lock at ``path``, open and not taken. Raises OSError."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def is_free(self) -> bool:
        """Whether no other run holds the lock: then this run holds it, until `close`, and no other gets True meanwhile."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        return True

    def share(self) -> None:
        """Hold the lock together with others. Where another run is just about to take it, this one goes on without it."""
        with suppress(BlockingIOError):
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        self.note_holder()

    def note_holder(self) -> None:
        """Write into the file that this process holds the lock, for `holder`."""
        os.write(self._descriptor, f"{os.getpid()} {time.time():.0f}\n".encode())

    def holder(self) -> str:
        """A run that holds the lock: ``process 123, since 2026-01-31 12:00:05``; as far as the file tells."""
        for line in os.pread(self._descriptor, _MAX_BYTES, 0).decode("ascii", "replace").splitlines():
            with suppress(ValueError, OSError, OverflowError):
                number, started = map(int, line.split())
                if _is_alive(number):
                    return f"process {number}, since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(started))}"
        return "its process is not known"

    def close(self) -> None:
        """Release the lock. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except PermissionError:  # it runs as another user
        return True
    except OSError:
        return False
    return True
