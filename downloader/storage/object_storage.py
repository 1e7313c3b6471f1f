"""An object store as the place where files go: part files are in a temporary folder, and complete files are uploaded."""

import string
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from downloader.core.facts import Existing
from downloader.core.http.transfer import Transfer
from downloader.core.model import Attempt
from downloader.core.names.exists_policy import Before
from downloader.core.names.file_names import numbered
from downloader.errors import FileInUse, FolderError, StorageError
from downloader.storage.base import StoreOptions
from downloader.storage.folder import Folder
from downloader.storage.object_errors import storage_failure
from downloader.storage.object_index import ObjectIndex
from downloader.storage.object_scratch import make_scratch, open_scratch, remove_scratch
from downloader.storage.object_store import LISTING_SECONDS, open_store
from downloader.storage.object_upload import upload_block, upload_file

if TYPE_CHECKING:
    from downloader.storage.part import PartFile

_FAILURES = (BaseError, OSError, NotImplementedError, ValueError)
"""What functions of obstore raise. Their OSErrors have no number; those of the temporary folder have one."""

_PAGE = 1000
_POLL_SECONDS = 0.1
_MAX_NUMBERED = 1_000_000
_MAX_URL = 1000
"""Characters of the URL in the metadata of an object, which may have 2 KiB in all."""


