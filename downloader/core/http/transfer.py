"""The state machine of one Attempt: what to ask, what the answer means, when the body is complete.

A driver calls it in this order, and does what it says::

    request() -> Request         send this
    on_head(head, …) -> HeadAction     FOLLOW: ask again (a redirect) · BODY: write from `offset` · STOP: there is an outcome
    on_data(count, now)          for each piece of body; raises when there is too much, or too little for too long
    on_end()                     the body ended as its framing said; raises when that was too early
    again(start, stop)           go on with other bytes of the file: the next request asks for these
    outcome(End.COMPLETE, …)

What an answer means (RFC 9110; `docs/answers.md` has the same table for readers):

| answer | asked with Range | meaning |
| --- | --- | --- |
| 200 | either | the whole file: begin at zero |
| 204, 205 | either | an empty file |
| 206, Content-Range starts where we asked, total and validator agree | yes | goes on from there |
| 206, anything else | yes | begin again at zero |
| 206 | no | ProtocolError |
| 416, ``*/N`` and N is what we hold, validator agrees | yes | complete already |
| 416, anything else | yes | begin again at zero |
| 200, 204, 205, 416, or 206 of another version | for one Segment | begin the whole file again; a mirror is dropped for it |
| 304 | conditional | the file is still good |
| 301, 302, 303, 307, 308 | either | follow, at most `max_redirects` times |
| 401, 403, 407 | either | AuthError |
| other 1xx, 2xx and 3xx | either | ProtocolError |
| other | either | HTTPStatusError; `downloader.core.scheduling.retry` decides about another try |
"""

from downloader.core.http import headers as h
from downloader.core.http.credentials import advice, kept_at_redirect, without_userinfo
from downloader.core.http.guards import judge, wrong_size
from downloader.core.http.messages import Head, HeadAction, Request, TransferPolicy, others, replaced, with_defaults
from downloader.core.http.redirects import redirected
from downloader.core.limits.stall import StallDetector
from downloader.core.model import (
    NOTHING_TO_RESUME,
    WHOLE,
    Attempt,
    Checksum,
    End,
    Headers,
    Outcome,
    ResumeInfo,
    Returned,
    Validator,
)
from downloader.core.names.urls import public_url
from downloader.core.trace import Trace
from downloader.errors import (
    AuthError,
    DownloadError,
    HTTPStatusError,
    Interrupted,
    NetworkError,
    ProtocolError,
)

REDIRECTS = frozenset({301, 302, 303, 307, 308})
EMPTY = frozenset({204, 205})  # RFC 9110 sections 15.3.5 and 15.3.6


