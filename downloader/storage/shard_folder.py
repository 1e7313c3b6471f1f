"""The folder that a run writes tar files to: a lock, a place for unfinished files, and the step that makes a shard appear.

All that is not finished is in ``.downloader/tar``. A shard is written there, with all of its files, and flushed to the disk.
Then its files are renamed into the folder, the statistics last. A run that is killed before the first rename leaves nothing in
the folder. If a run is killed between two of them, the next run renames the rest. Part files stay, to be resumed. Complete
files that are in no tar file are removed, because nobody knows their Results any more: they are fetched again.
"""

import errno
import os
import stat
from contextlib import suppress
from typing import IO, Protocol

from downloader.core.names.file_names import PART_SUFFIX, RESERVED_FOLDER, SIDECAR_SUFFIX
from downloader.core.names.shard_names import SHARD_SUFFIXES, STATS, shard_name, shard_number
from downloader.errors import StorageError
from downloader.storage.folder import storage_error
from downloader.storage.folder_lock import FolderLock

WORK = "tar"
"""The folder of unfinished files, in the folder ``.downloader``; only part files outlive a run."""

STAGING = "files"
"""The folder of files that are in no tar file yet, in the folder of unfinished files."""

_LOCK = "tar.lock"


class ShardStorage(Protocol):
    """Where the tar files of a run go: a folder, or an object store. A dry run calls `names` and `open` only.

    ``root``: the path of the folder, or the URL of the store. ``work``: a folder in which the files of a shard are written
    before `store`. ``staging``: the folder for the files that are in no tar file yet. Methods raise OSError or StorageError.
    """

    root: str
    work: str
    staging: str

    def begin(self) -> None:
        """Make and empty the folders of this machine, and exclude other runs. Raises StorageError if there is another run."""

    def names(self) -> list[str]:
        """The names of all files that are there."""

    def open(self, name: str) -> IO[bytes]:
        """Open one of these files to read it."""

    def store(self, number: int) -> None:
        """Move the files of a shard from ``work`` to their place: all of them, or none as far as later runs are concerned."""

    def close(self) -> None:
        """Remove what is unfinished, and release the lock."""


class ShardFolder:
    """A folder, as a `ShardStorage`.

    Args:
        root: its path.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(os.path.expanduser(root))
        self._inner = os.path.join(self.root, RESERVED_FOLDER)
        self.work = os.path.join(self._inner, WORK)
        self.staging = os.path.join(self.work, STAGING)
        self._lock: FolderLock | None = None

    def begin(self) -> None:
        """See `ShardStorage`: the folder is made if it is missing."""
        try:
            os.makedirs(self._inner, exist_ok=True)
            _check_no_link(self._inner, self.work, self.staging)
            self._lock = FolderLock(os.path.join(self._inner, _LOCK))
            self._begin(self._lock)
        except OSError as error:
            self._release()
            raise storage_error(error, self.root) from None
        except BaseException:
            self._release()
            raise

    def _begin(self, lock: FolderLock) -> None:
        if not lock.is_free():
            what = f"another run writes tar files to {self.root} ({lock.holder()})"
            raise StorageError(what, hint="wait for its end, or choose another --dir")
        lock.note_holder()
        for name in self._unfinished():
            number = shard_number(name)
            if number is not None and name.endswith(STATS):  # which is written last: the shard is complete
                self.store(number)
        self._empty()
        os.makedirs(self.staging, exist_ok=True)

    def _unfinished(self) -> list[str]:
        try:
            return sorted(os.listdir(self.work))
        except FileNotFoundError:
            return []

    def _empty(self) -> None:
        """Remove everything in the folder of unfinished files but part files that can be resumed."""
        for folder, folders, names in os.walk(self.work, topdown=False):
            kept = _resumable(names) if folder.startswith(self.staging) else set()
            for name in set(names) - kept:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    os.unlink(path)
                else:
                    _remove_if_empty(path)
        _remove_if_empty(self.work)

    def names(self) -> list[str]:
        """See `ShardStorage`."""
        try:
            return os.listdir(self.root)
        except FileNotFoundError:  # in a dry run
            return []

    def open(self, name: str) -> IO[bytes]:
        """See `ShardStorage`."""
        return open(os.path.join(self.root, name), "rb")

    def store(self, number: int) -> None:
        """See `ShardStorage`. The files were flushed to the disk before."""
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for suffix in SHARD_SUFFIXES:
                name = shard_name(number) + suffix
                if suffix == STATS:
                    os.fsync(root)  # so that the statistics never exist without the other files
                if os.path.lexists(os.path.join(self.work, name)):
                    if os.path.lexists(os.path.join(self.root, name)):
                        raise FileExistsError(errno.EEXIST, "another program has made the file", name)
                    os.rename(os.path.join(self.work, name), name, dst_dir_fd=root)
            os.fsync(root)
        finally:
            os.close(root)

    def close(self) -> None:
        """See `ShardStorage`."""
        if self._lock is not None:
            with suppress(OSError):
                self._empty()
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _check_no_link(*folders: str) -> None:
    """Raises NotADirectoryError if one of these exists and is no folder: what it names may be anywhere."""
    for folder in folders:
        if os.path.lexists(folder) and not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder")


def _resumable(names: list[str]) -> set[str]:
    """The part files among these names that have a sidecar, and their sidecars: another run can resume them."""
    sidecars = {name for name in names if name.endswith(SIDECAR_SUFFIX)}
    parts = {name.removesuffix(SIDECAR_SUFFIX) + PART_SUFFIX for name in sidecars} & set(names)
    return parts | {name.removesuffix(PART_SUFFIX) + SIDECAR_SUFFIX for name in parts}


def _remove_if_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
