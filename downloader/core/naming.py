"""From a URL, a wish or a header to one safe relative path, and what a URL is called in public.

Whatever comes in, what comes out stays in the folder: no separators within a component, no ``..``, no control or
bidirectional characters, no reserved device name, no trailing dot or space, at most 255 bytes of UTF-8, NFC.
A component never ends in the suffixes of part files, so no final name can be another file's part file.
"""

import hashlib
import re
import unicodedata
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from downloader.errors import PolicyError, UsageError

MAX_NAME_BYTES = 255
MAX_EXTENSION_BYTES = 24
PART = ".part"
SIDECAR = ".part.meta"
DEFAULT_NAME = "index.html"

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{device}{n}" for device in ("com", "lpt") for n in "123456789¹²³"}
)
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
_USUAL = re.compile(r"[A-Za-z0-9_-]{1,40}\.(?!(?i:part|meta)\Z)[A-Za-z0-9]{1,8}")
"""Most names are like this, and as they should be."""

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_EXTENSION = re.compile(r"(?:\.tar)?\.[^. ]+\Z")
CLEAN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!$-;=?-Z_a-z~%&'()*+,]*")
_SECRET_KEYS = frozenset(
    """access_token api_key apikey auth awsaccesskeyid client_secret id_token key-pair-id passwd password private_token
    refresh_token secret sig signature token x-amz-credential x-amz-security-token x-amz-signature x-goog-credential
    x-goog-signature""".split()  # noqa: SIM905 - read as a list of words, one a line would fill a screen
)


def clean_url(text: str) -> str:
    """One absolute http(s) URL, with what is not ASCII encoded and the fragment cut off. Raises UsageError."""
    if CLEAN_URL.fullmatch(text):
        return text
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
        text.encode()
    except ValueError:
        raise UsageError("not a URL: the host or the port is malformed", _hidden(text)) from None
    if parts.scheme not in ("http", "https"):
        what = f"cannot fetch {parts.scheme}: URLs" if parts.scheme and "://" in text else "not a URL"
        raise UsageError(what, _hidden(text), "give an http:// or https:// URL")
    if not host or port == 0 or "%" in host or any(ord(c) <= 32 or c in '<>"\\^`{|}\x7f' for c in parts.netloc):
        raise UsageError("not a URL: no host in it", _hidden(text))
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise UsageError("not a URL: the host is not a domain name", _hidden(text)) from None
    if ":" in ascii_host:
        ascii_host = f"[{ascii_host}]"
    user, at, _ = parts.netloc.rpartition("@")
    netloc = f"{quote(user, safe=KEPT)}{at}{ascii_host}" + ("" if port is None else f":{port}")
    query = "?" + quote(parts.query, safe=KEPT) if parts.query else ""
    return f"{parts.scheme}://{netloc}{quote(parts.path, safe=KEPT) or '/'}{query}"


KEPT = "!#$%&'()*+,/:;=?@[]~"  # reserved characters and % stand as they came: RFC 3986 section 2.2


def public_url(url: str) -> str:
    """The URL as it may be shown: no user or password, and well-known secret query values masked."""
    if "@" in url:
        scheme, mark, rest = url.partition("://")
        if not mark:
            scheme, rest = "", url
        authority, slash, path = _split_authority(rest)
        url = f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"
    if "?" in url:
        base, _, query = url.partition("?")
        if any(key.lower() in _SECRET_KEYS for key, _ in parse_qsl(query, keep_blank_values=True)):
            query = "&".join(_masked(item) for item in query.split("&"))
        url = f"{base}?{query}"
    return url


def _hidden(text: str) -> str:
    """Text that is no URL, as it may be shown: whatever may be a user and password is cut out."""
    text = text.encode("utf-8", "backslashreplace").decode()
    head, at, tail = text.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", head)
    return public_url((scheme.group() if scheme else "") + "***@" + tail if at else text)


def _split_authority(rest: str) -> tuple[str, str, str]:
    end = re.search(r"[/?#]", rest)
    return (rest, "", "") if end is None else (rest[: end.start()], end.group(), rest[end.end() :])


def _masked(item: str) -> str:
    key, equals, _ = item.partition("=")
    return f"{key}=***" if equals and unquote(key).lower() in _SECRET_KEYS else item


def host_of(url: str) -> str:
    """``host`` or ``host:port`` of a clean URL, lower case: the unit of the limit for each host."""
    netloc = url.split("/", 3)[2]  # a clean URL has a path
    if "?" in netloc or "#" in netloc:
        netloc = _split_authority(netloc)[0]
    return (netloc.rpartition("@")[2] if "@" in netloc else netloc).lower()


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454 section 4): what credentials are bound to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def name_from_url(url: str) -> str:
    """The last segment of the path, percent-decoded once and then reduced to one component; else one from the host."""
    if "?" not in url and "#" not in url and url.count("/") > 2:
        last = url.rpartition("/")[2]
        if _USUAL.fullmatch(last):  # nearly every one
            return safe_component(last)
    path = url.partition("://")[2].partition("?")[0].partition("#")[0]
    last = path.partition("/")[2].rpartition("/")[2]
    if _PLAIN.fullmatch(last):
        return safe_component(last)
    decoded = unquote(last, errors="replace").replace("\\", "/").rpartition("/")[2]
    if decoded.strip(". ") == "":
        return safe_component(f"{urlsplit(url).hostname}-{DEFAULT_NAME}")
    return safe_component(decoded)


