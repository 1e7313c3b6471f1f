"""Header fields: what each value means, and which ones mean nothing."""

import base64
import hashlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.digests import hex_digits
from downloader.core.facts import Checksum, Validator
from downloader.core.http import headers as h
from downloader.core.http.digest_fields import byte_sequences
from downloader.core.http.headers import MAX_HEAD_BYTES, ContentRange, Fields, read_fields
from downloader.errors import ProtocolError

BODY = b"the whole file"
SHA256, SHA512 = hashlib.sha256(BODY), hashlib.sha512(BODY)
B64_256 = base64.b64encode(SHA256.digest()).decode()
B64_512 = base64.b64encode(SHA512.digest()).decode()
B64_MD5, IS_MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode(), Checksum("md5", hashlib.md5(BODY).hexdigest())
IS_256, IS_512 = Checksum("sha256", SHA256.hexdigest()), Checksum("sha512", SHA512.hexdigest())
CHANGED = "Sun, 06 Nov 1994 08:49:37 GMT"
CHANGED_AT = 784111777.0


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local time zone that is not UTC, and no dates remembered from before."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5EDT")
        time.tzset()
        h.http_date.cache_clear()
        yield
    time.tzset()
    h.http_date.cache_clear()


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("0", 0),
        ("42", 42),
        (" 42\t", 42),
        ("007", 7),
        ("42, 42", 42),
        ("42,42 ,\t42", 42),
        ("9" * 19, int("9" * 19)),
    ],
)
def test_a_content_length_is_one_number_or_the_same_one_repeated(value: str, length: int) -> None:
    assert h.content_length(value) == length


@pytest.mark.parametrize(
    "value",
    ["", " ", ",", "42,", "-1", "+1", "1e3", "0x10", "4 2", "42, 43", "42;", "1.0", "٤٢", "²", "1_000", "9" * 20, "abc"],
)
def test_anything_else_is_no_content_length(value: str) -> None:
    with pytest.raises(ProtocolError, match="not a Content-Length"):
        h.content_length(value)


@given(st.text(max_size=30))
def test_a_content_length_is_a_number_or_a_protocol_error(value: str) -> None:
    try:
        length = h.content_length(value)
    except ProtocolError:
        return
    assert 0 <= length < 10**19
    assert all(int(item.strip()) == length for item in value.split(","))


def test_a_protocol_error_shows_only_the_beginning_of_a_long_value() -> None:
    with pytest.raises(ProtocolError) as caught:
        h.content_length("x" * 10_000)
    assert len(str(caught.value)) < 100


def test_fields_are_found_in_any_case_and_without_surrounding_space() -> None:
    fields = read_fields(
        [
            ("CONTENT-LENGTH", "5"),
            ("content-range", " bytes 0-4/5 "),
            ("Content-Disposition", "attachment"),
            ("Content-Encoding", "gzip"),
            ("Date", "d"),
            ("eTaG", '\t"e" '),
            ("Last-Modified", "m"),
            ("Location", "/x"),
            ("Retry-After", "1"),
            ("Repr-Digest", "r"),
            ("Content-Digest", "c"),
            ("Digest", "g"),
            ("Server", "ignored"),
        ]
    )
    assert fields == Fields(
        length=5,
        chunked=False,
        content_range="bytes 0-4/5",
        disposition="attachment",
        encoding="gzip",
        date="d",
        etag='"e"',
        last_modified="m",
        location="/x",
        retry_after="1",
        repr_digest="r",
        content_digest="c",
        digest="g",
    )


def test_an_answer_without_fields_says_nothing() -> None:
    assert read_fields([]) == Fields()


def test_two_different_content_length_fields_are_an_error() -> None:
    with pytest.raises(ProtocolError, match="two different Content-Length"):
        read_fields([("Content-Length", "5"), ("content-length", "6")])


def test_two_equal_content_length_fields_are_one() -> None:
    assert read_fields([("Content-Length", "5"), ("content-length", "5,5")]).length == 5


@pytest.mark.parametrize("value", ["chunked", "Chunked", " chunked "])
def test_a_chunked_answer_has_no_length(value: str) -> None:
    assert read_fields([("Transfer-Encoding", value)]) == Fields(chunked=True)


@pytest.mark.parametrize("value", ["gzip", "gzip, chunked", "chunked, chunked", "identity", ""])
def test_another_transfer_coding_is_an_error(value: str) -> None:
    with pytest.raises(ProtocolError, match="transfer coding"):
        read_fields([("Transfer-Encoding", value)])


