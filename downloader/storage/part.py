"""Part files: bytes are written to ``<name>.part``, which gets the final name only when it is complete and verified.

A sidecar (``<name>.part.meta``) records which resource the bytes belong to. A part file without one cannot be resumed, and the
next Attempt starts at byte 0. The sidecar is written before the first intermediate flush, so a small file never needs one. A
file that is complete before anything was written gets its final name directly (`downloader.storage.publish.publish_block`).

Several Attempts of one process may write one part file, each its own Segment; what they share is a `SharedPart`. To an Attempt
its `PartFile` is the only door to it: `allow_sharing` or `open_shared`, `is_shared`, `spans`, `is_finished`, `try_finish`.

How the file is opened and locked: `downloader.storage.locked_file`.
"""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from downloader.core.facts import NOTHING_TO_RESUME, ResumeInfo, Span
from downloader.core.spans import without
from downloader.errors import DownloadError, FileInUse
from downloader.storage import sidecar
from downloader.storage.folder import Folder
from downloader.storage.locked_file import LockedFile
from downloader.storage.pieces import write_some
from downloader.storage.publish import is_taken, link_free_name, set_modified
from downloader.storage.shared_part import SharedPart


class PartFile(LockedFile):
    """The part file of one Attempt; see the module. Methods raise OSError or PolicyError unless they say otherwise.

    ``buffered``: bytes that are collected and not yet written. ``may_exist``: `resume_info` saw a file under this name.
    """

    # Defaults of the class: most files are small, and never set these.
    may_exist = False
    buffered = 0
    _shared: SharedPart | None = None

    def __init__(self, folder: Folder, path: str, source: str) -> None:
        """``path``: the final path, relative to the folder. ``source``: the URL that the bytes belong to."""
        self._folder = folder
        self._path = path
        self._prefix, _, self._name = path.rpartition("/")
        self._source = source
        self._buffer: list[bytes] = []

    def resume_info(self) -> ResumeInfo:
        """What an earlier Attempt left; NOTHING_TO_RESUME if there is no sidecar that fits. Never raises."""
        shared = self._folder.shared_parts.by_path.get(self._path)
        if shared is not None:
            return shared.resume_info
        prefix = f"{self._prefix}/" if self._prefix else ""
        try:
            status = os.lstat(prefix + self._part_name, dir_fd=self._folder.descriptor)
        except OSError:
            return NOTHING_TO_RESUME
        self.may_exist = self._has_sidecar = True  # perhaps: so a sidecar is removed before the part file is truncated
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            return NOTHING_TO_RESUME
        return sidecar.load(self._folder.descriptor, prefix + self._sidecar_name, self._source, status.st_size)

    # --- sharing with other Attempts

    def open_shared(self, expected: ResumeInfo) -> None:
        """Open a part file that may have gaps, together with the Attempts that write it now, if there are any.

        ``expected``: what `resume_info` returned. Raises FileInUse if another Attempt has just finished the file, if it is
        another version, or if another run has locked it.
        """
        self._open_parent()
        try:
            with self._folder.shared_parts.lock:
                self._open_shared(expected)
        except BaseException:
            self.close()
            raise

    def _open_shared(self, expected: ResumeInfo) -> None:
        shared = self._folder.shared_parts.by_path.get(self._path)
        self._open_existing()
        self._has_sidecar = True
        if shared is None:
            self._lock()
            info = self.resume_info()  # again: from now on no other run can change the file
            if (info.validator, info.total) != (expected.validator, expected.total):  # another version
                raise FileInUse("the part file was changed by another program")
            self._share(info, info.spans or ((0, info.size),)).start_gaps()
        elif shared.add_writer():
            self._shared = shared
            if not os.path.samestat(os.fstat(self.descriptor), os.fstat(shared.locked)):
                raise FileInUse("the part file was changed by another program")
        else:
            raise FileInUse("another attempt has just finished this file")

    def allow_sharing(self, info: ResumeInfo) -> None:
        """Allow other Attempts of this process to write to this open file. ``info``: what the server said of the whole."""
        with self._folder.shared_parts.lock:
            self._share(info, ((0, self.written),))

    def _share(self, info: ResumeInfo, spans: tuple[Span, ...]) -> SharedPart:
        name, source = self._sidecar_name, self._source

        def save(folder: int, info: ResumeInfo) -> None:
            sidecar.update(folder, name, source, info)

        shared = self._shared = SharedPart(self.descriptor, self._parent, info, spans, save)
        self._folder.shared_parts.by_path[self._path] = shared
        return shared

    @property
    def is_shared(self) -> bool:
        """Whether other Attempts may write to the file too."""
        return self._shared is not None

    @property
    def may_have_gaps(self) -> bool:
        """Whether another Attempt has joined, so that the complete bytes need not be contiguous."""
        return self._shared is not None and self._shared.may_have_gaps

    @property
    def is_finished(self) -> bool:
        """Whether an Attempt has finished or discarded the shared file: nothing more is written to it."""
        return self._shared is not None and self._shared.is_finished

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes that are complete, by whichever Attempt they were written."""
        return self._shared.spans if self._shared is not None else ((0, self.written),)

    def try_finish(self) -> bool:
        """Whether every byte of a shared file is complete and this Attempt, of all that share it, is to `commit` it."""
        return self._shared is not None and self._shared.try_finish()

    # --- writing

    def seek(self, offset: int) -> None:
        """Set the position of the next write to a shared file."""
        self.written = offset

    def collect(self, data: bytes) -> None:
        """Add bytes to the buffer."""
        self._buffer.append(data)
        self.buffered += len(data)

    def collect_pieces(self, pieces: list[bytes]) -> int:
        """Add several pieces to the buffer; returns how many bytes they have."""
        count = sum(map(len, pieces))
        self._buffer += pieces
        self.buffered += count
        return count

    def take_pieces(self) -> list[bytes]:
        """Empty the buffer, and return its pieces."""
        pieces, self._buffer = self._buffer, []
        self.buffered = 0
        return pieces

    def take(self) -> bytes:
        """Empty the buffer, and return its bytes as one block."""
        block = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        self._buffer.clear()
        self.buffered = 0
        return block

    def write(self, data: bytes | list[bytes]) -> None:
        """Write a block, or its pieces, at the position, and advance it. Writes nothing to a shared file that is finished."""
        pieces = [data] if isinstance(data, bytes) else data
        if self._shared is not None:
            self.written += self._shared.write(self.descriptor, pieces, self.written)
            return
        while pieces:
            count, pieces = write_some(self.descriptor, pieces)
            self.written += count

    def advance(self, count: int) -> None:
        """Count bytes that the caller wrote through ``descriptor``, to a file that is not shared."""
        self.written += count

    def write_sidecar(self, info: ResumeInfo) -> None:
        """Write the sidecar, unless it exists or there is no validator. ``info``: what the server said of the whole."""
        if self._has_sidecar or not info.validator.if_range:
            return
        sidecar.create(self._parent, self._sidecar_name, self._source, info)
        self._has_sidecar = True

    # --- ending

    def commit(self, modified: float | None, number_if_taken: bool, replace: bool = True) -> str:
        """Give the file its final name, and close it. A shared file needs a successful `try_finish` first.

        ``modified``: the modification time, seconds since the epoch. ``number_if_taken``: if the name is taken, use the first
        free name with a number. Returns the path that the file got, relative to the folder. Raises FileExistsError if the name
        was taken meanwhile and ``replace`` is false, FileInUse if the open file is not the one under the part file's name.
        """
        if not self.is_in_place():
            raise FileInUse("the part file was changed by another program")
        set_modified(self.descriptor, modified)
        if self._has_sidecar:
            self.remove_sidecar()  # before the rename: one that is left over would describe a later file's bytes
        name = self._name
        if number_if_taken:
            name = link_free_name(self.descriptor, self._parent, name, True, self._part_name)
            os.unlink(self._part_name, dir_fd=self._parent)
        else:
            if not replace and is_taken(self._parent, name):
                raise FileExistsError(errno.EEXIST, "the file was created meanwhile")
            os.rename(self._part_name, name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self.close()
        return f"{self._prefix}/{name}" if self._prefix else name

    def keep(self, info: ResumeInfo) -> None:
        """End the Attempt without a complete file: keep what can be resumed, remove the rest. Never raises."""
        with suppress(OSError, DownloadError):
            if not self.is_open and self.buffered and info.validator.if_range:
                self.open(0)
        if not self.is_open:
            return
        with suppress(OSError, DownloadError):
            if self.buffered:
                self.write(self.take_pieces())
        if self._shared is not None:
            self.close()  # this updates the sidecar
            return
        with suppress(OSError):
            if self.written and (self._has_sidecar or info.validator.if_range):
                self.write_sidecar(info)
            else:
                self._remove()
        self.close()

    def keep_without(self, wrong: Iterable[Span], info: ResumeInfo) -> None:
        """End the Attempt at a complete file, some bytes of which are wrong: the next Attempt is going to fetch only these.

        ``wrong``: these bytes. ``info``: what is known of the file, with its validator and its size in ``total``.
        """
        if self._shared is not None:
            self._shared.remove_bytes(wrong)
        else:
            self.remove_sidecar()
            right = without([(0, info.total or 0)], wrong)
            sidecar.create(self._parent, self._sidecar_name, self._source, info._replace(size=0, spans=right))
        self.close()

    def discard(self) -> None:
        """End the Attempt, and remove the part file. Never raises."""
        self.take()
        if self.is_open:
            if self._shared is not None:
                self._shared.discard()
            with suppress(OSError):
                self._remove()
            self.close()

    def _remove(self) -> None:
        self.remove_sidecar()
        os.unlink(self._part_name, dir_fd=self._parent)

    def close(self) -> None:
        """Close the file as it is. May be called twice."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._folder.shared_parts.release(self._path, shared)
        super().close()
