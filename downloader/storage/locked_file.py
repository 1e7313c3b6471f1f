"""The file behind a `downloader.storage.part.PartFile`: how it is opened, locked against other runs, and closed.

Nothing outside the folder of the run is ever touched: each folder of the path is opened without following symbolic links, or,
where one is a link, only if its target is inside. Part files are opened with O_NOFOLLOW, and are locked (flock) during the
transfer, so that two runs cannot write one file. POSIX only.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from functools import cached_property

from downloader.core.names.file_names import part_names
from downloader.errors import FileInUse
from downloader.storage.folder import Folder

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class LockedFile:
    """A part file on the disk, and the name of its sidecar. Methods raise OSError or PolicyError unless they say otherwise.

    ``descriptor``: of the open file, -1 while it is closed. ``written``: bytes of the file before the write position.
    """

    # Defaults of the class: most files are small, and never set these.
    descriptor = -1
    written = 0
    _parent = -1
    _has_sidecar = False

    # Set by the constructor of `PartFile`: a constructor here would cost a call for each file.
    _folder: Folder
    _path: str
    _prefix: str
    _name: str

    @cached_property
    def _part_name(self) -> str:
        return part_names(self._name)[0]

    @cached_property
    def _sidecar_name(self) -> str:
        return part_names(self._name)[1]

    @property
    def path(self) -> str:
        """The path of the part file itself, relative to the folder of the run."""
        return f"{self._prefix}/{self._part_name}" if self._prefix else self._part_name

    def open(self, offset: int) -> None:
        """Open for writing at ``offset``; 0 truncates the file. Raises FileInUse where another run has locked the file."""
        self._open_parent()
        try:
            self._open(offset)
        except BaseException:
            self.close()  # without a change: the file may be another run's
            raise
        self.written = offset

    def _open_parent(self) -> None:
        self._parent = self._folder.open_parent(self._path) if self._prefix else self._folder.descriptor

    def _open(self, offset: int) -> None:
        existed = False
        try:
            self.descriptor = os.open(self._part_name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self._parent)
        except FileExistsError:
            self._open_existing()
            existed = True
        self._lock()
        if existed:
            self._reuse_existing(offset)
        elif offset:
            os.unlink(self._part_name, dir_fd=self._parent)
            raise FileInUse("another run has just completed this file")
        else:
            self.remove_sidecar()  # one without a part file does not describe the bytes that come now

    def _open_existing(self) -> None:
        """Open the file under the part file's name. Another run may give it its final name at any moment."""
        try:
            if os.lstat(self._part_name, dir_fd=self._parent).st_nlink > 1:  # writing would change the file's other name too
                os.unlink(self._part_name, dir_fd=self._parent)
                raise FileInUse("the part file had two names, one was removed") from None
            self.descriptor = os.open(self._part_name, _FLAGS, dir_fd=self._parent)
        except FileNotFoundError:
            raise FileInUse("another run has just completed this file") from None

    def _lock(self) -> None:
        """Lock the file against other runs. Raises FileInUse."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileInUse("another run is writing this file", hint="wait for it, or choose another --dir") from None
        if not self.is_in_place():
            raise FileInUse("another run has just completed this file", hint="wait for it, or choose another --dir")

    def _reuse_existing(self, offset: int) -> None:
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ELOOP, "the part file is not a regular file")
        if offset == 0:
            self.remove_sidecar()
            os.ftruncate(self.descriptor, 0)
        elif status.st_size != offset:
            raise FileInUse("the part file was changed by someone else")
        os.lseek(self.descriptor, offset, os.SEEK_SET)

    def open_replacement(self) -> None:
        """Close the file, and open the one that now has its name. Raises FileInUse, IsADirectoryError if none can be used."""
        os.close(self.descriptor)
        self.descriptor = -1
        self._open_existing()
        self._lock()
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise IsADirectoryError("the part file is not a regular file")

    @property
    def is_open(self) -> bool:
        """Whether there is a part file to write to."""
        return self.descriptor >= 0

    def is_in_place(self) -> bool:
        """Whether the open file has the part file's name, and no other: it was neither renamed nor replaced."""
        status = os.fstat(self.descriptor)
        try:
            named = os.lstat(self._part_name, dir_fd=self._parent)
        except FileNotFoundError:
            return False
        return (status.st_ino, status.st_dev, status.st_nlink) == (named.st_ino, named.st_dev, 1)

    def remove_sidecar(self) -> None:
        """Remove the sidecar, if there is one: the bytes cannot be resumed any more."""
        with suppress(FileNotFoundError):
            os.unlink(self._sidecar_name, dir_fd=self._parent)
        self._has_sidecar = False

    def close(self) -> None:
        """Close the file as it is. May be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        if self._parent >= 0 and self._prefix:  # else it is the descriptor of the run's folder
            os.close(self._parent)
        self._parent = -1
