"""Where the files of a run go: what the value of ``--dir`` means.

| value | kind |
| --- | --- |
| a path | `LocationKind.FOLDER` |
| ``s3://BUCKET/PREFIX``, ``gs://…``, ``az://…``, ``file:///PATH`` | `LocationKind.STORE`: an object store |
| ``tar://LOCATION`` | `LocationKind.TAR`: tar files, in a folder or in an object store |
"""

from enum import Enum
from typing import NamedTuple

from downloader.errors import UsageError

STORE_SCHEMES = ("s3", "gs", "az", "file")
"""Schemes of URLs that name an object store, and the place of the files in it."""

TAR_SCHEME = "tar"


class LocationKind(Enum):
    """What kind of place files go to."""

    FOLDER = "folder"
    STORE = "object store"
    TAR = "tar files"


class Location(NamedTuple):
    """``target``: the path of the folder, the URL of the store, or the location that tar files are in."""

    kind: LocationKind
    target: str


def parse_location(text: str) -> Location:
    """What a value of ``--dir`` means. Raises UsageError for an unknown scheme, and for an incomplete URL."""
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isalnum():
        first = text.partition(":")[0].lower()
        if len(first) < len(text) and first in (*STORE_SCHEMES, TAR_SCHEME):
            hint = f"{first}://…, as a text, for a pathlib.Path has one slash only; or ./{text} for a folder of this name"
            raise UsageError(f"--dir: a URL has two slashes after the colon, got {text!r}", hint=hint)
        return Location(LocationKind.FOLDER, text)
    scheme = scheme.lower()
    if scheme == TAR_SCHEME:
        if not rest or parse_location(rest).kind is LocationKind.TAR:
            raise UsageError(f"--dir: expected tar://FOLDER or tar://s3://BUCKET/PREFIX, got {text!r}")
        return Location(LocationKind.TAR, rest)
    if scheme not in STORE_SCHEMES:
        known = ", ".join(f"{name}://" for name in (*STORE_SCHEMES, TAR_SCHEME))
        raise UsageError(f"--dir: unknown scheme {scheme}://", hint=f"a path, or one of {known}")
    place = rest.strip("/") if scheme == "file" else rest.partition("/")[0]
    if not place:
        what = "file:///PATH" if scheme == "file" else f"{scheme}://BUCKET/PREFIX"
        raise UsageError(f"--dir: expected {what}, got {text!r}")
    return Location(LocationKind.STORE, f"{scheme}://{rest}")


def check_is_folder(text: str, command: str) -> None:
    """Raises UsageError unless this is the path of a folder or a file: ``command`` reads files of this machine."""
    kind = parse_location(text).kind
    if kind is not LocationKind.FOLDER:
        is_store = kind is LocationKind.STORE
        what = "an object store" if is_store else "a place of tar files"
        record = "--journal FILE or --report FILE" if is_store else "--report FILE"
        hint = f"a run with {record} keeps its record on this machine"
        if not is_store:
            hint += "; the tables beside the tar files have a row for each URL"
        raise UsageError(f"{text} is {what}: {command} reads folders", hint=hint)
