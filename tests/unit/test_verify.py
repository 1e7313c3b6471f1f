"""What `dl compare` makes of runs that end badly."""

import hashlib
import json
from pathlib import Path

import pytest

from downloader.compare import rounds
from downloader.compare.verify import RunVerifier


def line(path: str) -> str:
    return json.dumps({"path": path, "status": "done", "bytes": 1, "error": {"class": "", "message": ""}}) + "\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a").write_bytes(b"a")
    return tmp_path / "r.jsonl", tmp_path / "files"


def test_report_that_breaks_off_is_a_failure_and_no_traceback(place: tuple[Path, Path]) -> None:
    place[0].write_text(line("a") + '{"path":"b","sta')
    assert RunVerifier({"a": digest(b"a"), "b": digest(b"b")}, 2).of_strategy(*place).failures == 1


def test_file_that_was_reported_and_is_not_there_is_a_failure(place: tuple[Path, Path]) -> None:
    place[0].write_text(line("a") + line("b"))
    assert RunVerifier({"a": digest(b"a"), "b": digest(b"b")}, 2).of_strategy(*place).failures == 1


def test_own_list_of_which_half_is_missing(place: tuple[Path, Path]) -> None:
    verifier = RunVerifier(None, 2)
    (place[1] / "b").write_bytes(b"b")
    place[0].write_text(line("a") + line("b"))
    assert verifier.of_strategy(*place).failures == 0
    place[0].write_text(line("a"))  # killed in between, or ended with an error
    assert verifier.of_strategy(*place).failures == 1


def test_missing_file_is_not_made_up_for_by_one_too_many(place: tuple[Path, Path]) -> None:
    (place[1] / "z").write_bytes(b"z")
    place[0].write_text(line("a") + line("z"))
    assert RunVerifier({"a": digest(b"a"), "b": digest(b"b")}, 2).of_strategy(*place).failures == 2


def test_interval_of_very_many_values() -> None:
    low, high, confidence = rounds.interval(list(range(2000)))
    assert low < 1000 < high
    assert confidence >= 0.95
