"""The record of one Attempt: what to ask, what the answer means, when the body is complete, and how the Attempt ends.

Everything that changes a Transfer is a method of the class in this file. The states of a Transfer, and the order in which its
methods may be called, stand in `downloader.core.http.transfer_states`. A caller obeys the HeadAction that `on_head` returns:
FOLLOW: call `request` again · BODY: write the body, from the byte `offset` of the file on · STOP: how it ends is decided.
"""

from downloader.core.facts import NOTHING_TO_RESUME, WHOLE, Checksum, Headers, ResumeInfo
from downloader.core.http import headers as h
from downloader.core.http.guards import check_head, wrong_size
from downloader.core.http.messages import Head, HeadAction, Request, TransferPolicy, replaced
from downloader.core.http.range_rules import PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, range_answer, reason_to_restart
from downloader.core.http.redirects import REDIRECTS, redirected
from downloader.core.http.refusals import refusal
from downloader.core.http.request_headers import at_redirect, bound_by_checksum, build_request
from downloader.core.http.transfer_states import ENDS, TRANSITIONS, Event, State
from downloader.core.limits.stall import StallDetector
from downloader.core.model import Attempt, End, Outcome, Returned
from downloader.core.names.urls import public_url
from downloader.core.trace import Trace
from downloader.errors import DownloadError, Interrupted, NetworkError, ProtocolError

EMPTY = frozenset({204, 205})  # RFC 9110 sections 15.3.5 and 15.3.6

# Members of an Enum that each file needs: as a global, one is read ten times as fast as through its class.
_BODY, _STOP, _READY, _FAILED, _DATA = HeadAction.BODY, HeadAction.STOP, State.READY, End.FAILED, Event.DATA
_REQUEST, _BODY_FOLLOWS, _BODY_START, _BODY_END = Event.REQUEST, Event.BODY_FOLLOWS, Event.BODY_START, Event.BODY_END
_Error = DownloadError | None


