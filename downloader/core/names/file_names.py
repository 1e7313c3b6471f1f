"""One safe relative path for each file, made from its URL, from the list, or from a response header.

Whatever the input, the path stays in the folder: no separators within a component, no ``..``, no control or bidirectional
characters, no reserved device name, not the folder of the journal, no trailing dot or space, at most 255 bytes of UTF-8, in
NFC. No component ends in the suffix of a part file, so no final name can be the name of another file's part file.
"""

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from downloader.core.model import Download
from downloader.core.names.urls import host_of
from downloader.core.text import is_unsafe
from downloader.errors import PolicyError

MAX_NAME_BYTES = 255
MAX_EXTENSION_BYTES = 24
PART_SUFFIX = ".part"
SIDECAR_SUFFIX = ".part.meta"
DEFAULT_NAME = "index.html"

_DEVICE_NAMES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{device}{n}" for device in ("com", "lpt") for n in "123456789¹²³"}
)
_DEVICE_INITIALS = frozenset("aclnpACLNP")
"""How the name of a device may begin: a quick test, for names that begin otherwise."""

RESERVED_FOLDER = ".downloader"
"""The folder of the journal, in the folder of a run: no file of a list gets a path below it."""

_PLAIN_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"  # compiled at its first use
_USUAL_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}(?:\.(?!(?i:part|meta)\Z)[A-Za-z0-9]{1,8})?")
"""Most names match this. They are safe as they are, unless they are the name of a device."""

_EXTENSION = r"(?:\.tar)?\.[^. ]+\Z"


def name_from_url(url: str) -> str:
    """The last segment of the URL's path, percent-decoded once, as a safe component; if it is empty, one from the host."""
    if "?" not in url and "#" not in url and url.count("/") > 2:
        last = url.rpartition("/")[2]
        if _is_usual(last):
            return last
    path = url.partition("://")[2].partition("?")[0].partition("#")[0]
    last = path.partition("/")[2].rpartition("/")[2]
    if re.fullmatch(_PLAIN_NAME, last):
        return safe_component(last)
    decoded = unquote(last, errors="replace").replace("\\", "/").rpartition("/")[2]
    if decoded.strip(". ") == "":
        return safe_component(f"{urlsplit(url).hostname}-{DEFAULT_NAME}")
    return safe_component(decoded)


def path_from_url(url: str, cut_dirs: int = 0) -> str:
    """Host, folders and name of a URL as a safe path: ``host_8080/a/b/name``; without the first ``cut_dirs`` folders."""
    host = host_of(url).replace("[", "").replace("]", "").replace(":", "_")
    path = url.partition("://")[2].partition("?")[0].partition("#")[0].partition("/")[2]
    folders = [folder for folder in path.split("/")[:-1] if folder][cut_dirs:]
    name = name_from_url(url) if unquote(path.rpartition("/")[2]).strip(". ") else DEFAULT_NAME
    return "/".join((*(safe_component(unquote(part, errors="replace")) for part in (host, *folders)), name))


def safe_component(text: str) -> str:
    """The text as one file name that is safe on every system. Never empty; the result for a result is the same."""
    if _is_usual(text):
        return text
    while (safe := _safer(text)) != text:  # after a cut, the end may be unsafe again
        text = safe
    return text


def _is_usual(text: str) -> bool:
    """Whether a name is safe as it is, for the reason that nearly every name is."""
    if _USUAL_NAME.fullmatch(text) is None:
        return False
    return text[0] not in _DEVICE_INITIALS or text.partition(".")[0].lower() not in _DEVICE_NAMES


def _safer(text: str) -> str:
    if re.fullmatch(_PLAIN_NAME, text) is None:
        text = unicodedata.normalize("NFC", text)
        text = "".join("_" if is_unsafe(char) else char for char in text).strip(" ").rstrip(". ")
        text = text or "_"
    else:
        text = text.rstrip(".")
    if text.partition(".")[0].rstrip(" ").lower() in _DEVICE_NAMES:
        text = f"_{text}"
    if text.lower() == RESERVED_FOLDER:
        text = f"_{text}"
    if text.lower().endswith((PART_SUFFIX, SIDECAR_SUFFIX)):
        text = f"{text}_" if len(text.encode()) < MAX_NAME_BYTES else f"{text[:-1]}_"
    return text if len(text) <= MAX_NAME_BYTES // 4 else _cut(text, "", MAX_NAME_BYTES)


def wished_path(folder: str, name: str) -> str:
    """``dir=`` and ``out=`` of the list as one safe relative path; empty if ``name`` is.

    Raises:
        PolicyError: the path is absolute, or leaves the folder.
    """
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
    """The path with the first ``digits`` of a digest of the URL before the extension; the same on every run."""
    folder, slash, name = path.rpartition("/")
    import hashlib  # here, and below: 3 ms that few names need to pay

    digest = hashlib.blake2b(url.encode(), digest_size=16).hexdigest()[:digits]
    return f"{folder}{slash}{_cut(name, f'-{digest}', MAX_NAME_BYTES)}"


def numbered(name: str, number: int) -> str:
    """The name with ``.1``, ``.2``, … before the extension."""
    return _cut(name, f".{number}", MAX_NAME_BYTES)


def split_extension(name: str) -> tuple[str, str]:
    """The name without its extension, and the extension with its dot; ``.tar.gz`` and the like are one. Either may be empty."""
    match = re.search(_EXTENSION, name[1:])
    extension = match.group() if match and len(match.group().encode()) <= MAX_EXTENSION_BYTES else ""
    return name[: len(name) - len(extension)], extension


def _cut(name: str, insert: str, limit: int) -> str:
    """Put ``insert`` before the extension, and shorten the stem, not the extension, until all has at most ``limit`` bytes."""
    stem, extension = split_extension(name)
    room = limit - len(insert.encode()) - len(extension.encode())
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore")
    return (stem + insert + extension) if insert or extension else (stem.rstrip(". ") or "_")


def part_names(name: str) -> tuple[str, str]:
    """The names of the part file of a file and of its sidecar, each of at most 255 bytes."""
    if len(name) + len(SIDECAR_SUFFIX) > MAX_NAME_BYTES // 4 and len(name.encode()) + len(SIDECAR_SUFFIX) > MAX_NAME_BYTES:
        import hashlib

        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name.encode()[: MAX_NAME_BYTES - 40].decode(errors='ignore')}~{digest}"
    return name + PART_SUFFIX, name + SIDECAR_SUFFIX


def default_path(download: Download, cut_dirs: int | None = None) -> str:
    """The path of a Download without ``out``, from its URL. ``cut_dirs``: see `path_from_url`; None: the name only."""
    name = name_from_url(download.url) if cut_dirs is None else path_from_url(download.url, cut_dirs)
    return wished_path(download.dir, name) if download.dir else name


def server_base_name(proposed: str) -> str:
    """The name that a server proposed, as a safe component without folders; empty if it proposed none."""
    base = proposed.replace("\\", "/").rpartition("/")[2]
    return safe_component(base) if base.strip(". ") else ""


def path_with_server_name(path: str, proposed: str) -> str:
    """The path with the name that the server proposed for the file; the path itself if it proposed none (empty)."""
    folder, slash, _ = path.rpartition("/")
    base = server_base_name(proposed)
    return f"{folder}{slash}{base}" if base else path
