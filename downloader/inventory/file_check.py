"""Compares one file on the disk with what is known of it: that it exists, its size, its digests."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from downloader.core.facts import Checksum
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.hashes import Hash

BLOCK_BYTES = 1 << 20
"""Bytes that are read at a time. A thread has one buffer of this size."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_KNOWN_FOLDERS = 4096


class ExpectedFile(NamedTuple):
    """What is known of one file.

    ``path``: relative to the folder. ``size``: bytes; None: not known. ``problem``: why the file must not be looked at,
    such as a path that leaves the folder; empty: none. ``origin``: where this is known from, such as ``SHA256SUMS:12``.
    """

    path: str
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    problem: str = ""
    origin: str = ""


class FileState(StrEnum):
    """What a comparison showed."""

    OK = "ok"
    SIZE_ONLY = "size only"  # the size is right, and no digest is known
    NAME_ONLY = "name only"  # the file exists, and nothing else is known of it
    MISSING = "missing"
    SIZE_DIFFERS = "size differs"
    DIGEST_DIFFERS = "digest differs"
    CHANGED = "changed meanwhile"  # while it was read
    UNREADABLE = "unreadable"
    REFUSED = "refused"  # the path leaves the folder


RIGHT = frozenset({FileState.OK, FileState.SIZE_ONLY, FileState.NAME_ONLY})
"""The states of a file of which nothing is known to be wrong."""


class CheckedFile(NamedTuple):
    """One file after the comparison. ``detail``: what differs, for people."""

    path: str
    state: FileState
    detail: str = ""
    origin: str = ""


def path_problem(path: str) -> str:
    """Why a path that a file states must not be opened; empty for a path that stays in the folder."""
    if not path or "\0" in path:
        return "not the path of a file"
    if path.startswith("/"):
        return "the path is absolute"
    return "the path leaves the folder" if ".." in path.split("/") else ""


class Stopped(Exception):
    """Reading ended before the end of the file, as it was to stop."""


class FolderReader:
    """Opens and reads the files of one folder. Several threads may use it. Nothing outside of the folder is opened.

    Symbolic links are followed if they lead to a file inside. ``stop``: reading raises `Stopped` soon after it is set.
    ``bytes_read``: so far, by all threads; approximate.
    """

    def __init__(self, folder: str, stop: threading.Event) -> None:
        self._root = os.path.realpath(folder)
        self._stop = stop
        self._buffers = threading.local()
        self._is_inside = lru_cache(_KNOWN_FOLDERS)(self._leads_inside)
        self.bytes_read = 0

    def _leads_inside(self, path: str) -> bool:
        real = os.path.realpath(os.path.join(self._root, path))
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")

    def open(self, path: str) -> int:
        """A descriptor of a regular file, for reading. Raises OSError, with EXDEV for a link that leads out of the folder."""
        parent = path.rpartition("/")[0]
        if parent and not self._is_inside(parent):
            raise OSError(errno.EXDEV, "a symbolic link leads out of the folder")
        try:
            descriptor = os.open(os.path.join(self._root, path), _FLAGS)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EMLINK):
                raise
            if not self._leads_inside(path):
                raise OSError(errno.EXDEV, "a symbolic link leads out of the folder") from None
            descriptor = os.open(os.path.realpath(os.path.join(self._root, path)), _FLAGS)
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EISDIR, "it is a folder" if stat.S_ISDIR(mode) else "it is not a file")
        return descriptor

    def read(self, descriptor: int, update: Callable[[memoryview], object]) -> bool:
        """Read an open file from its start to its end, and give each block to ``update``. The block is valid until it returns.

        Returns whether the file stayed the same meanwhile. Raises OSError, Stopped.
        """
        before = os.fstat(descriptor)
        buffer = getattr(self._buffers, "buffer", None)
        if buffer is None:
            buffer = self._buffers.buffer = memoryview(bytearray(BLOCK_BYTES))
        total = 0
        while count := os.readv(descriptor, [buffer]):
            update(buffer[:count])
            total += count
            self.bytes_read += count
            if self._stop.is_set():
                raise Stopped
        after = os.fstat(descriptor)
        return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and total == after.st_size

    def check(self, expected: ExpectedFile) -> CheckedFile:
        """Compare one file with what is known of it. Raises Stopped."""
        state, detail = self._compare(expected)
        return CheckedFile(expected.path, state, detail, expected.origin)

    def _compare(self, expected: ExpectedFile) -> tuple[FileState, str]:
        if expected.problem:
            return FileState.REFUSED, expected.problem
        try:
            descriptor = self.open(expected.path)
        except (FileNotFoundError, NotADirectoryError):
            return FileState.MISSING, ""
        except (OSError, ValueError) as error:
            return FileState.UNREADABLE, _reason(error)
        try:
            size = os.fstat(descriptor).st_size
            if expected.size is not None and size != expected.size:
                return FileState.SIZE_DIFFERS, f"{size} bytes instead of {expected.size}"
            if not expected.checksums:
                return (FileState.NAME_ONLY if expected.size is None else FileState.SIZE_ONLY), ""
            verifier = ChecksumVerifier(expected.checksums)
            if not self.read(descriptor, verifier.update):
                return FileState.CHANGED, "the file was changed while it was read"
            mismatch = verifier.mismatch("")
            return (FileState.OK, "") if mismatch is None else (FileState.DIGEST_DIFFERS, mismatch.reason)
        except OSError as error:
            return FileState.UNREADABLE, _reason(error)
        finally:
            os.close(descriptor)

    def digest(self, path: str, new_hash: Callable[[], Hash]) -> str:
        """The digest of one file in hexadecimal. Raises OSError, with ESTALE if the file was changed meanwhile; Stopped."""
        descriptor = self.open(path)
        try:
            state = new_hash()
            if not self.read(descriptor, state.update):
                raise OSError(errno.ESTALE, "the file was changed while it was read")
            return state.hexdigest()
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    return ((getattr(error, "strerror", "") or str(error)) or "I/O error").lower()
