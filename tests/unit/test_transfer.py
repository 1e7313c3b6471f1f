"""The state machine of one Attempt: the request, what each answer means, and when the body is complete."""

import base64
import hashlib
import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import NOTHING_TO_RESUME, WHOLE, Checksum, Headers, ResumeInfo, Segment, Validator
from downloader.core.http.credentials import Cookie, Credentials
from downloader.core.http.headers import http_date
from downloader.core.http.messages import Head, HeadAction, Request, TransferPolicy
from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import ENDS, State
from downloader.core.limits.stall import StallDetector
from downloader.core.model import Attempt, End, Outcome
from downloader.errors import (
    AuthError,
    DownloadError,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NetworkError,
    PolicyError,
    ProtocolError,
)

URL = "https://example.org/dir/file"
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
MODIFIED_AT = 784111777.0
OTHER_TIME = "Sun, 06 Nov 1994 09:00:00 GMT"
SENT = "Mon, 07 Nov 1994 00:00:00 GMT"
EPOCH_NOW = 784200000.0

BY_ETAG = ResumeInfo(5, Validator('"e"', ""), 10)
BY_DATE = ResumeInfo(5, Validator("", MODIFIED), 10)
BY_BOTH = ResumeInfo(5, Validator('"e"', MODIFIED), 10)
NO_TOTAL = ResumeInfo(5, Validator('"e"', ""), None)
ALL_OF_IT = ResumeInfo(5, Validator('"e"', ""), 5)
NO_VALIDATOR = ResumeInfo(5, Validator(), 10)
ACCEPT, IDENTITY = ("Accept", "*/*"), ("Accept-Encoding", "identity")
RANGE, RANGE_200 = ("Content-Range", "bytes 5-9/10"), ("Content-Length", "10")


def attempt(
    url: str = URL,
    *,
    headers: Headers = (),
    checksums: tuple[Checksum, ...] = (),
    size: int | None = None,
    from_scratch: bool = False,
    is_probe: bool = False,
    modified_since: float | None = None,
    segment: Segment = WHOLE,
) -> Attempt:
    """An Attempt at the file."""
    return Attempt(
        key=7,
        number=1,
        url=url,
        primary_url=url,
        path="file",
        segment=segment,
        headers=headers,
        checksums=checksums,
        size=size,
        from_scratch=from_scratch,
        is_probe=is_probe,
        modified_since=modified_since,
    )


def transfer(
    what: Attempt | None = None, earlier: ResumeInfo = NOTHING_TO_RESUME, policy: TransferPolicy | None = None
) -> Transfer:
    """A Transfer that has sent its first request, at time 0."""
    new = Transfer(what or attempt(), policy or TransferPolicy(), earlier, EPOCH_NOW)
    new.request(0.0)
    return new


def answer(status: int, *headers: tuple[str, str]) -> Head:
    """The head of an answer."""
    return Head(status, headers)


# --- requests


def test_a_first_request_asks_for_the_bytes_as_they_are() -> None:
    request = Transfer(attempt(), TransferPolicy(), NOTHING_TO_RESUME, EPOCH_NOW).request(0.0)
    assert request == Request(URL, (ACCEPT, IDENTITY))


@pytest.mark.parametrize(
    ("what", "earlier", "added"),
    [
        (attempt(), BY_ETAG, (("Range", "bytes=5-"), ("If-Range", '"e"'))),
        (attempt(), BY_DATE, (("Range", "bytes=5-"), ("If-Range", MODIFIED))),
        (attempt(), ResumeInfo(5, Validator('"e"', MODIFIED), None), (("Range", "bytes=5-"), ("If-Range", '"e"'))),
        (attempt(), NO_VALIDATOR, ()),
        (attempt(), ResumeInfo(0, Validator('"e"', MODIFIED), 10), ()),
        (attempt(from_scratch=True), BY_ETAG, ()),
        (attempt(segment=Segment(100, 200)), BY_ETAG, (("Range", "bytes=105-199"), ("If-Range", '"e"'))),
        (attempt(is_probe=True), NOTHING_TO_RESUME, (("Range", "bytes=0-0"),)),
        (attempt(is_probe=True), BY_ETAG, (("Range", "bytes=0-0"),)),
        (attempt(modified_since=MODIFIED_AT), NOTHING_TO_RESUME, (("If-Modified-Since", MODIFIED),)),
        (attempt(modified_since=MODIFIED_AT), BY_ETAG, (("Range", "bytes=5-"), ("If-Range", '"e"'))),
    ],
)
def test_what_is_held_makes_the_request_conditional(what: Attempt, earlier: ResumeInfo, added: Headers) -> None:
    request = Transfer(what, TransferPolicy(), earlier, EPOCH_NOW).request(0.0)
    assert request.headers == (ACCEPT, IDENTITY, *added)


USER = Credentials(
    netrc=(("example.org", "me", "pw"),), cookies=(Cookie("example.org", False, "/", False, EPOCH_NOW + 1, "a", "1"),)
)
BASIC = ("Authorization", "Basic " + base64.b64encode(b"me:pw").decode())
OWN = ("Authorization", "Basic " + base64.b64encode(b"you:own").decode())


