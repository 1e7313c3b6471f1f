"""Moves the files of a run from the staging folder to tar files, in a thread of its own.

The thread takes one Result after the other. It appends the file to the present shard, and removes it from the staging folder.
When the shard is full, it is stored, and only then its Results are reported: a run that is killed has reported nothing that is
not in a tar file. What it had not reported is fetched again by the next run.

A number is given to a shard when the one before is stored, so the numbers have no gaps.
"""

import errno
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from msgspec.structs import replace

from downloader.core.model import Result, Status
from downloader.core.names.shard_names import free_number, shard_number
from downloader.core.scheduling.source_reader import EXISTS
from downloader.engine.log import LOG
from downloader.errors import DownloadError, FolderError, FolderFull, Interrupted, StorageError
from downloader.reports.shard_files import ShardFiles
from downloader.storage.folder import Folder
from downloader.storage.shard_folder import ShardStorage

MAX_WAITING_FILES = 4096
"""Results that wait for this thread; from so many on, no Attempt starts."""

MAX_ROWS = 10_000
"""Rows of a shard at most, or four times ``shard_files`` if that is more: a list in which all files fail has shards, too."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class ShardWriter:
    """Receives the Results of a run by `add`, in the thread of the run, and reports them by ``tell``, in its own thread.

    Args:
        storage: the place of the tar files.
        folder: the staging folder.
        limits: files of a tar file at most, and bytes of it, unless a single file is larger.
        function: the name of the function that has processed the files; empty: none.
        tell: called with each Result when its shard is stored.
        tell_recorded: called with numbers of files that were skipped because they are stored already.
        block: called with True when so many files wait that no Attempt must start, then with False; from any thread.
        fail: called with the error that ends the run: a FolderError if a shard cannot be stored, else an exception of ``tell``.
    """

    def __init__(
        self,
        storage: ShardStorage,
        folder: Folder,
        limits: tuple[int, int],
        function: str,
        tell: Callable[[Result], object],
        tell_recorded: Callable[[int], object],
        block: Callable[[bool], object],
        fail: Callable[[BaseException], object],
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._max_files, self._max_bytes = limits
        self._max_rows = max(4 * self._max_files, MAX_ROWS)
        self._function = function
        self._tell, self._tell_recorded, self._block, self._fail = tell, tell_recorded, block, fail
        self._queue: SimpleQueue[Result | int | None] = SimpleQueue()
        self._added = self._added_bytes = 0  # written by the thread of the run
        self._taken = self._taken_bytes = 0  # written by the thread of this object
        self._is_blocked = False
        self._number = 0
        self._numbers: set[int] = set()
        self._shard: ShardFiles | None = None
        self._pending: list[Result] = []
        self._error: DownloadError | None = None
        self._is_broken = False
        self._thread = threading.Thread(target=self._main, name="dl-tar", daemon=True)
        self._thread.start()

    def add(self, result: Result) -> None:
        """Take over a Result, and the file in the staging folder if it is done. In the thread of the run."""
        self._added += 1
        self._added_bytes += result.bytes if result.status is Status.DONE else 0
        self._queue.put(result)
        if not self._is_blocked and self._is_behind():
            self._is_blocked = True
            self._block(True)
            if not self._is_behind():  # the thread has emptied the queue meanwhile, and waits
                self._unblock()

    def add_recorded(self, count: int) -> None:
        """Count files that are stored already."""
        self._queue.put(count)

    def _is_behind(self) -> bool:
        waiting_bytes = self._added_bytes - self._taken_bytes
        return self._added - self._taken >= MAX_WAITING_FILES or waiting_bytes >= self._max_bytes

    def _unblock(self) -> None:
        self._is_blocked = False
        self._block(False)

    def close(self) -> None:
        """Store the last shard, report its Results, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._take(item)
            except BaseException as error:  # noqa: BLE001 - the run raises it
                self._break(error)
            if isinstance(item, Result):
                self._taken += 1
                self._taken_bytes += item.bytes if item.status is Status.DONE else 0
            if self._is_blocked and not self._is_behind():
                self._unblock()
        try:
            self._store()
        except BaseException as error:  # noqa: BLE001 - as above
            self._break(error)

    def _break(self, error: BaseException) -> None:
        """End the run because of an unexpected error. Nothing is stored or reported any more."""
        self._is_broken = True
        self._discard()
        self._fail(error)

    def _take(self, item: Result | int) -> None:
        if self._is_broken:
            return
        if isinstance(item, int):
            self._tell_recorded(item)
            return
        if item.reason == EXISTS and not item.is_recorded:
            item = _name_taken(item)
        if not _has_row(item):
            self._tell(item)
            return
        if self._has_no_room(item):
            self._store()
        if self._error is not None:
            self._tell(_not_stored(item, self._error))
            return
        self._pending.append(item)
        try:
            self._append(item)
        except (OSError, StorageError) as error:
            self._fail_to_store(error)

    def _has_no_room(self, result: Result) -> bool:
        """Whether the present shard must be stored before this file. A file that is larger than a shard gets one of its own."""
        shard = self._shard
        if shard is None or result.status is not Status.DONE or not shard.files:
            return False
        return shard.size_with(result.bytes) > self._max_bytes

    def _append(self, result: Result) -> None:
        shard = self._shard or self._begin(result)
        if result.status is Status.DONE:
            with open(self._staged(result.path), "rb", buffering=0) as file:
                shard.add(result, file)
            os.unlink(result.path, dir_fd=self._folder.descriptor)
        else:
            shard.add(result)
        if shard.files >= self._max_files or len(self._pending) >= self._max_rows:
            self._store()

    def _staged(self, path: str) -> int:
        """A descriptor of a file in the staging folder. Raises FolderError."""
        try:
            return os.open(path, _OPEN_FLAGS, dir_fd=self._folder.descriptor)
        except OSError as error:
            what = (error.strerror or "I/O error").lower()
            raise FolderError(f"{what}: cannot read {path} in {self._folder.root}", hint="run the same command again") from None

    def _begin(self, result: Result) -> ShardFiles:
        if not self._numbers:
            numbers = map(shard_number, self._storage.names())
            self._numbers = {-1, *(number for number in numbers if number is not None)}
        self._number = free_number(self._numbers)
        names = list(dict(result.metadata))
        self._shard = shard = ShardFiles(self._storage.work, self._number, names, self._function)
        return shard

    def _store(self) -> None:
        """Complete the present shard, store it, and report its Results."""
        if self._shard is None:
            return
        try:
            self._shard.close()
            self._storage.store(self._number)
        except (OSError, StorageError) as error:
            self._fail_to_store(error)
            return
        if LOG.is_on:
            LOG.info("stored shard %d: %d files", self._number, self._shard.files)
        self._numbers.add(self._number)
        self._shard = None
        pending, self._pending = self._pending, []
        for result in pending:
            self._tell(result)

    def _fail_to_store(self, error: OSError | StorageError) -> None:
        """End the run: the pending files are in no tar file, so they have failed."""
        self._error = failure = _folder_error(error)
        self._discard()
        self._fail(failure)
        pending, self._pending = self._pending, []
        for result in pending:
            self._tell(_not_stored(result, failure))

    def _discard(self) -> None:
        if self._shard is not None:
            self._shard.discard()
            self._shard = None