class Transfer:
    """One Attempt, from its first request to its Outcome. ``held``: what the part file has already; ``wall``: epoch seconds."""

    decided = End.FAILED
    digests: tuple[Checksum, ...] = ()  # all that the file must match
    expected: int | None = None
    last_modified: float | None = None
    name = ""
    offset = 0
    received = 0
    redirects = 0
    retry_after: float | None = None
    returned: Returned | None = None
    size = 0
    splittable = False
    status = 0
    told: tuple[Checksum, ...] = ()  # by the server
    total: int | None = None
    trace: Trace | None = None
    validator = Validator()
    waited = 0.0
    warning = ""
    bad_before = False  # a file with a wrong checksum stands under the name
    answered = 0.0  # when the first head came
    _taken = 0  # of the present answer
    _gate: StallDetector

    def __init__(self, attempt: Attempt, policy: TransferPolicy, held: ResumeInfo, now: float, wall: float) -> None:
        self.attempt = attempt
        self._policy = policy
        self._wall = wall
        self._headers: Headers = replaced(policy.headers, attempt.headers) if attempt.headers else policy.headers
        self.held = NOTHING_TO_RESUME if attempt.from_scratch or attempt.is_probe else held
        self.start = attempt.segment.start + self.held.size  # what is asked for
        self.stop = attempt.segment.stop
        self.resuming = self.held.size > 0 and bool(self.held.validator.if_range)
        self.url = attempt.url
        self.public = public_url(attempt.url)

    def request(self) -> Request:
        """What to send next: the first request, or the one after a redirect."""
        self._taken = 0
        attempt, special = self.attempt, self._special()
        if not special and self._headers is self._policy.headers and not self._policy.secrets and "@" not in self.url:
            return Request(without_userinfo(self.url), self._policy.usual)
        credentials = self._policy.credentials.headers(self.url, self._wall, attempt.url)
        lines = with_defaults(self._headers)
        return Request(without_userinfo(self.url), replaced(lines + others(credentials, lines), special))

    def _special(self) -> Headers:
        """What this request alone says. A mirror has a validator of its own: there the checksum decides."""
        if self.attempt.is_probe:
            return (("Range", "bytes=0-0"),)
        if self.resuming:
            asked = ("Range", f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}")
            unbound = self.attempt.is_alternate_url and self.attempt.checksums
            return (asked,) if unbound else (asked, ("If-Range", self.held.validator.if_range))
        if self.attempt.modified_since is not None:
            return (("If-Modified-Since", h.format_http_date(self.attempt.modified_since)),)
        return ()

    def rely_on(self, held: ResumeInfo) -> None:
        """Go on with a file of which this is held: what was told of the whole stands."""
        self.validator, self.total = held.validator, held.total
        self._told_as(held.digests, held.validator.last_modified)

    def again(self, start: int, stop: int) -> None:
        """Ask for these bytes next. What was held or told before stands: all is bound to one validator."""
        self.start, self.stop = start, stop
        self.resuming = True
        self.expected = None
        self.decided = End.FAILED  # until it is over, too

    def on_head(self, head: Head) -> HeadAction:
        """What this answer means. Raises DownloadError where it means that the Attempt has failed."""
        self.status = head.status
        fields = h.read_fields(head.headers)
        if head.status in REDIRECTS and fields.location:
            return self._redirect(fields.location)
        if self.attempt.is_probe and head.status in (200, 204, 205, 206, 416):
            self.name = h.disposition_name(fields.disposition)
            return self._decide(End.NAME_LEARNED)
        if head.status == 200 or head.status in EMPTY:
            return self._decide(End.MUST_RESTART) if self.shared else self._whole(fields)
        if head.status == 206 and self.resuming:
            return self._rest(fields)
        if head.status == 416 and self.resuming:
            return self._unsatisfied(fields)
        if head.status == 304 and self.attempt.modified_since is not None and not self.resuming:
            return self._decide(End.NOT_MODIFIED)
        raise self._refusal(fields)

    def _decide(self, end: End) -> HeadAction:
        self.decided = end
        return HeadAction.STOP

    @property
    def shared(self) -> bool:
        """Other Attempts may be writing to the same part file, or this one has written to it what it was bound to."""
        return self.attempt.segment != WHOLE or self.received > 0

    def _redirect(self, location: str) -> HeadAction:
        self.redirects += 1
        if self.redirects > self._policy.max_redirects:
            raise ProtocolError(f"more than {self._policy.max_redirects} redirects", self.public)
        target = redirected(self.url, location, self.public, self._policy.allow_downgrade)
        self._headers = kept_at_redirect(self._headers, self.url, target)
        self.url = target
        return HeadAction.FOLLOW

    def _whole(self, fields: h.Fields) -> HeadAction:
        self.resuming = False
        self.start = self.offset = 0
        self.stop = None
        self._describe(fields, whole=True)
        self.total = self.expected = 0 if self.status in EMPTY else fields.length
        self.splittable = fields.ranges and self.total is not None and bool(self.validator.if_range)
        self._judge(fields.content_type)
        return HeadAction.BODY

    def _rest(self, fields: h.Fields) -> HeadAction:
        span = h.content_range(fields.content_range)
        start = self.start
        told = h.validator(fields)
        if (
            span is None
            or span.start != start
            or span.stop is None
            or (self.stop is not None and span.stop > self.stop)
            or (span.total is None and self.held.total is None)  # nothing would say where the file ends
            or (None not in (span.total, self.held.total) and span.total != self.held.total)
            or (fields.length is not None and fields.length != span.stop - start)
            or self._changed(told, fields)
        ):
            return self._decide(End.MUST_RESTART)
        self._describe(fields, whole=False)
        self.validator = self.held.validator
        self.offset = start
        self.expected = span.stop - start
        self.total = span.total if span.total is not None else self.held.total
        self.splittable = self.total is not None
        self._judge(fields.content_type)
        return HeadAction.BODY

    def _changed(self, told: Validator, fields: h.Fields) -> bool:
        held = self.held.validator
        if self.attempt.is_alternate_url and self.attempt.checksums:
            return False
        if held.etag and fields.etag:
            return told.etag != held.etag
        return bool(held.last_modified and fields.last_modified) and fields.last_modified != held.last_modified

    def _unsatisfied(self, fields: h.Fields) -> HeadAction:
        span = h.content_range(fields.content_range)
        held = self.held.size
        known = self.held.total == held or (bool(fields.etag) and fields.etag == self.held.validator.etag)
        agreed = known and not self._changed(h.validator(fields), fields)
        if span is None or span.start is not None or span.total != held or not agreed or self.held.spans or self.shared:
            return self._decide(End.MUST_RESTART)
        self._describe(fields, whole=False)
        self.validator = self.held.validator
        self.size = self.total = held
        self._judge(None)
        return self._decide(End.COMPLETE)

    def _describe(self, fields: h.Fields, whole: bool) -> None:
        self.validator = h.validator(fields)
        told = () if whole else self.held.digests
        if fields.repr_digest or fields.content_digest or fields.digest:
            told = h.digests(fields, whole) or told
        self._told_as(told, fields.last_modified or ("" if whole else self.held.validator.last_modified))

    def _told_as(self, told: tuple[Checksum, ...], moment: str) -> None:
        self.told = told
        self.last_modified = h.http_date(moment) if moment else None
        self.digests = self.attempt.checksums
        if told:
            known = {checksum.algorithm for checksum in self.digests}
            self.digests += tuple(item for item in told if item.algorithm not in known)

    def _judge(self, content_type: str | None) -> None:
        self.warning = judge(self._policy.guards, self.attempt, self.total, content_type, self.public)

    def _refusal(self, fields: h.Fields) -> DownloadError:
        if self.status in AuthError.HINTS:
            return AuthError(self.status, self.public, advice(self.status, self.request().headers))
        if self.status >= 400:
            now = (h.http_date(fields.date) if fields.date else None) or self._wall
            self.retry_after = h.retry_after(fields.retry_after, now)
            return HTTPStatusError(self.status, self.public, "", self.retry_after)
        return ProtocolError(f"unexpected status for this request: HTTP {self.status}", self.public)

    @property
    def promised(self) -> ResumeInfo:
        """What the server said of the whole file, for whoever goes on with a part of it."""
        return ResumeInfo(self.size, self.validator, self.total, self.told)

    def begin_body(self, now: float) -> None:
        """The body begins: from here on its speed counts."""
        self.size = self.offset
        self._gate = StallDetector(self._policy.low_speed_limit, self._policy.low_speed_time, now)

    def on_data(self, count: int, now: float) -> None:
        """Count a piece of body. Raises ProtocolError for more than was announced, NetworkError for a stall."""
        self.received += count
        self._taken += count
        self.size += count
        if self.expected is not None and self._taken > self.expected:
            what = "more bytes than announced"
            raise ProtocolError(f"{what}: {self.expected}", self.public, kind=what)
        if self.expected is None and 0 < self._policy.guards.max_size < self.size:
            raise self._policy.guards.too_large(f"more than {self._policy.guards.max_size} bytes", self.public)
        if self._gate.stalled(count, now):
            raise NetworkError("too slow", self.public, "see --low-speed-limit and --low-speed-time")

    def excuse(self, seconds: float) -> None:
        """So long nothing was read, for a reason of ours: it is no stall."""
        self._gate.excuse(seconds)

    def on_end(self) -> None:
        """The body is over. Raises NetworkError where that was too early, IntegrityError for another size than was known."""
        missing = self.expected is not None and self._taken < self.expected
        if missing or (self.stop is None and self.total is not None and self.size < self.total):
            what = f"truncated: {self.size} of {self.total or self.expected} bytes"
            raise NetworkError(what, self.public, kind="truncated")
        if self.attempt.size is not None and self.stop is None and self.size != self.attempt.size:
            raise wrong_size(self.size, self.attempt.size, self.public)
        if self.total is None:
            self._policy.guards.check_size(self.size, self.public)
        self.decided = End.COMPLETE

    def outcome(self, elapsed: float, path: str = "", error: DownloadError | None = None) -> Outcome:
        """The Outcome, once it is decided; or the one that ``error`` makes of it. ``elapsed`` in seconds."""
        end = self.decided
        if error is not None:
            end = End.INTERRUPTED if isinstance(error, Interrupted) else End.FAILED
        return Outcome(
            key=self.attempt.key,
            end=end,
            received=self.received,
            size=self.size,
            elapsed=elapsed,
            status=self.status,
            final_url=public_url(self.url) if self.redirects else self.public,
            etag=self.validator.etag,
            path=path or self.attempt.path,
            proposed_name=self.name,
            head_latency=self.waited,
            verified=bool(self.digests) and end in (End.COMPLETE, End.EXISTS),
            error=error,
            returned=self.returned,
            trace=self.trace,
            warning=self.warning,
        )
