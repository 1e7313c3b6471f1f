"""URLs: the form that the program works with, their hosts and origins, and the part of a URL that may be shown."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from downloader.errors import UsageError

CLEAN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!$-;=?-Z_a-z~%&'()*+,]*")
"""URLs that `clean_url` returns as they are: nearly all of them."""

RESERVED = "!#$%&'()*+,/:;=?@[]~"
"""Characters that `clean_url` does not encode: the reserved ones (RFC 3986 section 2.2), "%" and "~"."""

_NAMED_SECRET_KEYS = frozenset(
    """access_token api_key apikey auth awsaccesskeyid client_secret id_token key-pair-id passwd password private_token
    refresh_token secret sig signature token x-amz-credential x-amz-security-token x-amz-signature x-goog-credential
    x-goog-signature""".split()  # noqa: SIM905 - read as a list of words, one a line would fill a screen
)
"""Query keys whose values stand neither in messages nor in names of files (``{query}`` of a template). This set stays as it is:
with another one, files of earlier runs would get other names."""

_SECRET_KEYS = _NAMED_SECRET_KEYS | frozenset(
    """access-key access-token access_key accesskey api-key api-token api_token apitoken app_key app_secret appkey appsecret
    auth_key auth_token authkey authorization authtoken aws_access_key_id bearer jwt oauth_token
    private-token pwd refresh-token secret_key secretkey session_token subscription-key x-api-key""".split()  # noqa: SIM905 - as above
)
"""Query keys whose values stand in no message."""

_KEY, _KEY_BEGINS, _KEY_LENGTH = "key", "AIza", 39
"""``key`` has a secret where its value has the form of an API key of Google. Elsewhere ``key`` often tells one file from
another, and URLs that differ in it must not become one in the journal."""


def clean_url(text: str) -> str:
    """The text as an absolute http(s) URL in ASCII, without a fragment. Raises UsageError if it is none."""
    if CLEAN_URL.fullmatch(text):
        return text
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
        text.encode()
    except ValueError:
        raise UsageError("not a URL: the host or the port is malformed", _shown(text)) from None
    if parts.scheme not in ("http", "https"):
        what = f"cannot fetch {parts.scheme}: URLs" if parts.scheme and "://" in text else "not a URL"
        raise UsageError(what, _shown(text), "give an http:// or https:// URL")
    if not host or port == 0 or "%" in host or any(ord(c) <= 32 or c in '<>"\\^`{|}\x7f' for c in parts.netloc):
        raise UsageError("not a URL: no host in it", _shown(text))
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise UsageError("not a URL: the host is not a domain name", _shown(text)) from None
    if ":" in ascii_host:
        ascii_host = f"[{ascii_host}]"
    user, at, _ = parts.netloc.rpartition("@")
    netloc = f"{quote(user, safe=RESERVED)}{at}{ascii_host}" + ("" if port is None else f":{port}")
    query = "?" + quote(parts.query, safe=RESERVED) if parts.query else ""
    return f"{parts.scheme}://{netloc}{quote(parts.path, safe=RESERVED) or '/'}{query}"


def public_url(url: str, in_name: bool = False) -> str:
    """The URL for messages: without user and password, and with the values of well-known secret query keys masked.

    ``in_name``: for the name of a file, in which fewer keys are masked: see `_NAMED_SECRET_KEYS`.
    """
    if "@" in url:
        scheme, mark, rest = url.partition("://")
        if not mark:
            scheme, rest = "", url
        authority, slash, path = _split_authority(rest)
        url = f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"
    if "?" in url:
        base, _, query = url.partition("?")
        if any(_is_secret(key, value, in_name) for key, value in parse_qsl(query, keep_blank_values=True)):
            query = "&".join(_masked(item, in_name) for item in query.split("&"))
        url = f"{base}?{query}"
    return url


def _shown(text: str) -> str:
    """A text that is not a URL, for messages: without anything that could be a user and password."""
    text = text.encode("utf-8", "backslashreplace").decode()
    head, at, tail = text.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", head)
    return public_url((scheme.group() if scheme else "") + "***@" + tail if at else text)


def _split_authority(rest: str) -> tuple[str, str, str]:
    end = re.search(r"[/?#]", rest)
    return (rest, "", "") if end is None else (rest[: end.start()], end.group(), rest[end.end() :])


def _is_secret(key: str, value: str, in_name: bool) -> bool:
    key = key.lower()
    if in_name:
        return key in _NAMED_SECRET_KEYS
    return key in _SECRET_KEYS or (key == _KEY and value.startswith(_KEY_BEGINS) and len(value) == _KEY_LENGTH)


def _masked(item: str, in_name: bool) -> str:
    key, equals, value = item.partition("=")
    return f"{key}=***" if equals and _is_secret(unquote(key), unquote(value), in_name) else item


def host_of(url: str) -> str:
    """``host`` or ``host:port`` of a clean URL, in lower case. Limits for each host are counted by it."""
    netloc = url.split("/", 3)[2]  # a clean URL has a path
    if "?" in netloc or "#" in netloc:
        netloc = _split_authority(netloc)[0]
    return (netloc.rpartition("@")[2] if "@" in netloc else netloc).lower()


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454 section 4). Credentials are bound to the origin."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
