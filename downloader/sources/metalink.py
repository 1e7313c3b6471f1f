"""Reads Metalinks: version 4 (RFC 5854, ``.meta4``) and version 3 (``.metalink``).

Each ``file`` is a Download: its name, its size, its strongest hash, the hashes of its pieces, and its http and https URLs, the
preferred one first. URLs of other schemes and ``metaurl`` are left out, and so are hashes of unknown algorithms. A file that
has a URL and no name is named after its URL.
"""

from collections.abc import Iterator, Sequence
from typing import IO

from downloader.core.digests import checksum, one_algorithm, strength
from downloader.core.facts import Checksum, Pieces
from downloader.core.model import Download
from downloader.core.names.file_names import wished_path
from downloader.core.names.urls import clean_url
from downloader.errors import DownloadError, UsageError
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.xml_entries import Element, read_entries

_LOWEST_PRIORITY = 999_999
"""What a URL without a priority has (RFC 5854 section 4.2.16.1)."""


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a Metalink, read lazily. A file that cannot be fetched goes to ``on_bad_line``, with its number.

    ``name``: of the Metalink, for messages. Raises UsageError where the document itself is wrong: see `read_entries`.
    """
    for number, file in enumerate(read_entries(stream, name, ["metalink"], ["file"]), 1):
        where = f"{name}:{file.line}"
        try:
            download = _download(file, where, options.prefer_location)
        except DownloadError as error:
            reason = f"file {number}: {error.reason}{': ' + error.url if error.url else ''}"
            on_bad_line(UsageError(reason, where, error.hint))
        else:
            yield download


def _download(file: Element, where: str, prefer_location: Sequence[str]) -> Download:
    """The Download of a ``file`` element. Raises UsageError, PolicyError."""
    out = file.attributes.get("name", "")
    try:
        out = wished_path("", out) and out  # a name of dots and slashes names nothing
    except DownloadError as error:
        raise UsageError(error.reason, hint="a file of a Metalink stays below --dir") from None
    urls = _urls(file, prefer_location)
    size = _size(file)
    return Download(
        url=urls[0],
        out=out,
        mirrors=tuple(urls[1:]),
        checksums=_checksums(file),
        size=size,
        origin=where,
        pieces=_pieces(file, size),
    )


def _urls(file: Element, prefer_location: Sequence[str]) -> list[str]:
    """The http and https URLs, the preferred one first, each once. Raises UsageError if there is none."""
    resources = [url for group in file.all("resources") for url in group.all("url")]
    elements = [*file.all("url"), *resources]
    usable = [element for element in elements if element.text.lower().startswith(("http://", "https://"))]
    if not usable:
        schemes = sorted({element.text.partition(":")[0][:20] for element in elements})
        raise UsageError("no http or https URL" + (f", only {', '.join(schemes)}" if schemes else ""))
    wanted = [location.lower() for location in prefer_location]
    usable.sort(key=lambda element: _preference(element, wanted))  # stable: equals stay as listed
    return list(dict.fromkeys(clean_url(element.text) for element in usable))


def _preference(url: Element, wanted: list[str]) -> tuple[int, int]:
    """Sort key of a URL: its country, then its priority (1 first; RFC 5854) or its preference (100 first; version 3)."""
    location = url.attributes.get("location", "").lower()
    country = wanted.index(location) if location in wanted else len(wanted)
    if "priority" in url.attributes:
        return country, _number(url.attributes["priority"], "priority")
    if "preference" in url.attributes:
        return country, -_number(url.attributes["preference"], "preference")
    return country, _LOWEST_PRIORITY


def _number(text: str, what: str) -> int:
    """The whole number of an attribute or element. Raises UsageError."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UsageError(f"the {what} is not a number: {text[:40]!r}")
    return int(text)


def _size(file: Element) -> int | None:
    text = file.text_of("size")
    return _number(text, "size") if text else None


def _algorithm(element: Element) -> str:
    """The name of the algorithm as `Checksum` has it; empty if it is unknown."""
    return one_algorithm(element.attributes.get("type", ""))


def _strength(element: Element) -> int:
    return strength(_algorithm(element))


def _checksums(file: Element) -> tuple[Checksum, ...]:
    """The strongest of the known hashes (RFC 5854 section 4.2.4). Raises UsageError for a malformed one."""
    groups = [file, *file.all("verification")]
    hashes = [item for group in groups for item in group.all("hash") if _algorithm(item)]
    return tuple(checksum(_algorithm(item), item.text) for item in sorted(hashes, key=_strength)[-1:])


def _pieces(file: Element, size: int | None) -> Pieces | None:
    """The hashes of the pieces, of the strongest known algorithm. Raises UsageError where they do not cover the file."""
    groups = [file, *file.all("verification")]
    known = [item for group in groups for item in group.all("pieces") if _algorithm(item)]
    if not known:
        return None
    pieces = max(known, key=_strength)
    algorithm, length = _algorithm(pieces), _number(pieces.attributes.get("length", ""), "length of a piece")
    if not length:
        raise UsageError("the length of a piece is 0")
    digests = tuple(checksum(algorithm, item.text).digest for item in _in_order(pieces.all("hash")))
    if size is not None and len(digests) != -(-size // length):
        raise UsageError(f"{len(digests)} pieces of {length} bytes do not make {size} bytes")
    return Pieces(algorithm, length, digests)


def _in_order(hashes: list[Element]) -> list[Element]:
    """The hashes by their number, where they have one (version 3), else as listed. Raises UsageError for other numbers."""
    if not any("piece" in item.attributes for item in hashes):
        return hashes
    numbered = sorted(hashes, key=lambda item: _number(item.attributes.get("piece", ""), "number of a piece"))
    if [int(item.attributes["piece"]) for item in numbered] != list(range(len(numbered))):
        raise UsageError("the numbers of the pieces have a gap or a repetition")
    return numbered