@pytest.mark.parametrize(
    ("url", "of_run", "of_file", "credentials", "expected"),
    [
        (URL, (("User-Agent", "us"),), (), Credentials(), (ACCEPT, IDENTITY, ("User-Agent", "us"))),
        (URL, (("User-Agent", "us"),), (("user-agent", "them"),), Credentials(), (ACCEPT, IDENTITY, ("user-agent", "them"))),
        (URL, (("ACCEPT", "text/html"),), (), Credentials(), (IDENTITY, ("ACCEPT", "text/html"))),
        (URL, (("X", "1"), ("x", "2")), (), Credentials(), (ACCEPT, IDENTITY, ("X", "1"), ("x", "2"))),
        (URL, (("X", "1"), ("x", "2")), (("x", "3"), ("X", "3")), Credentials(), (ACCEPT, IDENTITY, ("x", "3"), ("X", "3"))),
        (URL, (), (("Accept-Encoding", "gzip"),), Credentials(), (ACCEPT, ("Accept-Encoding", "gzip"))),
        (URL, (), (), USER, (ACCEPT, IDENTITY, BASIC, ("Cookie", "a=1"))),
        (URL, (), (("authorization", "x"),), USER, (ACCEPT, IDENTITY, ("authorization", "x"), ("Cookie", "a=1"))),
        ("https://you:own@example.org/x", (), (), USER, (ACCEPT, IDENTITY, OWN, ("Cookie", "a=1"))),
        ("https://other.example/x", (), (), USER, (ACCEPT, IDENTITY)),
    ],
)
def test_headers_of_the_file_go_over_those_of_the_run_and_both_over_ours(
    url: str, of_run: Headers, of_file: Headers, credentials: Credentials, expected: Headers
) -> None:
    policy = TransferPolicy(headers=of_run, credentials=credentials)
    request = Transfer(attempt(url, headers=of_file), policy, NOTHING_TO_RESUME, EPOCH_NOW).request(0.0)
    assert request.headers == expected
    assert "@" not in request.url


def test_a_resume_overrides_a_range_of_the_users() -> None:
    what = attempt(headers=(("range", "bytes=0-1"), ("if-range", "x")))
    lines = dict(Transfer(what, TransferPolicy(), BY_ETAG, EPOCH_NOW).request(0.0).headers)
    assert lines["Range"] == "bytes=5-"
    assert lines["If-Range"] == '"e"'
    assert "range" not in lines
    assert "if-range" not in lines


# --- what an answer means: the rows of the module's table, and what they leave open

BODY_AT_ZERO, GOES_ON = (HeadAction.BODY, 0), (HeadAction.BODY, 5)
CONDITIONAL = attempt(modified_since=MODIFIED_AT)

