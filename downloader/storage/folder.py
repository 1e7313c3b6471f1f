"""The folder of a run, held open: what stands in it, and the way to its folders without ever leaving it."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from downloader.core.model import Attempt, Existing
from downloader.errors import FolderError, FolderFull, PolicyError, StorageError
from downloader.storage.shared_part import SharedPart

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_HINTS = {
    errno.ENOSPC: "free some space and run the same command again: incomplete files are kept",
    errno.EDQUOT: "free some space and run the same command again: incomplete files are kept",
    errno.EFBIG: "the file is larger than the system allows here",
    errno.EACCES: "check the permissions of the folder",
    errno.EPERM: "check the permissions of the folder",
    errno.EROFS: "choose another --dir",
    errno.ENAMETOOLONG: "give a shorter name with out=",
    errno.EEXIST: "a file has the name of the folder",
    errno.EISDIR: "a folder has the name of the file",
    errno.ENOTDIR: "a file has the name of a folder",
    errno.ELOOP: "a symbolic link has the name of the file",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --jobs",
}


_FULL = (errno.ENOSPC, errno.EDQUOT)


def storage_error(error: OSError, path: str, url: str = "", kind: type[StorageError] = StorageError) -> StorageError:
    """An OSError as ours, with what to do about it."""
    what = (error.strerror or "I/O error").lower()
    found = kind(f"{what}: cannot write {path}", url, _HINTS.get(error.errno or 0, ""))
    found.kind = what
    return found


@contextmanager
def _told_as(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from None


class Folder:
    """The folder of a run, held open. Raises StorageError where it cannot be made or used. Safe to share among threads.

    With ``make`` false, a missing folder is left missing, and looks empty.
    """

    def __init__(self, root: str, make: bool = True) -> None:
        self.root = os.path.realpath(root)
        self.descriptor = -1
        self._made = make
        self.lock = threading.Lock()  # for `spreads`: who begins, joins and leaves one
        self.spreads: dict[str, SharedPart] = {}
        self.empty = False  # whether nothing stood in it when the run began
        self.nameless = True  # until it is seen that this file system has no files without a name
        with _told_as(root):
            if make:
                os.makedirs(self.root, exist_ok=True)
            if make or os.path.exists(self.root):
                self.descriptor = os.open(self.root, _FOLDER)
                with os.scandir(self.descriptor) as found:
                    self.empty = next(found, None) is None

    def error(self, error: OSError, path: str, url: str = "", needed: int = 0) -> StorageError:
        """What an OSError at this path means: for that file alone, or, as a FolderError, for all. ``needed``: bytes to come."""
        if error.errno in _FULL:
            found = storage_error(error, path, url)
            full = FolderFull(found.reason, found.url, found.hint, needed)
            full.kind = found.kind
            return full
        denied = error.errno in (errno.EACCES, errno.EPERM) and not self._is_writable()
        gone = error.errno in (errno.ENOENT, errno.ESTALE) and self._is_gone()
        if gone:
            what = "the folder was removed"
            return FolderError(f"{what}: cannot write {path}", url, "create it again, or choose another --dir", what)
        return storage_error(error, path, url, FolderError if denied or error.errno == errno.EROFS else StorageError)

    def objection(self) -> FolderError | None:
        """Why no file can be written here, as far as that can be known before; None where nothing is known against it."""
        if self.descriptor < 0 or not self._made:
            return None
        if self._is_gone():
            return FolderError(f"the folder was removed: {self.root}", hint="create it again, or choose another --dir")
        if not self._is_writable():
            number = errno.EROFS if os.fstatvfs(self.descriptor).f_flag & os.ST_RDONLY else errno.EACCES
            return FolderError(f"{os.strerror(number).lower()}: cannot write to {self.root}", hint=_HINTS[number])
        if self.room() == 0:
            number = errno.ENOSPC
            return FolderFull(f"{os.strerror(number).lower()}: cannot write to {self.root}", hint=_HINTS[number])
        return None

    def room(self) -> int | None:
        """Bytes that are free for us; 0 also where no further file can be made. None where the file system does not tell."""
        try:
            found = os.fstatvfs(self.descriptor)
        except OSError:
            return None
        if found.f_blocks == 0:
            return None
        return 0 if found.f_files and not found.f_favail else found.f_bavail * found.f_frsize

    def _is_writable(self) -> bool:
        by_descriptor = os.access in os.supports_dir_fd
        effective = os.access in os.supports_effective_ids
        at = self.descriptor if by_descriptor else None
        return os.access("." if by_descriptor else self.root, os.W_OK | os.X_OK, dir_fd=at, effective_ids=effective)

    def _is_gone(self) -> bool:
        try:
            return os.fstat(self.descriptor).st_nlink == 0
        except OSError:
            return True

    def close(self) -> None:
        """Let go of the folder."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def has_nothing_of(self, attempt: Attempt) -> bool:
        """Whether neither the file nor a part of it can be here: the first Attempt at it, in a folder that was empty.

        What another program has put here since is noticed when the file gets its name.
        """
        return self.empty and attempt.number == 1

    def look(self, path: str) -> Existing | None:
        """What stands under a path, if anything does."""
        try:
            found = os.stat(path, dir_fd=self.descriptor)
        except OSError:
            return None
        return Existing(found.st_size, found.st_mtime, stat.S_ISDIR(found.st_mode))

    def open_parent(self, path: str) -> int:
        """A descriptor of the folder that ``path`` is in, made where it is missing. Raises PolicyError, OSError."""
        at = os.dup(self.descriptor)
        try:
            walked = ""
            for name in path.split("/")[:-1]:
                walked = f"{walked}/{name}" if walked else name
                inner = self._open_folder(at, name, walked)
                os.close(at)
                at = inner
        except BaseException:
            os.close(at)
            raise
        return at

    def _open_folder(self, parent: int, name: str, walked: str) -> int:
        for _ in range(3):
            try:
                return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
            except OSError as error:
                is_link = error.errno in (errno.ELOOP, errno.ENOTDIR) and stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode)
                if not is_link:
                    raise
                target = os.path.realpath(f"{self.root}/{walked}")
                if os.path.commonpath((self.root, target)) != self.root:
                    what = "a symbolic link leads out of the folder"
                    raise PolicyError(f"{what}: {walked}", kind=what) from None
                return os.open(target, _FOLDER)
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
