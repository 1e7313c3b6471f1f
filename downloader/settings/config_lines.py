"""The line numbers of the values in a TOML file, which `tomllib` does not tell.

The file must be valid TOML. It is read statement by statement: a header of a table, or a key with its value, which may have
several lines. `tomllib` parses each statement, so quoted and dotted keys need no rules of their own here.
"""

import re
from collections.abc import Iterator
from typing import Any

_HEADER = r"\s*\[\[?"

Path = tuple[str, ...]
"""The keys that lead to a value, from the top level of the file on."""


def line_numbers(text: str) -> dict[Path, int]:
    """The line, from 1, of each table and of each value, by its path. Of a table that has several headers, the last one."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        parsed = _parsed(statement)
        if re.match(_HEADER, statement):
            table = _deepest(parsed or {})
            lines[table] = number
        elif parsed:
            path = _deepest(_parsed(f"{_key_of(statement)}=0") or {})
            for length in range(1, len(path) + 1):
                lines.setdefault(table + path[:length], number)
            for inner in _paths(parsed):
                lines.setdefault(table + inner, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The statements, each with the number of its first line. Statements are as short as they can be parsed."""
    begun, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not begun and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = number if not begun else first
        begun = f"{begun}\n{line}" if begun else line
        if _parsed(begun) is not None:
            yield first, begun
            begun = ""


def _parsed(statement: str) -> dict[str, Any] | None:
    import tomllib  # here: only a few commands need it

    try:
        return tomllib.loads(statement)
    except ValueError:
        return None


def _key_of(statement: str) -> str:
    """The key of ``key = value``: what stands before the first = that is not quoted."""
    found = re.match(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'])*""", statement)
    return found[0] if found else ""


def _deepest(table: dict[str, Any]) -> Path:
    """The path of a table in which each table has one key."""
    path: list[str] = []
    item: Any = table
    while True:
        if isinstance(item, list):
            item = item[0] if item else {}
        if not isinstance(item, dict) or not item:
            return tuple(path)
        key = next(iter(item))
        path.append(key)
        item = item[key]


def _paths(table: dict[str, Any], above: Path = ()) -> Iterator[Path]:
    """The paths of all values, also of those within inline tables."""
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
