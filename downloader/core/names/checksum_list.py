"""Which line of a file of checksums belongs to which file of a list, and how many have none."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from downloader.core.model import Checksum, Download
from downloader.core.names.file_names import default_path, wished_path
from downloader.errors import DownloadError, PolicyError, UsageError


class ChecksumList:
    """The lines of a file of checksums, by path. ``name``: of that file, for messages; ``required``: every file needs one.

    A line belongs to a file, in this order: its path is the file's (where the list gives that with ``out=``); its path has
    folders, and the path of the URL ends in it; its path is the file's; its bare name is the file's, where one of the two has
    no folder and all lines of that bare name say the same digest.
    """

    def __init__(self, lines: Mapping[str, Checksum] | None = None, name: str = "", required: bool = False) -> None:
        self._by_path = lines or {}
        self._name = name
        self._required = required
        self._given = lines is not None
        self._by_name: dict[str, tuple[str, Checksum | None]] = {}
        for path, checksum in self._by_path.items():
            bare = path.rpartition("/")[2]
            known = self._by_name.setdefault(bare, (path, checksum))
            if known[1] != checksum:
                self._by_name[bare] = (path, None)
        self.matched = self.without = self.ambiguous = 0
        self._sought = ""

    def find(self, path: str, url: str, wished: bool) -> Checksum | None:
        """The checksum of a file that is stored at ``path``. ``wished``: the list gave that path."""
        by_path = self._by_path
        if wished and (found := by_path.get(path)):
            return found
        folders = unquote(urlsplit(url).path, errors="replace").strip("/")
        while "/" in folders:
            if found := by_path.get(folders):
                return found
            folders = folders.partition("/")[2]
        if found := by_path.get(path):
            return found
        at, known = self._by_name.get(path.rpartition("/")[2], ("", None))
        return known if "/" not in path or "/" not in at else by_path.get(path.rpartition("/")[2])

    def verify(self, path: str, download: Download) -> tuple[Checksum, ...]:
        """All checksums of a file of the list. Counts it. Raises PolicyError where one is required, and none is known."""
        checksums = download.checksums
        known = self.find(path, download.url, bool(download.out)) if self._given else None
        if known is not None:
            self.matched += 1
            checksums = checksums if known in checksums else (*checksums, known)
        elif self._given:
            self._sought = self._sought or path
            self.ambiguous += self._by_name.get(path.rpartition("/")[2], ("", known))[0] != "" and not checksums
        if not checksums:
            self.without += 1
            if self._required:
                raise PolicyError("no checksum is known for this file", hint="see --require-checksums")
        return checksums

    def check(self, downloads: Iterator[Download | None], cut_dirs: int | None) -> None:
        """Raises UsageError where no line belongs to any of these. Reads no further than to the first that has one."""
        sought = ""
        for download in downloads if self._given else ():
            if download is None:
                continue
            try:
                path = wished_path(download.dir, download.out) if download.out else default_path(download, cut_dirs)
            except DownloadError:
                continue
            if self.find(path, download.url, bool(download.out)) is not None:
                return
            sought = sought or path
        if sought:
            raise self._of_no_use(sought)

    @property
    def complaint(self) -> UsageError | None:
        """After a run: what is wrong where no line belonged to any file."""
        return self._of_no_use(self._sought) if self._sought and not self.matched else None

    def _of_no_use(self, sought: str) -> UsageError:
        line = next(iter(self._by_path), None)
        has = "it has no lines" if line is None else f"it has {line!r}, for example"
        hint = "a line names a file by its path in --dir, by its bare name, or by the end of its URL's path"
        what = f"no line of {self._name or 'the checksums'} belongs to a file of the list"
        return UsageError(f"{what}: {sought!r} was expected, {has}", hint=hint)
