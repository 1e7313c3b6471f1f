"""The digests that a server sends: ``Repr-Digest`` and ``Content-Digest`` (RFC 9530), and ``Digest`` (RFC 3230).

Of which bytes each of them is:

- ``Repr-Digest`` and ``Digest`` are of the selected representation: of the whole file, also in a 206 answer, with its content
  coding. As `dl` keeps the bytes as they are sent, they are of the file on the disk.
- ``Content-Digest`` is of the content of the message. In a 206 answer that is a part of the file: it says nothing of the whole.

The values of ``Repr-Digest`` and ``Content-Digest`` are byte sequences of a structured field dictionary (RFC 9651): base64
between colons. The values of ``Digest`` have no common form: base64 for MD5, SHA, SHA-256 and SHA-512, hexadecimal for CRC32C
(RFC 5843), a decimal number for UNIXsum and UNIXcksum. Some servers write hexadecimal where base64 belongs; the length of the
value tells which of the two it is.
"""

import re

from downloader.core.digests import from_base64, hex_digits, strength
from downloader.core.facts import Checksum

_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
"""The algorithms of the registry of RFC 9530 whose values are byte sequences, by their keys."""

_ALGORITHMS_OF_DIGEST = {**_ALGORITHMS, "sha-1": "sha1", "crc32c": "crc32c"}
"""The algorithms of ``Digest`` that are verified; UNIXsum, UNIXcksum and ADLER32 are not."""

ANNOUNCED = frozenset(_ALGORITHMS_OF_DIGEST.values())
"""All algorithms that an announced digest may have."""

# The grammar of RFC 9651 section 4.2, for one member of a dictionary. Compiled at its first use.
_KEY = r"[a-z*][a-z0-9_.*-]*"
_ITEM = (
    r"(?:-?[0-9]{1,15}(?:\.[0-9]{1,3})?"  # a number
    r'|"(?:[ !#-\[\]-~]|\\["\\])*"'  # a string
    r"|[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*"  # a token
    r"|:[A-Za-z0-9+/=]*:"  # a byte sequence
    r"|\?[01]"  # a boolean
    r"|@-?[0-9]{1,15}"  # a date
    r'|%"(?:[ !#$&-~]|%[0-9a-f]{2})*")'  # a display string
)
_PARAMETERS = rf"(?:; *{_KEY}(?:={_ITEM})?)*"
_INNER_LIST = rf"\( *(?:{_ITEM}{_PARAMETERS}(?: +{_ITEM}{_PARAMETERS})*)? *\)"
_MEMBER = rf"({_KEY})(?:=({_INNER_LIST}|{_ITEM}))?{_PARAMETERS}"
_COMMA = r"[ \t]*,[ \t]*"


def byte_sequences(text: str) -> dict[str, bytes]:
    """The members of a structured field dictionary that are byte sequences, by key (RFC 9651 sections 3.2 and 4.2).

    The last of several members with one key counts. A text that breaks the grammar anywhere has no members.
    """
    members: dict[str, bytes | None] = {}
    text = text.strip(" ")
    position = 0
    while position < len(text):
        match = re.compile(_MEMBER).match(text, position)
        if match is None:
            return {}
        key, value = match.groups()
        if value is not None and value.startswith(":"):
            members[key] = from_base64(value[1:-1] + "=" * (-(len(value) - 2) % 4))  # the padding may be missing
            if members[key] is None:
                return {}
        else:
            members[key] = None
        position = match.end()
        comma = re.compile(_COMMA).match(text, position)
        if comma is None:
            return {} if text[position:].strip(" \t") else _known(members)
        position = comma.end()
        if position == len(text):
            return {}  # a comma at the end
    return _known(members)


def _known(members: dict[str, bytes | None]) -> dict[str, bytes]:
    return {key: value for key, value in members.items() if value is not None}


def _of_dictionary(text: str) -> list[Checksum]:
    """The digests in Repr-Digest or Content-Digest. Keys in capital letters break the grammar, but some servers send them."""
    lower = re.sub(r"(?:(?<=^)|(?<=,)|(?<=[ \t]))[A-Za-z0-9-]+(?==:)", lambda key: key[0].lower(), text)
    members = byte_sequences(lower)
    found = []
    for key, name in _ALGORITHMS.items():
        raw = members.get(key)
        if raw is not None and 2 * len(raw) == hex_digits(name):
            found.append(Checksum(name, raw.hex()))
    return found


def _of_list(text: str) -> list[Checksum]:
    """The digests in Digest (RFC 3230 section 4.3.2)."""
    found = []
    for item in text.split(","):
        key, _, value = item.strip().partition("=")
        name = _ALGORITHMS_OF_DIGEST.get(key.strip().lower(), "")
        digest = _digest_of(name, value.partition(";")[0].strip()) if name else ""
        if digest:
            found.append(Checksum(name, digest))
    return found


def _digest_of(name: str, value: str) -> str:
    """The value of a Digest field in hexadecimal; empty if it is no digest of this algorithm."""
    digits = hex_digits(name)
    if re.fullmatch(r"[0-9A-Fa-f]+", value) and (len(value) == digits or (name == "crc32c" and len(value) < digits)):
        return value.lower().rjust(digits, "0")  # RFC 5843: leading zeros of CRC32C may be missing
    raw = None if name == "crc32c" else from_base64(value)
    return raw.hex() if raw is not None and 2 * len(raw) == digits else ""


def announced_digests(repr_digest: str, content_digest: str, digest: str) -> tuple[Checksum, ...]:
    """The digests of the file in these fields; the strongest algorithm comes first. Those that are malformed are ignored.

    Where two fields disagree, the one that stands before the other here counts. ``content_digest``: empty for a 206 answer.
    """
    by_algorithm: dict[str, Checksum] = {}
    for item in [*_of_dictionary(repr_digest), *_of_dictionary(content_digest), *_of_list(digest)]:
        by_algorithm.setdefault(item.algorithm, item)
    return tuple(sorted(by_algorithm.values(), key=lambda item: -strength(item.algorithm)))
