"""The folder of a run: an open descriptor, what exists in it, and how to reach its subfolders without leaving it."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from downloader.core.facts import Existing
from downloader.core.model import Attempt
from downloader.core.names.file_names import RESERVED_FOLDER
from downloader.errors import FolderError, FolderFull, PolicyError, StorageError
from downloader.storage.publish import publish_block
from downloader.storage.shared_part import SharedParts

if TYPE_CHECKING:
    from downloader.core.http.transfer import Transfer
    from downloader.storage.part import PartFile

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
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
    errno.ENOTDIR: "a file has the name of a folder of the path",
    errno.ELOOP: "a symbolic link has the name of the file",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --jobs",
}
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_OPEN_TRIES = 3
_READ_BYTES = 1 << 20

SLOW_SECONDS, FAST_SECONDS = 0.001, 0.0005
"""A folder is slow when it takes longer than the first to name a file, on average, until it takes less than the second again.

To name a file in a thread costs an event loop some 0.1 ms. In line, the loop stands still until the file has its name.
"""

NAMES_PER_SAMPLE = 4
"""Of so many files that are named in line, one is measured. To look at the clock for each would cost 0.5 % of a small file."""

COUNTED_SECONDS = 4 * SLOW_SECONDS
"""A file that takes longer to name counts as if it took so long: one such file does not make a folder slow."""


def storage_error(error: OSError, path: str, url: str = "", kind: type[StorageError] = StorageError) -> StorageError:
    """A StorageError (or ``kind``) for an OSError at ``path``, with a hint about what to do."""
    what = (error.strerror or "I/O error").lower()
    failure = kind(f"{what}: cannot write {path}", url, _HINTS.get(error.errno or 0, ""))
    failure.kind = what
    return failure


@contextmanager
def _raising_storage_error(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from None


class Folder:
    """The folder of a run, kept open. Several threads may use it. Raises StorageError if it cannot be made or opened.

    ``root``: its path without symbolic links. ``descriptor``: -1 where the folder is missing, or closed.
    ``was_empty``: nothing but the folder of a journal was in it when the run began. ``shared_parts``: the part files that
    several Attempts write.
    ``is_slow``: whether an event loop must not wait for the folder, because that takes long (a network file system): see
    `naming_took`. ``named_in_line``: files that were named without a thread.
    ``supports_tmpfile``: whether the file system may support files without a name (O_TMPFILE); True until it refused one.

    With ``make`` false, a missing folder stays missing, and looks like an empty one.
    """

    is_remote = False

    def __init__(self, root: str, make: bool = True) -> None:
        self.root = os.path.realpath(root)
        self.descriptor = -1
        self._made = make
        self.shared_parts = SharedParts()
        self.was_empty = False
        self.is_slow = False
        self.named_in_line = 0
        self._mean_seconds = 0.0  # to name a file; recent files count more
        self.supports_tmpfile = True
        with _raising_storage_error(root):
            if make:
                os.makedirs(self.root, exist_ok=True)
            if make or os.path.exists(self.root):
                self.descriptor = os.open(self.root, _FOLDER_FLAGS)
                with os.scandir(self.descriptor) as entries:
                    names = [entry.name for entry, _ in zip(entries, "ab", strict=False)]  # the first two
                    self.was_empty = not names or names == [RESERVED_FOLDER]

    @property
    def local(self) -> "Folder":
        """See `Storage`: the folder itself."""
        return self

    def begin(self, is_stopped: Callable[[], bool]) -> None:
        """See `Storage`: what exists is asked of the system, file by file."""

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """See `Storage`: to name a file never takes long."""

    def set_was_empty(self, was_empty: bool) -> None:
        """Set whether the folder was empty when the run began, in a process that opened the folder later."""
        self.was_empty = was_empty

    def set_tmpfile_unsupported(self) -> None:
        """Remember that the file system does not support O_TMPFILE."""
        self.supports_tmpfile = False

    def naming_took(self, seconds: float) -> None:
        """Take into account how long it took to write and name one file; this sets ``is_slow``. From any thread."""
        self._mean_seconds += (min(seconds, COUNTED_SECONDS) - self._mean_seconds) / 8
        if self._mean_seconds > (FAST_SECONDS if self.is_slow else SLOW_SECONDS):
            self.is_slow = True
        elif self.is_slow:
            self.is_slow = False

    def error(self, error: OSError, path: str, url: str = "", needed: int = 0) -> StorageError:
        """A StorageError for an OSError at ``path``; a FolderError if no other file could be written either.

        ``needed``: bytes that were still to be written.
        """
        if error.errno in _DISK_FULL:
            failure = storage_error(error, path, url)
            full = FolderFull(failure.reason, failure.url, failure.hint, needed)
            full.kind = failure.kind
            return full
        denied = error.errno in (errno.EACCES, errno.EPERM) and not self._is_writable()
        removed = error.errno in (errno.ENOENT, errno.ESTALE) and self._is_removed()
        if removed:
            what = "the folder was removed"
            return FolderError(f"{what}: cannot write {path}", url, "create it again, or choose another --dir", what)
        return storage_error(error, path, url, FolderError if denied or error.errno == errno.EROFS else StorageError)

    def write_problem(self) -> FolderError | None:
        """Why no file can be written to the folder, as far as this is known in advance; None if nothing is known."""
        if self.descriptor < 0 or not self._made:
            return None
        if self._is_removed():
            return FolderError(f"the folder was removed: {self.root}", hint="create it again, or choose another --dir")
        if not self._is_writable():
            number = errno.EROFS if os.fstatvfs(self.descriptor).f_flag & os.ST_RDONLY else errno.EACCES
            return FolderError(f"{os.strerror(number).lower()}: cannot write to {self.root}", hint=_HINTS[number])
        if self.free_bytes() == 0:
            number = errno.ENOSPC
            return FolderFull(f"{os.strerror(number).lower()}: cannot write to {self.root}", hint=_HINTS[number])
        return None

    def free_bytes(self) -> int | None:
        """Bytes that this user may write; 0 also if no further file can be made. None if the file system does not tell."""
        try:
            system = os.fstatvfs(self.descriptor)
        except OSError:
            return None
        if system.f_blocks == 0:
            return None
        return 0 if system.f_files and not system.f_favail else system.f_bavail * system.f_frsize

    def _is_writable(self) -> bool:
        by_descriptor = os.access in os.supports_dir_fd
        effective = os.access in os.supports_effective_ids
        descriptor = self.descriptor if by_descriptor else None
        return os.access("." if by_descriptor else self.root, os.W_OK | os.X_OK, dir_fd=descriptor, effective_ids=effective)

    def _is_removed(self) -> bool:
        try:
            return os.fstat(self.descriptor).st_nlink == 0
        except OSError:
            return True

    def close(self) -> None:
        """Close the descriptor. May be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def has_nothing_of(self, attempt: Attempt) -> bool:
        """Whether neither the file nor a part file of it can exist: the first Attempt at it, in a folder that was empty.

        A file that another program has created since is noticed when the new file gets its name.
        """
        return self.was_empty and attempt.number == 1 and not attempt.may_exist_already

    def existing(self, path: str) -> Existing | None:
        """Size and time of what exists at ``path``; None if nothing does."""
        try:
            status = os.stat(path, dir_fd=self.descriptor)
        except OSError:
            return None
        is_folder, is_file = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
        return Existing(status.st_size, status.st_mtime, is_folder, not (is_folder or is_file))

    def read(self, path: str, update: Callable[[bytes], None]) -> None:
        """Give the file at ``path`` to ``update``, block by block. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            while block := os.read(descriptor, _READ_BYTES):
                update(block)
        finally:
            os.close(descriptor)

    def publish(
        self,
        part: "PartFile",
        block: bytes,
        transfer: "Transfer",
        modified: float | None,
        number_if_taken: bool,
        replace: bool,
    ) -> str:
        """See `Storage`. A file that has no part file gets one only where the system requires it."""
        if not part.is_open:
            if number_if_taken or not replace:
                path = publish_block(self, transfer.attempt.path, block, modified, number_if_taken)
                if path is not None:
                    return path
            part.open(0)
            part.write(block)
        return part.commit(modified, number_if_taken, replace)

    def open_parent(self, path: str) -> int:
        """A descriptor of the folder that contains ``path``; missing folders are made. Raises PolicyError, OSError."""
        descriptor = os.dup(self.descriptor)
        try:
            parent = ""
            for name in path.split("/")[:-1]:
                parent = f"{parent}/{name}" if parent else name
                inner = self._open_subfolder(descriptor, name, parent)
                os.close(descriptor)
                descriptor = inner
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _open_subfolder(self, parent: int, name: str, path: str) -> int:
        """``path``: of the subfolder, from the root. More than one try, as another program may remove what was just made."""
        for _ in range(_OPEN_TRIES):
            try:
                return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
            except OSError as error:
                is_link = error.errno in (errno.ELOOP, errno.ENOTDIR) and stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode)
                if not is_link:
                    raise
                target = os.path.realpath(f"{self.root}/{path}")
                if os.path.commonpath((self.root, target)) != self.root:
                    what = "a symbolic link leads out of the folder"
                    raise PolicyError(f"{what}: {path}", kind=what) from None
                return os.open(target, _FOLDER_FLAGS)
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
