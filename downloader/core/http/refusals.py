"""The error for an answer that brings no file."""

from downloader.core.facts import Headers
from downloader.core.http.credentials import refusal_hint
from downloader.core.http.headers import Fields, http_date, retry_after
from downloader.errors import AuthError, DownloadError, HTTPStatusError, ProtocolError


def refusal(status: int, fields: Fields, sent: Headers, url: str, epoch_now: float) -> DownloadError:
    """The error for an answer with this status. ``sent``: the headers of the request; ``url`` is for the message.

    The date form of Retry-After is compared with the server's own clock (the Date field) where the answer tells it, else with
    ``epoch_now``, seconds since the epoch.
    """
    if status in AuthError.HINTS:
        return AuthError(status, url, refusal_hint(status, sent))
    if status >= 400:
        server_now = (http_date(fields.date) if fields.date else None) or epoch_now
        return HTTPStatusError(status, url, "", retry_after(fields.retry_after, server_now))
    return ProtocolError(f"unexpected status for this request: HTTP {status}", url)
