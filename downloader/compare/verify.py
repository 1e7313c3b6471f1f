"""Verifies the files of a run: against the digests of the server, or, for the user's own list, against the other runs."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

MAX_ERRORS = 5


class Verification(NamedTuple):
    """The number of existing ``files``, their ``bytes``, the number of ``failures``, and the first errors."""

    files: int
    bytes: int
    failures: int
    errors: tuple[str, ...] = ()


class RunVerifier:
    """Verifies runs of the same list.

    ``digests``: SHA-256 digests by file name; None: unknown, the first strategy that fetches a file sets its digest.
    ``entries``: the number of entries of the list, and so of expected Results.
    """

    def __init__(self, digests: Mapping[str, str] | None, entries: int) -> None:
        self._learns = digests is None
        self._entries = entries
        self._digests: dict[str, str] = dict(digests or {})

    def of_strategy(self, report: Path, folder: Path) -> Verification:
        """Verify the files of a run of `dl` against its ``--report``."""
        results = list(_read(report))
        errors = [str(item["error"]["message"]) for item in results if item["error"]["class"]]
        if not results:
            errors.append("the run failed at its start: run `dl` with this list and strategy to see the error")
        elif len(results) < self._entries:
            errors.append(f"the run ended early: {len(results)} of {self._entries} results")
        done = [item["path"] for item in results if item["status"] == "done"]
        digests = {path: _sha256(folder / path) for path in done if (folder / path).is_file()}
        if self._learns:
            self._digests = digests | self._digests
        skipped = sum(item["status"] == "skipped" for item in results)
        missing = max(self._entries, len(results)) - skipped - len(digests) if self._learns else self._missing(digests)
        return self._verdict(digests, sum(item["bytes"] for item in results), missing, errors)

    def _missing(self, digests: Mapping[str, str]) -> int:
        return len(self._digests.keys() - digests.keys())

    def of_peer(self, folder: Path, code: int) -> Verification:
        """Verify the files that another program left in the folder. ``code``: its exit code."""
        paths = {self._name(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        paths = {name: path for name, path in paths.items() if name in self._digests}
        digests = {name: _sha256(path) for name, path in paths.items()}
        missing = self._entries - len(digests) if self._learns else self._missing(digests)
        verdict = self._verdict(digests, sum(path.stat().st_size for path in paths.values()), missing, [])
        if verdict.failures and not verdict.errors:
            return verdict._replace(errors=(f"{missing} of {self._entries} files missing, exit code {code}",))
        return verdict

    def _name(self, path: Path) -> str:
        """The name of the file in the list: some programs omit folders, some keep the query of the URL."""
        name = path.as_posix()
        return name if name in self._digests else path.name.partition("?")[0]

    def _verdict(self, digests: Mapping[str, str], bytes_: int, missing: int, errors: list[str]) -> Verification:
        wrong = [path for path, digest in digests.items() if self._digests.get(path) != digest]
        errors += [f"{path}: the bytes differ" for path in wrong]
        return Verification(len(digests), bytes_, max(0, missing) + len(wrong), tuple(errors[:MAX_ERRORS]))


def _read(report: Path) -> Iterator[dict[str, Any]]:
    """The lines of a report; the last line may be incomplete, if the disk was full."""
    for line in report.read_bytes().splitlines() if report.exists() else ():
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
