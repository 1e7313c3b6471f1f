"""Reads Downloads from the list, lazily, and gives each file its path and its checksums."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from downloader.core.model import Download, End, Result, Status
from downloader.core.names.claimed_paths import ClaimedPaths
from downloader.core.names.earlier_files import NOT_WANTED, REFETCHED, UNKNOWN, EarlierFiles
from downloader.core.names.namer import Namer
from downloader.core.names.urls import public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.text import is_text
from downloader.errors import DownloadError, UsageError

if TYPE_CHECKING:  # few runs have checksums
    from downloader.core.names.checksum_list import ChecksumList

SOURCE_POLL = 0.05
"""Seconds until a source that had nothing is asked again."""

MAX_RETRYING_WINDOWS = 16
"""The list is not read on while as many Downloads wait for their next try as there are in this many windows."""

MIN_READ = 32
"""Downloads that are read in one go; more only where many start together, so that the first does not wait for the others."""

MAX_SETTLED = 1024
"""Entries that are read in one go at most although nothing is fetched for them: an earlier run has settled them."""

_SKIPPED = Status.SKIPPED
EXISTS = End.EXISTS.value


class SourceReader:
    """Reads the list, and names the files.

    ``exhausted``: the list has ended. ``ask_again``: the source had nothing, and is asked again then (monotonic seconds).
    ``window``: see the argument. ``counts_recorded``: files that an earlier run has completed are only counted, in
    ``recorded``, because nobody needs their Results. ``detailed``: every Result says all that is known, see `DownloadState`.
    ``trusts_earlier``: a file that an earlier run has completed is skipped also where a digest is known: it cannot change.

    Args:
        source: yields the Downloads; None where none is available at the moment.
        checksum_list: checksums from a file; they are added to those of the list.
        probe: the server is asked for the name of each file; until then a path is not claimed.
        namer: gives each file its path; None: from its URL or ``out``.
        window: number of Downloads that are read ahead.
    """

    def __init__(
        self,
        source: Iterator[Download | None],
        checksum_list: "ChecksumList | None",
        probe: bool,
        namer: Namer | None = None,
        window: int = 1024,
    ) -> None:
        self._source = source
        self.window = window
        self._namer = Namer() if namer is None else namer
        self._checksum_list = checksum_list
        self._probe = probe
        self._claimed_paths = ClaimedPaths()
        self._next_key = 0
        self._earlier: EarlierFiles | None = None
        self.exhausted = False
        self.ask_again: float | None = None
        self.detailed = False
        self.counts_recorded = False
        self.trusts_earlier = False
        self.recorded = 0

    def use_earlier_files(self, earlier: EarlierFiles) -> None:
        """Skip files that earlier runs have completed. To be called before anything is read."""
        self._earlier = earlier
        self._claimed_paths = ClaimedPaths(len(earlier))

    def take_recorded(self) -> int:
        """How many files were counted in ``recorded`` since the last call."""
        count, self.recorded = self.recorded, 0
        return count

    def read_ahead(
        self, now: float, ready: int, retrying: int, unread_results: int, taken: int = 1
    ) -> Iterable[DownloadState | Result]:
        """The next Downloads, as far as the window has room for them, or the Results of those that are not fetched.

        Not fetched are those whose path cannot be used, duplicates, and files that an earlier run has completed. Nothing is
        read if the source has nothing now.

        Args:
            now: monotonic seconds.
            ready: Downloads that were read and are ready to start.
            retrying: Downloads that wait for their next try.
            unread_results: Results that were not taken yet.
            taken: Downloads that are about to start together: twice as many are read, so that the window fills.
        """
        room = self.window - max(ready, unread_results)
        if self.exhausted or (self.ask_again is not None and now < self.ask_again):
            return ()
        if retrying >= MAX_RETRYING_WINDOWS * self.window:
            return ()
        if room > 0:
            return self._read(now, min(room, max(MIN_READ, 2 * taken)))
        if unread_results:
            self.ask_again = now  # many duplicates: let their Results be taken first
        return ()

    def _read(self, now: float, max_downloads: int) -> Iterator[DownloadState | Result]:
        self.ask_again = None
        count, settled = max_downloads, 0
        while count > 0 and settled < MAX_SETTLED:
            try:
                download = next(self._source)
            except StopIteration:
                self.exhausted = True
                return
            if download is None:
                self.ask_again = now + SOURCE_POLL
                return
            read = self._name(download, now)
            if read is None:
                settled += 1
                continue
            if isinstance(read, Result):
                settled += 1
            else:
                count -= 1
            yield read
        if count > 0:
            self.ask_again = now

    def _name(self, download: Download, now: float) -> DownloadState | Result | None:
        """The Download with its path; its Result if it is not fetched; None if nobody wants a Result of it."""
        key, self._next_key = self._next_key, self._next_key + 1
        namer = self._namer
        try:
            if download.headers and not is_text("".join(name + value for name, value in download.headers)):
                raise UsageError("a header is not text")
            path = namer.path_of(download, key + 1)
            is_named = not self._probe or bool(download.out.strip("./\\"))
            claimed = self._claimed_paths.claim(path, download.url) if is_named else path
        except DownloadError as error:
            entry = DownloadState(key, download, "", [download.url], True, ())
            entry.detailed = self.detailed
            return _refused(entry, error)
        path = namer.placed(claimed or path)
        state = UNKNOWN
        earlier = self._earlier
        if earlier is not None:
            url = public_url(download.url)
            state = earlier.state_of(url, path)
            if state == NOT_WANTED:
                return None
            if not is_named or not claimed:
                state = UNKNOWN
            elif state >= 0 and self._may_skip(download, state):
                if self.counts_recorded:
                    self.recorded += 1
                    return None
                origin, metadata = download.origin, download.metadata
                return Result(url, path, _SKIPPED, state, reason=EXISTS, origin=origin, metadata=metadata, is_recorded=True)
        urls = [download.url, *download.mirrors]
        entry = DownloadState(key, download, path, urls, is_named, download.checksums)
        if namer.has_template:
            entry.has_template_name = True
        if self.detailed:
            entry.detailed, entry.read_at = True, now
        if state < UNKNOWN:
            entry.refetched = REFETCHED[state]
        elif earlier is not None and is_named and claimed:
            entry.version = earlier.version_of(public_url(download.url), path)
        return self._with_checksums(entry) if claimed else _duplicate(entry)

    def _may_skip(self, download: Download, size: int) -> bool:
        """Whether a file of this size, which an earlier run has completed, is skipped: where no digest can be verified."""
        has_digests = download.checksums or download.pieces is not None or self._checksum_list is not None
        return (self.trusts_earlier or not has_digests) and (download.size is None or download.size == size)

    def rename(self, entry: DownloadState, proposed: str) -> DownloadState | Result:
        """Give an entry the name that its server proposed; where it proposed none (empty), the name from the URL.

        Returns:
            The entry, or a Result if it is not fetched.
        """
        entry.is_named = True
        path = self._namer.path_of(entry.download, entry.key + 1, proposed)
        claimed = self._claimed_paths.claim(path, entry.download.url)
        entry.path = self._namer.placed(claimed or path)
        return self._with_checksums(entry) if claimed else _duplicate(entry)

    def _with_checksums(self, entry: DownloadState) -> DownloadState | Result:
        if self._checksum_list is not None and entry.is_named:
            try:
                entry.checksums = self._checksum_list.checksums_for(entry.path, entry.download)
            except DownloadError as error:
                return _refused(entry, error)
        return entry


def _duplicate(entry: DownloadState) -> Result:
    return entry.result(Status.SKIPPED, None, "duplicate", None)


def _refused(entry: DownloadState, error: DownloadError) -> Result:
    located = type(error)(error.reason, public_url(entry.download.url), error.hint, error.kind)
    return entry.result(Status.FAILED, None, "", located)
