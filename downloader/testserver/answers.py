"""The answer to a request for a file: status, header fields, and the range of bytes. Pure; the body is made elsewhere.

Files have a strong ETag and a Last-Modified date. Supported are one byte range (RFC 9110 section 14), If-Range,
If-None-Match and If-Modified-Since. A request with several ranges, or with an invalid range, is answered with the whole
file, as section 14.2 allows.
"""

import base64
import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from downloader.testserver import content

MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
_MODIFIED_AT = parsedate_to_datetime(MODIFIED)
MODIFIED_AT = _MODIFIED_AT.timestamp()
"""Seconds since the epoch."""
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")

Pairs = list[tuple[str, str]]


class HeaderFields(Protocol):
    """The header fields of a request, by lower-case name."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """The value of a field, or the default."""


class Reply(NamedTuple):
    """An answer: status, header fields, and the bytes ``start`` to ``stop`` (exclusive) of the file; an empty range: no
    body."""

    status: int
    headers: Pairs
    start: int = 0
    stop: int = 0


def reply(number: int, size: int, seed: int, request: HeaderFields) -> Reply:
    """The answer to a request for file ``number`` of ``size`` bytes."""
    tag = content.etag(number, size, seed)
    headers = [("etag", tag), ("last-modified", MODIFIED), ("accept-ranges", "bytes")]
    if _not_modified(request, tag):
        return Reply(304, headers)
    headers.append(("content-type", "application/octet-stream"))
    span = _span(request.get("range"), size) if request.get("if-range") in (None, tag, MODIFIED) else None
    if span is None:
        return Reply(200, [*headers, ("content-length", str(size))], 0, size)
    start, stop = span
    if start >= stop:
        return Reply(416, [*headers, ("content-range", f"bytes */{size}"), ("content-length", "0")])
    where = ("content-range", f"bytes {start}-{stop - 1}/{size}")
    return Reply(206, [*headers, where, ("content-length", str(stop - start))], start, stop)


def wants_digest(request: HeaderFields) -> bool:
    """Whether ``Want-Repr-Digest`` (RFC 9530 section 4) requests SHA-256. A preference of 0 means that it does not."""
    for item in (request.get("want-repr-digest") or "").split(","):
        name, _, preference = item.strip().partition("=")
        if name == "sha-256" and preference.strip() != "0":
            return True
    return False


def repr_digest(digest: str) -> tuple[str, str]:
    """The header field ``Repr-Digest`` (RFC 9530 section 3) for a SHA-256 digest in hex."""
    return "repr-digest", f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"


def _not_modified(request: HeaderFields, tag: str) -> bool:
    condition = request.get("if-none-match")
    if condition is not None:
        return condition == "*" or tag in (item.strip().removeprefix("W/") for item in condition.split(","))
    since = request.get("if-modified-since")
    if since is None or request.get("range") is not None:
        return False
    try:
        return parsedate_to_datetime(since) >= _MODIFIED_AT
    except (ValueError, TypeError):
        return False


def _span(value: str | None, size: int) -> tuple[int, int] | None:
    """The requested range, empty if it cannot be satisfied; None without a range, or for one that must be ignored."""
    match = _RANGE.fullmatch(value) if value else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1 if last else size)
