"""The place where the files of a run go: what a run and its Attempts need of it.

`downloader.storage.folder.Folder` is a folder, `downloader.storage.object_storage.ObjectStorage` an object store.
`downloader.storage.opening.open_storage` opens either in a worker process.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from downloader.core.facts import Existing
from downloader.core.model import Attempt
from downloader.errors import FolderError, StorageError

if TYPE_CHECKING:
    from downloader.core.http.transfer import Transfer
    from downloader.storage.folder import Folder
    from downloader.storage.part import PartFile


class StoreOptions(Struct, frozen=True):
    """Which object store, and how it is reached. Picklable; without credentials, which each process has in its environment.

    ``url``: as in ``--dir``. ``endpoint_url``: the server; empty: that of the environment or of the provider.
    ``connect_timeout``: seconds. ``run``: a random word in the metadata of each object, by which a run knows its own objects.
    """

    url: str
    endpoint_url: str = ""
    connect_timeout: float = 10.0
    run: str = ""


class Storage(Protocol):
    """The place where the files of a run go. Threads may use it together. All paths are relative to the place.

    ``named_in_line``: files that were named without a thread.
    """

    named_in_line: int

    @property
    def root(self) -> str:
        """The path of the folder, or the URL of the store: for messages and for the journal."""

    @property
    def local(self) -> "Folder":
        """The folder where part files are written: the place itself, or a temporary folder on this machine."""

    @property
    def is_remote(self) -> bool:
        """Whether a complete file goes from ``local`` to another place."""

    @property
    def is_slow(self) -> bool:
        """Whether an event loop must not wait until a file has its name, because that takes long."""

    @property
    def was_empty(self) -> bool:
        """Whether no file was there when the run began."""

    def set_was_empty(self, was_empty: bool) -> None:
        """Set ``was_empty`` in a process that opened the place later."""

    def begin(self, is_stopped: Callable[[], bool]) -> None:
        """Look at what is there already, before the first Attempt. ``is_stopped``: whether the user gives up meanwhile.

        Only in the process of the run. Raises StorageError; that no file can be written is also known to `write_problem`.
        """

    def naming_took(self, seconds: float) -> None:
        """Take into account how long it took to name one file: ``is_slow`` may change. From any thread."""

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """Tell the place what says that running Attempts must end: an upload that takes long asks this now and then."""

    def has_nothing_of(self, attempt: Attempt) -> bool:
        """Whether neither the file nor a part file of it can exist."""

    def existing(self, path: str) -> Existing | None:
        """Size and time of what exists at ``path``; None if nothing does. Only in the process of the run, after `begin`."""

    def read(self, path: str, update: Callable[[bytes], None]) -> None:
        """Give the file at ``path`` to ``update``, block by block. Raises OSError, StorageError."""

    def publish(
        self,
        part: "PartFile",
        block: bytes,
        transfer: "Transfer",
        modified: float | None,
        number_if_taken: bool,
        replace: bool,
    ) -> str:
        """Give a complete file its final name. Where the place is not ``is_remote``, the part file is gone then.

        Args:
            part: the part file. Where it is not open, it does not exist, and the file is ``block``.
            block: all bytes of the file.
            transfer: what the server said of the file.
            modified: the modification time, seconds since the epoch; None: now.
            number_if_taken: if the name is taken, use the first free name with a number.
            replace: replace a file that has the name; else FileExistsError is raised.

        Returns the path that the file got. Raises FileExistsError, OSError, StorageError, PolicyError.
        """

    def error(self, error: OSError, path: str, url: str = "", needed: int = 0) -> StorageError:
        """A StorageError for an OSError at ``path``; a FolderError if no other file could be written either.

        ``needed``: bytes that were still to be written.
        """

    def write_problem(self) -> FolderError | None:
        """Why no file can be written, as far as this is known in advance; None if nothing is known."""

    def free_bytes(self) -> int | None:
        """Bytes that may still be written to ``local``; None if the system does not tell."""

    def close(self) -> None:
        """Release what is open. May be called twice."""