class Transfer:
    """One Attempt, from its first request to its Outcome. Sizes and offsets in bytes; times in seconds, monotonic.

    ``earlier``: what the part file has from earlier Attempts. ``epoch_now``: seconds since the epoch.

    Callers read attributes and change none. Of the file: ``offset``, where the first byte of the body belongs; ``expected``,
    the length of the body, and ``total``, the length of the file (None: unknown); ``size``, the bytes of the file so far;
    ``digests``, the checksums that it must match; ``computed``, its digests; ``splittable``, whether Attempts may share it.
    """

    # Slots, because instances with more than 30 attributes share no table of names: each would cost 1 µs more.
    __slots__ = (
        *("attempt", "earlier", "url", "public_url", "state", "_policy", "_epoch_now", "_headers"),
        *("start", "stop", "resuming", "redirects", "_requested_at", "_sent_headers"),
        *("status", "waited", "first_head_at", "name", "warning", "restart_reason"),
        *("validator", "total", "last_modified", "etag", "stated_time", "announced_digests", "digests", "splittable"),
        "content_type",
        *("offset", "size", "received", "expected", "_received_of_body", "_stall"),
        *("existing_is_corrupt", "returned", "computed"),
    )

    def __init__(self, attempt: Attempt, policy: TransferPolicy, earlier: ResumeInfo, epoch_now: float) -> None:
        if attempt.from_scratch or attempt.is_probe:
            earlier = NOTHING_TO_RESUME
        self.attempt = attempt
        self.earlier = earlier
        self.url = attempt.url
        self.public_url = public_url(attempt.url)
        self.state = _READY
        self._policy, self._epoch_now = policy, epoch_now
        self._headers: Headers = replaced(policy.headers, attempt.headers) if attempt.headers else policy.headers
        self.start, self.stop = attempt.segment
        self.start += earlier.size
        self.resuming = earlier.size > 0 and bool(earlier.validator.if_range)
        self._sent_headers: Headers
        self._stall: StallDetector
        self.status = self.offset = self.size = self.received = self._received_of_body = 0
        self.waited = self.first_head_at = self._requested_at = 0.0
        self.name = self.warning = self.restart_reason = self.etag = self.stated_time = self.content_type = ""
        self.redirects: tuple[str, ...] = ()
        self.validator = NOTHING_TO_RESUME.validator
        self.expected: int | None = None
        self.total: int | None = None
        self.last_modified: float | None = None
        self.announced_digests = self.digests = self.computed = NOTHING_TO_RESUME.digests
        self.returned: Returned | None = None
        self.splittable = self.existing_is_corrupt = False

    # --- before the first request

    def already_there(self, size: int, computed: tuple[Checksum, ...]) -> None:
        """The file that exists has the right checksum, these digests and so many bytes: nothing is to be fetched."""
        self.state = TRANSITIONS[self.state][Event.EXISTING_VALID]
        self.size, self.digests, self.computed = size, self.attempt.checksums, computed

    def existing_corrupt(self) -> None:
        """The file that stands under the name has a wrong checksum: it is fetched, and replaced if the new one is right."""
        self.state = TRANSITIONS[self.state][Event.EXISTING_CORRUPT]
        self.existing_is_corrupt = True

    def resume_with_gaps(self) -> None:
        """Ranges of the file will be asked for: what earlier answers said of the whole file holds for this Attempt, too."""
        self.state = TRANSITIONS[self.state][Event.RESUME]
        earlier = self.earlier
        self.validator, self.total = earlier.validator, earlier.total
        self._set_digests(earlier.digests, earlier.validator.last_modified)
        self.splittable = self.attempt.segment != WHOLE  # the server has answered a range request of this version before

    def next_range(self, start: int, stop: int) -> None:
        """Ask for these bytes next. Every range of a file is bound to the same validator."""
        self.state = TRANSITIONS[self.state][Event.NEXT_RANGE]
        self.start, self.stop = start, stop
        self.resuming = True
        self.expected = None

    # --- the request

    def request(self, now: float) -> Request:
        """What to send next: the first request, the one after a redirect, or the one for the next range."""
        self.state = TRANSITIONS[self.state][_REQUEST]
        self._received_of_body = 0
        self._requested_at = now
        rest = (self.start, self.stop) if self.resuming else None
        validator = self.earlier.validator
        request = build_request(self.attempt, self._policy, self.url, self._headers, rest, validator, self._epoch_now)
        self._sent_headers = request.headers
        return request

    # --- the head of the answer

    def on_head(self, head: Head, now: float) -> HeadAction:
        """What this answer means. Raises DownloadError where it means that the Attempt has failed."""
        self.status = head.status
        self.waited = now - self._requested_at
        self.first_head_at = self.first_head_at or now
        fields = h.read_fields(head.headers)
        if head.status in REDIRECTS and fields.location:
            return self._redirect(fields.location)
        if self.attempt.is_probe and head.status in (200, 204, 205, 206, 416):
            self.name = h.proposed_name(fields)
            return self._decide(Event.NAME_LEARNED)
        if head.status == 200 or head.status in EMPTY:
            return self._restart("the whole file comes instead of a range") if self._is_bound else self._whole(fields)
        if head.status in (206, 416) and self.resuming:
            return self._range(fields)
        if head.status == 304 and not self.resuming and (self.attempt.etag or self.attempt.modified_since is not None):
            self.etag, self.stated_time = fields.etag or self.attempt.etag, fields.last_modified
            return self._decide(Event.UNCHANGED)
        raise refusal(self.status, fields, self._sent_headers, self.public_url, self._epoch_now)

    def _decide(self, event: Event) -> HeadAction:
        self.state = TRANSITIONS[self.state][event]
        return _STOP

    @property
    def _is_bound(self) -> bool:
        """Whether bytes of this version are there that must not be mixed with others: of other Attempts, or of this one."""
        return self.attempt.segment != WHOLE or self.received > 0

    def _restart(self, reason: str) -> HeadAction:
        self.restart_reason = reason
        return self._decide(Event.VERSION_CHANGED)

    def _redirect(self, location: str) -> HeadAction:
        self.redirects += (public_url(self.url),)
        if len(self.redirects) > self._policy.max_redirects:
            raise ProtocolError(f"more than {self._policy.max_redirects} redirects", self.public_url)
        target = redirected(self.url, location, self.public_url, self._policy.allow_downgrade)
        self._policy, self._headers = at_redirect(self._policy, self._headers, self.attempt, self.url, target)
        self.url, self.state = target, TRANSITIONS[self.state][Event.REDIRECT]
        return HeadAction.FOLLOW

    def _whole(self, fields: h.Fields) -> HeadAction:
        self.resuming = False
        self.start = self.offset = 0
        self.stop = None
        self._describe(fields, whole=True)
        self.total = self.expected = 0 if self.status in EMPTY else fields.length
        accepts_ranges = fields.ranges and self.total is not None and bool(self.validator.if_range)
        return self._body_follows(fields, accepts_ranges)

    def _range(self, fields: h.Fields) -> HeadAction:
        whole = not self._is_bound
        answer = range_answer(self.start, self.stop, self.earlier, fields, whole, bound_by_checksum(self.attempt))
        reason = reason_to_restart(PARTIAL_CONTENT if self.status == 206 else RANGE_NOT_SATISFIABLE, answer)
        if reason:
            return self._restart(reason)
        self._describe(fields, whole=False)
        self.validator = self.earlier.validator
        total, stop = answer.received.total, answer.received.stop
        if stop is None:
            return self._nothing_missing()
        self.offset = self.start
        self.expected = stop - self.start
        self.total = total if total is not None else self.earlier.total
        return self._body_follows(fields, accepts_ranges=True)

    def _nothing_missing(self) -> HeadAction:
        self.size = self.total = self.earlier.size
        self.warning = check_head(self._policy.guards, self.attempt, self.total, None, self.public_url)
        return self._decide(Event.NOTHING_MISSING)

    def _body_follows(self, fields: h.Fields, accepts_ranges: bool) -> HeadAction:
        self.splittable = accepts_ranges and self._policy.may_split
        self.content_type = fields.content_type
        self.warning = check_head(self._policy.guards, self.attempt, self.total, fields.content_type, self.public_url)
        self.state = TRANSITIONS[self.state][_BODY_FOLLOWS]
        return _BODY

    def _describe(self, fields: h.Fields, whole: bool) -> None:
        self.validator = h.validator(fields)
        self.etag, self.stated_time = fields.etag, fields.last_modified
        announced = () if whole else self.earlier.digests
        if fields.repr_digest or fields.content_digest or fields.digest:
            announced = h.digests(fields, whole) or announced
        self._set_digests(announced, fields.last_modified or ("" if whole else self.earlier.validator.last_modified))

    def _set_digests(self, announced: tuple[Checksum, ...], last_modified: str) -> None:
        self.announced_digests = announced
        self.last_modified = h.http_date(last_modified) if last_modified else None
        self.digests = h.with_announced(self.attempt.checksums, announced) if announced else self.attempt.checksums

    @property
    def resume_info(self) -> ResumeInfo:
        """What a later Attempt needs to continue this file."""
        return ResumeInfo(self.size, self.validator, self.total, self.announced_digests)

    # --- the body

    def start_body(self, now: float) -> None:
        """The body begins: from here on its speed counts."""
        self.state = TRANSITIONS[self.state][_BODY_START]
        self.size = self.offset
        self._stall = StallDetector(self._policy.low_speed_limit, self._policy.low_speed_time, now)

    def on_data(self, count: int, now: float) -> None:
        """Count a piece of the body. Raises ProtocolError for more than was announced, NetworkError for a stall."""
        self.state = TRANSITIONS[self.state][_DATA]
        self.received += count
        self._received_of_body += count
        self.size += count
        if self.expected is not None and self._received_of_body > self.expected:
            what = "more bytes than announced"
            raise ProtocolError(f"{what}: {self.expected}", self.public_url, kind=what)
        if self.expected is None and 0 < self._policy.guards.max_size < self.size:
            raise self._policy.guards.too_large(f"more than {self._policy.guards.max_size} bytes", self.public_url)
        if self._stall.stalled(count, now):
            raise NetworkError("too slow", self.public_url, "see --low-speed-limit and --low-speed-time")

    def paused(self, seconds: float) -> None:
        """For so many seconds nothing was read, to keep a rate limit: this time counts for no stall."""
        self.state = TRANSITIONS[self.state][Event.PAUSE]
        self._stall.ignore_pause(seconds)

    def on_end(self) -> None:
        """The body is over. Raises NetworkError if bytes are missing, IntegrityError for another size than was known."""
        complete = TRANSITIONS[self.state][_BODY_END]
        missing = self.expected is not None and self._received_of_body < self.expected
        if missing or (self.stop is None and self.total is not None and self.size < self.total):
            what = f"truncated: {self.size} of {self.total or self.expected} bytes"
            raise NetworkError(what, self.public_url, kind="truncated")
        if self.attempt.size is not None and self.stop is None and self.size != self.attempt.size:
            raise wrong_size(self.size, self.attempt.size, self.public_url)
        if self.total is None:
            self._policy.guards.check_size(self.size, self.public_url)
        self.state = complete

    def cut(self) -> None:
        """The Attempt has come to the byte where it must end: another Attempt fetches the rest."""
        self.state = TRANSITIONS[self.state][Event.CUT]

    # --- after the body

    def segment_end(self, finishes_file: bool) -> None:
        """No range is left for this Attempt. ``finishes_file``: every byte is there, and this Attempt finishes the file."""
        self.state = TRANSITIONS[self.state][Event.FILE_END if finishes_file else Event.SEGMENT_END]
        self.size = self.total or 0

    def body_returned(self, body: bytes) -> None:
        """The body is not written to a file; it is handed back with the Outcome."""
        self.state = TRANSITIONS[self.state][Event.BODY_RETURNED]
        self.returned = Returned(body)

    def hashed(self, computed: tuple[Checksum, ...]) -> None:
        """The complete file has these digests, and those that are known are right."""
        self.state = TRANSITIONS[self.state][Event.HASHED]
        self.computed = computed

    def processed(self, returned: Returned | None, size: int) -> None:
        """The user's function was called with the file, which has so many bytes now, and has returned this."""
        self.state = TRANSITIONS[self.state][Event.PROCESSED]
        self.returned, self.size = returned, size

    def name_taken(self) -> None:
        """Another file has appeared under the name: that one stays, and this one is dropped."""
        self.state = TRANSITIONS[self.state][Event.NAME_TAKEN]

    def outcome(self, elapsed: float, path: str = "", error: _Error = None, trace: Trace | None = None) -> Outcome:
        """How the Attempt ended. An error ends it as failed (or interrupted), whatever was decided before."""
        if error is not None:
            self.state = TRANSITIONS[self.state][Event.ERROR]
        end = ENDS.get(self.state, _FAILED)
        return Outcome(
            key=self.attempt.key,
            end=End.INTERRUPTED if isinstance(error, Interrupted) else end,
            received=self.received,
            size=self.size,
            elapsed=elapsed,
            status=self.status,
            final_url=public_url(self.url) if self.redirects else self.public_url,
            etag=self.validator.etag or self.etag,
            path=path or self.attempt.path,
            proposed_name=self.name,
            head_latency=self.waited,
            verified=bool(self.digests or self.attempt.pieces) and end in (End.COMPLETE, End.EXISTS),
            error=error,
            returned=self.returned,
            trace=trace,
            warning=self.warning,
            reason=self.restart_reason,
            digests=self.computed,
            last_modified=self.stated_time,
            redirects=self.redirects,
        )
