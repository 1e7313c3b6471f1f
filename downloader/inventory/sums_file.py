"""The lines of a sums file such as SHA256SUMS, as GNU coreutils write and read them; and which algorithm its name tells."""

import os
import re

from downloader.errors import UsageError

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_KINDS = r"md5|sha[0-9][0-9-]*|blake[23][bs]?|b[23]s?|crc32c"
_NAME = rf"(?P<algorithm>{_KINDS})?[-_.]?(?:check)?sums?(?:\.txt)?"
_SUFFIX = rf".*\.(?P<algorithm>{_KINDS})(?:sums?)?(?:\.txt)?"


def sums_line(digest: str, path: str) -> bytes:
    """``digest  path`` and a line end. A path with a backslash or a line break is escaped, the line marked, as by sha256sum."""
    if path == "-":
        path = "./-"  # sha256sum reads its input for the name -
    escaped = re.sub(r"[\\\r\n]", lambda found: _ESCAPES[found[0]], path)
    mark = "\\" if escaped != path else ""
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


def algorithm_in_name(path: str) -> str | None:
    """The spelling of the algorithm in the name of a sums file, as in SHA256SUMS and ``x.sha256``.

    Empty for a sums file whose name has none, such as CHECKSUMS; None for other names.
    """
    name = os.path.basename(path).lower()
    match = re.fullmatch(_NAME, name) or re.fullmatch(_SUFFIX, name)
    return match["algorithm"] or "" if match else None


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
