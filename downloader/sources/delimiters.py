"""Whether lines are those of a table, and what separates its cells. Pure."""

import csv
import re
from collections.abc import Sequence

from downloader.sources.columns import URL_NAMES, is_url_cell, plain

DELIMITERS = "\t,;|"

_DIGEST = r"(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128})"
_FILE_URL = r"[A-Za-z]+://[^/?#]+/(?:[^?#]*/)?[^/?#]+\.(?!(?:php|aspx?|jsp|cgi|do|html?)$)[A-Za-z0-9]{1,5}"
"""URLs that end in the name of a file: what follows after a delimiter is hardly a part of the URL."""


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def has_url_name(line: str) -> bool:
    """Whether the line is the first one of a table, with a name such as ``url`` for one of several columns."""
    return any(len(cells) > 1 and _names_url(cells) for cells in (cells_of(line, delimiter) for delimiter in DELIMITERS))


def _names_url(cells: Sequence[str]) -> bool:
    return any(plain(cell) in URL_NAMES for cell in cells)


def delimiter_of(lines: Sequence[str]) -> str | None:
    """What separates the cells, if these lines are the first ones of a table; None for a text list.

    A line that is good in a text list stays one: a URL that may contain commas, or URLs with TAB between them. A table begins
    with the names of its columns, or has a URL in another place than the first, or what no URL has beside the URL: a
    digest, a quoted cell, a space, another URL; or files, all with as many cells.
    """
    first = lines[0]
    if re.match(r"sep=.$", first):
        return first[4]
    rows = [(delimiter, cells_of(first, delimiter)) for delimiter in DELIMITERS]
    rows.sort(key=lambda row: any('"' in cell for cell in row[1]))  # a quote within a cell: something else separates the cells
    for delimiter, cells in rows:
        if len(cells) > 1 and _is_table(cells, lines, delimiter):
            return delimiter
    return "," if plain(first) in URL_NAMES else None


def _is_table(cells: list[str], lines: Sequence[str], delimiter: str) -> bool:
    urls = [is_url_cell(cell) for cell in cells if cell.strip()]
    if not any(urls):
        if _names_url(cells):
            return True
        second = cells_of(lines[1], delimiter) if len(lines) > 1 else []
        return len(second) == len(cells) and any(is_url_cell(cell) for cell in second)
    if delimiter == "\t":
        return not all(urls)
    if not is_url_cell(cells[0]) or lines[0].startswith('"'):
        return True
    others = cells[1:]
    if any(is_url_cell(cell) or re.fullmatch(_DIGEST, cell) or cell != cell.strip() or " " in cell for cell in others):
        return True
    rows = [cells_of(line, delimiter) for line in lines]
    return len(rows) > 1 and all(
        len(row) == len(cells) and re.fullmatch(_FILE_URL, row[0]) and not any("=" in cell or "/" in cell for cell in row[1:])
        for row in rows
    )


def likely_delimiter(lines: Sequence[str]) -> str:
    """What separates the cells of a table that begins with these lines; the comma if nothing tells."""
    if (known := delimiter_of(lines)) is not None:
        return known
    return max(DELIMITERS, key=lambda delimiter: (len(cells_of(lines[0], delimiter)), delimiter == ","))
