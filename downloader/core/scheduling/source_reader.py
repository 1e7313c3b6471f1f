"""What the scheduler reads: a Source, from which Downloads come lazily, each of which gets its path here."""

from collections.abc import Iterator
from typing import NamedTuple

from downloader.core.model import Download
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.names.claimed_paths import ClaimedPaths
from downloader.core.names.file_names import default_path, path_by_server, wished_path
from downloader.core.names.urls import public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.errors import DownloadError, UsageError

POLL = 0.05
"""Seconds until a Source that had nothing is asked again."""

AT_A_TIME = 32
"""Downloads read in one go, so that the first Attempt need not wait for a full window."""


class NamedDownload(NamedTuple):
    """A Download that was read; ``error``: it cannot be fetched; ``duplicate``: it was listed before."""

    entry: DownloadState
    error: DownloadError | None = None
    duplicate: bool = False


class SourceReader:
    """Reads, and names. ``probe``: the server is asked for each name; ``cut_dirs``: see `default_path`."""

    def __init__(
        self, source: Iterator[Download | None], sums: ChecksumList | None, probe: bool, cut_dirs: int | None = None
    ) -> None:
        self._source = source
        self._cut_dirs = cut_dirs
        self._sums = sums
        self._probe = probe
        self._names = ClaimedPaths()
        self._read = 0
        self.exhausted = False
        self.ask_again: float | None = None

    def may_have(self, now: float) -> bool:
        """Whether it is of use to ask the Source now."""
        return not self.exhausted and (self.ask_again is None or now >= self.ask_again)

    def read(self, now: float, most: int) -> Iterator[NamedDownload]:
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

    def _admit(self, download: Download) -> NamedDownload:
        key, self._read = self._read, self._read + 1
        try:
            for name, value in download.headers:
                if any("\ud800" <= char <= "\udfff" for char in name + value):
                    raise UsageError("a header is not text")
            wished = wished_path(download.dir, download.out) if download.out else ""
            named = bool(wished) or not self._probe
            path = wished or default_path(download, self._cut_dirs)
            claimed = self._names.claim(path, download.url) if named else path
        except DownloadError as error:
            located = type(error)(error.reason, public_url(download.url), error.hint, error.kind)
            return NamedDownload(DownloadState(key, download, "", [download.url], True, ()), located)
        entry = DownloadState(key, download, claimed or path, [download.url, *download.mirrors], named, download.checksums)
        if claimed is None:
            return NamedDownload(entry, duplicate=True)
        return self._with_sums(entry)

    def rename(self, entry: DownloadState, proposed: str) -> NamedDownload:
        """Give an entry the name that its server proposed."""
        entry.named = True
        path = path_by_server(entry.path, proposed)
        claimed = self._names.claim(path, entry.download.url)
        entry.path = claimed or path
        return NamedDownload(entry, duplicate=True) if claimed is None else self._with_sums(entry)

    def _with_sums(self, entry: DownloadState) -> NamedDownload:
        if self._sums is not None and entry.named:
            try:
                entry.checksums = self._sums.verify(entry.path, entry.download)
            except DownloadError as error:
                return NamedDownload(entry, type(error)(error.reason, public_url(entry.download.url), error.hint, error.kind))
        return NamedDownload(entry)
