"""Reads JSON Lines: an object on each line, or a text that is a URL. A JSON array of such entries is read too, if it is short.

The keys have the names of columns: `downloader.sources.columns`. Further keys become ``Download.metadata``: text as it is, any
other value as JSON. The values of ``headers``, ``checksums``, ``mirrors`` and ``urls`` may be objects or arrays.
"""

from collections.abc import Iterator
from typing import IO, Any

import msgspec
from msgspec.structs import replace

from downloader.core.digests import checksum
from downloader.core.facts import Checksum, Headers
from downloader.core.model import Download
from downloader.core.names.urls import clean_url
from downloader.errors import DownloadError, UsageError
from downloader.settings.definitions import parse_header
from downloader.sources.columns import (
    DIGEST_NAMES,
    MIRROR_NAMES,
    URL_NAMES,
    Columns,
    NoSuchColumn,
    checksum_of,
    columns_of,
    description_of,
    plain,
)
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.streams import decoded
from downloader.sources.text import lines_of

MAX_ENTRY_CHARACTERS = 1024 * 1024
"""Characters of a line at most."""

MAX_ARRAY_CHARACTERS = 16 * 1024 * 1024
"""Characters of a JSON array at most: it is read as a whole."""

DESCRIBED_OBJECTS = 100
"""Objects whose keys are described to the user together; fewer at the end of a list."""

_MAX_SHAPES = 1000
"""Sets of keys whose meaning is kept at most."""