@pytest.mark.parametrize("order", [1, -1])
def test_a_transfer_coding_beside_a_length_is_an_error(order: int) -> None:
    with pytest.raises(ProtocolError, match="both Transfer-Encoding and Content-Length"):
        read_fields([("Content-Length", "5"), ("Transfer-Encoding", "chunked")][::order])


def test_a_flood_of_header_bytes_is_an_error_and_one_byte_less_is_not() -> None:
    flood = [("x", "y" * 995)] * 65  # 1,000 bytes a line, with its colon, space and line end
    rest = MAX_HEAD_BYTES - 65 * 1000
    assert read_fields([*flood, ("x", "y" * (rest - 5))]) == Fields()
    with pytest.raises(ProtocolError, match="bytes of header"):
        read_fields([*flood, ("x", "y" * (rest - 4))])


def test_a_flood_of_short_header_lines_is_an_error_too() -> None:
    with pytest.raises(ProtocolError, match="bytes of header"):
        read_fields([("a", "")] * 20_000)


@pytest.mark.parametrize(
    ("value", "span"),
    [
        ("bytes 0-4/5", ContentRange(0, 5, 5)),
        ("bytes 2-2/5", ContentRange(2, 3, 5)),
        ("BYTES 5-9/*", ContentRange(5, 10, None)),
        ("bytes  5-9/10 ", ContentRange(5, 10, 10)),
        ("bytes */5", ContentRange(None, None, 5)),
        ("bytes */0", ContentRange(None, None, 0)),
    ],
)
def test_a_content_range_names_its_bytes_with_an_exclusive_end(value: str, span: ContentRange) -> None:
    assert h.content_range(value) == span


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes 0-4",
        "bytes 0-4/",
        "bytes */*",
        "bytes 4-3/10",
        "bytes 0-10/10",
        "bytes -5/10",
        "bytes 5-/10",
        "bytes=0-4/5",
        "items 0-4/5",
        "bytes 0-4/5, 6-7/8",
        "bytes \u0661-\u0664/\u0665",
        f"bytes 0-4/{'9' * 20}",
    ],
)
def test_a_malformed_or_impossible_content_range_is_none(value: str) -> None:
    assert h.content_range(value) is None


@given(st.text(alphabet="bytes 0123456789-/*", max_size=30) | st.text(max_size=30))
def test_a_content_range_is_none_or_possible(value: str) -> None:
    span = h.content_range(value)
    if span is None:
        return
    if span.start is None or span.stop is None:
        assert (span.start, span.stop) == (None, None)
        assert span.total is not None
    else:
        assert 0 <= span.start < span.stop
        assert span.total is None or span.stop <= span.total


@given(st.integers(0, 10**18), st.integers(1, 10**9), st.integers(0, 10**9))
def test_every_possible_content_range_is_read_back(start: int, length: int, after: int) -> None:
    stop, total = start + length, start + length + after
    assert h.content_range(f"bytes {start}-{stop - 1}/{total}") == ContentRange(start, stop, total)


RFC_850, ASCTIME = "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"


@pytest.mark.parametrize("value", [CHANGED, RFC_850, ASCTIME])
def test_the_three_forms_of_a_date_are_the_same_moment(value: str) -> None:
    assert h.http_date(value) == CHANGED_AT


@pytest.mark.parametrize(
    "value",
    [
        CHANGED,
        RFC_850,
        ASCTIME,
    ],
)
@pytest.mark.usefixtures("far_from_greenwich")
def test_dates_are_greenwich_time_wherever_we_are(value: str) -> None:
    assert h.http_date(value) == CHANGED_AT


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "-1",
        "now",
        "Wed",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 99:99:99 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "\x00",
        "Sun, 06 Nov 99999999999 08:49:37 GMT",
    ],
)
def test_text_that_is_no_date_is_none(value: str) -> None:
    assert h.http_date(value) is None


@given(st.integers(0, 253402300799))
def test_every_second_is_read_back_from_its_date(seconds: int) -> None:
    assert h.http_date(h.format_http_date(seconds)) == seconds


def test_a_date_is_written_in_the_fixed_form() -> None:
    assert h.format_http_date(CHANGED_AT) == CHANGED


