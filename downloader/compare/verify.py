"""What a run fetched, byte for byte: against the server's digests, or, of the user's own list, against the other runs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

MOST_ERRORS = 5


class Verdict(NamedTuple):
    """``files`` that are there, their ``bytes``, how many ``failures``, and the first errors."""

    files: int
    bytes: int
    failures: int
    errors: tuple[str, ...] = ()


class Verifier:
    """Knows the digests by file name; where none were given, the first strategy that fetched a file tells its digest."""

    def __init__(self, sums: Mapping[str, str] | None) -> None:
        self._learns = sums is None
        self._sums: dict[str, str] = dict(sums or {})

    def of_strategy(self, report: Path, folder: Path) -> Verdict:
        """What a run of ours reported (``--report``), compared with what is on disk."""
        results = [msgspec.json.decode(line) for line in report.read_bytes().splitlines()] if report.exists() else []
        errors = [str(item["error"]["message"]) for item in results if item["error"] is not None]
        if not results:
            errors.append("the run ended before it began: `dl` with this list and strategy says why")
        found = {item["path"]: _sha256(folder / item["path"]) for item in results if item["status"] == "done"}
        if self._learns:
            self._sums = found | self._sums
        missing = len(errors) if self._learns else len(self._sums) - len(found)
        return self._verdict(found, sum(item["bytes"] for item in results), missing, errors)

    def of_peer(self, folder: Path, code: int) -> Verdict:
        """What another program left in the folder, known by the names of its files. ``code``: what it exited with."""
        paths = {self._name(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        paths = {name: path for name, path in paths.items() if name in self._sums}
        found = {name: _sha256(path) for name, path in paths.items()}
        missing = len(self._sums) - len(found)
        verdict = self._verdict(found, sum(path.stat().st_size for path in paths.values()), missing, [])
        if verdict.failures and not verdict.errors:
            return verdict._replace(errors=(f"{missing} of {len(self._sums)} files missing, exit code {code}",))
        return verdict

    def _name(self, path: Path) -> str:
        """The name it has in the list: some programs leave out folders, some keep the query of the URL."""
        name = path.as_posix()
        return name if name in self._sums else path.name.partition("?")[0]

    def _verdict(self, found: Mapping[str, str], moved: int, missing: int, errors: list[str]) -> Verdict:
        wrong = [path for path, digest in found.items() if self._sums.get(path) != digest]
        errors += [f"{path}: the bytes differ" for path in wrong]
        return Verdict(len(found), moved, max(0, missing) + len(wrong), tuple(errors[:MOST_ERRORS]))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
