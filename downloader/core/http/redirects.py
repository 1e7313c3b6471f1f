"""Where a redirect leads to, and whether it may: RFC 9110 section 10.2.2."""

from urllib.parse import quote, urljoin

from downloader.core.names.urls import RESERVED, clean_url
from downloader.errors import PolicyError, ProtocolError, UsageError


def redirected(url: str, location: str, public: str, allow_downgrade: bool) -> str:
    """The URL that ``location`` means, from ``url``. Raises PolicyError, ProtocolError; ``public`` is for the message."""
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
