"""The algorithms of checksums: their names, how these are spelled elsewhere, how long the digests are, and which are stronger.

How a digest is computed: `downloader.storage.checksum`. The names are those of hashlib where hashlib has the algorithm. A
BLAKE2 digest that is shorter than the longest one has its bits in the name: ``blake2b-256`` is another function than the first
half of ``blake2b``.
"""

import re
from functools import lru_cache

from downloader import extras
from downloader.core.facts import Checksum
from downloader.errors import UsageError

HEX_DIGITS = {
    "crc32c": 8,
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha3_224": 56,
    "sha256": 64,
    "sha3_256": 64,
    "blake2s": 64,
    "blake3": 64,
    "sha384": 96,
    "sha3_384": 96,
    "sha512": 128,
    "sha3_512": 128,
    "blake2b": 128,
}
"""The hexadecimal digits of a digest, by algorithm. The weakest algorithm stands first."""

KNOWN = (
    "sha256, sha512, sha384, sha224, sha3-256, sha3-512, sha3-384, sha3-224, blake2b and blake2s (or with their bits: "
    "blake2b-256), blake3, sha1, md5, crc32c"
)
"""The algorithms, for messages."""

_STRENGTH = {name: rank for rank, name in enumerate(HEX_DIGITS)}

_SPELLINGS = {
    **{name.replace("_", ""): name for name in HEX_DIGITS},
    **{f"sha2{bits}": f"sha{bits}" for bits in (224, 256, 384, 512)},  # openssl and cksum: SHA2-256
    "sha": "sha1",
    "b2": "blake2b",
    "b2b": "blake2b",
    "b2s": "blake2s",
    "b3": "blake3",
    "blake2": "blake2b",
}
"""The name of an algorithm by its spelling in small letters, without ``-`` and ``_``."""

_LENGTH_OF_BLAKE2 = r"blake2([bs])([1-9][0-9]{0,2})"  # compiled at its first use, as all patterns here
_MAX_BITS = {"b": 512, "s": 256}
_WITH_NAME = r"([A-Za-z][A-Za-z0-9_|-]*) ?[=:] ?(\S+)"
_SUBRESOURCE = r"(sha256|sha384|sha512)-([A-Za-z0-9+/]+=*)"
_HEX = r"[0-9a-fA-F]+"
_BLAKE2_FILE = r"(?<![a-z0-9])b2(?:sums?)?(?![a-z0-9])|blake2(?!s)"
_BLAKE2S_FILE = r"blake2s|(?<![a-z0-9])b2s(?:sums?)?(?![a-z0-9])"
_BLAKE3_FILE = r"(?<![a-z0-9])b3(?:sums?)?(?![a-z0-9])|blake3"
_SHA3_FILE = r"sha-?3(?!84)"
_BY_LENGTH = {8: "crc32c", 32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512|blake2b"}
"""The algorithm by the number of hex digits. sha512sum and b2sum write the same lines, so 128 digits may be of either."""


def one_algorithm(kind: str) -> str:
    """The name of the algorithm that is spelled like this; empty if there is none."""
    spelling = kind.strip().lower().replace("-", "").replace("_", "")
    if name := _SPELLINGS.get(spelling):
        return name
    if match := re.fullmatch(_LENGTH_OF_BLAKE2, spelling):
        bits, most = int(match[2]), _MAX_BITS[match[1]]
        if bits == most:
            return f"blake2{match[1]}"
        return f"blake2{match[1]}-{bits}" if bits % 8 == 0 and bits < most else ""
    return ""


@lru_cache(maxsize=64)
def algorithm(kind: str) -> str:
    """The name of an algorithm in any spelling: ``SHA-256``, ``sha3-256``, ``BLAKE2b-256``, ``B3``, or several with ``|``.

    Raises UsageError if it is not known, or if the package that computes it is not installed.
    """
    names = [one_algorithm(word) for word in kind.split("|")]
    if not all(names):
        raise UsageError(f"unknown kind of checksum: {kind[:20]!r}", hint=f"one of {KNOWN}")
    if "blake3" in names:
        extras.require("a blake3 checksum", "blake3", extra="blake3")
    return "|".join(names)


def hex_digits(name: str) -> int:
    """The number of hexadecimal digits of a digest of this algorithm, by its name as `algorithm` returns it."""
    first = name.partition("|")[0]
    bits = first.partition("-")[2]
    return int(bits) // 4 if bits else HEX_DIGITS[first]


def strength(name: str) -> int:
    """A number that is higher for a stronger algorithm, by its name as `algorithm` returns it."""
    return min(_STRENGTH.get(item.partition("-")[0], 0) for item in name.split("|"))


def checksum(kind: str, digest: str) -> Checksum:
    """A Checksum from the name of an algorithm, in any spelling, and a digest in hexadecimal or base64. Raises UsageError.

    ``kind``: see `algorithm`; ``sha512|blake2b`` for a digest of either algorithm.
    """
    name = algorithm(kind)
    digest = digest.strip()
    digits = hex_digits(name)
    if len(digest) == digits and re.fullmatch(_HEX, digest):
        return Checksum(name, digest.lower())
    raw = from_base64(digest)
    if raw is None or 2 * len(raw) != digits:
        raise UsageError(f"not a {kind} checksum: {digest[:40]!r}", hint=f"a {kind} checksum has {digits} hexadecimal digits")
    return Checksum(name, raw.hex())


def from_base64(text: str) -> bytes | None:
    """The bytes of a base64 text (RFC 4648 section 4); None if the text is not base64, or if its padding is missing."""
    import base64  # here: 3 ms that few runs need to pay

    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def parse_checksum(text: str, name: str = "") -> Checksum:
    """A Checksum from one text, such as a cell of a table. Raises UsageError.

    Understood are ``sha-256=DIGEST``, ``sha256:DIGEST``, ``sha256-BASE64`` (Subresource Integrity), and a digest without the
    name of its algorithm. ``name``: of a file or column, which may tell the algorithm; see `algorithm_by_length`.
    """
    text = text.strip()
    if match := re.fullmatch(_SUBRESOURCE, text) or re.fullmatch(_WITH_NAME, text):
        return checksum(match[1], match[2])
    kind = algorithm_by_length(len(text), name) if re.fullmatch(_HEX, text) else ""
    if not kind:
        raise UsageError(f"not a checksum: {text[:40]!r}", hint=f"write ALGORITHM=DIGEST, with one of {KNOWN}")
    return checksum(kind, text)


def algorithm_by_length(digits: int, name: str) -> str:
    """The algorithm of a digest without a name: by its number of hexadecimal digits, and by the name of the checksum file.

    Empty if there is none. ``B2SUMS``, ``x.b3`` and ``sha3-256.txt`` name the algorithm. Without such a name, the digest is of
    SHA-2, SHA-1, MD5 or CRC-32C; 128 digits may be of SHA-512 or BLAKE2b.
    """
    name = re.split(r"[/\\]", name)[-1].lower()
    bits = 4 * digits
    if re.search(_BLAKE3_FILE, name):
        return "blake3"
    if re.search(_BLAKE2S_FILE, name):
        return one_algorithm(f"blake2s-{bits}") or "blake2s"
    if re.search(_BLAKE2_FILE, name):
        return one_algorithm(f"blake2b-{bits}") or "blake2b"
    if re.search(_SHA3_FILE, name) and (sha3 := _SPELLINGS.get(f"sha3{bits}")):
        return sha3
    found = _BY_LENGTH.get(digits, "")
    return "sha512" if found == "sha512|blake2b" and "512" in name else found
