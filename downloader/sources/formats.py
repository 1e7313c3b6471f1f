"""The formats of lists: their names, the module that reads each, and the options of the readers.

Every module of a format has a function ``read``, of the type `Read`. It is lazy: memory does not grow with the list.
"""

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from msgspec import Struct

from downloader.settings.definitions import ListFormat, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from downloader.core.model import Download
    from downloader.errors import UsageError

STDIN = "-"
"""The name of standard input."""

OnBadLine = Callable[["UsageError"], None]
"""Called with the error of an invalid entry: it raises to end the list there, or returns to skip the entry."""


class FetchedList(NamedTuple):
    """A list that was fetched. ``stream``: its bytes, seekable; ``url``: where it came from, after redirects."""

    stream: IO[bytes]
    url: str


OpenUrl = Callable[[str], FetchedList]
"""Fetches the list at a URL. Raises DownloadError."""


class ListOptions(Struct, frozen=True):
    """How lists are read.

    ``format`` is one of the names in `FORMATS` when a reader is called, and ``auto`` before. ``url_column`` and the other
    columns: names, or numbers from 1; empty: by name and content. ``base_url``: where the list came from, for relative links;
    empty: not from a URL. ``open_url``: fetches further lists that a list names; None: not possible. ``on_notice``: called with
    one sentence for the user about what was understood of a list.
    """

    format: ListFormat = "auto"
    url_column: str = ""
    name_column: str = ""
    checksum_column: str = ""
    size_column: str = ""
    mirror_column: str = ""
    links: tuple[str, ...] = ()
    expand: bool = False
    prefer_location: tuple[str, ...] = ()
    base_url: str = ""
    open_url: OpenUrl | None = None
    on_notice: Callable[[str], None] | None = None

    @property
    def url_is_list(self) -> bool:
        """Whether the URLs that a caller names are those of lists, and not of files."""
        return self.format != "auto" or bool(self.links)

    @property
    def names_columns(self) -> bool:
        """Whether the user says which columns have what, so that a list that may be a table is one."""
        columns = (self.url_column, self.name_column, self.checksum_column, self.size_column, self.mirror_column)
        return any(columns)


DEFAULT_OPTIONS = ListOptions()


def list_options(settings: Settings, open_url: OpenUrl | None = None) -> ListOptions:
    """The options of the list readers. ``open_url``: see `ListOptions`."""
    return ListOptions(
        format=settings.format,
        url_column=settings.url_column,
        name_column=settings.name_column,
        checksum_column=settings.checksum_column,
        size_column=settings.size_column,
        mirror_column=settings.mirror_column,
        links=settings.links,
        expand=settings.expand,
        prefer_location=settings.prefer_location,
        open_url=open_url,
    )


Read = Callable[[IO[bytes], str, ListOptions, OnBadLine], Iterator["Download"]]
"""Reads a list: ``read(stream, name, options, on_bad_line)``.

``name``: of the list, for messages and for the origin of each Download. An error of the whole document is raised as UsageError
with the name and the line, row or byte.
"""


class Format(NamedTuple):
    """``module``: in this package, with the function ``read``. ``suffixes``: names of such files end in one of them."""

    module: str
    suffixes: tuple[str, ...]


FORMATS = {
    "text": Format("text", ()),
    "csv": Format("table", (".csv",)),
    "tsv": Format("table", (".tsv", ".tab")),
    "jsonl": Format("json_lines", (".jsonl", ".ndjson")),
    "parquet": Format("parquet", (".parquet",)),
    "metalink": Format("metalink", (".meta4", ".metalink")),
    "sitemap": Format("sitemap", ()),
    "html": Format("html_index", (".html", ".htm")),
}
"""The formats by the names that ``--format`` takes. How content is recognised: `downloader.sources.recognition`."""

COMPRESSION_SUFFIXES = (".gz", ".zst", ".xz")


def is_url(item: "str | Path") -> bool:
    """Whether the name of a list is a URL."""
    return isinstance(item, str) and "://" in item


def is_one_file(item: str, options: ListOptions) -> bool:
    """Whether what a caller names is the URL of a single file: no list, and no URL with patterns that are expanded."""
    return is_url(item) and not options.url_is_list and not (options.expand and "{" in item)


def format_of_name(name: str) -> str:
    """The format that the name of a file says, such as ``csv`` for ``list.csv.gz``; empty where the name says none."""
    name = name.lower()
    for suffix in COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    for format_name, entry in FORMATS.items():
        if entry.suffixes and name.endswith(entry.suffixes):
            return format_name
    return ""


def reader_of(format_name: str) -> Read:
    """The function that reads lists of this format."""
    from importlib import import_module  # here: each run needs one or two of the modules

    return cast(Read, import_module(f"downloader.sources.{FORMATS[format_name].module}").read)
