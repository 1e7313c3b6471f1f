"""The scheduler's record of one Download: what was tried, what it cost, and what the next Attempt must know."""

from msgspec.structs import replace

from downloader.core.facts import WHOLE, Checksum, Segment, Try, Validator
from downloader.core.http.headers import http_date
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.names.file_names import default_path, wished_path
from downloader.core.names.urls import public_url
from downloader.core.scheduling.retry import NextStep, RetryPolicy, failure_of
from downloader.errors import DownloadError, IntegrityError, WorkerError, WrongPieces

# As globals, members of an Enum are read ten times as fast as through their class.
_DONE, _FAILED, _EXISTS = Status.DONE, Status.FAILED, End.EXISTS

_NO_OUTCOME = Outcome(-1, End.FAILED)

MAX_TRIES = 20
"""Attempts that `Result.tries` has at most: the last ones."""


class DownloadState:
    """One Download from the time it was read from the list until its Result.

    =======================  ===========================================================================================
    field                    meaning
    =======================  ===========================================================================================
    ``key``                  position in the list; also the key of the Attempts at the whole file
    ``download``             as it was listed
    ``path``                 the final path; until ``is_named``, the path that the URL proposes
    ``urls``                 the URLs that may be asked: the listed one and its mirrors, without those that were dropped
    ``is_named``             ``path`` is settled; if not, the first Attempt asks the server for the name
    ``checksums``            digests that the finished file must have: from the list and from the file of checksums
    ``tries_counted``        Attempts since the URLs were last changed that count toward `RetryPolicy.retries`
    ``attempts_made``        all Attempts that were started: `Result.attempts`
    ``url_index``            which of ``urls`` comes next; counts up, modulo their number
    ``checksum_mismatches``  how often the finished file of one server had the wrong checksum
    ``worker_losses``        how often a worker process died with an Attempt at the whole file
    ``from_scratch``         the next Attempt ignores the part file
    ``may_exist_already``    a lost worker may have finished the file
    ``received``             body bytes of all Attempts that ended
    ``elapsed``              seconds of all Attempts that ended
    ``resume_due``           when the rest of a file that was fetched in Segments may be asked for (monotonic seconds)
    ``unsplittable``         the file is not split into Segments any more
    ``mixed_sources``        the part file has bytes from more than one URL
    ``single_source``        all Segments must come from one URL: a file from mixed sources had the wrong checksum
    ``bound_url``            the URL whose validator the part file has; empty: not known
    ``has_template_name``    the path was made from a template: it may depend on the position in the list
    ``refetched``            why a file that an earlier run had completed is fetched again: ``missing`` or ``resized``
    ``version``              which version of the file exists already, to ask for a newer one; None: not known
    ``keep_body``            this is no Download of the list, but the request of a gate; so many bytes of its body are returned
    ``search_step``          how far the search for a checksum is, as an index; negative: it has ended
    ``detailed``             its Result says everything: ``tries``, ``queued`` and what only reports show
    ``read_at``              when it was read from the list (monotonic seconds); only if ``detailed``
    ``queued``               seconds from ``read_at`` until its first Attempt began; only if ``detailed``
    ``tries``                the last Attempts that failed; only if ``detailed``
    =======================  ===========================================================================================
    """

    # Defaults of the class: most Downloads never set these.
    tries_counted: int = 0
    attempts_made: int = 0
    url_index: int = 0
    checksum_mismatches: int = 0
    worker_losses: int = 0
    from_scratch: bool = False
    may_exist_already: bool = False
    received: int = 0
    elapsed: float = 0.0
    resume_due: float = 0.0
    unsplittable: bool = False
    mixed_sources: bool = False
    single_source: bool = False
    bound_url: str = ""
    keep_body: int = 0
    search_step: int = 0
    has_template_name: bool = False
    refetched: str = ""
    version: Validator | None = None
    detailed: bool = False
    read_at: float = 0.0
    queued: float = 0.0
    tries: tuple[Try, ...] = ()

    def __init__(
        self, key: int, download: Download, path: str, urls: list[str], is_named: bool, checksums: tuple[Checksum, ...]
    ) -> None:
        self.key = key
        self.download = download
        self.path = path
        self.urls = urls
        self.is_named = is_named
        self.checksums = checksums

    @property
    def url(self) -> str:
        """The URL that the next Attempt asks."""
        urls = self.urls
        return urls[0] if len(urls) == 1 else urls[self.url_index % len(urls)]

    @property
    def order(self) -> tuple[int, int]:
        """Sort key among the Downloads of one host: higher priority first, then the order of the list."""
        return -self.download.priority, self.key

    def replace_urls(self, urls: list[str]) -> None:
        """Go on with these URLs; each of them gets all its tries."""
        self.urls = urls
        self.tries_counted = 0

    def note_unfinished(self, end: End) -> None:
        """Record an Attempt that neither completed the file nor failed: it does not count toward the retries."""
        self.tries_counted -= 1
        if end in (End.UNSTARTED, End.MAYBE_STARTED):
            self.attempts_made -= 1
        if end in (End.UNREPORTED, End.MAYBE_STARTED):
            self.may_exist_already = True
        elif end is End.SEGMENT_DONE:
            self.from_scratch = False
        elif end is End.MUST_RESTART:
            self.from_scratch = True  # such an Attempt cannot end like this again
            self.bound_url = ""

    def note_failure(self, error: DownloadError) -> None:
        """Record the error of an Attempt at the whole file, for `next_step` and for the next Attempt."""
        if isinstance(error, WorkerError):
            self.may_exist_already = True
            self.worker_losses += 1
        self.from_scratch = False
        if isinstance(error, WrongPieces):
            self.bound_url = self.bound_url or self.url
        elif isinstance(error, IntegrityError):
            # Which of several servers sent the wrong bytes is not known: then this does not count, and the next Attempts
            # ask one server only.
            self.checksum_mismatches += not self.mixed_sources
            self.single_source |= self.mixed_sources
            self.mixed_sources, self.from_scratch, self.bound_url = False, True, ""

    def note_start(self, now: float) -> None:
        """Record when the first Attempt began (monotonic seconds)."""
        if not self.attempts_made:
            self.queued = now - self.read_at

    def note_try(self, outcome: Outcome) -> None:
        """Record an Attempt that failed, at the whole file or at a Segment, for `Result.tries`. Others are not recorded."""
        if outcome.end not in (End.FAILED, End.WORKER_LOST):
            return
        url = outcome.final_url or public_url(self.url)
        error = failure_of(outcome, self.url).reason
        self.tries = (*self.tries[1 - MAX_TRIES :], Try(url, outcome.status, outcome.elapsed, error))

    def next_step(self, error: DownloadError, retry: RetryPolicy) -> NextStep:
        """What follows the error that was recorded last. The URL of the next Attempt is chosen by that."""
        urls, mismatches, losses = self.urls, self.checksum_mismatches, self.worker_losses
        step = retry.next_step(error, self.tries_counted, len(urls) > 1, mismatches, losses)
        if step is NextStep.RETRY:
            self.url_index += 1
        elif step is NextStep.OTHER_URL:
            urls.remove(self.url)
            self.tries_counted = 0
        return step

    def start(self) -> Attempt:
        """The next Attempt at the whole file, which counts as a try from now on."""
        self.attempts_made += 1
        self.tries_counted += 1
        if self._has_defaults:
            return Attempt(self.key, self.attempts_made, self.url, self.download.url, self.path)
        is_alternate_url = self.bound_url not in ("", self.url)
        return self._attempt(self.key, self.url, WHOLE, self.from_scratch, is_alternate_url=is_alternate_url)

    def start_segment(self, key: int, url: str, segment: Segment, same_process_as: int, is_alternate_url: bool) -> Attempt:
        """An Attempt at one Segment of several; see `Attempt` for the arguments."""
        self.attempts_made += 1
        return self._attempt(key, url, segment, False, same_process_as, is_alternate_url)

    def _attempt(
        self,
        key: int,
        url: str,
        segment: Segment,
        from_scratch: bool,
        same_process_as: int | None = None,
        is_alternate_url: bool = False,
    ) -> Attempt:
        download = self.download
        version = self.version if url == download.url else None  # a mirror names its versions differently
        return Attempt(
            key=key,
            number=self.attempts_made,
            url=url,
            primary_url=download.url,
            path=self.path,
            segment=segment,
            headers=download.headers,
            checksums=self.checksums,
            size=download.size,
            from_scratch=from_scratch,
            is_probe=not self.is_named,
            may_exist_already=self.may_exist_already,
            same_process_as=same_process_as,
            is_alternate_url=is_alternate_url,
            keep_body=self.keep_body,
            pieces=download.pieces,
            replaces_existing=self.refetched != "",
            etag=version.etag if version else "",
            modified_since=http_date(version.last_modified) if version else None,
        )

    @property
    def _has_defaults(self) -> bool:
        """Whether an Attempt needs nothing but URL and path, as most do: a shorter call makes it."""
        download = self.download
        special = self.from_scratch or self.may_exist_already or self.keep_body or self.refetched or self.version
        listed = self.checksums or download.headers or download.size is not None or download.pieces is not None
        return not (special or listed) and self.is_named

    def result(self, status: Status, outcome: Outcome | None, reason: str, error: DownloadError | None) -> Result:
        """The Result of the Download.

        Args:
            status: how it ended.
            outcome: the Outcome that decided; None if none did, as for a duplicate.
            reason: why it was skipped; see `Result`.
            error: why it failed.
        """
        if outcome is None:
            outcome = _NO_OUTCOME
        found_existing = outcome.end is _EXISTS and not outcome.status  # no request was sent: not counted as an attempt
        result = Result(
            url=public_url(self.download.url),
            path=outcome.path or self.path,
            status=status,
            bytes=outcome.size if status is _DONE or outcome.end is _EXISTS else 0,
            received=self.received,
            http_status=outcome.status,
            attempts=self.attempts_made - found_existing,
            elapsed=self.elapsed,
            final_url=outcome.final_url,
            etag=outcome.etag,
            reason=reason or self.refetched,
            verified=outcome.verified,
            error=error,
            download=self.to_repeat() if status is _FAILED else None,
            value=None if outcome.returned is None else outcome.returned.value,
            warning=outcome.warning if status is _DONE else "",
            digests=outcome.digests,
            last_modified=outcome.last_modified,
        )
        return self._with_details(result, outcome) if self.detailed else result

    def _with_details(self, result: Result, outcome: Outcome) -> Result:
        return replace(
            result,
            redirects=outcome.redirects,
            timings=outcome.timings,
            queued=self.queued,
            tries=self.tries,
            origin=self.download.origin,
            metadata=self.download.metadata,
        )

    def to_repeat(self) -> Download:
        """The Download for a list of failures: with ``out`` where that list alone would lead to another path."""
        download = replace(self.download, checksums=self.checksums)
        if not self.path or not self.is_named:  # without a path that was given to it, it gets one when it is tried again
            return download
        listed = wished_path(download.dir, download.out)
        if self.path == (listed or default_path(download)) and (listed or not self.has_template_name):
            return download
        return replace(download, out=self.path, dir="")
