"""Prints what `dl verify` finds: lines for people, or one JSON object."""

import json
import sys

import click

from downloader.core.amounts import duration, size
from downloader.core.text import printable
from downloader.inventory.file_check import CheckedFile, FileState
from downloader.inventory.folder_check import FolderCheck

_EXPLAINED = frozenset({FileState.SIZE_DIFFERS, FileState.UNREADABLE, FileState.REFUSED})
"""The states whose detail is printed."""


def _write(text: str) -> None:
    """Print without the flush of `click.echo`, which costs more than the comparison of a file."""
    sys.stdout.write(text)


class TextPrinter:
    """Prints a line for each file that differs, and the counts."""

    def differs(self, item: CheckedFile) -> None:
        """Print a file that is not right."""
        shown = f" ({printable(item.detail)})" if item.state in _EXPLAINED else ""
        _write(f"{item.state}: {printable(item.path or item.origin)}{shown}\n")

    def unknown(self, path: str) -> None:
        """Print a file that nothing knows."""
        _write(f"unknown: {printable(path)}\n")

    def end(self, check: FolderCheck, unknown: int | None, seconds: float) -> None:
        """Print the counts."""
        counts = check.counts
        names = {FileState.OK: "verified by digest", FileState.SIZE_ONLY: "verified by size only"}
        parts = [f"{counts[state]:,} {names.get(state, state)}" for state in FileState if counts[state]]
        rate = f", {size(check.bytes_read / max(seconds, 1e-6))}/s"
        head = f"{check.checked:,} file{'' if check.checked == 1 else 's'}"
        if not check.complete:
            head = f"interrupted after {head} and {size(check.bytes_read)}"
        click.echo(f"{head}: {', '.join(parts)}" if parts else head)
        if check.bytes_read:
            click.echo(f"{size(check.bytes_read)} read in {duration(seconds)}{rate}")
        if number := counts[FileState.SIZE_ONLY]:
            what = "1 file was" if number == 1 else f"{number:,} files were"
            click.echo(f"{what} checked by size only: no digest is known (a run with --digest records one)")
        if number := counts[FileState.NAME_ONLY]:
            what = "1 file is" if number == 1 else f"{number:,} files are"
            click.echo(f"{what} there, and nothing else is known: neither a size nor a digest")
        if unknown is not None:
            click.echo(f"{unknown:,} file{'' if unknown == 1 else 's'} in the folder that nothing knows")


class JsonPrinter(TextPrinter):
    """Prints the same as one JSON object, part by part: it is never in memory as a whole."""

    def __init__(self) -> None:
        self._is_first = True
        self._has_begun = self._has_unknown = False

    def _begin(self) -> None:
        """Print the start, at the first file or at the end: before that, an error may end everything."""
        if not self._has_begun:
            self._has_begun = True
            _write('{"differences": [')

    def differs(self, item: CheckedFile) -> None:
        """See `TextPrinter`."""
        self._begin()
        self._item({"path": item.path, "state": item.state.value, "detail": item.detail, "origin": item.origin})

    def unknown(self, path: str) -> None:
        """See `TextPrinter`."""
        self._begin()
        if not self._has_unknown:
            self._has_unknown = self._is_first = True
            _write('], "unknown": [')
        self._item(path)

    def _item(self, value: object) -> None:
        _write(("" if self._is_first else ",") + "\n  " + as_json_text(value))
        self._is_first = False

    def end(self, check: FolderCheck, unknown: int | None, seconds: float) -> None:
        """See `TextPrinter`."""
        self._begin()
        rest = {
            "folder": check.folder,
            "complete": check.complete,
            "files": check.checked,
            "bytes_read": check.bytes_read,
            "seconds": round(seconds, 3),
            "counts": {state.value: check.counts[state] for state in FileState},
        }
        empty = "" if self._has_unknown or unknown is None else '], "unknown": ['
        click.echo(f"{empty}],\n{as_json_text(rest)[1:]}")


def as_json_text(value: object) -> str:
    """JSON; characters of a path that UTF-8 cannot encode are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text
