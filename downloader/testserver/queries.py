"""The queries of the test server: the options of one file, or a list of files with their URLs and digests.

Pure: the same query makes the same list on any machine. Functions raise `WrongQuery`, whose text is one line with the reason.
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
    """The options in the query of a file's URL.

    ``delay``: seconds before the first byte. ``rate``: the maximum number of bytes per second; 0: no limit. ``fail``: the
    kinds of faults, see `faults`; ``share``: their probability. ``digest``: whether to answer with ``Repr-Digest``.
    """

    delay: float = 0.0
    rate: float = 0.0
    fail: tuple[str, ...] = ()
    share: float = 1.0
    seed: int = content.SEED
    digest: bool = False


class UrlListOptions(NamedTuple):
    """The options in the query of a list: the number of files, which are numbered from 0, their size in bytes, the sigma of the
    log-normal distribution of sizes and delays (0: all files are alike), and the options of each file."""

    files: int
    size: int
    spread: float
    file_options: FileOptions


class ListedFile(NamedTuple):
    """One file of a list: its number, its size in bytes, and its delay in seconds."""

    number: int
    size: int
    delay: float

    @property
    def name(self) -> str:
        """The name of the file, which is unique in its list."""
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
    """Parse the query of a file's URL. Unknown parameters are ignored. Raises WrongQuery."""
    return _parse_options(dict(parse_qsl(query, keep_blank_values=True))) if query else DEFAULT_OPTIONS


def list_options(query: str) -> UrlListOptions:
    """Parse the query of a list. Raises WrongQuery, also for an unknown parameter."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    known = (*_RANGES, "fail")
    for name in parameters:
        if name not in known:
            raise WrongQuery(f"unknown parameter {name[:40]!r}: a list has {', '.join(known)}")
    for name in ("files", "size"):
        if name not in parameters:
            raise WrongQuery(f"a list needs files= and size=, and {name}= is missing")
    return UrlListOptions(
        int(_number(parameters, "files")),
        int(_number(parameters, "size")),
        _number(parameters, "spread"),
        _parse_options(parameters),
    )


def checked_lists(queries: Mapping[str, str]) -> dict[str, str]:
    """The queries by the name of their list, after a check of all names and queries. Raises WrongQuery."""
    for name, query in queries.items():
        if not _NAME.fullmatch(name):
            raise WrongQuery(f"{name[:40]!r} is not a name for a list: use letters, digits, ., _ and -, and no . at the start")
        try:
            list_options(query)
        except WrongQuery as error:
            raise WrongQuery(f"the list {name}: {error}") from None
    return dict(queries)


def _parse_options(parameters: Mapping[str, str]) -> FileOptions:
    return FileOptions(
        delay=_number(parameters, "delay"),
        rate=_number(parameters, "rate"),
        fail=faults.kinds(parameters.get("fail", "")),
        share=_number(parameters, "share", 1.0),
        seed=int(_number(parameters, "seed", content.SEED)),
        digest=parameters.get("digest", "") not in ("", "0"),
    )


def _number(parameters: Mapping[str, str], name: str, default: float = 0) -> float:
    text = parameters.get(name)
    if text is None:
        return default
    minimum, maximum = _RANGES[name]
    try:
        value = int(text) if name in _WHOLE else float(text)
    except ValueError:
        value = math.nan
    if not minimum <= value <= maximum:
        kind = "a whole number" if name in _WHOLE else "a number"
        raise WrongQuery(f"{name}: {text[:40]!r} is not {kind} from {minimum} to {maximum:.15g}")
    return value


def generate(files: int, size: int, delay: float, spread: float, seed: int) -> Iterator[ListedFile]:
    """Generate the files of a list.

    With a ``spread`` of 0, all sizes and delays are the same. Otherwise both have log-normal distributions: ``size`` (bytes)
    and ``delay`` (seconds) are the medians, and ``spread`` is the sigma of the logarithm of both. For each file,
    ``random.Random(seed)`` draws two standard normal numbers (``gauss``), first for the size, then for the delay. Sizes are
    rounded to whole bytes, at least 1; delays are rounded to milliseconds, at most a minute.
    """
    if not spread:
        yield from (ListedFile(number, size, delay) for number in range(files))
        return
    draw = random.Random(seed)  # noqa: S311 - the same numbers each time, not secret ones
    for number in range(files):
        large, late = math.exp(spread * draw.gauss(0, 1)), math.exp(spread * draw.gauss(0, 1))
        bytes_ = min(max(1, round(size * large)), MAX_BYTES) if size else 0
        yield ListedFile(number, bytes_, min(round(delay * late, 3), MAX_DELAY))


def entries(query: str) -> Iterator[ListedFile]:
    """The files of a list. Raises WrongQuery at the call, not during the iteration."""
    options = list_options(query)
    return generate(options.files, options.size, options.file_options.delay, options.spread, options.file_options.seed)


def path(number: int, size: int, options: FileOptions = DEFAULT_OPTIONS) -> str:
    """The path and the query of a file's URL."""
    parameters = [f"{name}={_plain(value)}" for name, value in (("delay", options.delay), ("rate", options.rate)) if value]
    if options.fail:
        parameters += [f"fail={','.join(options.fail)}", f"share={_plain(options.share)}"]
    if options.seed != content.SEED:
        parameters.append(f"seed={options.seed}")
    if options.digest:
        parameters.append("digest=1")
    return f"/file/{size}/{number}.bin" + (f"?{'&'.join(parameters)}" if parameters else "")


def _plain(value: float) -> str:
    """A number without an exponent."""
    return f"{value:f}".rstrip("0").rstrip(".")


def url_lines(base: str, query: str) -> Iterator[str]:
    """The URLs of a list, each with a line end.

    ``base``: scheme, host and port, without a final slash. Raises WrongQuery at the call.
    """
    options = list_options(query).file_options
    return (f"{base}{path(item.number, item.size, options._replace(delay=item.delay))}\n" for item in entries(query))


def sums(query: str) -> Iterator[tuple[str, str]]:
    """The file names of a list and their SHA-256 digests in hex. Raises WrongQuery at the call."""
    seed = list_options(query).file_options.seed
    return ((item.name, content.sha256(item.number, item.size, seed)) for item in entries(query))
