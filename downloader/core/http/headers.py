"""Header fields: text in, values out. What the values lead to is decided elsewhere.

Names arrive in any case, values as the transport decoded them (latin-1). A field that breaks its grammar is
None, except where a guess would be dangerous (the length of a body): that is a ProtocolError.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from downloader.core.facts import Checksum, Validator
from downloader.errors import ProtocolError

MAX_HEAD_BYTES = 64 * 1024
"""A longer head is an error: it serves no honest purpose."""

_RANGE = r"(?ai)bytes\s+(?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)\s*"  # compiled at its first use
_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')  # obs-text in an ETag cannot be sent back by every client: no validator then
_FIXDATE = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_TWO_LENGTHS = "two different Content-Length fields"
_CODING = "a transfer coding that was not requested"
_EPOCH = date(1970, 1, 1).toordinal()


class ContentRange(NamedTuple):
    """``Content-Range`` (RFC 9110 section 14.4): bytes ``start`` to ``stop`` (exclusive) of ``total``.

    ``start`` is None for the unsatisfied form ``bytes */N``; ``total`` is None where the server does not know it.
    """

    start: int | None
    stop: int | None
    total: int | None


class Fields(Struct):
    """The header fields of one answer that matter to a download, as text."""

    length: int | None = None
    chunked: bool = False
    ranges: bool = False
    content_range: str = ""
    disposition: str = ""
    encoding: str = ""
    date: str = ""
    etag: str = ""
    last_modified: str = ""
    location: str = ""
    retry_after: str = ""
    repr_digest: str = ""
    content_digest: str = ""
    digest: str = ""
    content_type: str = ""


_ATTRIBUTE = {
    "content-range": "content_range",
    "content-disposition": "disposition",
    "content-encoding": "encoding",
    "date": "date",
    "etag": "etag",
    "last-modified": "last_modified",
    "location": "location",
    "retry-after": "retry_after",
    "repr-digest": "repr_digest",
    "content-digest": "content_digest",
    "digest": "digest",
    "content-type": "content_type",
    "content-length": "length",
    "transfer-encoding": "chunked",
    "accept-ranges": "ranges",
}

_MAY_BE_REPEATED = frozenset({"repr_digest", "content_digest", "digest"})

_AS_SPELLED: dict[str, str] = {}
"""For each field name as servers spell it, the attribute of `Fields`; empty for a field that is not read. Bounded."""


def _attribute(name: str) -> str:
    attribute = _ATTRIBUTE.get(name.lower(), "")
    if len(_AS_SPELLED) < 1024:
        _AS_SPELLED[name] = attribute
    return attribute


def wanted_lines(lines: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The header lines that `read_fields` reads, as pairs of name and value."""
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        wanted = _AS_SPELLED.get(name)
        if colon and (wanted or (wanted is None and _attribute(name))):
            pairs.append((name, value.strip(" \t")))
    return tuple(pairs)


def read_fields(pairs: Iterable[tuple[str, str]]) -> Fields:
    """Parse the header lines of one answer. Raises ProtocolError for too many bytes, and for fields that disagree."""
    fields = Fields()
    total = 0
    for name, value in pairs:
        total += len(name) + len(value) + 4
        attribute = _AS_SPELLED.get(name)
        if attribute is None:
            attribute = _attribute(name)
        if attribute == "length":
            length = content_length(value)
            if fields.length is not None and fields.length != length:
                raise ProtocolError(f"{_TWO_LENGTHS}: {fields.length} and {length}", kind=_TWO_LENGTHS)
            fields.length = length
        elif attribute == "chunked":
            if value.strip().lower() != "chunked":
                raise ProtocolError(f"{_CODING}: {value[:40]!r}", kind=_CODING)
            fields.chunked = True
        elif attribute == "ranges":
            fields.ranges = value.strip().lower() == "bytes"
        elif attribute == "location":
            if fields.location and fields.location != value.strip():
                raise ProtocolError("two different Location fields")
            fields.location = value.strip()
        elif attribute in _MAY_BE_REPEATED and (first := getattr(fields, attribute)):
            setattr(fields, attribute, f"{first}, {value.strip()}")  # RFC 9110 section 5.3
        elif attribute:
            setattr(fields, attribute, value.strip())
    if total > MAX_HEAD_BYTES:
        raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of header")
    if fields.chunked and fields.length is not None:  # RFC 9112 section 6.1: ought to be handled as an error
        raise ProtocolError("both Transfer-Encoding and Content-Length")
    return fields


