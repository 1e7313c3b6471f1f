"""An object store that a run writes tar files to.

A shard is written in a temporary folder, and uploaded when it is complete, its statistics last. Before that, an empty object
``00012.unfinished`` says who uploads: it is made only if it does not exist (If-None-Match, RFC 9110 section 13.1.2), so of two
runs that come to the same number, one ends with an error. If a run is killed during an upload, this object stays, and the next
run uses the number for its own shard. A tar file without such an object, and without statistics, is of another program.
"""

import io
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TypeVar

import obstore
from obstore.exceptions import BaseError

from downloader.core.names.shard_names import SHARD_SUFFIXES, STATS, TAR, shard_name, shard_number
from downloader.errors import FolderError, StorageError, StoreUnavailable
from downloader.storage.base import StoreOptions
from downloader.storage.folder import storage_error
from downloader.storage.object_errors import storage_failure
from downloader.storage.object_store import LISTING_SECONDS, REQUEST_SECONDS, OpenedStore, open_store
from downloader.storage.object_upload import upload_block, upload_file
from downloader.storage.shard_folder import STAGING

UNFINISHED = ".unfinished"
"""The suffix of the object that says that a shard is being uploaded."""

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before a request to a store that failed or did not answer is repeated, beside the short ones of obstore."""

_T = TypeVar("_T")
_FAILURES = (BaseError, OSError, NotImplementedError, ValueError)


class ShardObjects:
    """An object store, as a `downloader.storage.shard_folder.ShardStorage`.

    Args:
        options: which store. Raises UsageError as `open_store` does.
    """

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self.root = options.url
        self._store = self._open(make=False).store
        self.work = os.path.join(tempfile.gettempdir(), f"dl-tar-{secrets.token_hex(8)}")
        self.staging = os.path.join(self.work, STAGING)
        self._token = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}".encode()
        self._unfinished: set[int] = set()
        self._needless: list[str] = []

    def _open(self, seconds: float = REQUEST_SECONDS, make: bool = True) -> OpenedStore:
        options = self._options
        return open_store(options.url, options.endpoint_url, options.connect_timeout, seconds, make)

    def begin(self) -> None:
        """See `ShardStorage`."""
        try:
            os.mkdir(self.work, 0o700)
            os.mkdir(self.staging)
        except OSError as error:
            raise storage_error(error, self.work) from None
        self._store = self._open().store

    def names(self) -> list[str]:
        """See `ShardStorage`: without those of shards whose upload did not end."""
        try:
            listing = obstore.list_with_delimiter(self._open(LISTING_SECONDS, make=False).store)
        except _FAILURES as error:
            raise _ending(storage_failure(error, self._options.url)) from None
        names = [item["path"] for item in listing["objects"]]
        present = set(names)
        begun = {shard_number(name.removesuffix(UNFINISHED) + STATS) for name in names if name.endswith(UNFINISHED)}
        numbers = {number for number in begun if number is not None}
        self._unfinished = {number for number in numbers if shard_name(number) + STATS not in present}
        self._needless = [shard_name(number) + UNFINISHED for number in numbers - self._unfinished]
        return [name for name in names if shard_number(name) not in self._unfinished]

    def open(self, name: str) -> IO[bytes]:
        """See `ShardStorage`. The object is in memory."""
        return io.BytesIO(self._repeated(name, lambda: bytes(obstore.get(self._store, name).bytes()), reads=True))

    def store(self, number: int) -> None:
        """See `ShardStorage`."""
        marker = shard_name(number) + UNFINISHED
        self._claim(number, marker)
        for suffix in SHARD_SUFFIXES:
            name = shard_name(number) + suffix
            with open(os.path.join(self.work, name), "rb") as file:
                descriptor = file.fileno()
                # The name is this run's, so a request may be repeated: it may have succeeded, and only its answer was lost.
                self._repeated(name, lambda: upload_file(self._store, name, descriptor, True, None, bool))  # noqa: B023
        with suppress(*_FAILURES):  # the statistics are there: the number is complete
            for name in (marker, *self._needless):  # few; not every store can delete several with one request
                obstore.delete(self._store, name)
            self._needless = []
        for suffix in SHARD_SUFFIXES:
            os.unlink(os.path.join(self.work, shard_name(number) + suffix))

    def _claim(self, number: int, marker: str) -> None:
        """Make sure that no other run uses this number. Raises FolderError if one does."""
        reused = number in self._unfinished
        try:
            self._repeated(marker, lambda: upload_block(self._store, marker, self._token, reused, None))
        except FileExistsError:
            owner = self._repeated(marker, lambda: bytes(obstore.get(self._store, marker).bytes()), reads=True)
            if owner != self._token:  # else only the answer to the first request was lost
                raise self._another_run() from None
        if not reused and any(self._exists(shard_name(number) + suffix) for suffix in (STATS, TAR)):
            with suppress(*_FAILURES):
                obstore.delete(self._store, marker)
            raise self._another_run()

    def _exists(self, name: str) -> bool:
        def head() -> bool:
            try:
                obstore.head(self._store, name)
            except FileNotFoundError:
                return False
            return True

        return self._repeated(name, head, reads=True)

    def _another_run(self) -> FolderError:
        what = f"another run writes tar files to {self._options.url}"
        return FolderError(what, hint="run the same command again when the other run has ended", kind=what)

    def _repeated(self, name: str, call: Callable[[], _T], reads: bool = False) -> _T:
        """What the call returns; it is repeated while the store fails. Raises StorageError, FileExistsError, OSError."""
        for wait in (*RETRY_SECONDS, None):
            try:
                return call()
            except _FAILURES as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                failure = storage_failure(error, self._options.url, name, reads=reads)
                if not isinstance(failure, StoreUnavailable) or wait is None:
                    raise failure from None
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """See `ShardStorage`: remove the temporary folder."""
        shutil.rmtree(self.work, ignore_errors=True)


def _ending(error: StorageError | FileExistsError) -> FolderError:
    """The error as one that ends the run."""
    if isinstance(error, FolderError):
        return error
    return FolderError(error.reason, hint=error.hint) if isinstance(error, StorageError) else FolderError(str(error))
