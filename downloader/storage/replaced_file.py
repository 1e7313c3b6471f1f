"""A file that is replaced in one step, when its new content is complete."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from downloader.core.names.file_names import PART_SUFFIX
from downloader.errors import StorageError


@contextmanager
def replaced_file(path: str) -> Iterator[IO[bytes]]:
    """A stream for the new content of a file. The file is replaced at the end, in one step, unless an exception is raised.

    ``-`` is standard output; a pipe or a device is written as it is. Raises StorageError.
    """
    special = path == "-" or _is_special(path)
    part = path + PART_SUFFIX
    try:
        if special:
            with os.fdopen(os.dup(sys.stdout.fileno()), "wb") if path == "-" else open(path, "wb") as stream:
                yield stream
            return
        target = os.path.realpath(path)
        part = target + PART_SUFFIX
        with open(part, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)
    except BaseException as error:
        if not special:
            with suppress(OSError):
                os.unlink(part)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise StorageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
        raise


def _is_special(path: str) -> bool:
    """Whether something other than a regular file is at ``path``."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
