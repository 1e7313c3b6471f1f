"""Part files: bytes are collected in ``<name>.part`` and get the final name only when they are complete and verified.

Beside it, ``<name>.part.meta`` (the sidecar) says what the bytes are part of: without one, a part file is worth nothing
and the next Attempt begins at zero. It is written before the first block that is not the last, so small files have none.

Nothing outside the folder is ever touched: each folder on the way is opened without following symbolic links, or, where
one is a link, only if it leads to a place inside; part files are opened with O_NOFOLLOW, and locked (flock) for the
time of the transfer, so two runs cannot write one file. POSIX only.
"""

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import suppress

import msgspec

from downloader.core.model import NOTHING_HELD, Checksum, Held, Validator
from downloader.core.naming import numbered, part_names
from downloader.errors import DownloadError, FileInUse
from downloader.storage.folder import Folder

_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class _Sidecar(msgspec.Struct, frozen=True):
    source: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    digests: tuple[tuple[str, str], ...] = ()


_decode = msgspec.json.Decoder(_Sidecar).decode


class PartFile:
    """One file on its way: see the module. One owner at a time; methods raise OSError or PolicyError unless said."""

    def __init__(self, folder: Folder, path: str, source: str) -> None:
        self._folder = folder
        self._path = path
        self._prefix, _, self._name = path.rpartition("/")
        self._part, self._meta = part_names(self._name)
        self._source = hashlib.blake2b(source.encode(), digest_size=16).hexdigest() if source else ""
        self._has_sidecar = False
        self._parent = -1
        self._buffer: list[bytes] = []
        self.descriptor = -1
        self.buffered = 0
        self.written = 0

    def held(self) -> Held:
        """What an earlier Attempt left; nothing, where its sidecar does not vouch for it. Never raises."""
        prefix = f"{self._prefix}/" if self._prefix else ""
        try:
            found = os.lstat(prefix + self._part, dir_fd=self._folder.descriptor)
        except OSError:
            return NOTHING_HELD
        self._has_sidecar = True  # perhaps: it is removed before the part file is cut
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return NOTHING_HELD
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(prefix + self._meta, flags, dir_fd=self._folder.descriptor)
            try:
                sidecar = _decode(os.read(descriptor, 8192))
            finally:
                os.close(descriptor)
        except (OSError, msgspec.DecodeError):
            return NOTHING_HELD
        if sidecar.source != self._source:
            return NOTHING_HELD
        digests = tuple(Checksum(algorithm, digest) for algorithm, digest in sidecar.digests)
        return Held(found.st_size, Validator(sidecar.etag, sidecar.last_modified), sidecar.total, digests)

    def open(self, offset: int) -> None:
        """Open for writing at ``offset``; 0 empties it. Raises StorageError where another run holds the file."""
        self._parent = self._folder.open_parent(self._path) if self._prefix else self._folder.descriptor
        try:
            self._open(offset)
        except BaseException:
            self.close()  # as it is: it may be someone else's
            raise
        self.written = offset

    def _open(self, offset: int) -> None:
        existed = False
        try:
            self.descriptor = os.open(self._part, _OPEN | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self._parent)
        except FileExistsError:
            if os.lstat(self._part, dir_fd=self._parent).st_nlink > 1:  # it has another name, which must not be written through
                os.unlink(self._part, dir_fd=self._parent)
                raise FileInUse("the part file had two names, one was removed") from None
            self.descriptor = os.open(self._part, _OPEN, dir_fd=self._parent)
            existed = True
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileInUse("another run is writing this file", hint="wait for it, or choose another --dir") from None
        if not self._is_ours():
            raise FileInUse("another run has just ended this file", hint="wait for it, or choose another --dir")
        if existed:
            self._adopt(offset)
        elif offset:
            os.unlink(self._part, dir_fd=self._parent)
            raise OSError(errno.ESTALE, "the part file has gone")
        else:
            self._drop_sidecar()  # one that was left behind must not vouch for these bytes

    def _is_ours(self) -> bool:
        """Whether what is open still stands under the part file's name, and under no other: not renamed, not replaced."""
        found = os.fstat(self.descriptor)
        try:
            named = os.lstat(self._part, dir_fd=self._parent)
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_dev, found.st_nlink) == (named.st_ino, named.st_dev, 1)

    def _adopt(self, offset: int) -> None:
        found = os.fstat(self.descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ELOOP, "the part file is no plain file")
        if offset == 0:
            self._drop_sidecar()
            os.ftruncate(self.descriptor, 0)
        elif found.st_size != offset:
            raise OSError(errno.ESTALE, "the part file was changed by someone else")
        os.lseek(self.descriptor, offset, os.SEEK_SET)

    @property
    def is_open(self) -> bool:
        """Whether there is a part file to write to."""
        return self.descriptor >= 0

    def collect(self, data: bytes) -> None:
        """Add to what is to be written next."""
        self._buffer.append(data)
        self.buffered += len(data)

    def take(self) -> bytes:
        """All that was collected, to be written."""
        block = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        self._buffer.clear()
        self.buffered = 0
        return block

    def write(self, block: bytes) -> None:
        """Write a block after the others."""
        view = memoryview(block)
        while view:
            count = os.write(self.descriptor, view)
            self.written += count
            view = view[count:]

    def vouch(self, told: Held) -> None:
        """Write the sidecar, once, if there is a validator at all: ``told`` is what the server said of the whole."""
        if self._has_sidecar or not told.validator.if_range:
            return
        digests = tuple((item.algorithm, item.digest) for item in told.digests)
        etag, last_modified = told.validator
        data = msgspec.json.encode(_Sidecar(self._source, etag, last_modified, told.total, digests))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._meta, flags, 0o666, dir_fd=self._parent)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        self._has_sidecar = True

    def commit(self, modified: float | None, number_if_taken: bool, replace: bool = True) -> str:
        """Give the file its final name, and its time (epoch seconds). The path it got: another, if asked to number it.

        Raises FileExistsError where the name was taken meanwhile and ``replace`` is false, OSError where what stands
        under the part file's name is not what was written.
        """
        if not self._is_ours():
            raise OSError(errno.ESTALE, "the part file was changed by someone else")
        if modified is not None:
            with suppress(OSError, OverflowError):
                os.utime(self.descriptor, (modified, modified))
        if self._has_sidecar:
            self._drop_sidecar()  # before the rename: one that is left over would vouch for another file's bytes
        name = self._name
        if number_if_taken:
            name = self._link_free_name()
        else:
            if not replace and self._taken():
                raise FileExistsError(errno.EEXIST, "the file has appeared meanwhile")
            os.rename(self._part, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self.close()
        return f"{self._prefix}/{name}" if self._prefix else name

    def _taken(self) -> bool:
        try:
            found = os.stat(self._name, dir_fd=self._parent)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        return True

    def _link_free_name(self) -> str:
        for number in range(1_000_000):
            name = numbered(self._name, number) if number else self._name
            try:
                os.link(self._part, name, src_dir_fd=self._parent, dst_dir_fd=self._parent, follow_symlinks=False)
            except FileExistsError:
                continue
            os.unlink(self._part, dir_fd=self._parent)
            return name
        raise OSError(errno.EEXIST, "no free name is left")

    def keep(self, told: Held) -> None:
        """End the Attempt without the file: keep what can be resumed, remove what cannot. Never raises."""
        if not self.is_open:
            return
        with suppress(OSError, DownloadError):
            if self.buffered:
                self.write(self.take())
        with suppress(OSError):
            if self.written and (self._has_sidecar or told.validator.if_range):
                self.vouch(told)
            else:
                self._remove()
        self.close()

    def discard(self) -> None:
        """End the Attempt and remove what was written. Never raises."""
        if self.is_open:
            with suppress(OSError):
                self._remove()
            self.close()

    def _remove(self) -> None:
        self._drop_sidecar()
        os.unlink(self._part, dir_fd=self._parent)

    def _drop_sidecar(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._meta, dir_fd=self._parent)
        self._has_sidecar = False

    def close(self) -> None:
        """Let go of the file as it is. Safe to call twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        if self._parent >= 0 and self._parent != self._folder.descriptor:
            os.close(self._parent)
        self._parent = -1