_HEADER_NAMES = frozenset({"header", "headers"})


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of JSON Lines: see `downloader.sources.formats.Read`."""
    with decoded(stream) as text:
        objects = _Objects(options, name)
        for where, entry in _entries(text, name):
            try:
                download = objects.download(_value(entry) if isinstance(entry, str) else entry.value, where)
            except DownloadError as error:
                if isinstance(error, NoSuchColumn) and objects.is_first:
                    raise UsageError(error.reason, name, error.hint) from None
                reason = f"{error.reason}: {error.url}" if error.url else error.reason
                on_bad_line(UsageError(reason, where, error.hint))
                continue
            yield download
        objects.say_what_was_found()


class _Item:
    """An element of a JSON array, decoded."""

    def __init__(self, value: object) -> None:
        self.value = value


def _entries(text: IO[str], name: str) -> Iterator[tuple[str, "str | _Item"]]:
    """The lines that are not blank, or the elements of an array; each with its place."""
    start = text.readline(MAX_ENTRY_CHARACTERS).removeprefix("\ufeff")
    if start.lstrip().startswith("["):
        for number, value in enumerate(_array(start, text, name), 1):
            yield f"{name}: element {number}", _Item(value)
        return
    if start.strip() == "{":
        raise UsageError("this is JSON on several lines, not JSON Lines", name, "jq -c . FILE | dl -")
    for number, line in enumerate(lines_of(text, MAX_ENTRY_CHARACTERS, start), 1):
        if line.strip():
            yield f"{name}:{number}", line


def _array(start: str, text: IO[str], name: str) -> list[object]:
    """The elements of an array that begins with ``start``. Raises UsageError."""
    whole = start + text.read(MAX_ARRAY_CHARACTERS)
    if len(whole) > MAX_ARRAY_CHARACTERS:
        raise UsageError("this is a JSON array; it is too long to be read as a whole", name, "jq -c '.[]' FILE | dl -")
    try:
        return msgspec.json.decode(whole, type=list[object])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(f"this seems to be a JSON array, but it is malformed: {error}", name) from None


def _value(line: str) -> object:
    """The value on a line. Raises UsageError."""
    if line.endswith("\0"):
        raise UsageError("the line is too long")
    try:
        return msgspec.json.decode(line)
    except UnicodeError:
        raise UsageError("the line is not UTF-8 text") from None
    except msgspec.DecodeError as error:
        raise UsageError(f"not JSON: {error}") from None


class _Objects:
    """Makes Downloads of objects. Which key means what is found once for each set of keys."""

    def __init__(self, options: ListOptions, name: str) -> None:
        self._options, self._name = options, name
        self._shapes: dict[tuple[str, ...], Columns] = {}
        self._left_to_describe = 0 if options.on_notice is None else DESCRIBED_OBJECTS

    @property
    def is_first(self) -> bool:
        """Whether no object had a key with a URL so far."""
        return not self._shapes

    def download(self, value: object, where: str) -> Download:
        """The Download of an entry. Raises UsageError, PolicyError."""
        if isinstance(value, str):
            return Download(clean_url(value), origin=where)
        if not isinstance(value, dict):
            raise UsageError("neither an object nor a text")
        changes: dict[str, Any] = {}
        cells: dict[str, str] = {}
        for key, item in value.items():
            self._add(key, item, cells, changes)
        columns = self._columns(tuple(cells), tuple(cells.values()))
        download = columns.download(tuple(cells.values()), where)
        if "mirrors" in changes:
            changes["mirrors"] += download.mirrors
        return replace(download, **changes) if changes else download

    def _add(self, key: str, item: object, cells: dict[str, str], changes: dict[str, Any]) -> None:
        """Add the value of a key to the cells as text, or to the changed fields of the Download."""
        if item is None:
            return
        name = plain(key)
        if name == "headers" and isinstance(item, str):
            item = [item]
        if isinstance(item, str):
            cells[key] = item
        elif isinstance(item, list) and all(isinstance(part, str) for part in item) and self._has_urls(key, name):
            urls = [clean_url(url) for url in item]
            if urls and (name in URL_NAMES or key == self._options.url_column):
                cells[key] = urls[0]
                changes["mirrors"] = tuple(urls[1:])
            else:
                cells[key] = "\n".join(urls)
        elif name in _HEADER_NAMES and isinstance(item, dict | list):
            changes["headers"] = _headers(item)
        elif name in DIGEST_NAMES and isinstance(item, dict | list):
            changes["checksums"] = _checksums(item)
        else:
            cells[key] = msgspec.json.encode(item).decode()

    def _has_urls(self, key: str, name: str) -> bool:
        wanted = (self._options.url_column, self._options.mirror_column)
        return name in URL_NAMES or name in MIRROR_NAMES or key in wanted

    def _columns(self, keys: tuple[str, ...], cells: tuple[str, ...]) -> Columns:
        columns = self._shapes.get(keys)
        if columns is None:
            columns = columns_of(keys, cells, self._options, has_names=True)
            if columns is None:
                known = f"the keys are {', '.join(keys[:40])}; --url-column names the one with the URL" if keys else ""
                raise NoSuchColumn("no key has a URL", hint=known)
            if len(self._shapes) < _MAX_SHAPES:
                self._shapes[keys] = columns
        if self._left_to_describe:
            self._left_to_describe -= 1
            if not self._left_to_describe:
                self._describe()
        return columns

    def say_what_was_found(self) -> None:
        """At the end of a list: say what the keys mean, unless that was said already."""
        if self._left_to_describe and self._shapes:
            self._left_to_describe = 0
            self._describe()

    def _describe(self) -> None:
        if self._options.on_notice is not None:
            self._options.on_notice(f"{self._name}: JSON objects; {description_of(list(self._shapes.values()), 'key')}")


def _headers(value: "dict[str, object] | list[object]") -> Headers:
    """Headers from an object, or from texts such as ``Name: value``. Raises UsageError; the message has no value of them."""
    kinds = {type(item) for item in (value.values() if isinstance(value, dict) else value)}
    if not kinds <= ({str, int} if isinstance(value, dict) else {str}):
        raise UsageError("headers: an object of texts, or texts such as 'Name: value', are expected")
    lines = [f"{key}: {item}" for key, item in value.items()] if isinstance(value, dict) else value
    return tuple([parse_header(str(line)) for line in lines])


def _checksums(value: "dict[str, object] | list[object]") -> tuple[Checksum, ...]:
    """Checksums from an object (``{"sha256": "…"}``), or from an array of texts or of objects. Raises UsageError."""
    if isinstance(value, dict):
        if "algorithm" in value and "digest" in value:
            return (checksum(str(value["algorithm"]), str(value["digest"])),)
        return tuple([checksum(kind, str(digest)) for kind, digest in value.items() if digest])
    found: list[Checksum] = []
    for item in value:
        found += _checksums(item) if isinstance(item, dict) else (checksum_of(str(item), ""),)
    return tuple(found)