class ObjectStorage:
    """An object store, and a temporary folder on this machine.

    Args:
        options: which store. See `downloader.storage.object_store.open_store` for what is raised.
        scratch: the path of the temporary folder.
        before: what happens to files that exist: which listing `begin` needs. None: this is a worker process, where the
            temporary folder is there already.
        make: whether files are written at all; False: a dry run, which makes no temporary folder.
        removes_scratch: the temporary folder is that of this process, which is a worker.
    """

    is_slow = True
    is_remote = True
    named_in_line = 0

    def __init__(
        self,
        options: StoreOptions,
        scratch: str,
        before: Before | None = None,
        make: bool = True,
        removes_scratch: bool = False,
    ) -> None:
        self.root = options.url
        self._options = options
        self._make = make
        self._store = open_store(options.url, options.endpoint_url, options.connect_timeout, make=make).store
        self._before = before
        self._scratch = scratch
        self._makes_scratch = before is not None and make
        self._removes_scratch = removes_scratch or self._makes_scratch
        self.local = open_scratch(scratch) if before is None else Folder(scratch, make=False)
        self.was_empty = False
        self._index: ObjectIndex | None = None
        self._problem: FolderError | None = None
        self._broken: BaseException | None = None
        self._is_over: Callable[[], bool] = bool  # never

    def set_was_empty(self, was_empty: bool) -> None:
        """See `Storage`."""
        self.was_empty = was_empty

    def begin(self, is_stopped: Callable[[], bool]) -> None:
        """See `Storage`: list the store, which also shows whether it can be used, and make the temporary folder."""
        if self._makes_scratch:
            self.local = make_scratch(self._scratch)
        looker = threading.Thread(target=self._look, args=(is_stopped,), name="dl-listing", daemon=True)
        looker.start()
        while looker.is_alive() and not is_stopped():  # a store that does not answer does not keep the user
            looker.join(_POLL_SECONDS)
        if self._broken is not None:
            raise self._broken

    def _look(self, is_stopped: Callable[[], bool]) -> None:
        try:
            self._list(is_stopped)
        except _FAILURES as error:
            failure = storage_failure(error, self.root)
            if self._before is Before.FETCH and "AccessDenied" in str(failure):
                return  # perhaps the run may write, and not list
            self._problem = failure if isinstance(failure, FolderError) else FolderError(*map(str, failure.args))
        except BaseException as error:  # noqa: BLE001 - `begin` raises it in the thread of the run
            self._broken = error

    def _list(self, is_stopped: Callable[[], bool]) -> None:
        options = self._options
        store = open_store(self.root, options.endpoint_url, options.connect_timeout, LISTING_SECONDS, self._make).store
        pages = obstore.list(store, chunk_size=_PAGE)
        if self._before is Before.FETCH:  # whatever exists: only the first page is asked for
            self.was_empty = not next(iter(pages), None)
            return
        index = ObjectIndex(keeps_times=self._before is Before.REFRESH)
        index.load(pages, is_stopped)
        self._index, self.was_empty = index, not len(index)

    def naming_took(self, seconds: float) -> None:
        """See `Storage`: an upload always takes long."""

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """See `Storage`."""
        self._is_over = is_over

    def has_nothing_of(self, attempt: Attempt) -> bool:
        """See `Storage`."""
        return self.was_empty and attempt.number == 1 and not attempt.may_exist_already

    def existing(self, path: str) -> Existing | None:
        """See `Storage`: as the listing said at the start."""
        return None if self._index is None else self._index.find(path)

    def read(self, path: str, update: Callable[[bytes], None]) -> None:
        """See `Storage`."""
        try:
            for block in obstore.get(self._store, path):
                update(bytes(block))
        except _FAILURES as error:
            raise storage_failure(error, self.root, path, reads=True) from None

    def publish(
        self,
        part: "PartFile",
        block: bytes,
        transfer: Transfer,
        modified: float | None,
        number_if_taken: bool,
        replace: bool,
    ) -> str:
        """See `Storage`: upload the file. ``modified`` is in the metadata of the object, which has a time of its own."""
        if part.is_open and not part.is_in_place():
            raise FileInUse("the part file was changed by another program")
        attributes = None if isinstance(self._store, LocalStore) else attributes_of(transfer, self._options.run)
        wanted, replaces = transfer.attempt.path, replace and not number_if_taken
        for number in range(_MAX_NUMBERED if number_if_taken else 1):
            path = numbered(wanted, number) if number else wanted
            try:
                self._upload(path, part, block, replaces, attributes, transfer.public_url)
            except FileExistsError:
                if not self._is_ours(path):
                    if number_if_taken:
                        continue
                    raise
            return path
        raise FileExistsError("no free name is left")

    def _upload(self, path: str, part: "PartFile", block: bytes, replace: bool, attributes: Any, url: str) -> None:
        """Raises FileExistsError if the name is taken, StorageError, OSError."""
        try:
            if part.is_open:
                upload_file(self._store, path, part.descriptor, replace, attributes, self._is_over)
            else:
                upload_block(self._store, path, block, replace, attributes)
        except FileExistsError:
            raise
        except _FAILURES as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise storage_failure(error, self.root, path, url) from None

    def _is_ours(self, path: str) -> bool:
        """Whether this run has written the object: if the answer was lost, the request was sent again, and refused."""
        try:
            attributes: Any = obstore.get(self._store, path, options={"head": True}).attributes
        except _FAILURES:
            return False
        return bool(self._options.run) and attributes.get("sourcerun") == self._options.run

    def error(self, error: OSError, path: str, url: str = "", needed: int = 0) -> StorageError:
        """See `Storage`: an OSError comes from the temporary folder."""
        return self.local.error(error, path, url, needed)

    def write_problem(self) -> FolderError | None:
        """See `Storage`."""
        return self._problem or self.local.write_problem()

    def free_bytes(self) -> int | None:
        """See `Storage`: large files need space in the temporary folder."""
        return self.local.free_bytes()

    def close(self) -> None:
        """See `Storage`. Whoever made the temporary folder removes it."""
        self.local.close()
        if self._removes_scratch:
            remove_scratch(self._scratch)


def attributes_of(transfer: Transfer, run: str) -> Any:
    """What the object is to say of itself: the media type, if the server named one, and where the bytes came from.

    The keys consist of letters, because Azure refuses hyphens and some servers drop header fields with underscores.
    """
    attributes = {
        "sourceurl": quote(transfer.public_url, safe=string.punctuation)[:_MAX_URL],
        "sourceetag": transfer.etag,
        "sourcemodified": transfer.stated_time,
        "sourcerun": run,
    }
    if transfer.content_type:
        attributes["Content-Type"] = transfer.content_type
    return {key: value for key, value in attributes.items() if value and value.isascii() and value.isprintable()}
