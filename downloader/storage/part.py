"""Part files: bytes are collected in ``<name>.part`` and get the final name only when they are complete and verified.

Beside it, ``<name>.part.meta`` (the sidecar) says what the bytes are part of: without one, a part file is worth nothing
and the next Attempt begins at zero. It is written before the first block that is not the last, so small files have none.
A file that is whole before anything was written gets its name at once (see `place`), and never is a part file.

Several Attempts of one process may write one file, each its own Segment: what they share is a `SharedPart`.

Nothing outside the folder is ever touched: each folder on the way is opened without following symbolic links, or, where
one is a link, only if it leads to a place inside; part files are opened with O_NOFOLLOW, and locked (flock) for the
time of the transfer, so two runs cannot write one file. POSIX only.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from functools import cached_property

from downloader.core.model import NOTHING_TO_RESUME, ResumeInfo, Span
from downloader.core.names.file_names import part_names
from downloader.errors import DownloadError, FileInUse
from downloader.storage import sidecar
from downloader.storage.folder import Folder
from downloader.storage.publish import link_free_name, set_time, taken
from downloader.storage.shared_part import SharedPart

_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class PartFile:
    """One Attempt's hold of a file on its way: see the module. Methods raise OSError or PolicyError unless said."""

    descriptor = -1
    may_exist = False
    buffered = 0
    written = 0
    _parent = -1
    _spread: SharedPart | None = None
    _has_sidecar = False

    def __init__(self, folder: Folder, path: str, source: str) -> None:
        self._folder = folder
        self._path = path
        self._prefix, _, self._name = path.rpartition("/")
        self._source = source
        self._buffer: list[bytes] = []

    @cached_property
    def _part(self) -> str:
        return part_names(self._name)[0]

    @cached_property
    def _meta(self) -> str:
        return part_names(self._name)[1]

    def held(self) -> ResumeInfo:
        """What an earlier Attempt left; nothing, where its sidecar does not vouch for it. Never raises."""
        spread = self._folder.spreads.get(self._path)
        if spread is not None:
            return spread.held
        prefix = f"{self._prefix}/" if self._prefix else ""
        try:
            found = os.lstat(prefix + self._part, dir_fd=self._folder.descriptor)
        except OSError:
            return NOTHING_TO_RESUME
        self.may_exist = self._has_sidecar = True  # perhaps: it is removed before the part file is cut
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return NOTHING_TO_RESUME
        return sidecar.load(self._folder.descriptor, prefix + self._meta, self._source, found.st_size)

    def open(self, offset: int) -> None:
        """Open for writing at ``offset``; 0 empties it. Raises StorageError where another run holds the file."""
        self._parent = self._folder.open_parent(self._path) if self._prefix else self._folder.descriptor
        try:
            self._open(offset)
        except BaseException:
            self.close()  # as it is: it may be someone else's
            raise
        self.written = offset

    def join(self, held: ResumeInfo) -> None:
        """Open a file with gaps, of which ``held`` tells, beside the Attempts that write it now, if there are any.

        Raises FileInUse where it has just been ended, or belongs to another run.
        """
        self._parent = self._folder.open_parent(self._path) if self._prefix else self._folder.descriptor
        try:
            with self._folder.lock:
                self._join(held)
        except BaseException:
            self.close()
            raise

    def _join(self, held: ResumeInfo) -> None:
        spread = self._folder.spreads.get(self._path)
        self.reopen()
        self._has_sidecar = True
        if spread is None:
            self.lock()
            found = self.held()  # now that nobody else may change it
            if found[1:3] != held[1:3]:  # another version
                raise FileInUse("the part file was changed by another program")
            self._share(found, found.spans or ((0, found.size),)).record()
        elif spread.join():
            self._spread = spread
            if not os.path.samestat(os.fstat(self.descriptor), os.fstat(spread.locked)):
                raise FileInUse("the part file was changed by another program")
        else:
            raise FileInUse("another attempt has just finished this file")

    def share(self, told: ResumeInfo) -> None:
        """Let other Attempts of this process write to this file too, wherever this one is not yet."""
        with self._folder.lock:
            self._share(told, ((0, self.written),))

    def _share(self, told: ResumeInfo, spans: tuple[Span, ...]) -> SharedPart:
        meta, source = self._meta, self._source

        def save(folder: int, held: ResumeInfo) -> None:
            sidecar.rewrite(folder, meta, source, held)

        spread = self._spread = self._folder.spreads[self._path] = SharedPart(self.descriptor, self._parent, told, spans, save)
        return spread

    @property
    def shared(self) -> bool:
        """Whether others may be writing, too."""
        return self._spread is not None

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is complete of a file that is shared."""
        return self._spread.spans if self._spread is not None else ((0, self.written),)

    @property
    def split(self) -> bool:
        """Whether others have been writing, too."""
        return self._spread is not None and self._spread.split

    def claim(self) -> bool:
        """Whether every byte is there of a file that is shared, and ending it falls to this Attempt, of all of them."""
        return self._spread is not None and self._spread.claim()

    @property
    def over(self) -> bool:
        """Whether another Attempt has ended this file: nothing more is to be written."""
        return self._spread is not None and self._spread.over

    def seek(self, offset: int) -> None:
        """Write there next, to a file that is shared."""
        self.written = offset

    def _open(self, offset: int) -> None:
        existed = False
        try:
            self.descriptor = os.open(self._part, _OPEN | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self._parent)
        except FileExistsError:
            self.reopen()
            existed = True
        self.lock()
        if existed:
            self._adopt(offset)
        elif offset:
            os.unlink(self._part, dir_fd=self._parent)
            raise FileInUse("another run has just finished this file")
        else:
            self.drop_sidecar()  # one that was left behind must not vouch for these bytes

    def reopen(self) -> None:
        """Open the part file that is there. It may vanish at any moment: by another run, which gives it its name."""
        try:
            if os.lstat(self._part, dir_fd=self._parent).st_nlink > 1:  # it has another name, which must not be written through
                os.unlink(self._part, dir_fd=self._parent)
                raise FileInUse("the part file had two names: one was removed") from None
            self.descriptor = os.open(self._part, _OPEN, dir_fd=self._parent)
        except FileNotFoundError:
            raise FileInUse("another run has just finished this file") from None

    def lock(self) -> None:
        """Keep other runs from it. Raises FileInUse."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileInUse("another run is writing this file", hint="wait for it, or choose another --dir") from None
        if not self.is_ours():
            raise FileInUse("another run has just finished this file", hint="wait for it, or choose another --dir")

    def is_ours(self) -> bool:
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
            raise OSError(errno.ELOOP, "the part file is not a regular file")
        if offset == 0:
            self.drop_sidecar()
            os.ftruncate(self.descriptor, 0)
        elif found.st_size != offset:
            raise FileInUse("the part file was changed by another program")
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
        """Write a block after the others; nothing, where the file is `over`. One that is shared has no position of its own."""
        if self._spread is not None:
            self.written += self._spread.write(self.descriptor, block, self.written)
            return
        view = memoryview(block)
        while view:
            count = os.write(self.descriptor, view)
            view = view[count:]
            self.written += count

    def vouch(self, told: ResumeInfo) -> None:
        """Write the sidecar, once, if there is a validator at all: ``told`` is what the server said of the whole."""
        if self._has_sidecar or not told.validator.if_range:
            return
        sidecar.write(self._parent, self._meta, self._source, told)
        self._has_sidecar = True

    def commit(self, modified: float | None, number_if_taken: bool, replace: bool = True) -> str:
        """Give the file its final name, and its time (epoch seconds). The path it got: another, if asked to number it.

        Raises FileExistsError where the name was taken meanwhile and ``replace`` is false, OSError where what stands
        under the part file's name is not what was written. One that is shared is to be claimed first.
        """
        if not self.is_ours():
            raise FileInUse("the part file was changed by another program")
        set_time(self.descriptor, modified)
        if self._has_sidecar:
            self.drop_sidecar()  # before the rename: one that is left over would vouch for another file's bytes
        name = self._name
        if number_if_taken:
            name = link_free_name(self.descriptor, self._parent, name, True, self._part)
            os.unlink(self._part, dir_fd=self._parent)
        else:
            if not replace and taken(self._parent, name):
                raise FileExistsError(errno.EEXIST, "the file was created meanwhile")
            os.rename(self._part, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self.close()
        return f"{self._prefix}/{name}" if self._prefix else name

    def keep(self, told: ResumeInfo) -> None:
        """End the Attempt without the file: keep what can be resumed, remove what cannot. Never raises."""
        with suppress(OSError, DownloadError):
            if not self.is_open and self.buffered and told.validator.if_range:
                self.open(0)
        if not self.is_open:
            return
        with suppress(OSError, DownloadError):
            if self.buffered:
                self.write(self.take())
        if self._spread is not None:
            self.close()  # which sees to the sidecar
            return
        with suppress(OSError):
            if self.written and (self._has_sidecar or told.validator.if_range):
                self.vouch(told)
            else:
                self._remove()
        self.close()

    def discard(self) -> None:
        """End the Attempt and remove what was written. Never raises."""
        self.take()
        if self.is_open:
            if self._spread is not None:
                with self._spread.lock:
                    self._spread.over = True
            with suppress(OSError):
                self._remove()
            self.close()

    def _remove(self) -> None:
        self.drop_sidecar()
        os.unlink(self._part, dir_fd=self._parent)

    def drop_sidecar(self) -> None:
        """Nothing vouches for the bytes from here on."""
        with suppress(FileNotFoundError):
            os.unlink(self._meta, dir_fd=self._parent)
        self._has_sidecar = False

    def close(self) -> None:
        """Let go of the file as it is. Safe to call twice."""
        spread, self._spread = self._spread, None
        if spread is not None:
            with self._folder.lock:
                if spread.leave() and self._folder.spreads.get(self._path) is spread:
                    del self._folder.spreads[self._path]
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        if self._parent >= 0 and self._prefix:  # else it is the folder's own
            os.close(self._parent)
        self._parent = -1
