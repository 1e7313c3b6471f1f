"""Gives a complete file its final name and its modification time."""

import errno
import os
import stat
from typing import TYPE_CHECKING

from downloader.core.names.file_names import numbered

if TYPE_CHECKING:
    from downloader.storage.folder import Folder

_O_TMPFILE = getattr(os, "O_TMPFILE", 0)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV, errno.EPERM)
"""Errors of a system that has no O_TMPFILE, or no /proc through which such a file gets its name."""


def publish_block(folder: "Folder", path: str, block: bytes, modified: float | None, number_if_taken: bool) -> str | None:
    """Create a complete file from ``block`` and give it its final name in one step. Never replaces a file.

    The file has no name until it is complete (O_TMPFILE), so it needs no lock, and a kill leaves nothing behind.

    Args:
        folder: the folder of the run.
        path: the wanted path, relative to the folder.
        block: all bytes of the file.
        modified: the modification time, seconds since the epoch; None: now.
        number_if_taken: if the name is taken, use the first free name with a number.

    Returns the path that the file got; None where the system cannot do this, and the caller has to write a part file.
    Raises FileExistsError if the name was taken meanwhile, OSError, PolicyError.
    """
    if not _O_TMPFILE or not folder.supports_tmpfile:
        return None
    prefix, slash, name = path.rpartition("/")
    parent = folder.open_parent(path) if prefix else folder.descriptor
    descriptor = -1
    try:
        descriptor = os.open(".", os.O_WRONLY | _O_TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=parent)
        count = os.write(descriptor, block)
        while count < len(block):
            count += os.write(descriptor, memoryview(block)[count:])
        set_modified(descriptor, modified)
        return f"{prefix}{slash}{link_free_name(descriptor, parent, name, number_if_taken)}"
    except FileExistsError:
        if is_taken(parent, name):
            raise
        return None  # the name belongs to a symbolic link without a target
    except OSError as error:
        if descriptor >= 0 or error.errno not in _UNSUPPORTED:
            raise
        folder.set_tmpfile_unsupported()
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)
        if prefix:
            os.close(parent)


def link_free_name(descriptor: int, parent: int, name: str, number_if_taken: bool, source: str = "") -> str:
    """Give a file the name ``name`` in the folder ``parent``, with a hard link; the name that it got.

    The file is the open one, or the one named ``source`` in the same folder. With ``number_if_taken`` it gets the first free
    name with a number. Raises FileExistsError if no name is free, OSError.
    """
    origin, origin_folder = (source, parent) if source else (f"/proc/self/fd/{descriptor}", None)
    for number in range(1_000_000 if number_if_taken else 1):
        candidate = numbered(name, number) if number else name
        try:
            os.link(origin, candidate, src_dir_fd=origin_folder, dst_dir_fd=parent, follow_symlinks=not source)
        except FileExistsError:
            continue
        return candidate
    raise FileExistsError(errno.EEXIST, "no free file name is left" if number_if_taken else "the file was created meanwhile")


def is_taken(parent: int, name: str) -> bool:
    """Whether a file with this name exists. Raises IsADirectoryError for a folder, OSError."""
    try:
        status = os.stat(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return True


def set_modified(descriptor: int, modified: float | None) -> None:
    """Set a file's modification time (seconds since the epoch; None: leave it). A time that the system refuses is ignored."""
    if modified is not None:
        try:  # a `with suppress` costs more than the call
            os.utime(descriptor, (modified, modified))
        except (OSError, OverflowError):
            return
