"""Compares the files of a folder with what is known of them, several at once, and counts what the comparison shows."""

import os
import posixpath
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from downloader.core.names.claimed_paths import HashTable
from downloader.inventory.file_check import RIGHT, CheckedFile, ExpectedFile, FileState, FolderReader
from downloader.inventory.folder_files import walk
from downloader.inventory.parallel import Parallel


class FolderCheck:
    """Compares files with what is known of them. Iterate over it to get each file that is not right.

    ``counts``: files by state, so far. ``bytes_read``: so far. ``complete``: every file was compared.

    Args:
        folder: the folder of the files.
        expected: what is known of each file; read by one thread at a time.
        keeps_paths: the paths are noted, so that `unknown_files` can be called afterwards. That needs 25 bytes for each.
        on_tick: called some times a second.
        threads: how many files are read at once; 0: as many as there are processors.
    """

    def __init__(
        self,
        folder: str,
        expected: Iterator[ExpectedFile],
        keeps_paths: bool = False,
        on_tick: Callable[[], None] = lambda: None,
        threads: int = 0,
    ) -> None:
        self.folder = folder
        self.counts: Counter[FileState] = Counter()
        self.complete = False
        self._known = HashTable() if keeps_paths else None
        stop = threading.Event()
        self._reader = FolderReader(folder, stop)
        self._on_tick = on_tick
        self._work = Parallel(expected, self._reader.check, stop, on_tick, threads)

    @property
    def bytes_read(self) -> int:
        """Bytes that were read so far."""
        return self._reader.bytes_read

    @property
    def checked(self) -> int:
        """Files that were compared so far."""
        return self.counts.total()

    @property
    def wrong(self) -> int:
        """Files that are not right, so far."""
        return sum(count for state, count in self.counts.items() if state not in RIGHT)

    def __iter__(self) -> Iterator[CheckedFile]:
        """The files that are not right, in the order in which this is found out. Raises what reading the records raises."""
        for item in self._work:
            self.counts[item.state] += 1
            self._on_tick()
            if self._known is not None:
                self.note_path(item.path)
            if item.state not in RIGHT:
                yield item
        self.complete = True

    def note_path(self, path: str) -> None:
        """Note that something knows this path, so that it is none of `unknown_files`."""
        assert self._known is not None  # noqa: S101 - see the constructor
        self._known.put(_key(path), 1)

    def unknown_files(self, on_skipped: Callable[[str, str], None]) -> Iterator[str]:
        """The files in the folder that nothing knows. ``on_skipped``: see `downloader.inventory.folder_files.walk`."""
        assert self._known is not None  # noqa: S101 - see the constructor
        for path in walk(self.folder, on_skipped):
            if self._known.get(_key(path)) is None:
                yield path


def _key(path: str) -> int:
    return hash(os.fsencode(posixpath.normpath(path)))
