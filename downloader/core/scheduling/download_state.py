"""What the scheduler keeps: Downloads under way, those that are ready by host in fair turns, and the names taken."""

from msgspec import Struct
from msgspec.structs import replace

from downloader.core.model import WHOLE, Attempt, Checksum, Download, End, Outcome, Result, Segment, Status
from downloader.core.names.file_names import default_path
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, IntegrityError, WorkerError

_NONE = Outcome(-1, End.FAILED)


class DownloadState(Struct, eq=False):
    """A Download under way: what has been tried, and what it cost.

    ``due``: when what is left of a file that came in Segments may be asked for. ``one_piece``: it is not split any more.
    ``is_robots_txt``: it is no Download of the list, but a robots.txt.
    ``mixed``: the bytes are of several URLs; ``alone``: they no longer may be, for their checksum was wrong.
    """

    key: int
    download: Download
    path: str
    urls: list[str]
    named: bool
    checksums: tuple[Checksum, ...]
    tries: int = 0
    number: int = 0
    turn: int = 0
    mismatches: int = 0
    losses: int = 0
    from_scratch: bool = False
    may_exist_already: bool = False
    received: int = 0
    elapsed: float = 0.0
    due: float = 0.0
    one_piece: bool = False
    mixed: bool = False
    alone: bool = False
    is_robots_txt: bool = False

    @property
    def url(self) -> str:
        urls = self.urls
        return urls[0] if len(urls) == 1 else urls[self.turn % len(urls)]

    @property
    def order(self) -> tuple[int, int]:
        """Higher priority first, then as it was listed."""
        return -self.download.priority, self.key

    def failed(self, error: DownloadError) -> None:
        """Note what an Attempt failed of, for those that follow."""
        if isinstance(error, WorkerError):
            self.may_exist_already = True
            self.losses += 1
        self.from_scratch = False
        if isinstance(error, IntegrityError):
            self.mismatches += not self.mixed  # of several servers' bytes nobody knows whose are wrong: each gets its turn
            self.alone |= self.mixed
            self.mixed, self.from_scratch = False, True

    def attempt(
        self,
        key: int,
        url: str,
        segment: Segment = WHOLE,
        same_process_as: int | None = None,
        is_alternate_url: bool = False,
    ) -> Attempt:
        """An Attempt at it, or at one Segment of it."""
        download = self.download
        if segment is WHOLE and self._is_plain:
            return Attempt(key, self.number, url, download.url, self.path)
        return Attempt(
            key=key,
            number=self.number,
            url=url,
            primary_url=download.url,
            path=self.path,
            segment=segment,
            headers=download.headers,
            checksums=self.checksums,
            size=download.size,
            from_scratch=self.from_scratch and segment is WHOLE,
            is_probe=not self.named,
            may_exist_already=self.may_exist_already,
            same_process_as=same_process_as,
            is_alternate_url=is_alternate_url,
            keep_body=self.is_robots_txt,
        )

    @property
    def _is_plain(self) -> bool:
        """Whether there is nothing to say of it but where it is and where it goes: so it is with most."""
        about = self.download
        special = (
            self.from_scratch
            or self.may_exist_already
            or self.is_robots_txt
            or self.checksums
            or about.headers
            or about.size is not None
        )
        return not special and self.named

    def result(self, status: Status, outcome: Outcome | None, reason: str, error: DownloadError | None) -> Result:
        """How it ended."""
        if outcome is None:
            outcome = _NONE
        return Result(
            url=public_url(self.download.url),
            path=outcome.path or self.path,
            status=status,
            bytes=outcome.size if status is Status.DONE or outcome.end is End.EXISTS else 0,
            received=self.received,
            http_status=outcome.status,
            attempts=self.number - (outcome.end is End.EXISTS and not outcome.status),  # to find it there was none
            elapsed=self.elapsed,
            final_url=outcome.final_url,
            etag=outcome.etag,
            reason=reason,
            verified=outcome.verified,
            error=error,
            download=self.to_repeat() if status is Status.FAILED else None,
            value=None if outcome.returned is None else outcome.returned.value,
            warning=outcome.warning if status is Status.DONE else "",
        )

    def to_repeat(self) -> Download:
        """The Download as a later list should say it: with its path, where that list alone would not lead to it again."""
        download = replace(self.download, checksums=self.checksums)
        if download.out or not self.path or self.path == default_path(download):
            return download
        return replace(download, out=self.path, dir="")
