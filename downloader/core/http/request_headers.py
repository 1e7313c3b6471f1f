"""The request that a Transfer sends: the conditional headers, and which header takes the place of another."""

from downloader.core.facts import Headers, Validator
from downloader.core.http.credentials import kept_at_redirect, without_userinfo
from downloader.core.http.headers import format_http_date
from downloader.core.http.messages import Request, TransferPolicy, not_named_in, replaced, with_defaults
from downloader.core.model import Attempt
from downloader.core.names.urls import origin_of


def build_request(
    attempt: Attempt,
    policy: TransferPolicy,
    url: str,
    headers: Headers,
    rest: tuple[int, int | None] | None,
    validator: Validator,
    epoch_now: float,
) -> Request:
    """A request of this Attempt. A header of the user takes the place of a default, a conditional header that of both.

    Args:
        attempt: what is fetched.
        policy: the rules of the run.
        url: where the redirects have led from the Attempt's URL.
        headers: the user's, as far as they may be sent to that URL.
        rest: the bytes to ask for; None: the whole file.
        validator: what these bytes are bound to.
        epoch_now: seconds since the epoch.
    """
    conditional = _conditions(attempt, rest, validator)
    if not conditional and headers is policy.headers and not policy.has_credentials and "@" not in url:
        return Request(url, policy.default_headers)
    credentials = policy.credentials.headers(url, epoch_now, attempt.url)
    lines = with_defaults(headers)
    return Request(without_userinfo(url), replaced(lines + not_named_in(credentials, lines), conditional))


def _conditions(attempt: Attempt, rest: tuple[int, int | None] | None, validator: Validator) -> Headers:
    """Range and conditional headers: RFC 9110 sections 13.1 and 14.2."""
    if attempt.is_probe:
        return (("Range", "bytes=0-0"),)
    if rest is not None:
        start, stop = rest
        byte_range = ("Range", f"bytes={start}-{'' if stop is None else stop - 1}")
        return (byte_range,) if bound_by_checksum(attempt) else (byte_range, ("If-Range", validator.if_range))
    if attempt.etag:  # also a weak one: RFC 9110 section 13.1.2
        return (("If-None-Match", attempt.etag),)
    if attempt.modified_since is not None:
        return (("If-Modified-Since", format_http_date(attempt.modified_since)),)
    return ()


def at_redirect(
    policy: TransferPolicy, headers: Headers, attempt: Attempt, old: str, new: str
) -> tuple[TransferPolicy, Headers]:
    """The policy, and the headers of the user, after a redirect from ``old`` to ``new``."""
    elsewhere = policy.elsewhere
    if elsewhere is not None and origin_of(new) != origin_of(attempt.url):
        policy, headers = elsewhere, replaced(elsewhere.headers, attempt.headers)
    return policy, kept_at_redirect(headers, old, new)


def bound_by_checksum(attempt: Attempt) -> bool:
    """Whether the checksums of the file are what holds its ranges together: a mirror has validators of its own."""
    return attempt.is_alternate_url and bool(attempt.checksums or attempt.pieces)
