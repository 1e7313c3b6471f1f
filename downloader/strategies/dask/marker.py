"""A file in the folder of the run that shows whether a worker has the same folder.

The client holds a lock (flock) on its marker, which the system releases when the process ends, however it ends. So the next
client in the folder can tell which markers nobody needs any more, and removes them.
"""

import fcntl
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from downloader.core.names.file_names import RESERVED_FOLDER
from downloader.errors import StorageError

_PREFIX = ".dl-cluster-"
_CONTENT = r"([0-9a-f]{12})[0-9a-f]{20} (\S*)"
_MAX_BYTES = 1024

ELSEWHERE_SECONDS = 3600.0
"""A marker of another machine, whose lock may not be seen here, is removed when it is so old: a worker answers in a minute."""


@contextmanager
def marker_in(root: str) -> Iterator[tuple[str, str]]:
    """The path of a new file in the folder of a run, and what it contains. It is removed at the end. Raises StorageError."""
    token = secrets.token_hex(16)
    text = f"{token} {socket.gethostname()}"
    path = os.path.join(_place(root), f"{_PREFIX}{token[:12]}")
    try:
        file = _written(path, text.encode())
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise StorageError(f"cannot write to {root}: {error.strerror}") from None
    try:
        yield path, text
    finally:
        with suppress(OSError):
            os.unlink(path)
        file.close()


def _written(path: str, content: bytes) -> FileIO:
    """A new file, open, which holds the lock."""
    file = open(path, "xb", buffering=0)  # noqa: SIM115 - the lock lasts as long as it is open
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(content)
        os.fsync(file.fileno())  # so that a network file system shows the content to other machines
    except OSError:
        file.close()
        raise
    return file


def remove_left_markers(root: str) -> None:
    """Remove the markers of clients that were killed before the worker had answered."""
    place = _place(root)
    with suppress(OSError):
        for name in os.listdir(place):
            if name.startswith(_PREFIX):
                with suppress(OSError):
                    _remove_if_left(os.path.join(place, name))


def _place(root: str) -> str:
    """Where the markers are: in the folder of the journal, which has few files; without a journal, in the folder itself."""
    reserved = os.path.join(root, RESERVED_FOLDER)
    is_usable = os.path.isdir(reserved) and not os.path.islink(reserved) and os.access(reserved, os.W_OK | os.X_OK)
    return reserved if is_usable else root


def _remove_if_left(path: str) -> None:
    with open(path, "r+b", opener=_open_regular) as file:
        content = re.fullmatch(_CONTENT, file.read(_MAX_BYTES).decode("utf-8", "replace"))
        if content is None or not path.endswith(_PREFIX + content[1]):
            return  # just being made, or not one of ours
        is_old = time.time() - os.fstat(file.fileno()).st_mtime > ELSEWHERE_SECONDS
        if content[2] == socket.gethostname() or is_old:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its client lives
            os.unlink(path)


def _open_regular(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