def content_length(value: str) -> int:
    """The length; also of a list whose members are equal (RFC 9110 section 8.6). Raises ProtocolError for anything else."""
    text, others = value, False
    if not value.isdigit():
        values = {item.strip() for item in value.split(",")}
        text, others = values.pop(), bool(values)
    if others or not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ProtocolError(f"not a Content-Length: {value[:40]!r}", kind="not a Content-Length")
    return int(text)


def content_range(value: str) -> ContentRange | None:
    """None where the value breaks the grammar, or names an impossible range."""
    match = re.fullmatch(_RANGE, value)
    if match is None:
        return None
    first, last, whole = match.groups()
    total = None if whole == "*" else int(whole)
    if first is None:
        return None if total is None else ContentRange(None, None, total)
    start, stop = int(first), int(last) + 1
    if stop <= start or (total is not None and stop > total):
        return None
    return ContentRange(start, stop, total)


@lru_cache(maxsize=512)  # servers repeat themselves: the same Date for a second, the same Last-Modified for a release
def http_date(value: str) -> float | None:
    """Seconds since the epoch; the three forms of RFC 9110 section 5.6.7."""
    match = _FIXDATE.fullmatch(value)
    try:
        if match is not None:  # four times as fast as the general parser, and on the hot path
            day, month, year, hour, minute, second = match.groups()
            if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
                return None
            days = date(int(year), _MONTHS[month], int(day)).toordinal() - _EPOCH
            return days * 86400.0 + int(hour) * 3600 + int(minute) * 60 + int(second)
        from email.utils import parsedate_to_datetime  # here: 3 ms that few answers need to pay

        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # asctime's form names no zone
    except (ValueError, TypeError, IndexError, KeyError, OverflowError):
        return None


def format_http_date(seconds: float) -> str:
    """IMF-fixdate, RFC 9110 section 5.6.7."""
    from email.utils import formatdate  # here: few requests need it

    return formatdate(seconds, usegmt=True)


def retry_after(value: str, now: float) -> float | None:
    """Seconds to wait, from either form of Retry-After (RFC 9110 section 10.2.3). ``now``: seconds since the epoch."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    moment = http_date(value) if value else None
    return None if moment is None else max(0.0, moment - now)


def validator(fields: Fields) -> Validator:
    """The strong validators, which If-Range may use (RFC 9110 section 13.1.5).

    A weak ETag is not one. A date is one only if the answer was made at least a second after it (section 8.8.2.2).
    """
    etag = fields.etag if _ETAG.fullmatch(fields.etag) else ""
    changed = http_date(fields.last_modified) if fields.last_modified else None
    strong = changed is not None and ((made := http_date(fields.date)) is None or made - changed >= 1)
    return Validator(etag, fields.last_modified if strong else "")


def digests(fields: Fields, whole: bool) -> tuple[Checksum, ...]:
    """The digests of the file that its server has sent, the strongest one first. ``whole``: the body is the whole file."""
    from downloader.core.http.digest_fields import announced_digests  # here: few answers have digests

    return announced_digests(fields.repr_digest, fields.content_digest if whole else "", fields.digest)


def with_announced(checksums: tuple[Checksum, ...], announced: tuple[Checksum, ...]) -> tuple[Checksum, ...]:
    """The checksums that a file must match: the user's, and the strongest of the server's.

    None of the server's, if the user gave a digest of one of its algorithms: to hash the file once more would tell nothing.

    Args:
        checksums: the user's.
        announced: as `digests` returns them.
    """
    given = {name for item in checksums for name in item.algorithm.split("|")}
    if not announced or any(item.algorithm in given for item in announced):
        return checksums
    return (*checksums, announced[0])


def proposed_name(fields: Fields) -> str:
    """The file name that the server proposes, not yet safe; empty for none. See `downloader.core.http.disposition`."""
    from downloader.core.http.disposition import disposition_name  # here: few runs need it

    return disposition_name(fields.disposition)