MEANINGS = [
    # 200 | either | the whole file: begin at zero
    ("200", attempt(), NOTHING_TO_RESUME, answer(200, RANGE_200), BODY_AT_ZERO),
    ("200 without length", attempt(), NOTHING_TO_RESUME, answer(200), BODY_AT_ZERO),
    ("200 to a range", attempt(), BY_ETAG, answer(200, RANGE_200, ("ETag", '"new"')), BODY_AT_ZERO),
    ("200 to a range, same etag", attempt(), BY_ETAG, answer(200, RANGE_200, ("ETag", '"e"')), BODY_AT_ZERO),
    ("200 to a range, with a content-range", attempt(), BY_ETAG, answer(200, RANGE), BODY_AT_ZERO),
    ("200 to a condition", CONDITIONAL, NOTHING_TO_RESUME, answer(200), BODY_AT_ZERO),
    # 206 that agrees | with Range | goes on from there
    ("206", attempt(), BY_ETAG, answer(206, RANGE, ("ETag", '"e"'), ("Content-Length", "5")), GOES_ON),
    ("206 without validator", attempt(), BY_ETAG, answer(206, RANGE), GOES_ON),
    ("206 by date", attempt(), BY_DATE, answer(206, RANGE, ("Last-Modified", MODIFIED), ("Date", SENT)), GOES_ON),
    ("206 without total", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 5-9/*")), GOES_ON),
    ("206, total not known before", attempt(), NO_TOTAL, answer(206, RANGE), GOES_ON),
    ("206, no etag", attempt(), BY_BOTH, answer(206, RANGE, ("Last-Modified", MODIFIED)), GOES_ON),
    (
        "206, same etag, other date",
        attempt(),
        BY_BOTH,
        answer(206, RANGE, ("ETag", '"e"'), ("Last-Modified", OTHER_TIME)),
        GOES_ON,
    ),
    ("206, etag not known before", attempt(), BY_DATE, answer(206, RANGE, ("ETag", '"e"')), GOES_ON),
    ("206 with fewer bytes", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 5-7/10")), GOES_ON),
    ("206, chunked", attempt(), BY_ETAG, answer(206, RANGE, ("Transfer-Encoding", "chunked")), GOES_ON),
    (
        "206 of a segment",
        attempt(segment=Segment(100)),
        BY_ETAG,
        answer(206, ("Content-Range", "bytes 105-109/*")),
        (HeadAction.BODY, 105),
    ),
    # 206, anything else | with Range | begin again at zero
    ("206 without range", attempt(), BY_ETAG, answer(206), End.MUST_RESTART),
    ("206, no total at all", attempt(), NO_TOTAL, answer(206, ("Content-Range", "bytes 5-9/*")), End.MUST_RESTART),
    ("206, no etag, date changed", attempt(), BY_BOTH, answer(206, RANGE, ("Last-Modified", OTHER_TIME)), End.MUST_RESTART),
    ("206, malformed range", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 5-9")), End.MUST_RESTART),
    ("206, unsatisfied range", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes */10")), End.MUST_RESTART),
    ("206, wrong start", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 4-9/10")), End.MUST_RESTART),
    ("206, from zero", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 0-9/10")), End.MUST_RESTART),
    ("206 of a segment, wrong start", attempt(segment=Segment(100)), BY_ETAG, answer(206, RANGE), End.MUST_RESTART),
    ("206, total changed", attempt(), BY_ETAG, answer(206, ("Content-Range", "bytes 5-10/11")), End.MUST_RESTART),
    ("206, etag changed", attempt(), BY_ETAG, answer(206, RANGE, ("ETag", '"new"')), End.MUST_RESTART),
    ("206, etag now weak", attempt(), BY_ETAG, answer(206, RANGE, ("ETag", 'W/"e"')), End.MUST_RESTART),
    ("206, date changed", attempt(), BY_DATE, answer(206, RANGE, ("Last-Modified", OTHER_TIME)), End.MUST_RESTART),
    ("206, too long", attempt(), BY_ETAG, answer(206, RANGE, ("Content-Length", "6")), End.MUST_RESTART),
    ("206, too short", attempt(), BY_ETAG, answer(206, RANGE, ("Content-Length", "4")), End.MUST_RESTART),
    # 206 | no | ProtocolError
    ("206 unasked", attempt(), NOTHING_TO_RESUME, answer(206, RANGE), ProtocolError),
    ("206 unasked, from zero", attempt(), NOTHING_TO_RESUME, answer(206, ("Content-Range", "bytes 0-9/10")), ProtocolError),
    ("206, unvouched", attempt(), NO_VALIDATOR, answer(206, RANGE), ProtocolError),
    ("206, fresh", attempt(from_scratch=True), BY_ETAG, answer(206, RANGE), ProtocolError),
    # 416, */N and N is what we hold, validator agrees | with Range | complete already
    ("416", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */5")), End.COMPLETE),
    ("416, same etag", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */5"), ("ETag", '"e"')), End.COMPLETE),
    ("416, known by etag", attempt(), NO_TOTAL, answer(416, ("Content-Range", "bytes */5"), ("ETag", '"e"')), End.COMPLETE),
    # 416, anything else | with Range | begin again at zero
    ("416, another size", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */6")), End.MUST_RESTART),
    ("416, smaller", attempt(), BY_ETAG, answer(416, ("Content-Range", "bytes */4")), End.MUST_RESTART),
    ("416, nothing known", attempt(), NO_TOTAL, answer(416, ("Content-Range", "bytes */5")), End.MUST_RESTART),
    ("416, we know of more", attempt(), BY_ETAG, answer(416, ("Content-Range", "bytes */5")), End.MUST_RESTART),
    ("416 without range", attempt(), ALL_OF_IT, answer(416), End.MUST_RESTART),
    ("416, satisfied range", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes 0-4/5")), End.MUST_RESTART),
    ("416, total unknown", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */*")), End.MUST_RESTART),
    ("416, etag changed", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */5"), ("ETag", '"f"')), End.MUST_RESTART),
    ("416, weak etag", attempt(), ALL_OF_IT, answer(416, ("Content-Range", "bytes */5"), ("ETag", 'W/"e"')), End.MUST_RESTART),
    (
        "416, date changed",
        attempt(),
        ResumeInfo(5, Validator("", MODIFIED), 5),
        answer(416, ("Content-Range", "bytes */5"), ("Last-Modified", OTHER_TIME)),
        End.MUST_RESTART,
    ),
    ("416 unasked", attempt(), NOTHING_TO_RESUME, answer(416, ("Content-Range", "bytes */5")), HTTPStatusError),
    # 304 | conditional | the file is still good
    ("304", CONDITIONAL, NOTHING_TO_RESUME, answer(304), End.NOT_MODIFIED),
    ("304 unasked", attempt(), NOTHING_TO_RESUME, answer(304), ProtocolError),
    ("304 to a range", CONDITIONAL, BY_ETAG, answer(304), ProtocolError),
    # 301, 302, 303, 307, 308 | either | follow
    *(
        (
            f"{status}{' to a range' if earlier.size else ''}",
            attempt(),
            earlier,
            answer(status, ("Location", "/b")),
            HeadAction.FOLLOW,
        )
        for status in (301, 302, 303, 307, 308)
        for earlier in (NOTHING_TO_RESUME, BY_ETAG)
    ),
    # 204, 205 | either | an empty file
    *(
        (f"{n} {earlier.size}", attempt(), earlier, answer(n), HeadAction.BODY)
        for n in (204, 205)
        for earlier in (NOTHING_TO_RESUME, BY_ETAG)
    ),
    ("204, one Segment", attempt(segment=Segment(100, 200)), BY_ETAG, answer(204), End.MUST_RESTART),
    # 401, 403, 407 | either | AuthError
    *(
        (str(status), attempt(), earlier, answer(status), AuthError)
        for status in (401, 403, 407)
        for earlier in (NOTHING_TO_RESUME, BY_ETAG)
    ),
    # other 1xx, 2xx and 3xx | either | ProtocolError
    *((str(n), attempt(), NOTHING_TO_RESUME, answer(n), ProtocolError) for n in (100, 101, 199, 201, 202, 203, 207, 226, 299)),
    *((f"{n} nowhere", attempt(), BY_ETAG, answer(n), ProtocolError) for n in (300, 301, 302, 303, 305, 306, 307, 308, 399)),
    *((f"{n} with place", attempt(), BY_ETAG, answer(n, ("Location", "/b")), ProtocolError) for n in (200 + 1, 300, 305, 306)),
    ("301 to an empty place", attempt(), NOTHING_TO_RESUME, answer(301, ("Location", "")), ProtocolError),
    # other | either | HTTPStatusError
    *(
        (str(n), attempt(), NOTHING_TO_RESUME, answer(n), HTTPStatusError)
        for n in (400, 402, 404, 410, 418, 429, 451, 500, 503, 599, 999)
    ),
    *((f"{n} to a range", attempt(), BY_ETAG, answer(n), HTTPStatusError) for n in (404, 412, 503)),
    # a probe takes no body
    ("probe, 200", attempt(is_probe=True), NOTHING_TO_RESUME, answer(200), End.NAME_LEARNED),
    ("probe, 206", attempt(is_probe=True), NOTHING_TO_RESUME, answer(206, ("Content-Range", "bytes 0-0/10")), End.NAME_LEARNED),
    ("probe, 416", attempt(is_probe=True), BY_ETAG, answer(416, ("Content-Range", "bytes */0")), End.NAME_LEARNED),
    ("probe, 302", attempt(is_probe=True), NOTHING_TO_RESUME, answer(302, ("Location", "/b")), HeadAction.FOLLOW),
    ("probe, 404", attempt(is_probe=True), NOTHING_TO_RESUME, answer(404), HTTPStatusError),
    # heads that cannot be
    ("two lengths", attempt(), NOTHING_TO_RESUME, answer(200, RANGE_200, ("Content-Length", "11")), ProtocolError),
    ("a length that is none", attempt(), NOTHING_TO_RESUME, answer(200, ("Content-Length", "many")), ProtocolError),
    (
        "length and coding",
        attempt(),
        NOTHING_TO_RESUME,
        answer(200, RANGE_200, ("Transfer-Encoding", "chunked")),
        ProtocolError,
    ),
    ("a flood", attempt(), NOTHING_TO_RESUME, answer(200, *[("X", "y" * 1000)] * 70), ProtocolError),
]


@pytest.mark.parametrize(
    ("what", "earlier", "head", "meaning"), [row[1:] for row in MEANINGS], ids=[row[0] for row in MEANINGS]
)
def test_each_answer_has_one_meaning(
    what: Attempt, earlier: ResumeInfo, head: Head, meaning: HeadAction | End | type[DownloadError] | tuple[HeadAction, int]
) -> None:
    state = transfer(what, earlier)
    if isinstance(meaning, type):
        with pytest.raises(meaning) as caught:
            state.on_head(head, 0.0)
        assert type(caught.value) is meaning
        assert state.status == head.status
        return
    move = state.on_head(head, 0.0)
    assert state.status == head.status
    if isinstance(meaning, End):
        assert (move, ENDS[state.state]) == (HeadAction.STOP, meaning)
    elif isinstance(meaning, tuple):
        assert (move, state.offset) == meaning
        assert state.state is State.BODY_ANNOUNCED
    else:
        assert move is meaning


def test_a_416_that_completes_has_the_size_and_validator() -> None:
    state = transfer(earlier=ALL_OF_IT)
    state.on_head(answer(416, ("Content-Range", "bytes */5")), 0.0)
    outcome = state.outcome(1.5)
    assert (outcome.end, outcome.size, outcome.etag, outcome.received, outcome.elapsed) == (End.COMPLETE, 5, '"e"', 0, 1.5)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_each_refusal_of_credentials_says_what_to_do(status: int) -> None:
    with pytest.raises(AuthError) as caught:
        transfer().on_head(answer(status), 0.0)
    assert caught.value.status == status
    assert AuthError.HINTS[status] in str(caught.value)
    assert URL in str(caught.value)


@pytest.mark.parametrize(
    ("status", "sent", "said"),
    [
        (401, (), "the server requires credentials: --user, --netrc or -H"),
        (401, (BASIC,), "wrong user name or password"),
        (401, (("authorization", "Bearer x"),), "the server does not accept the Authorization header that was sent"),
        (403, (), "the server refuses this request: it may require credentials (--user, --netrc, -H)"),
        (403, (("X-Api-Key", "x"),), "the server refuses this request with the credentials that were sent"),
        (403, (BASIC,), "the server refuses this request with the credentials that were sent"),
    ],
)
def test_refusal_speaks_of_credentials_only_where_some_were_sent(status: int, sent: Headers, said: str) -> None:
    state = transfer(policy=TransferPolicy(headers=sent))
    with pytest.raises(AuthError) as caught:
        state.on_head(answer(status), 0.0)
    assert caught.value.hint == said


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        ((("Retry-After", "17"),), 17.0),
        ((("Retry-After", OTHER_TIME), ("Date", MODIFIED)), 623.0),
        ((("Retry-After", OTHER_TIME), ("Date", "no date")), 0.0),
        ((("Retry-After", "Mon, 07 Nov 1994 09:21:00 GMT"),), 784200060.0 - EPOCH_NOW),
        ((("Retry-After", "soon"),), None),
    ],
)
def test_a_server_may_say_when_to_come_back_by_its_own_clock_or_ours(headers: Headers, seconds: float | None) -> None:
    state = transfer()
    with pytest.raises(HTTPStatusError) as caught:
        state.on_head(answer(503, *headers), 0.0)
    assert caught.value.retry_after == seconds
    assert caught.value.retryable


def test_a_whole_answer_describes_the_file() -> None:
    digest = hashlib.sha256(b"x").digest()
    mine = Checksum("md5", "0" * 32)
    state = transfer(attempt(checksums=(mine,)))
    state.on_head(
        answer(
            200,
            RANGE_200,
            ("ETag", '"e"'),
            ("Last-Modified", MODIFIED),
            ("Date", SENT),
            ("Content-Digest", f"sha-256=:{base64.b64encode(digest).decode()}:"),
        ),
        0.0,
    )
    assert state.validator == Validator('"e"', MODIFIED)
    assert state.last_modified == MODIFIED_AT
    assert (state.total, state.expected, state.offset, state.resuming) == (10, 10, 0, False)
    assert state.digests == (mine, Checksum("sha256", digest.hex()))


def test_a_digest_that_the_user_gave_goes_over_that_of_the_server() -> None:
    mine = Checksum("sha256", "0" * 64)
    state = transfer(attempt(checksums=(mine,)))
    theirs = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    state.on_head(answer(200, ("Repr-Digest", f"sha-256=:{theirs}:"), ("Digest", f"SHA-256={theirs}")), 0.0)
    assert state.digests == (mine,)


def test_a_range_keeps_the_validator_and_ignores_its_digest() -> None:
    digest = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    state = transfer(earlier=BY_DATE)
    state.on_head(answer(206, RANGE, ("Content-Digest", f"sha-256=:{digest}:")), 0.0)
    assert state.validator == BY_DATE.validator
    assert state.last_modified == MODIFIED_AT
    assert state.digests == ()
    assert (state.total, state.expected) == (10, 5)


def digest_of(data: bytes) -> tuple[Checksum, str]:
    """A SHA-256 digest, and a Repr-Digest that says it."""
    digest = hashlib.sha256(data).digest()
    return Checksum("sha256", digest.hex()), f"sha-256=:{base64.b64encode(digest).decode()}:"


OLD_DIGEST, NEW_DIGEST = digest_of(b"old"), digest_of(b"new")
SAID_BEFORE = ResumeInfo(5, Validator('"e"', MODIFIED), 10, (OLD_DIGEST[0],))


@pytest.mark.parametrize(
    ("head", "checksums", "announced", "verified"),
    [
        (answer(206, RANGE), (), (OLD_DIGEST[0],), (OLD_DIGEST[0],)),
        (answer(206, RANGE, ("Repr-Digest", NEW_DIGEST[1])), (), (NEW_DIGEST[0],), (NEW_DIGEST[0],)),
        (answer(206, RANGE, ("Repr-Digest", "nonsense")), (), (OLD_DIGEST[0],), (OLD_DIGEST[0],)),
        (answer(206, RANGE), (NEW_DIGEST[0],), (OLD_DIGEST[0],), (NEW_DIGEST[0],)),
        (answer(200), (), (), ()),
        (answer(200, ("Repr-Digest", NEW_DIGEST[1])), (), (NEW_DIGEST[0],), (NEW_DIGEST[0],)),
    ],
)
def test_what_the_server_said_of_the_whole_holds_for_the_rest_of_it(
    head: Head, checksums: tuple[Checksum, ...], announced: tuple[Checksum, ...], verified: tuple[Checksum, ...]
) -> None:
    state = transfer(attempt(checksums=checksums), SAID_BEFORE)
    state.on_head(head, 0.0)
    state.start_body(0.0)
    assert state.digests == verified
    assert state.resume_info.digests == announced


def test_what_is_complete_already_is_verified_by_what_was_said_before() -> None:
    state = transfer(earlier=ResumeInfo(5, Validator('"e"'), 5, (OLD_DIGEST[0],)))
    state.on_head(answer(416, ("Content-Range", "bytes */5")), 0.0)
    assert state.digests == (OLD_DIGEST[0],)


def test_what_was_promised_is_for_whoever_goes_on() -> None:
    state = transfer()
    state.on_head(
        answer(200, RANGE_200, ("ETag", '"e"'), ("Last-Modified", MODIFIED), ("Date", SENT), ("Repr-Digest", OLD_DIGEST[1])),
        0.0,
    )
    state.start_body(0.0)
    state.on_data(4, 0.0)
    assert state.resume_info == ResumeInfo(4, Validator('"e"', MODIFIED), 10, (OLD_DIGEST[0],))


def test_a_file_that_changed_does_not_get_the_date_of_what_was_held() -> None:
    state = transfer(earlier=ResumeInfo(5, Validator('"e"', MODIFIED), 10))
    state.on_head(answer(200, ("ETag", '"new"')), 0.0)
    assert state.last_modified is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [((), ""), ((("Content-Disposition", 'attachment; filename="a b.txt"'),), "a b.txt")],
)
def test_a_probe_learns_the_name(disposition: Headers, name: str) -> None:
    state = transfer(attempt(is_probe=True))
    state.on_head(answer(206, *disposition), 0.0)
    assert (state.outcome(0.1).end, state.outcome(0.1).proposed_name) == (End.NAME_LEARNED, name)


# --- redirects


def follow(state: Transfer, location: str, status: int = 302) -> Request:
    """The request after a redirect."""
    assert state.on_head(answer(status, ("Location", location)), 0.0) is HeadAction.FOLLOW
    return state.request(0.0)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://example.org/b"),
        ("b?x#y", "https://example.org/dir/b?x"),
        ("?x", "https://example.org/dir/file?x"),
        ("../b", "https://example.org/b"),
        ("//other.example/b", "https://other.example/b"),
        ("https://other.example:8443/b c", "https://other.example:8443/b%20c"),
        ("https://you:own@other.example/b", "https://other.example/b"),
        (" /b ", "https://example.org/b"),
        ("/caf\xe9", "https://example.org/caf%E9"),
        ("/caf\xc3\xa9", "https://example.org/caf%C3%A9"),
        ("/a%20b%2Fc", "https://example.org/a%20b%2Fc"),
    ],
)
def test_a_redirect_leads_to_an_absolute_clean_url(location: str, target: str) -> None:
    assert follow(transfer(), location).url == target


@pytest.mark.parametrize("limit", [0, 1, 10])
def test_redirects_are_followed_so_many_times(limit: int) -> None:
    state = transfer(policy=TransferPolicy(max_redirects=limit))
    for number in range(limit):
        follow(state, f"/{number}")
    with pytest.raises(ProtocolError, match=f"more than {limit} redirects"):
        state.on_head(answer(302, ("Location", "/again")), 0.0)


PRIVATE: Headers = (("Authorization", "Bearer x"), ("Cookie", "a=1"), ("X-Api-Key", "k"), ("Private-Token", "t"))
ORDINARY: Headers = (("User-Agent", "us"), ("Referer", "r"))


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/b", True),
        ("https://example.org:443/b", True),
        ("https://www.example.org/b", False),
        ("https://example.org:8443/b", False),
        ("http://example.org/b", False),
        ("http://example.org:443/b", False),
        ("//evil.example/b", False),
    ],
)
def test_private_headers_do_not_cross_to_another_scheme_host_or_port(location: str, kept: bool) -> None:
    policy = TransferPolicy(headers=ORDINARY[:1] + PRIVATE[:2], allow_downgrade=True)
    request = follow(transfer(attempt(headers=ORDINARY[1:] + PRIVATE[2:]), policy=policy), location)
    assert set(request.headers) == {ACCEPT, IDENTITY, *ORDINARY, *(PRIVATE if kept else ())}


def test_private_headers_that_were_dropped_do_not_come_back() -> None:
    state = transfer(attempt(headers=PRIVATE))
    follow(state, "https://other.example/")
    assert follow(state, URL).headers == (ACCEPT, IDENTITY)


@pytest.mark.parametrize(
    ("location", "kept"), [("/b", True), ("https://other.example/b", False), ("//example.org:8443/", False)]
)
def test_the_user_of_a_url_stays_within_its_origin(location: str, kept: bool) -> None:
    request = follow(transfer(attempt("https://you:own@example.org/a")), location)
    assert (OWN in request.headers) is kept
    assert "you" not in request.url


@pytest.mark.parametrize("location", ["https://other.example/b", "https://other.example:8443/b"])
def test_netrc_entries_and_cookies_of_one_host_do_not_go_to_another(location: str) -> None:
    request = follow(transfer(policy=TransferPolicy(credentials=USER)), location)
    assert request.headers == (ACCEPT, IDENTITY)


@pytest.mark.parametrize(
    ("netrc", "location"),
    [
        (("", "me", "pw"), "https://evil.example/b"),
        (("example.org", "me", "pw"), "https://example.org:8443/b"),
        (("example.org", "me", "pw"), "http://example.org/b"),
    ],
)
def test_a_netrc_password_does_not_follow_to_another_scheme_host_or_port(netrc: tuple[str, str, str], location: str) -> None:
    policy = TransferPolicy(credentials=Credentials(netrc=(netrc,)), allow_downgrade=True)
    state = Transfer(attempt(), policy, NOTHING_TO_RESUME, EPOCH_NOW)
    assert BASIC in state.request(0.0).headers
    assert BASIC not in follow(state, location).headers


def test_netrc_is_used_for_the_host_of_a_redirect() -> None:
    policy = TransferPolicy(credentials=Credentials(netrc=(("other.example", "me", "pw"),)))
    assert BASIC in follow(transfer(policy=policy), "https://other.example/b").headers


def test_a_netrc_password_is_not_sent_in_the_clear_after_a_redirect_from_https() -> None:
    policy = TransferPolicy(credentials=Credentials(netrc=(("other.example", "me", "pw"),)), allow_downgrade=True)
    assert BASIC not in follow(transfer(policy=policy), "http://other.example/b").headers
    assert BASIC in follow(transfer(attempt("http://example.org/a"), policy=policy), "http://other.example/b").headers


def test_https_to_http_is_refused_unless_allowed() -> None:
    with pytest.raises(PolicyError, match="https to http") as caught:
        transfer().on_head(answer(302, ("Location", "http://example.org/b")), 0.0)
    assert "--allow-downgrade" in str(caught.value)
    assert follow(transfer(policy=TransferPolicy(allow_downgrade=True)), "http://example.org/b").url == "http://example.org/b"


def test_http_to_https_and_http_to_http_are_followed() -> None:
    state = transfer(attempt("http://example.org/a"))
    assert follow(state, "/b").url == "http://example.org/b"
    assert follow(state, "https://example.org/c").url == "https://example.org/c"


@pytest.mark.parametrize(
    "location", ["ftp://example.org/x", "file:///etc/passwd", "javascript:alert(1)", "data:,x", "mailto:a@b.c"]
)
def test_a_redirect_to_another_kind_of_url_is_refused(location: str) -> None:
    state = transfer()
    with pytest.raises(PolicyError):
        state.on_head(answer(302, ("Location", location)), 0.0)
    assert state.url == URL


@pytest.mark.parametrize(
    "location",
    ["http://[bad/", "https://example.org:port/", "https://example.org:65536/", "https://:443/"],
)
def test_a_malformed_redirect_ends_the_attempt(location: str) -> None:
    state = transfer()
    with pytest.raises((PolicyError, ProtocolError)) as caught:
        state.on_head(answer(302, ("Location", location)), 0.0)
    assert not caught.value.retryable
    assert caught.value.url == URL


def test_an_error_about_a_redirect_shows_no_password() -> None:
    state = transfer(attempt("https://you:own@example.org/a?token=hunter2"))
    with pytest.raises(PolicyError) as caught:
        state.on_head(answer(302, ("Location", "ftp://them:theirs@example.org/x?token=hunter3")), 0.0)
    for secret in ("own", "theirs", "hunter"):
        assert secret not in str(caught.value)


def test_a_range_is_asked_for_again_after_a_redirect() -> None:
    request = follow(transfer(earlier=BY_ETAG), "https://other.example/b")
    assert request.headers == (ACCEPT, IDENTITY, ("Range", "bytes=5-"), ("If-Range", '"e"'))


def test_the_outcome_tells_where_the_redirects_led_without_its_password() -> None:
    state = transfer(attempt("https://you:own@example.org/a"))
    assert state.outcome(0.0).final_url == "https://example.org/a"
    follow(state, "https://x:y@other.example/b?sig=z&n=1")
    state.on_head(answer(200), 0.0)
    assert state.outcome(0.0).final_url == "https://other.example/b?sig=***&n=1"


# --- the body


def receive(state: Transfer, pieces: list[int], at: float = 0.0) -> None:
    """Take in pieces of so many bytes, all at one time, and the end."""
    state.start_body(at)
    for count in pieces:
        state.on_data(count, at)
    state.on_end()


@pytest.mark.parametrize(
    ("earlier", "head", "pieces", "size"),
    [
        (NOTHING_TO_RESUME, answer(200, RANGE_200), [10], 10),
        (NOTHING_TO_RESUME, answer(200, RANGE_200), [3, 7], 10),
        (NOTHING_TO_RESUME, answer(200, ("Content-Length", "0")), [], 0),
        (NOTHING_TO_RESUME, answer(200), [4], 4),
        (NOTHING_TO_RESUME, answer(200), [], 0),
        (NOTHING_TO_RESUME, answer(200, ("Transfer-Encoding", "chunked")), [4], 4),
        (BY_ETAG, answer(206, RANGE), [5], 10),
        (BY_ETAG, answer(206, ("Content-Range", "bytes 5-9/*")), [5], 10),
        (NO_TOTAL, answer(206, RANGE), [2, 3], 10),
        (BY_ETAG, answer(200, ("Content-Length", "3")), [3], 3),
    ],
)
def test_a_body_is_complete_when_all_that_was_announced_has_come(
    earlier: ResumeInfo, head: Head, pieces: list[int], size: int
) -> None:
    state = transfer(earlier=earlier)
    state.on_head(head, 0.0)
    receive(state, pieces)
    outcome = state.outcome(2.0)
    assert (outcome.end, outcome.size, outcome.received, outcome.status) == (End.COMPLETE, size, sum(pieces), head.status)


@pytest.mark.parametrize(
    ("earlier", "head", "pieces"),
    [
        (NOTHING_TO_RESUME, answer(200, RANGE_200), []),
        (NOTHING_TO_RESUME, answer(200, RANGE_200), [9]),
        (BY_ETAG, answer(206, RANGE), [4]),
        (BY_ETAG, answer(206, ("Content-Range", "bytes 5-7/10")), [3]),
        (BY_ETAG, answer(206, ("Content-Range", "bytes 5-7/*")), [3]),
        (NO_TOTAL, answer(206, RANGE), [2]),
        (BY_ETAG, answer(206, RANGE, ("Transfer-Encoding", "chunked")), [4]),
    ],
)
def test_a_body_that_ends_too_early_is_truncated_and_retryable(earlier: ResumeInfo, head: Head, pieces: list[int]) -> None:
    state = transfer(earlier=earlier)
    state.on_head(head, 0.0)
    with pytest.raises(NetworkError, match="truncated") as caught:
        receive(state, pieces)
    assert caught.value.retryable
    assert state.outcome(0.0, error=caught.value).end is End.FAILED


@pytest.mark.parametrize(
    ("earlier", "head", "pieces"),
    [
        (NOTHING_TO_RESUME, answer(200, RANGE_200), [11]),
        (NOTHING_TO_RESUME, answer(200, RANGE_200), [10, 1]),
        (NOTHING_TO_RESUME, answer(200, ("Content-Length", "0")), [1]),
        (BY_ETAG, answer(206, RANGE), [6]),
    ],
)
def test_a_body_longer_than_announced_is_an_error(earlier: ResumeInfo, head: Head, pieces: list[int]) -> None:
    state = transfer(earlier=earlier)
    state.on_head(head, 0.0)
    with pytest.raises(ProtocolError, match="more bytes than announced"):
        receive(state, pieces)


@pytest.mark.parametrize(
    ("earlier", "head", "pieces"),
    [
        (NOTHING_TO_RESUME, answer(200, ("Content-Length", "9")), None),
        (NOTHING_TO_RESUME, answer(200, ("Content-Length", "11")), None),
        (NOTHING_TO_RESUME, answer(200), [9]),
        (NOTHING_TO_RESUME, answer(200), [11]),
        (NO_TOTAL, answer(206, ("Content-Range", "bytes 5-8/9")), None),
        (ResumeInfo(5, Validator('"e"'), 9), answer(206, ("Content-Range", "bytes 5-8/*")), None),
        (
            ALL_OF_IT,
            answer(416, ("Content-Range", "bytes */5")),
            None,
        ),
    ],
)
def test_another_size_than_was_known_is_an_integrity_error(earlier: ResumeInfo, head: Head, pieces: list[int] | None) -> None:
    state = transfer(attempt(size=10), earlier)
    if pieces is None:
        with pytest.raises(IntegrityError, match="the size is wrong"):
            state.on_head(head, 0.0)
        return
    state.on_head(head, 0.0)
    with pytest.raises(IntegrityError, match="the size is wrong"):
        receive(state, pieces)


@pytest.mark.parametrize(
    ("earlier", "head", "pieces"), [(NOTHING_TO_RESUME, answer(200), [10]), (BY_ETAG, answer(206, RANGE), [5])]
)
def test_the_size_that_was_known_is_good(earlier: ResumeInfo, head: Head, pieces: list[int]) -> None:
    state = transfer(attempt(size=10), earlier)
    state.on_head(head, 0.0)
    receive(state, pieces)
    assert state.state is State.COMPLETE


@given(st.integers(0, 60), st.booleans(), st.lists(st.integers(1, 20), max_size=8), st.booleans())
def test_any_chunking_of_a_body_has_the_same_outcome(length: int, sends_length: bool, pieces: list[int], resume: bool) -> None:
    size = length + 1 if resume else length  # to come
    earlier = ResumeInfo(5, Validator('"e"'), 5 + size) if resume else NOTHING_TO_RESUME

    def run(chunks: list[int]) -> tuple[Outcome, type[Exception] | None]:
        state = transfer(earlier=earlier)
        if resume:
            state.on_head(answer(206, ("Content-Range", f"bytes 5-{4 + size}/{5 + size if sends_length else '*'}")), 0.0)
        else:
            state.on_head(answer(200, *((("Content-Length", str(size)),) if sends_length else ())), 0.0)
        try:
            receive(state, chunks)
        except DownloadError as error:
            return Outcome(7, End.FAILED), type(error)
        return state.outcome(1.0), None

    total = sum(pieces)
    at_once, byte_by_byte, as_drawn = run([total] if total else []), run([1] * total), run(pieces)
    assert at_once == byte_by_byte == as_drawn
    wanted = NetworkError if total < size else ProtocolError if total > size else None
    assert at_once[1] is (wanted if sends_length or resume else None)


# --- speed


@pytest.mark.parametrize(
    ("limit", "window", "counts", "stalls_at"),
    [
        (100, 10.0, [(5, 0), (10, 999)], 10),
        (100, 10.0, [(5, 500), (10, 500)], None),
        (100, 10.0, [(9.9, 0)], None),
        (100, 10.0, [(10, 1000), (20, 999)], 20),
        (100, 10.0, [(10, 5000), (20, 0)], 20),  # what came in one window does not help in the next
        (100, 10.0, [(40, 3999)], 40),
        (100, 10.0, [(40, 4000)], None),
        (0, 10.0, [(10, 0), (1000, 0)], None),
        (100, 0.0, [(10, 0), (1000, 0)], None),
        (1, 30.0, [(30, 1)], 30),
        (1, 30.0, [(30, 30), (60, 29)], 60),
    ],
)
def test_a_stall_is_a_whole_window_with_too_few_bytes(
    limit: int, window: float, counts: list[tuple[float, int]], stalls_at: float | None
) -> None:
    gate = StallDetector(limit, window, now=0.0)
    found = [now for now, count in counts if gate.stalled(count, now)]
    assert found == ([] if stalls_at is None else [stalls_at])


@given(
    st.integers(1, 1000),
    st.floats(1, 100),
    st.lists(st.tuples(st.floats(0.001, 50), st.integers(0, 1000)), max_size=30),
)
def test_what_is_never_slower_than_the_limit_never_stalls(limit: int, window: float, steps: list[tuple[float, int]]) -> None:
    gate = StallDetector(limit, window, now=0.0)
    for now, (pause, more) in zip(itertools.accumulate(step[0] for step in steps), steps, strict=True):
        assert not gate.stalled(round(limit * pause) + 1 + more, now)


def test_a_slow_body_is_a_retryable_network_error() -> None:
    state = transfer(policy=TransferPolicy(low_speed_limit=10, low_speed_time=5.0))
    state.on_head(answer(200, ("Content-Length", "1000")), 0.0)
    state.start_body(100.0)  # waiting for the head was no part of the body
    state.on_data(1, 104.9)
    with pytest.raises(NetworkError, match="too slow") as caught:
        state.on_data(1, 105.0)
    assert caught.value.retryable
    assert state.received == 2


# --- outcomes


def test_an_outcome_says_all_that_happened() -> None:
    state = transfer()
    state.on_head(answer(200, RANGE_200, ("ETag", '"e"')), 0.0)
    receive(state, [10])
    outcome = state.outcome(2.5, path="file.1")
    assert outcome == Outcome(
        key=7,
        end=End.COMPLETE,
        received=10,
        size=10,
        elapsed=2.5,
        status=200,
        final_url=URL,
        etag='"e"',
        path="file.1",
        proposed_name="",
        error=None,
    )
    assert pickle.loads(pickle.dumps(outcome)) == outcome


@pytest.mark.parametrize(
    ("error", "end"),
    [(NetworkError("reset"), End.FAILED), (IntegrityError("wrong"), End.FAILED), (Interrupted("stopped"), End.INTERRUPTED)],
)
def test_an_error_makes_the_outcome_whatever_was_decided(error: DownloadError, end: End) -> None:
    state = transfer()
    state.on_head(answer(200), 0.0)
    receive(state, [3])
    outcome = state.outcome(1.0, error=error)
    assert (outcome.end, outcome.error, outcome.path, outcome.size) == (end, error, "file", 3)


def test_only_a_file_that_is_complete_counts_as_verified() -> None:
    state = transfer(attempt(checksums=(Checksum("md5", "0" * 32),)))
    state.on_head(answer(200, RANGE_200), 0.0)
    receive(state, [10])
    assert state.outcome(1.0).verified
    assert not state.outcome(1.0, error=IntegrityError("the md5 checksum is wrong")).verified


def test_what_the_tests_take_for_dates_are_dates() -> None:
    assert http_date(MODIFIED) == MODIFIED_AT