def _name_taken(result: Result) -> Result:
    """The Result of a file that was not fetched, because the staging folder has a file of its name.

    Every file of a run has its own name, but some file systems do not distinguish upper and lower case.
    """
    error = StorageError("another file of the run has this name", result.url, "run the same command again")
    return replace(result, status=Status.FAILED, reason="", error=error)


def _not_stored(result: Result, error: DownloadError) -> Result:
    """The Result of a file that is in no tar file because of this error."""
    if result.status is not Status.DONE:
        return result
    own = type(error)(error.reason, result.url, error.hint)
    return replace(result, status=Status.FAILED, bytes=0, error=own, verified=False)


def _has_row(result: Result) -> bool:
    """Whether the Result is one of a shard: neither a skipped file, nor one that could not be written or was interrupted."""
    if result.status is Status.SKIPPED:
        return False
    return not isinstance(result.error, FolderError | Interrupted)


def _folder_error(error: OSError | StorageError) -> FolderError:
    """The error that ends the run because a tar file cannot be written."""
    if isinstance(error, FolderError):
        return error
    if isinstance(error, StorageError):
        if not isinstance(error.__context__, OSError):
            return FolderError(error.reason, hint=error.hint)
        error = error.__context__  # what the system said
    what = (error.strerror or "I/O error").lower()
    kind = FolderFull if error.errno in _FULL else FolderError
    failure = kind(f"{what}: cannot write the tar file", hint="run the same command again when this is solved")
    failure.kind = what
    return failure
