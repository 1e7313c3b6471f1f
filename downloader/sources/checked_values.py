"""Checks each field of a Download that a caller made, before anything starts. Each error names the field."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from downloader.core.digests import HEX_DIGITS, checksum
from downloader.core.facts import Checksum, Headers, Metadata, Pieces
from downloader.core.model import Download
from downloader.core.names.urls import clean_url, public_url
from downloader.core.text import is_text
from downloader.errors import UsageError
from downloader.settings.definitions import parse_header

DEFAULTS = Download("")
"""A Download whose fields have their defaults."""


def checked_download(download: Download) -> Download:
    """The Download with clean URLs, headers as pairs and valid Checksums; the same object if nothing has to change.

    Raises UsageError for a field with a wrong value. The message names the field and the URL, and never a header's value.
    """
    if not isinstance(download.url, str):
        raise UsageError(f"the url of a Download: expected text, got {_shown(download.url)}")
    url = clean_url(download.url)
    try:
        values = {"url": url, **_checked_fields(download)}
    except UsageError as error:
        raise UsageError(error.reason, error.url or public_url(url), error.hint) from None
    changed = {name: value for name, value in values.items() if value is not getattr(download, name)}
    return replace(download, **changed) if changed else download


def _checked_fields(download: Download) -> dict[str, Any]:
    """The checked values of all fields but the URL that do not have their default."""
    checks = {
        "out": _text,
        "dir": _text,
        "mirrors": _mirrors,
        "headers": _headers,
        "checksums": _checksums,
        "size": _size,
        "priority": _number,
        "origin": _text,
        "metadata": _metadata,
        "pieces": _pieces,
        "index": _position,
    }
    given = ((name, getattr(download, name)) for name in checks)
    return {name: checks[name](name, value) for name, value in given if value is not getattr(DEFAULTS, name)}


def _shown(value: object) -> str:
    """A value in words: its kind, and the value itself if it is short."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"a {type(value).__name__}"


def _text(name: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise UsageError(f"{name}: expected text, got {_shown(value)}")
    return value


def _number(name: str, value: object, what: str = "a whole number") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name}: expected {what}, got {_shown(value)}")
    return value


def _size(name: str, value: object) -> int:
    count = _number(name, value, "a number of bytes, or None")
    if count < 0:
        raise UsageError(f"{name}: expected a number of bytes, got {count}")
    return count


def _position(name: str, value: object) -> int:
    position = _number(name, value, "a position in the list, from 1")
    if position < 0:
        raise UsageError(f"{name}: expected a position in the list, from 1, got {position}")
    return position


def _mirrors(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise UsageError(f"{name}: expected a list of URLs, got a text", hint="put the URL into brackets: [URL]")
    if not isinstance(value, list | tuple):
        raise UsageError(f"{name}: expected a list of URLs, got {_shown(value)}")
    for item in value:
        if not isinstance(item, str):
            raise UsageError(f"{name}: expected URLs, got {_shown(item)}")
    return tuple(clean_url(item) for item in value)


def _headers(name: str, value: object) -> Headers:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple):
        raise UsageError(f"{name}: expected a dict, or pairs of name and value, got {type(value).__name__}")
    return tuple(_header(name, pair) for pair in pairs)


def _header(name: str, pair: object) -> tuple[str, str]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise UsageError(f"{name}: expected a dict, or pairs of name and value", hint='as {"Accept": "text/csv"}')
    key, text = pair
    if not isinstance(key, str) or not isinstance(text, str):
        raise UsageError(f"{name}: expected pairs of texts, got {type(key).__name__} and {type(text).__name__}")
    if key != key.strip():
        raise UsageError(f"{name}: the name of a header contains a space or a line break")
    if ":" in key:
        raise UsageError(f"{name}: the name of a header contains a colon")
    try:
        return parse_header(f"{key}: {text}")
    except UsageError:
        raise UsageError(
            f"{name}: a name or a value that is not allowed in a header"
        ) from None  # the header is not shown: it may be secret


def _metadata(name: str, value: object) -> Metadata:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple):
        raise UsageError(f"{name}: expected a dict, or pairs of texts, got {_shown(value)}")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(item, str) for item in pair):
            raise UsageError(f"{name}: expected a dict of texts, or pairs of texts", hint='as {"caption": "a cat"}')
        if not is_text("".join(pair)):
            raise UsageError(f"{name}: the name or the value of a pair is no text")
    return tuple([(key, text) for key, text in pairs])


def _checksums(name: str, value: object) -> tuple[Checksum, ...]:
    if isinstance(value, Checksum | str) or not isinstance(value, list | tuple):
        got = "a Checksum" if isinstance(value, Checksum) else _shown(value)
        raise UsageError(f"{name}: expected a list of Checksums, got {got}", hint='as [Checksum("sha256", DIGEST)]')
    return tuple(_checksum(name, item) for item in value)


def _checksum(name: str, item: object) -> Checksum:
    if not isinstance(item, Checksum):
        raise UsageError(f"{name}: expected Checksums, got {_shown(item)}", hint='as [Checksum("sha256", DIGEST)]')
    if not isinstance(item.algorithm, str) or not isinstance(item.digest, str):
        raise UsageError(f"{name}: the algorithm and the digest of a Checksum are texts")
    try:
        return checksum(item.algorithm, item.digest)
    except UsageError as error:
        if item.algorithm in hashlib.algorithms_available and not item.algorithm.startswith("shake"):
            digits = 2 * hashlib.new(item.algorithm, usedforsecurity=False).digest_size
            if len(item.digest) == digits and item.algorithm not in HEX_DIGITS:
                return Checksum(item.algorithm, item.digest.lower())  # one that lists cannot name, such as ripemd160
        raise UsageError(f"{name}: {error.reason}", hint=error.hint) from None


def _pieces(name: str, value: object) -> Pieces | None:
    if value is None:
        return None
    if not isinstance(value, Pieces):
        raise UsageError(f"{name}: expected Pieces, got {_shown(value)}", hint='as Pieces("sha256", 1 << 20, (DIGEST, …))')
    if not isinstance(value.digests, list | tuple) or not isinstance(value.algorithm, str):
        raise UsageError(f"{name}: the algorithm is a text, and the digests are a list of texts")
    if _number(name, value.length, "the bytes of a piece") <= 0:
        raise UsageError(f"{name}: expected the bytes of a piece, got {value.length}")
    checksums = [_checksum(name, Checksum(value.algorithm, digest)) for digest in value.digests]
    kind = checksums[0].algorithm if checksums else value.algorithm
    return Pieces(kind, value.length, tuple(item.digest for item in checksums))
