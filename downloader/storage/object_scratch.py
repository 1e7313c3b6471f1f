"""The temporary folder of a run whose files go to an object store: made, locked while a process uses it, and removed.

A run that is killed leaves its folder behind, perhaps with large files. The next run of the same user, with the same TMPDIR,
removes such folders where no process has locked them.
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress

from downloader.errors import StorageError
from downloader.storage.folder import Folder

PREFIX = "dl-store-"

_YOUNG_SECONDS = 60
"""A folder that was changed so recently is not removed: its run may be about to lock it."""


def make_scratch(path: str) -> Folder:
    """Make the folder at ``path``, which only this user can read, and lock it; remove what killed runs left beside it.

    Raises StorageError.
    """
    _remove_left_over(os.path.dirname(path))
    try:
        os.makedirs(path, 0o700)
    except OSError as error:
        what = f"cannot make the temporary folder {path}: {(error.strerror or 'I/O error').lower()}"
        raise StorageError(what, hint="set TMPDIR to a folder with space for the files in flight") from None
    return open_scratch(path)


def new_scratch() -> str:
    """Make a temporary folder for a worker that may be on another machine than its run. Returns its path."""
    return tempfile.mkdtemp(prefix=PREFIX)


def open_scratch(path: str) -> Folder:
    """Open the folder, and lock it together with the other processes of the run. Raises StorageError."""
    folder = Folder(path)
    with suppress(OSError):  # a file system without locks: what is left over stays
        fcntl.flock(folder.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return folder


def remove_scratch(path: str) -> None:
    """Remove the folder and what is in it. Never raises."""
    shutil.rmtree(path, ignore_errors=True)


def _remove_left_over(parent: str) -> None:
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False) and _is_left_over(entry):
                remove_scratch(entry.path)


def _is_left_over(entry: "os.DirEntry[str]") -> bool:
    """Whether this folder is ours, and no process has locked it."""
    with suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _YOUNG_SECONDS:
            return False
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        return True
    return False
