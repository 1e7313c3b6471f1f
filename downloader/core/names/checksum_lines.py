"""The lines of a file of checksums, such as SHA256SUMS, as each tool writes them.

| line | written by |
| --- | --- |
| ``DIGEST  NAME``, ``DIGEST *NAME`` | sha256sum, md5sum, b2sum, b3sum, shasum; a leading backslash: the name is escaped |
| the same lines, each with a NUL at its end | ``sha256sum -z``: a name may have line ends |
| ``DIGEST NAME`` | ``md5 -r`` and ``sha256 -r`` of BSD |
| ``SHA256 (NAME) = DIGEST`` | ``sha256sum --tag``, ``cksum -a sha256`` (also in base64), sha256 of BSD |
| ``SHA2-256(NAME)= DIGEST`` | ``openssl dgst`` |
"""

import re
from collections.abc import Iterable, Iterator

from downloader.core.digests import algorithm_by_length, checksum, parse_checksum
from downloader.core.facts import Checksum
from downloader.errors import UsageError

_PLAIN = r"(\\?)([0-9A-Fa-f]{2,128}) [ *]?((?s:.+))"  # compiled at its first use, as the next ones
_TAGGED = r"(\\?)([A-Za-z][A-Za-z0-9/_-]*) ?\(((?s:.+))\) ?= ([0-9A-Za-z+/]+=*)"
_ESCAPE = r"\\([\\nr])"
_ESCAPED = {"n": "\n", "r": "\r", "\\": "\\"}

_MAX_LINE_CHARACTERS = 8192
"""A longer line of an answer is not looked at: it has no checksum."""


def parse_line(text: str, name: str) -> tuple[str, Checksum]:
    """The path in a line, and its checksum. ``name``: of the checksum file, which may tell the algorithm. Raises UsageError."""
    if match := re.fullmatch(_PLAIN, text):
        escaped, digest, path = match.groups()
        kind = algorithm_by_length(len(digest), name)
        if not kind:
            raise UsageError(f"no known algorithm has digests of {len(digest)} hexadecimal digits")
    elif match := re.fullmatch(_TAGGED, text):
        escaped, kind, path, digest = match.groups()
    else:
        raise UsageError("not a line of `digest  name`")
    if escaped:
        path = re.sub(_ESCAPE, lambda escape: _ESCAPED[escape[1]], path)
    return path.removeprefix("./"), checksum(kind, digest)


def parse_checksums(lines: Iterable[str], name: str) -> dict[str, Checksum]:
    """The checksums of a file such as SHA256SUMS, by path. Blank lines and ``#`` comments are skipped.

    Args:
        lines: without their ends.
        name: of the checksum file, for messages; it may tell the algorithm, as B2SUMS does.

    Raises:
        UsageError: a line has no checksum. The error has the name of the file and the number of the line.
    """
    checksums: dict[str, Checksum] = {}
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").rstrip()
        if not text or text.startswith("#"):
            continue
        try:
            path, item = parse_line(text, name)
        except UsageError as error:
            raise UsageError(error.reason, f"{name}:{number}", error.hint) from None
        checksums[path] = item
    return checksums


def find_in_answer(body: bytes, name: str) -> dict[str, Checksum | None]:
    """The checksums in the answer of a server, by path; none in a web page. Never raises.

    None where lines of one path contradict each other: they give different digests of one algorithm.

    Lines without a checksum are skipped: a file may be signed, or have a heading. A file of one digest alone has it under the
    empty path. ``name``: of the checksum file, which may tell the algorithm.
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if text.startswith("<") or "\0" in text:
        return {}
    if len(text) < _MAX_LINE_CHARACTERS and len(text.split()) == 1:
        try:
            return {"": parse_checksum(text, name)}
        except UsageError:
            return {}
    checksums: dict[str, Checksum | None] = {}
    for path, item in _readable_lines(text.splitlines(), name):
        known = checksums.setdefault(path, item)
        if known is not None and known != item:
            checksums[path] = None if known.algorithm == item.algorithm else item
    return checksums


def _readable_lines(lines: Iterable[str], name: str) -> Iterator[tuple[str, Checksum]]:
    for line in lines:
        if len(line) < _MAX_LINE_CHARACTERS:
            try:
                yield parse_line(line.rstrip(), name)
            except UsageError:
                continue
