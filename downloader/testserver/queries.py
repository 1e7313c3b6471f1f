"""What a query asks the test server for: the wishes of one file, or a whole list of files with their URLs and digests.

Pure: the same query, the same list, on any machine. Raises `WrongQuery` with one line that says what is wrong.
"""

import math
import random
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from downloader.testserver import content, faults
from downloader.testserver.server_errors import WrongQuery

MAX_FILES = 10_000_000
MAX_BYTES = 10**13 - 1
MAX_DELAY = 60.0


class FileOptions(NamedTuple):
    """What the query of a file's URL asks for. Seconds, bytes a second; see `faults` for the kinds."""

    delay: float = 0.0
    rate: float = 0.0
    fail: tuple[str, ...] = ()
    share: float = 1.0
    seed: int = content.SEED
    digest: bool = False


class ListOptions(NamedTuple):
    """What the query of a list asks for: so many files, numbered from 0."""

    files: int
    size: int
    spread: float
    file_options: FileOptions


class ListedFile(NamedTuple):
    """One file of a list. Bytes, seconds."""

    number: int
    size: int
    delay: float

    @property
    def name(self) -> str:
        """Of the file; unique in its list."""
        return f"{self.number}.bin"


DEFAULT_OPTIONS = FileOptions()
_RANGES: dict[str, tuple[float, float]] = {
    "files": (1, MAX_FILES),
    "size": (0, MAX_BYTES),
    "delay": (0, MAX_DELAY),
    "rate": (0, MAX_BYTES),
    "share": (0, 1),
    "spread": (0, 5),
    "seed": (0, 2**63),
}
_NAME = re.compile(r"[\w-][\w.-]{0,99}", re.ASCII)
_WHOLE = ("files", "size", "seed")


@lru_cache(maxsize=1024)
def file_options(query: str) -> FileOptions:
    """What the query of a file's URL asks for; names that mean nothing here are passed over. Raises WrongQuery."""
    return _wishes(dict(parse_qsl(query, keep_blank_values=True))) if query else DEFAULT_OPTIONS


def list_options(query: str) -> ListOptions:
    """What the query of a list asks for. Raises WrongQuery, also for a name that means nothing."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    known = (*_RANGES, "fail")
    for name in given:
        if name not in known:
            raise WrongQuery(f"{name[:40]!r} means nothing in a list: {', '.join(known)} do")
    for name in ("files", "size"):
        if name not in given:
            raise WrongQuery(f"a list needs files= and size=, and {name}= is missing")
    return ListOptions(int(_number(given, "files")), int(_number(given, "size")), _number(given, "spread"), _wishes(given))


def named(queries: Mapping[str, str]) -> dict[str, str]:
    """The same lists by name, if all of them can be served under it. Raises WrongQuery."""
    for name, query in queries.items():
        if not _NAME.fullmatch(name):
            raise WrongQuery(f"{name[:40]!r} is no name for a list: letters, digits, ., _ and - make one, not . first")
        try:
            list_options(query)
        except WrongQuery as error:
            raise WrongQuery(f"the list {name}: {error}") from None
    return dict(queries)


def _wishes(given: Mapping[str, str]) -> FileOptions:
    return FileOptions(
        delay=_number(given, "delay"),
        rate=_number(given, "rate"),
        fail=faults.kinds(given.get("fail", "")),
        share=_number(given, "share", 1.0),
        seed=int(_number(given, "seed", content.SEED)),
        digest=given.get("digest", "") not in ("", "0"),
    )


def _number(given: Mapping[str, str], name: str, default: float = 0) -> float:
    text = given.get(name)
    if text is None:
        return default
    least, most = _RANGES[name]
    try:
        value = int(text) if name in _WHOLE else float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        kind = "a whole number" if name in _WHOLE else "a number"
        raise WrongQuery(f"{name}: {text[:40]!r} is not {kind} from {least} to {most:.15g}")
    return value


def drawing(files: int, size: int, delay: float, spread: float, seed: int) -> Iterator[ListedFile]:
    """The sizes and delays of a list.

    With a ``spread`` of 0 all are alike. Else both are drawn from log-normal distributions: ``size`` and ``delay`` are the
    medians, ``spread`` is the sigma of the logarithm of both. ``random.Random(seed)`` draws two standard normal numbers
    (``gauss``) for each file, the size's and then the delay's. Sizes are rounded to whole bytes, at least 1; delays to
    milliseconds, at most a minute.
    """
    if not spread:
        yield from (ListedFile(number, size, delay) for number in range(files))
        return
    draw = random.Random(seed)  # noqa: S311 - meant to be the same each time
    for number in range(files):
        large, late = math.exp(spread * draw.gauss(0, 1)), math.exp(spread * draw.gauss(0, 1))
        bytes_ = min(max(1, round(size * large)), MAX_BYTES) if size else 0
        yield ListedFile(number, bytes_, min(round(delay * late, 3), MAX_DELAY))


def entries(query: str) -> Iterator[ListedFile]:
    """The files of a list. Raises WrongQuery, at once."""
    asked = list_options(query)
    return drawing(asked.files, asked.size, asked.file_options.delay, asked.spread, asked.file_options.seed)


def path(number: int, size: int, asked: FileOptions = DEFAULT_OPTIONS) -> str:
    """Where a file is, from the server's root, as a URL has it."""
    words = [f"{name}={_plain(value)}" for name, value in (("delay", asked.delay), ("rate", asked.rate)) if value]
    if asked.fail:
        words += [f"fail={','.join(asked.fail)}", f"share={_plain(asked.share)}"]
    if asked.seed != content.SEED:
        words.append(f"seed={asked.seed}")
    if asked.digest:
        words.append("digest=1")
    return f"/file/{size}/{number}.bin" + (f"?{'&'.join(words)}" if words else "")


def _plain(value: float) -> str:
    """A number without an exponent."""
    return f"{value:f}".rstrip("0").rstrip(".")


def lines(base: str, query: str) -> Iterator[str]:
    """The URLs of a list, each with its line's end; ``base`` has no slash at its end. Raises WrongQuery, at once."""
    common = list_options(query).file_options
    return (f"{base}{path(item.number, item.size, common._replace(delay=item.delay))}\n" for item in entries(query))


def sums(query: str) -> Iterator[tuple[str, str]]:
    """The file names of a list and their SHA-256 digests. Raises WrongQuery, at once."""
    seed = list_options(query).file_options.seed
    return ((item.name, content.sha256(item.number, item.size, seed)) for item in entries(query))
