"""Which format a list has, by its first bytes. Pure: bytes in, the name of a format out."""

import re

from downloader.errors import UsageError
from downloader.settings.definitions import ListFormat

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}
"""The first bytes of each kind of compressed data."""

MAGIC_BYTES = 6
_UNREADABLE = (
    (b"PK\x03\x04", "a ZIP archive, or a workbook of Excel", "unpack it; save a workbook as CSV"),
    (b"BZh", "bzip2 data", "bzip2 -dc FILE | dl -"),
    (b"%PDF-", "a PDF document", ""),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    *((magic, "data that were compressed twice", "decompress the file once") for magic in MAGIC),
)
"""First bytes of data that are no list, what they are, and what the user can do."""

_ELEMENT = r"<([A-Za-z_][\w.:-]*)"
_XML_ROOTS: dict[str, ListFormat] = {
    "metalink": "metalink",
    "urlset": "sitemap",
    "sitemapindex": "sitemap",
    "ListBucketResult": "html",
}
_HTML_ELEMENTS = frozenset("html head body title meta link a p pre div table ul h1 script base center hr".split())  # noqa: SIM905
_CONTROL = r"[\x00-\x08\x0e-\x1a\x1c-\x1f]"
_JUNK = r"[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]"
_JUNK_SHARE = 0.1
"""UTF-8 text has fewer characters than this that no text has."""

_TEXT_LINE = r"[A-Za-z]+://[^\t,;|\"]*(?:\t+[A-Za-z]+://[^\t,;|\"]*)*"
"""A line of a text list that can be no row of several columns, or that has several URLs."""

_JSON_TEXT = r'"[A-Za-z]+://[^"]*"'
_SAMPLE_CHARACTERS = 2048

TEXT_FORMATS = frozenset({"text", "csv", "tsv", "jsonl"})

MAX_LINES_WITHOUT_URL = 20
"""With more lines and no URL among the first ones, a file is no list; with fewer, each line is reported."""


def kind_of(head: bytes | memoryview) -> str:
    """``gzip``, ``zstd`` or ``xz``, by the first bytes of the data; empty: not compressed."""
    return next((kind for magic, kind in MAGIC.items() if head[: len(magic)] == magic), "")


def recognise(head: bytes, is_end: bool, by_name: str, name: str) -> ListFormat | None:
    """The format of a list that begins with ``head``; None if more of the list is needed to tell.

    ``is_end``: there is no more, or enough was read. ``by_name``: the format that the name of the file says, or empty.
    ``name``: of the list, for messages. Raises UsageError for data that are no list.
    """
    _check_magic(head, name)
    if head.startswith(b"PAR1"):
        return "parquet"
    text = _text_of(head)
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        found = _markup(start, is_end, name)
        if found == "html" and by_name in TEXT_FORMATS:  # a page that says "log in", perhaps
            raise UsageError(f"this seems to be a web page, not {by_name}", name, "--format html reads its links")
        return found
    _check_text(text, name)
    if by_name in ("csv", "tsv") and (lines := _first_lines(text, is_end)) and re.fullmatch(_TEXT_LINE, lines[0]):
        return "text"  # a list of URLs, whatever its name
    if by_name:
        return by_name  # type: ignore[return-value]  # the names of FORMATS are those of ListFormat
    if start.startswith(("{", "[")):
        return "jsonl"
    return _lines_format(text, is_end, name)


def check_format(head: bytes, wanted: ListFormat, name: str) -> None:
    """Raises UsageError if a list that begins with ``head`` is obviously of another format than the user says.

    ``name``: of the list, for messages.
    """
    if wanted not in TEXT_FORMATS:
        return
    _check_magic(head, name)
    text = _text_of(head)
    if head.startswith(b"PAR1"):
        raise UsageError(f"this seems to be Parquet, not {wanted}", name, "--format parquet reads it")
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        raise UsageError(f"this seems to be XML or a web page, not {wanted}", name, "--format auto, html, sitemap or metalink")
    _check_text(text, name)


def _check_magic(head: bytes, name: str) -> None:
    for magic, what, hint in _UNREADABLE:
        if head.startswith(magic):
            raise UsageError(f"this seems to be {what}, not a list", name, hint)


def _check_text(text: str, name: str) -> None:
    """Raises UsageError for binary data, and for text in another encoding."""
    sample = text[:_SAMPLE_CHARACTERS]
    if len(re.findall(_JUNK, sample)) <= _JUNK_SHARE * len(sample):
        return
    if re.search(_CONTROL, sample) is None:
        raise UsageError("this seems to be text that is not UTF-8", name, "iconv -f ENCODING -t UTF-8 FILE | dl -")
    raise UsageError("this seems to be binary data, not a list", name, "dl help lists: the formats that are read")


def _text_of(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace")
    return head.decode("utf-8", "replace")


def _markup(start: str, is_end: bool, name: str) -> ListFormat | None:
    """The format of XML or HTML, by its first element."""
    if start[:14].lower().startswith("<!doctype html"):
        return "html"
    element = re.search(_ELEMENT, start)
    if element is None and not is_end:
        return None
    root = element[1].rpartition(":")[2] if element else ""
    if root in _XML_ROOTS:
        return _XML_ROOTS[root]
    if (root.lower() in _HTML_ELEMENTS and not start.startswith("<?xml version")) or root.lower() == "html":
        return "html"
    what = f"XML with the root element <{root}>" if root else "XML without an element"
    raise UsageError(f"this seems to be {what}, not a list", name, "Metalinks, sitemaps and web pages are read")


def _first_lines(text: str, is_end: bool) -> list[str]:
    """The first lines that are complete and not blank, without comments at the beginning."""
    whole = text if is_end else text[: text.rfind("\n") + 1]
    lines = [line for line in whole.lstrip("\ufeff").splitlines() if line.strip()]
    while lines and lines[0].lstrip().startswith("#"):
        from downloader.sources.delimiters import has_url_name

        if has_url_name(lines[0]):
            break
        del lines[0]
    return lines


def _lines_format(text: str, is_end: bool, name: str) -> ListFormat | None:
    """The format of text, by its first lines that are neither blank nor comments."""
    lines = _first_lines(text, is_end)
    if not lines:
        return "text" if is_end else None
    if re.fullmatch(_TEXT_LINE, lines[0]):
        return "text"
    if re.fullmatch(_JSON_TEXT, lines[0].strip()):
        return "jsonl"
    if len(lines) > MAX_LINES_WITHOUT_URL and "://" not in text:
        raise UsageError("there is no URL in it: this seems not to be a list", name, "a URL begins with http:// or https://")
    from downloader.sources.delimiters import delimiter_of  # here, and above: most lists begin with a URL

    delimiter = delimiter_of(lines)
    if delimiter is None and len(lines) == 1 and not is_end and "://" not in lines[0]:
        return None  # names of columns, perhaps: the next line tells
    return "text" if delimiter is None else "tsv" if delimiter == "\t" else "csv"
