"""The lines of a sums file such as SHA256SUMS, as GNU coreutils write and read them; and which algorithm its name tells."""

import os
import re

from downloader.errors import UsageError

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_NAME = r"(?P<algorithm>[a-z0-9_-]+?)[-_.]?sums?(?:\.txt|\.asc)?"
_SUFFIX = r".*\.(?P<algorithm>md5|sha1|sha224|sha256|sha384|sha512|sha3-256|sha3-512|blake2b|b2|blake2s|blake3|b3|crc32c)(?:sums?)?(?:\.txt)?"


def sums_line(digest: str, path: str) -> bytes:
    """``digest  path`` with a line end. A path with a backslash or a line break is escaped, and the line marked, as by sha256sum."""
    escaped = re.sub(r"[\\\r\n]", lambda found: _ESCAPES[found[0]], path)
    mark = "\\" if escaped != path else ""
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


def algorithm_in_name(path: str) -> str:
    """The spelling of the algorithm that the name of a sums file tells, as SHA256SUMS and ``x.sha256`` do; empty if none."""
    name = os.path.basename(path).lower()
    match = re.fullmatch(_NAME, name) or re.fullmatch(_SUFFIX, name)
    return match["algorithm"] if match else ""


def base_folder(sums_path: str, folder: str) -> tuple[str, str]:
    """What the names in a sums file are relative to, and what comes before each path of ``folder`` in them.

    A sums file in the folder, or in one above it, has names that are relative to the place of the sums file, so that
    ``sha256sum -c`` finds the files from there. The names in any other sums file are relative to the folder.
    """
    if sums_path == "-":
        return folder, ""
    place = os.path.realpath(os.path.dirname(sums_path) or ".")
    root = os.path.realpath(folder)
    if os.path.commonpath((place, root)) == place:
        inner = os.path.relpath(root, place)
        return place, "" if inner == "." else f"{inner}/"
    return root, ""


def check_algorithm(spelling: str) -> str:
    """The name of an algorithm in any spelling. Raises UsageError, also if the package that computes it is missing."""
    from downloader.core.digests import algorithm

    name = algorithm(spelling)
    if "|" in name:
        raise UsageError(f"not one algorithm: {spelling!r}")
    return name
