"""Where a redirect leads to, and whether it may: RFC 9110 section 10.2.2."""

from urllib.parse import quote, urljoin

from downloader.core.names.urls import RESERVED, clean_url
from downloader.errors import PolicyError, ProtocolError, UsageError

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that redirect, if the answer has a Location: RFC 9110 section 15.4."""


def redirected(url: str, location: str, public: str, allow_downgrade: bool) -> str:
    """The URL that a Location field names. ``url``: the URL that was requested; ``public``: the same, for messages.

    Raises PolicyError for a scheme that is not allowed, ProtocolError for a Location that is no URL.
    """
    try:
        target = clean_url(urljoin(url, quote(location.encode("latin-1", "replace"), safe=RESERVED)))
    except UsageError as error:
        what = "redirected to a URL that is not http(s)"
        raise PolicyError(f"{what}: {error.url}", public, kind=what) from None
    except ValueError:
        raise ProtocolError("redirected to an invalid URL", public) from None
    if url.startswith("https:") and target.startswith("http:") and not allow_downgrade:
        raise PolicyError("redirected from https to http", public, "allow it with --allow-downgrade")
    return target
