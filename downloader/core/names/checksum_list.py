"""A file of checksums: which of its lines belongs to which file of the list, and how many files have none."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.namer import Namer
from downloader.errors import DownloadError, PolicyError, UsageError


class ChecksumList:
    """The lines of a file of checksums.

    A line belongs to a file if, in this order: its path is the file's, where the list gives that with ``out=``; its path has
    folders, and the path of the URL ends in it; its path is the file's; its name is the file's, where one of the two has no
    folder and all lines with that name have the same digest.

    ``matched``: number of files that a line belonged to; ``without``: number of files without any checksum; ``ambiguous``:
    number of these with several lines of that name and different digests.

    Args:
        lines: checksums by path, None where lines contradict each other; None: there is no such file.
        name: of the file of checksums, for messages.
        required: every file of the list needs a checksum.
        searched: a checksum is looked for elsewhere, where no line belongs to a file: `count_missing` tells if there is none.
    """

    def __init__(
        self, lines: Mapping[str, Checksum | None] | None = None, name: str = "", required: bool = False, searched: bool = False
    ) -> None:
        self._by_path: Mapping[str, Checksum | None] = lines or {}
        self._name = name
        self._required = required
        self._searched = searched
        self._given = lines is not None
        self._by_name: dict[str, tuple[str, Checksum | None]] = {}
        for path, checksum in self._by_path.items():
            bare = path.rpartition("/")[2]
            known = self._by_name.setdefault(bare, (path, checksum))
            if known[1] != checksum:
                self._by_name[bare] = (path, None)
        self.matched = self.without = self.ambiguous = 0
        self._unmatched = ""

    def find(self, path: str, url: str, wished: bool) -> Checksum | None:
        """The checksum of the file at ``path``; None: no line belongs to it. ``wished``: the list gave the path."""
        by_path = self._by_path
        if wished and (checksum := by_path.get(path)):
            return checksum
        folders = unquote(urlsplit(url).path, errors="replace").strip("/")
        while "/" in folders:
            if checksum := by_path.get(folders):
                return checksum
            folders = folders.partition("/")[2]
        if checksum := by_path.get(path):
            return checksum
        at, known = self._by_name.get(path.rpartition("/")[2], ("", None))
        return known if "/" not in path or "/" not in at else by_path.get(path.rpartition("/")[2])

    def is_ambiguous(self, name: str) -> bool:
        """Whether the lines with this name of a file have different digests."""
        return self._by_name.get(name, ("", True))[1] is None

    def checksums_for(self, path: str, download: Download) -> tuple[Checksum, ...]:
        """All checksums of a file of the list, which is counted. Raises PolicyError if one is required and none is known."""
        checksums = download.checksums
        known = self.find(path, download.url, bool(download.out)) if self._given else None
        if known is not None:
            self.matched += 1
            checksums = checksums if known in checksums else (*checksums, known)
        elif self._given:
            self._unmatched = self._unmatched or path
            self.ambiguous += self._by_name.get(path.rpartition("/")[2], ("", known))[0] != "" and not checksums
        if not checksums and download.pieces is None and not self._searched:
            self.count_missing()
        return checksums

    def count_missing(self) -> None:
        """Count a file without any checksum. Raises PolicyError if one is required."""
        self.without += 1
        if self._required:
            raise PolicyError("no checksum is known for this file", hint="see --require-checksums")

    def check_any_matches(self, downloads: Iterator[Download | None], namer: Namer) -> None:
        """Raise UsageError if no line belongs to any of these. Reads only up to the first file that a line belongs to."""
        unmatched = ""
        for index, download in enumerate(downloads if self._given else (), 1):
            if download is None:
                continue
            try:
                path = namer.placed(namer.path_of(download, index))
            except DownloadError:
                continue
            if self.find(path, download.url, bool(download.out)) is not None:
                return
            unmatched = unmatched or path
        if unmatched:
            raise self._error(unmatched)

    @property
    def no_match_error(self) -> UsageError | None:
        """After a run: the error if no line belonged to any file; else None."""
        return self._error(self._unmatched) if self._unmatched and not self.matched else None

    def _error(self, unmatched: str) -> UsageError:
        line = next(iter(self._by_path), None)
        has = "it has no lines" if line is None else f"it has {line!r}, for example"
        hint = "a line names a file by its path in --dir, by its bare name, or by the end of its URL's path"
        what = f"no line of {self._name or 'the checksums'} belongs to a file of the list"
        return UsageError(f"{what}: {unmatched!r} was expected, {has}", hint=hint)
