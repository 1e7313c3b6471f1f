"""What the scheduler reads: a Source, from which Downloads come lazily, each of which gets its path here."""

from collections.abc import Iterator
from typing import NamedTuple

from downloader.core.model import Download
from downloader.core.names.checksum_list import Sums
from downloader.core.names.claimed_paths import Names
from downloader.core.names.file_names import default_path, path_by_server, wished_path
from downloader.core.names.urls import public_url
from downloader.core.scheduling.download_state import Entry
from downloader.errors import DownloadError, UsageError

POLL = 0.05
"""Seconds until a Source that had nothing is asked again."""

AT_A_TIME = 32
"""Downloads read in one go, so that the first Attempt need not wait for a full window."""


class Admitted(NamedTuple):
    """A Download that was read; ``error``: it cannot be fetched; ``duplicate``: it was listed before."""

    entry: Entry
    error: DownloadError | None = None
    duplicate: bool = False


class Intake:
    """Reads, and names. ``probe``: the server is asked for each name; ``cut_dirs``: see `default_path`."""

    def __init__(self, source: Iterator[Download | None], sums: Sums | None, probe: bool, cut_dirs: int | None = None) -> None:
        self._source = source
        self._cut_dirs = cut_dirs
        self._sums = sums
        self._probe = probe
        self._names = Names()
        self._read = 0
        self.exhausted = False
        self.ask_again: float | None = None

    def may_have(self, now: float) -> bool:
        """Whether it is of use to ask the Source now."""
        return not self.exhausted and (self.ask_again is None or now >= self.ask_again)

    def read(self, now: float, most: int) -> Iterator[Admitted]:
        """The next Downloads, ``most`` at most; fewer where the Source has no more at the moment."""
        self.ask_again = None
        for _ in range(min(most, AT_A_TIME)):
            try:
                download = next(self._source)
            except StopIteration:
                self.exhausted = True
                return
            if download is None:
                self.ask_again = now + POLL
                return
            yield self._admit(download)

    def _admit(self, download: Download) -> Admitted:
        key, self._read = self._read, self._read + 1
        try:
            for name, value in download.headers:
                if any("\ud800" <= char <= "\udfff" for char in name + value):
                    raise UsageError("a header that is no text")
            wished = wished_path(download.dir, download.out) if download.out else ""
            named = bool(wished) or not self._probe
            path = wished or default_path(download, self._cut_dirs)
            claimed = self._names.claim(path, download.url) if named else path
        except DownloadError as error:
            located = type(error)(error.reason, public_url(download.url), error.hint, error.kind)
            return Admitted(Entry(key, download, "", [download.url], True, ()), located)
        entry = Entry(key, download, claimed or path, [download.url, *download.mirrors], named, download.checksums)
        if claimed is None:
            return Admitted(entry, duplicate=True)
        return self._with_sums(entry)

    def rename(self, entry: Entry, proposed: str) -> Admitted:
        """Give an entry the name that its server proposed."""
        entry.named = True
        path = path_by_server(entry.path, proposed)
        claimed = self._names.claim(path, entry.download.url)
        entry.path = claimed or path
        return Admitted(entry, duplicate=True) if claimed is None else self._with_sums(entry)

    def _with_sums(self, entry: Entry) -> Admitted:
        if self._sums is not None and entry.named:
            try:
                entry.checksums = self._sums.verify(entry.path, entry.download)
            except DownloadError as error:
                return Admitted(entry, type(error)(error.reason, public_url(entry.download.url), error.hint, error.kind))
        return Admitted(entry)
