"""From a URL, a wish or a header to one safe relative path, and what a URL is called in public.

Whatever comes in, what comes out stays in the folder: no separators within a component, no ``..``, no control or
bidirectional characters, no reserved device name, no trailing dot or space, at most 255 bytes of UTF-8, NFC.
A component never ends in the suffixes of part files, so no final name can be another file's part file.
"""

import hashlib
import re
import unicodedata
from urllib.parse import unquote, urlsplit

from downloader.core.model import Download
from downloader.core.names.urls import host_of
from downloader.core.text import is_unsafe
from downloader.errors import PolicyError

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

_EXTENSION = re.compile(r"(?:\.tar)?\.[^. ]+\Z")


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
        text = "".join("_" if is_unsafe(char) else char for char in text).strip(" ").rstrip(". ")
        text = text or "_"
    else:
        text = text.rstrip(".")
    if text.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        text = f"_{text}"
    if text.lower().endswith((PART, SIDECAR)):
        text = f"{text}_" if len(text.encode()) < MAX_NAME_BYTES else f"{text[:-1]}_"
    return text if len(text) <= MAX_NAME_BYTES // 4 else _cut(text, "", MAX_NAME_BYTES)


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


def default_path(download: Download, cut_dirs: int | None = None) -> str:
    """The path of a Download that wishes for no name: from its URL. ``cut_dirs``: see `path_from_url`; None: no folders."""
    name = name_from_url(download.url) if cut_dirs is None else path_from_url(download.url, cut_dirs)
    return wished_path(download.dir, name) if download.dir else name


def path_by_server(path: str, proposed: str) -> str:
    """The path with the name that the server proposes for the file; the path itself, where it proposes none."""
    folder, slash, _ = path.rpartition("/")
    base = proposed.replace("\\", "/").rpartition("/")[2]
    return f"{folder}{slash}{safe_component(base)}" if base.strip(". ") else path
