"""A file in the folder of the run that shows whether a worker has the same folder."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from downloader.errors import StorageError


@contextmanager
def marker_in(folder: str) -> Iterator[tuple[str, str]]:
    """The path of a new file in the folder, and what it contains. It is removed at the end. Raises StorageError."""
    token = secrets.token_hex(16)
    path = os.path.join(folder, f".dl-cluster-{token[:12]}")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())  # so that a network file system shows the content to other machines
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise StorageError(f"cannot write to {folder}: {error.strerror}") from None
    try:
        yield path, token
    finally:
        with suppress(OSError):
            os.unlink(path)