def path_from_url(url: str, cut_dirs: int = 0) -> str:
    """The host, the folders of the URL's path without the first ``cut_dirs``, and the name: ``host_8080/a/b/name``."""
    host = host_of(url).replace("[", "").replace("]", "").replace(":", "_")
    path = url.partition("://")[2].partition("?")[0].partition("#")[0].partition("/")[2]
    folders = [folder for folder in path.split("/")[:-1] if folder][cut_dirs:]
    name = name_from_url(url) if unquote(path.rpartition("/")[2]).strip(". ") else DEFAULT_NAME
    return "/".join((*(safe_component(unquote(part, errors="replace")) for part in (host, *folders)), name))


def safe_component(text: str) -> str:
    """One file name that no system misunderstands. Never empty, and the same again for its own result."""
    if _USUAL.fullmatch(text) and text.partition(".")[0].lower() not in _DEVICES:
        return text
    while (safe := _safer(text)) != text:  # cutting may bring to its end what must not stand there
        text = safe
    return text


def _safer(text: str) -> str:
    if _PLAIN.fullmatch(text) is None:
        text = unicodedata.normalize("NFC", text)
        text = "".join("_" if _unsafe(char) else char for char in text).strip(" ").rstrip(". ")
        text = text or "_"
    else:
        text = text.rstrip(".")
    if text.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        text = f"_{text}"
    if text.lower().endswith((PART, SIDECAR)):
        text = f"{text}_" if len(text.encode()) < MAX_NAME_BYTES else f"{text[:-1]}_"
    return text if len(text) <= MAX_NAME_BYTES // 4 else _cut(text, "", MAX_NAME_BYTES)


def _unsafe(char: str) -> bool:
    return char in "/\\\0" or char in _BIDI or unicodedata.category(char) in _UNSAFE_CATEGORIES


def wished_path(folder: str, name: str) -> str:
    """``dir=`` and ``out=`` as one safe relative path; empty where ``name`` is. Raises PolicyError if it would leave."""
    for text in (folder, name):
        if text.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
            hint = "out= and dir= are relative to --dir"
            raise PolicyError(f"the path is absolute: {text!r}", hint=hint, kind="the path is absolute")
    parts = [part for part in re.split(r"[/\\]", f"{folder}/{name}" if folder else name) if part not in ("", ".")]
    if ".." in (part.strip(" ") for part in parts):
        reason, hint = "the path leaves the folder", "out= and dir= must not contain '..'"
        raise PolicyError(f"{reason}: {'/'.join(parts)!r}", hint=hint, kind=reason)
    return "/".join(safe_component(part) for part in parts) if name else ""


def with_digest(path: str, url: str, digits: int = 8) -> str:
    """The path with a short digest of the URL before its extension: the same on every run."""
    folder, slash, name = path.rpartition("/")
    digest = hashlib.blake2b(url.encode(), digest_size=16).hexdigest()[:digits]
    return f"{folder}{slash}{_cut(name, f'-{digest}', MAX_NAME_BYTES)}"


def numbered(name: str, number: int) -> str:
    """The name with ``.1``, ``.2``, … before its extension."""
    return _cut(name, f".{number}", MAX_NAME_BYTES)


def _cut(name: str, insert: str, limit: int) -> str:
    """``insert`` before the extension, the stem shortened until all is within ``limit`` bytes; the extension is kept."""
    found = _EXTENSION.search(name, 1)
    extension = found.group() if found and len(found.group().encode()) <= MAX_EXTENSION_BYTES else ""
    stem = name[: len(name) - len(extension)] if extension else name
    room = limit - len(insert.encode()) - len(extension.encode())
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore")
    return (stem + insert + extension) if insert or extension else (stem.rstrip(". ") or "_")


def part_names(name: str) -> tuple[str, str]:
    """The names of the part file and of its sidecar, beside the target, within 255 bytes."""
    if len(name) + len(SIDECAR) > MAX_NAME_BYTES // 4 and len(name.encode()) + len(SIDECAR) > MAX_NAME_BYTES:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name.encode()[: MAX_NAME_BYTES - 40].decode(errors='ignore')}~{digest}"
    return name + PART, name + SIDECAR


def printable(text: str) -> str:
    """Text from the network as it may reach a terminal: control, bidirectional and invisible characters escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and c not in _BIDI else c.encode("unicode_escape", "replace").decode() for c in text)
