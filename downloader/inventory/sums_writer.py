"""Computes the digests of all files of a folder, several at once, and writes them as a sums file."""

import heapq
import os
import threading
from collections.abc import Callable, Iterator

from downloader.inventory.file_check import FolderReader
from downloader.inventory.folder_files import IGNORED, OnSkipped, walk
from downloader.inventory.parallel import Parallel
from downloader.inventory.sums_file import base_folder, sums_line
from downloader.storage.hashes import new_hash


class FolderDigests:
    """The digests of all files of a folder. Iterate over it to get the lines of a sums file, in the order of the paths.

    ``files``: lines so far. ``bytes_read``: so far. ``left_out``: number of files that could not be read; each of these, and
    each symbolic link, goes to ``on_skipped`` with the reason.

    Args:
        folder: the folder of the files.
        algorithm: as `downloader.core.digests.algorithm` returns it.
        sums_path: of the sums file, which is left out itself; the names in the lines depend on its place.
        on_skipped: called with the path of a file, or of a link, that has no line, and why.
        on_tick: called some times a second.
        threads: how many files are read at once; 0: as many as there are processors.
    """

    def __init__(
        self,
        folder: str,
        algorithm: str,
        sums_path: str,
        on_skipped: OnSkipped,
        on_tick: Callable[[], None] = lambda: None,
        threads: int = 0,
    ) -> None:
        self.files = 0
        self.left_out = 0
        self._algorithm = algorithm
        self._on_skipped = on_skipped
        self._on_tick = on_tick
        _, self._prefix = base_folder(sums_path, folder)
        stop = threading.Event()
        self._reader = FolderReader(folder, stop)
        own = os.path.relpath(os.path.realpath(sums_path), os.path.realpath(folder)) if sums_path != "-" else ""
        paths = (path for path in walk(folder, self._skip) if path != own)
        self._work = Parallel(enumerate(paths), self._digest, stop, on_tick, threads)

    @property
    def bytes_read(self) -> int:
        """Bytes that were read so far."""
        return self._reader.bytes_read

    def _skip(self, path: str, reason: str) -> None:
        self.left_out += reason not in IGNORED
        self._on_skipped(path, reason)

    def _digest(self, item: tuple[int, str]) -> tuple[int, str, str, str]:
        """Number, path, digest, and why there is none."""
        number, path = item
        try:
            return number, path, self._reader.digest(path, lambda: new_hash(self._algorithm)), ""
        except OSError as error:
            return number, path, "", (error.strerror or str(error)).lower()

    def __iter__(self) -> Iterator[bytes]:
        """The lines. Only lines that wait for an earlier one, as its file is large, are in memory."""
        waiting: list[tuple[int, str, str, str]] = []
        expected = 0
        for item in self._work:
            self._on_tick()
            heapq.heappush(waiting, item)
            while waiting and waiting[0][0] == expected:
                _, path, digest, problem = heapq.heappop(waiting)
                expected += 1
                if problem:
                    self._skip(path, problem)
                else:
                    self.files += 1
                    yield sums_line(digest, self._prefix + path)
