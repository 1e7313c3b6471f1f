"""What a run fetched, byte for byte: against the server's digests, or, of the user's own list, against the other runs."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

MOST_ERRORS = 5


class Verdict(NamedTuple):
    """``files`` that are there, their ``bytes``, how many ``failures``, and the first errors."""

    files: int
    bytes: int
    failures: int
    errors: tuple[str, ...] = ()


class RunVerifier:
    """Knows the digests by file name; where none were given, the first strategy that fetched a file tells its digest.

    ``entries``: so many has the list, and so many Results are wanted.
    """

    def __init__(self, sums: Mapping[str, str] | None, entries: int) -> None:
        self._learns = sums is None
        self._entries = entries
        self._sums: dict[str, str] = dict(sums or {})

    def of_strategy(self, report: Path, folder: Path) -> Verdict:
        """What a run of ours reported (``--report``), compared with what is on disk."""
        results = list(_read(report))
        errors = [str(item["error"]["message"]) for item in results if item["error"]["class"]]
        if not results:
            errors.append("the run ended before it began: `dl` with this list and strategy says why")
        elif len(results) < self._entries:
            errors.append(f"the run ended early: {len(results)} of {self._entries} results")
        done = [item["path"] for item in results if item["status"] == "done"]
        found = {path: _sha256(folder / path) for path in done if (folder / path).is_file()}
        if self._learns:
            self._sums = found | self._sums
        skipped = sum(item["status"] == "skipped" for item in results)
        missing = max(self._entries, len(results)) - skipped - len(found) if self._learns else self._missing(found)
        return self._verdict(found, sum(item["bytes"] for item in results), missing, errors)

    def _missing(self, found: Mapping[str, str]) -> int:
        return len(self._sums.keys() - found.keys())

    def of_peer(self, folder: Path, code: int) -> Verdict:
        """What another program left in the folder, known by the names of its files. ``code``: what it exited with."""
        paths = {self._name(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        paths = {name: path for name, path in paths.items() if name in self._sums}
        found = {name: _sha256(path) for name, path in paths.items()}
        missing = self._entries - len(found) if self._learns else self._missing(found)
        verdict = self._verdict(found, sum(path.stat().st_size for path in paths.values()), missing, [])
        if verdict.failures and not verdict.errors:
            return verdict._replace(errors=(f"{missing} of {self._entries} files missing, exit code {code}",))
        return verdict

    def _name(self, path: Path) -> str:
        """The name it has in the list: some programs leave out folders, some keep the query of the URL."""
        name = path.as_posix()
        return name if name in self._sums else path.name.partition("?")[0]

    def _verdict(self, found: Mapping[str, str], moved: int, missing: int, errors: list[str]) -> Verdict:
        wrong = [path for path, digest in found.items() if self._sums.get(path) != digest]
        errors += [f"{path}: the bytes differ" for path in wrong]
        return Verdict(len(found), moved, max(0, missing) + len(wrong), tuple(errors[:MOST_ERRORS]))


def _read(report: Path) -> Iterator[dict[str, Any]]:
    """The lines of a report; the last one may be cut off, where the disk was full."""
    for line in report.read_bytes().splitlines() if report.exists() else ():
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
