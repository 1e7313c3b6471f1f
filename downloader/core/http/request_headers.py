"""The request that a Transfer sends: the conditional headers, and which header takes the place of another."""

from downloader.core.http.credentials import without_userinfo
from downloader.core.http.headers import format_http_date
from downloader.core.http.messages import Request, TransferPolicy, not_named_in, replaced, with_defaults
from downloader.core.model import Attempt, Headers, ResumeInfo


def conditions(attempt: Attempt, resuming: bool, start: int, stop: int | None, earlier: ResumeInfo) -> Headers:
    """Range and conditional headers, RFC 9110 sections 13.1 and 14.2. ``start``, ``stop``: what to ask for, if ``resuming``."""
    if attempt.probe:
        return (("Range", "bytes=0-0"),)
    if resuming:
        byte_range = ("Range", f"bytes={start}-{'' if stop is None else stop - 1}")
        return (byte_range,) if bound_by_checksum(attempt) else (byte_range, ("If-Range", earlier.validator.if_range))
    if attempt.modified_since is not None:
        return (("If-Modified-Since", format_http_date(attempt.modified_since)),)
    return ()


def bound_by_checksum(attempt: Attempt) -> bool:
    """Whether the checksum of the file is what holds its ranges together: a mirror has validators of its own."""
    return attempt.mirror and bool(attempt.checksums)


def build_request(
    url: str, first_url: str, policy: TransferPolicy, headers: Headers, conditional: Headers, epoch_now: float
) -> Request:
    """A request for ``url``, to which the redirects from ``first_url`` have led.

    A header of the user's takes the place of a default; ``conditional`` takes the place of a header of the user's.
    """
    if not conditional and headers is policy.headers and not policy.has_credentials and "@" not in url:
        return Request(without_userinfo(url), policy.default_headers)
    credentials = policy.credentials.headers(url, epoch_now, first_url)
    lines = with_defaults(headers)
    return Request(without_userinfo(url), replaced(lines + not_named_in(credentials, lines), conditional))
