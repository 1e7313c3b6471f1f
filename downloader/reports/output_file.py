"""A file that records are written to, or standard output. What the system refuses is raised as StorageError."""

import os
import stat
import sys
from types import TracebackType
from typing import IO, Self

from downloader.errors import StorageError

STDOUT = "-"


class OutputFile:
    """A file, or standard output for ``-``, to which records are written. A context manager. Raises StorageError.

    ``mode``: the permissions of a new file.
    """

    mode = 0o666

    def __init__(self, path: str) -> None:
        self._path = path
        self._failed = False
        self._stream: IO[bytes]
        if path == STDOUT:
            self._stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        else:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, self.mode)
                self._stream = os.fdopen(descriptor, "wb")
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.ftruncate(descriptor, 0)
                    if self.mode == 0o600:
                        os.fchmod(descriptor, self.mode)  # also if the file existed before
            except OSError as error:
                raise self._cannot_write(error) from None

    def _cannot_write(self, error: OSError) -> StorageError:
        self._failed = True
        return StorageError(f"cannot write {self._path}: {error.strerror or error}")

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            raise self._cannot_write(error) from None

    def flush(self) -> None:
        """Write the buffered records to the file."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._cannot_write(error) from None

    def close(self) -> None:
        """Write what is buffered, and close the file."""
        try:
            self._stream.close()
        except OSError as error:
            raise self._cannot_write(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failed = self._failed
        try:
            self.close()
        except StorageError:
            if error is None and not failed:  # else an error was raised already
                raise


def is_special(path: str) -> bool:
    """Whether something other than a regular file is at ``path``."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