@given(st.text(max_size=40) | st.text(alphabet="SunNovGMT 0123456789:,-+()", max_size=40))
def test_any_text_is_a_date_or_none(value: str) -> None:
    assert isinstance(h.http_date(value), float | None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("9" * 400, 999999999.0),
        (CHANGED, 60.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 60.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_in_the_past(value: str, seconds: float | None) -> None:
    assert h.retry_after(value, now=CHANGED_AT - 60) == seconds


@given(st.text(max_size=40), st.floats(0, 1e11))
def test_retry_after_is_never_negative(value: str, now: float) -> None:
    assert (h.retry_after(value, now) or 0.0) >= 0.0


LATER = "Sun, 06 Nov 1994 08:49:38 GMT"


@pytest.mark.parametrize(
    ("etag", "changed", "made", "expected"),
    [
        ('"abc"', "", "", Validator('"abc"')),
        ('""', "", "", Validator('""')),
        ('"\x80\xff"', "", "", Validator()),  # not every client can send it back
        ('W/"abc"', "", "", Validator()),
        ("abc", "", "", Validator()),
        ('"a b"', "", "", Validator()),
        ('"a"b"', "", "", Validator()),
        ('"abc', "", "", Validator()),
        ('"abc"', CHANGED, LATER, Validator('"abc"', CHANGED)),
        ('W/"abc"', CHANGED, LATER, Validator("", CHANGED)),
        ("", CHANGED, LATER, Validator("", CHANGED)),
        ("", CHANGED, "", Validator("", CHANGED)),
        ("", CHANGED, "no date", Validator("", CHANGED)),
        ("", CHANGED, CHANGED, Validator()),
        ("", LATER, CHANGED, Validator()),
        ("", "yesterday", LATER, Validator()),
    ],
)
def test_a_validator_is_a_strong_etag_or_a_date_well_before_the_answer(
    etag: str, changed: str, made: str, expected: Validator
) -> None:
    assert h.validator(Fields(etag=etag, last_modified=changed, date=made)) == expected


@pytest.mark.parametrize(
    ("validator", "value"),
    [(Validator('"e"', CHANGED), '"e"'), (Validator("", CHANGED), CHANGED), (Validator(), "")],
)
def test_if_range_prefers_the_etag(validator: Validator, value: str) -> None:
    assert validator.if_range == value


SHORT = base64.b64encode(b"short").decode()


@pytest.mark.parametrize(
    ("fields", "whole", "expected"),
    [
        (Fields(repr_digest=f"sha-256=:{B64_256}:"), False, (IS_256,)),
        (Fields(repr_digest=f"SHA-256=:{B64_256}:;a=b, sha-512=:{B64_512}:"), True, (IS_512, IS_256)),
        (Fields(content_digest=f"sha-512=:{B64_512}:"), True, (IS_512,)),
        (Fields(content_digest=f"sha-512=:{B64_512}:"), False, ()),
        (Fields(digest=f"SHA-256={B64_256}"), False, (IS_256,)),
        (Fields(digest=f"md5=abc,sha-256={B64_256}, SHA-512={B64_512}"), False, (IS_512, IS_256)),
        (Fields(digest=f"sha-256=:{B64_256}:"), True, ()),
        (Fields(repr_digest=f"sha-256={B64_256}"), True, ()),
        (Fields(repr_digest=f"md5=:{B64_256}:"), True, ()),
        (Fields(repr_digest=f"sha-256=:{B64_512}:"), True, ()),
        (Fields(repr_digest=f"sha-256=:{SHORT}:"), True, ()),
        (Fields(repr_digest="sha-256=::"), True, ()),
        (Fields(repr_digest="sha-256=:"), True, ()),
        (Fields(repr_digest="sha-256"), True, ()),
        (Fields(repr_digest="sha-256=:not base64!:"), True, ()),
        (Fields(repr_digest=f"sha-256=:{B64_256[:-1]}:"), True, (IS_256,)),
        (Fields(repr_digest=f"sha-256=:{B64_256[:-2]}:"), True, ()),
        (Fields(repr_digest=f"sha-256=:{B64_256}:", content_digest=f"sha-512=:{B64_512}:"), True, (IS_512, IS_256)),
        (Fields(repr_digest=f"sha-256=:{B64_256}:", content_digest=f"sha-512=:{B64_512}:"), False, (IS_256,)),
        (Fields(repr_digest=f"sha-512=:{B64_512}:, nonsense=1=2, sha-256=:{B64_256}:"), True, ()),
        (Fields(repr_digest=f'unixsum=12, x="a, sha-512=:AA==:", sha-256=:{B64_256}:;q=0.5'), True, (IS_256,)),
        (Fields(repr_digest=f"sha-256=:{B64_512}:,sha-256=:{B64_256}:"), True, (IS_256,)),
        (Fields(repr_digest=f"sha-256=:{B64_256}:,"), True, ()),
        (Fields(repr_digest=f"md5=:{B64_MD5}:"), False, (IS_MD5,)),
        (Fields(digest=f"md5={B64_MD5}"), False, (IS_MD5,)),
        (Fields(digest=f"MD5={IS_MD5.digest}"), False, (IS_MD5,)),
        (Fields(digest=f"SHA-256={IS_256.digest.upper()}"), False, (IS_256,)),
        (Fields(digest=f"SHA={hashlib.sha1(BODY).hexdigest()}"), True, (Checksum("sha1", hashlib.sha1(BODY).hexdigest()),)),
        (Fields(digest="UNIXsum=30637, UNIXcksum=123, adler32=03da0195, contentMD5"), True, ()),
        (Fields(digest="crc32c=A72A4DF"), True, (Checksum("crc32c", "0a72a4df"),)),  # from RFC 5843
        (Fields(digest="crc32c=0a72a4df"), True, (Checksum("crc32c", "0a72a4df"),)),
        (Fields(digest="crc32c=CnKk3w=="), True, ()),
        (Fields(repr_digest=f"sha-256=:é{B64_256[1:]}:"), True, ()),
        (Fields(repr_digest="sha-256=:!:", digest=f"sha-256={B64_256}"), True, (IS_256,)),
        (Fields(), True, ()),
    ],
)
def test_digests_are_those_that_are_well_formed_and_of_the_whole_file(
    fields: Fields, whole: bool, expected: tuple[Checksum, ...]
) -> None:
    assert h.digests(fields, whole) == expected


def test_the_digest_of_the_file_goes_before_the_digest_of_the_body() -> None:
    other = base64.b64encode(bytes(32)).decode()
    fields = Fields(repr_digest=f"sha-256=:{B64_256}:", content_digest=f"sha-256=:{other}:", digest=f"sha-256={other}")
    assert h.digests(fields, whole=True) == (IS_256,)


BARE_ITEMS = st.sampled_from(["1", "-1.25", '"a\\"b, c=:"', "tok/en", "?0", "@1659578233", '%"%c3%bc"', "(1 2;a :AA==:)", "()"])
KEYS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,6}", fullmatch=True)
MEMBERS = st.one_of(st.binary(max_size=70), BARE_ITEMS, st.none())


def as_text(key: str, value: bytes | str | None, parameter: str) -> str:
    """A member of a dictionary in the notation of RFC 9651."""
    text = f":{base64.b64encode(value).decode()}:" if isinstance(value, bytes) else value
    return (key if text is None else f"{key}={text}") + parameter


@given(
    st.lists(st.tuples(KEYS, MEMBERS, st.sampled_from(["", ";a", ";a=1; b=:AA==:"])), max_size=6),
    st.sampled_from([",", ", ", " ,\t"]),
)
def test_every_dictionary_is_read_as_it_was_written(members: list[tuple[str, bytes | str | None, str]], comma: str) -> None:
    last = {key: value for key, value, _ in members}
    expected = {key: value for key, value in last.items() if isinstance(value, bytes)}
    assert byte_sequences(comma.join(as_text(*member) for member in members)) == expected


@given(st.text('ab=:,;()"%?@1. A/+', max_size=30))
def test_no_text_of_a_dictionary_raises(text: str) -> None:
    assert isinstance(byte_sequences(text), dict)


def test_fields_that_are_sent_in_several_lines_are_one() -> None:
    fields = read_fields([("Repr-Digest", f"sha-256=:{B64_256}:"), ("repr-digest", f"sha-512=:{B64_512}:")])
    assert h.digests(fields, whole=False) == (IS_512, IS_256)


@pytest.mark.parametrize(
    ("given", "announced", "checked"),
    [
        ((), (), ()),
        ((), (IS_512, IS_256), (IS_512,)),
        ((IS_256,), (IS_512, IS_256), (IS_256,)),
        ((IS_MD5,), (IS_512,), (IS_MD5, IS_512)),
        ((Checksum("sha512|blake2b", IS_512.digest),), (IS_512,), (Checksum("sha512|blake2b", IS_512.digest),)),
    ],
)
def test_of_what_a_server_announces_the_strongest_is_checked_if_it_tells_more(
    given: tuple[Checksum, ...], announced: tuple[Checksum, ...], checked: tuple[Checksum, ...]
) -> None:
    assert h.with_announced(given, announced) == checked


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_digest_fields_are_well_formed_or_passed_over(one: str, two: str, three: str) -> None:
    for found in h.digests(Fields(repr_digest=one, content_digest=two, digest=three), whole=True):
        assert len(found.digest) == hex_digits(found.algorithm)
