"""How a file that is complete gets its final name, and its time."""

import errno
import os
import stat

from downloader.core.names.file_names import numbered
from downloader.storage.folder import Folder

_NAMELESS = getattr(os, "O_TMPFILE", 0)
_CANNOT = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM)
"""What a system says that has no nameless files, or no /proc to name them by."""


def place(folder: Folder, path: str, block: bytes, modified: float | None, number_if_taken: bool) -> str | None:
    """Make a file, whole, and name it in one go: the path it got. None where that cannot be done here.

    It has no name until it is complete (O_TMPFILE), so there is nothing to lock, and a kill leaves nothing behind.
    Raises FileExistsError where the name was taken meanwhile, OSError, PolicyError.
    """
    if not _NAMELESS or not folder.nameless:
        return None
    prefix, slash, name = path.rpartition("/")
    parent = folder.open_parent(path) if prefix else folder.descriptor
    descriptor = -1
    try:
        descriptor = os.open(".", os.O_WRONLY | _NAMELESS | os.O_CLOEXEC, 0o666, dir_fd=parent)
        count = os.write(descriptor, block)
        while count < len(block):
            count += os.write(descriptor, memoryview(block)[count:])
        set_time(descriptor, modified)
        return f"{prefix}{slash}{link_free_name(descriptor, parent, name, number_if_taken)}"
    except FileExistsError:
        if taken(parent, name):
            raise
        return None  # a symbolic link that leads nowhere has the name
    except OSError as error:
        if descriptor >= 0 or error.errno not in _CANNOT:
            raise
        folder.nameless = False
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        if prefix:
            os.close(parent)


def link_free_name(descriptor: int, parent: int, name: str, number_if_taken: bool, source: str = "") -> str:
    """Link a file (an open one, or ``source``) to its name; to the first free one with a number, if asked to.

    Raises FileExistsError where there is none.
    """
    origin, at = (source, parent) if source else (f"/proc/self/fd/{descriptor}", None)
    for number in range(1_000_000 if number_if_taken else 1):
        candidate = numbered(name, number) if number else name
        try:
            os.link(origin, candidate, src_dir_fd=at, dst_dir_fd=parent, follow_symlinks=not source)
        except FileExistsError:
            continue
        return candidate
    raise FileExistsError(errno.EEXIST, "no free file name is left" if number_if_taken else "the file was created meanwhile")


def taken(parent: int, name: str) -> bool:
    """Whether a file has this name already. Raises IsADirectoryError for a folder."""
    try:
        found = os.stat(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return True


def set_time(descriptor: int, modified: float | None) -> None:
    """Give a file its time (seconds since the epoch); not an error where it cannot have it."""
    if modified is not None:
        try:  # a `with` costs more than the call
            os.utime(descriptor, (modified, modified))
        except (OSError, OverflowError):
            return
