"""What `dl status` says of a folder, and how it looks on a narrow terminal."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from downloader.errors import StorageError
from downloader.inventory.folder_status import DiskStatus, FolderStatus, read_status
from downloader.inventory.status_text import status_text
from downloader.storage.journal import default_path
from downloader.storage.journal_reader import JournalReader
from downloader.storage.journal_rows import JournalRow
from tests.support.journals import add_run, done, failed, new_journal, write_journal


def status_of(folder: Path, check: bool | None = None, running: int | None = 0) -> FolderStatus:
    """The status of a folder; the time is 5000 s."""
    with JournalReader(default_path(str(folder))) as journal:
        return read_status(journal, str(folder), check, running, 5000.0)


def test_disk_is_compared_by_size(tmp_path: Path) -> None:
    write_journal(tmp_path, done("right", 3), done("short", 3), done("gone", 3), done("sub/x", 3), failed("y"))
    (tmp_path / "right").write_text("abc")
    (tmp_path / "short").write_text("a")
    assert status_of(tmp_path).disk == DiskStatus(4, 2, 1, ("short", "gone", "sub/x"))
    assert status_of(tmp_path, check=False).disk is None


def test_many_files_are_compared_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("downloader.inventory.folder_status.CHECKED_BY_DEFAULT", 1)
    write_journal(tmp_path, done("a"), done("b"))
    assert status_of(tmp_path).disk is None
    assert status_of(tmp_path, check=True).disk == DiskStatus(2, 2, 0, ("a", "b"))


def test_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    path = write_journal(tmp_path, done("a"))
    with JournalReader(path) as journal, pytest.raises(StorageError, match="cannot read the folder"):
        read_status(journal, str(tmp_path / "missing"), True, 0, 5000.0)


@pytest.mark.parametrize(
    ("running", "states"),
    [
        (0, ["ended", "killed", "killed"]),
        (1, ["ended", "killed", "running"]),
        (2, ["ended", "running", "running"]),
        (5, ["ended", "running", "running"]),
        (None, ["ended", "unknown", "unknown"]),
    ],
)
def test_runs_without_an_end_go_on_or_were_killed(tmp_path: Path, running: int | None, states: list[str]) -> None:
    connection = new_journal(tmp_path)
    add_run(connection, [done("a", ended=1300)], 1000, 1500)
    add_run(connection, [done("b", ended=2200)], 2000, None)
    add_run(connection, [], 3000, None)
    connection.close()
    status = status_of(tmp_path, False, running)
    assert [run.state for run in status.runs] == states
    seconds = [run.seconds for run in status.runs]
    assert seconds[0] == 500
    assert seconds[1] == (3000 if states[1] == "running" else 200)
    assert seconds[2] == (2000 if states[2] == "running" else 0)


@pytest.mark.parametrize(
    ("length", "period", "count"),
    [(9, None, 0), (11, 5, 2), (12.6, 5, 3), (100, 10, 10), (900, 120, 8), (86400 * 3, 21600, 12), (86400 * 30, 86400 * 3, 10)],
)
def test_rate_has_at_most_twelve_periods(tmp_path: Path, length: float, period: float | None, count: int) -> None:
    write_journal(tmp_path, done("a", 10, ended=1000 + length / 2), started=1000, ended=1000 + length)
    rate = status_of(tmp_path, False).rate
    assert (rate and (rate.period, len(rate.buckets))) == (None if period is None else (period, count))


def advice_of(status: FolderStatus) -> list[str]:
    return [text.split("  ")[0] for text in status.advice]


@pytest.mark.parametrize(
    ("rows", "ended", "running", "commands"),
    [
        ([done("a")], 2000.0, 0, ["dl LIST --dir D", "dl verify D"]),
        ([failed("a")], 2000.0, 0, ["dl --retry-failed --dir D", "dl export D --to urls-failed.txt"]),
        ([], None, 0, ["dl LIST --dir D"]),
        ([], None, None, ["dl LIST --dir D"]),
        ([], None, 1, ["dl status D"]),
        ([done("b", 3, "md5=1")], 2000.0, 0, ["dl LIST --dir D", "dl verify D", "dl export D --to SHA256SUMS"]),
        ([], 2000.0, 0, []),
    ],
)
def test_advice(tmp_path: Path, rows: list[JournalRow], ended: float | None, running: int | None, commands: list[str]) -> None:
    write_journal(tmp_path, *rows, ended=ended)
    given = advice_of(status_of(tmp_path, running=running))
    assert given == [command.replace(" D", f" {tmp_path}") for command in commands]


def test_advice_quotes_the_folder_and_names_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my files"
    path = write_journal(folder, failed("a"))
    with JournalReader(path) as journal:
        assert f"dl --retry-failed --dir '{folder}'" in advice_of(read_status(journal, str(folder), None, 0, 5000.0))
        other = read_status(journal, str(tmp_path), None, 0, 5000.0)
    assert f"dl --retry-failed --dir {tmp_path} --journal '{path}'" in advice_of(other)
    monkeypatch.chdir(folder)
    with JournalReader(default_path(".")) as journal:
        assert advice_of(read_status(journal, ".", None, 0, 5000.0))[0] == "dl --retry-failed"


def large_status(folder: Path) -> FolderStatus:
    """The status of a folder with many hosts, reasons and runs, some with long or dangerous texts."""
    connection = new_journal(folder)
    rows = [done(f"f{number}", 10**9, "sha256=1", f"{'x' * 60}{number}.example", 1000 + 100 * number) for number in range(8)]
    rows += [failed(f"g{number}", f"Error{number}", 400 + number) for number in range(8)]
    evil = replace(failed("h"), url="https://a.example/\x1b[2Jx", error="\x1b]0;title\x07", error_class="ProtocolError")
    for started in range(7):
        add_run(connection, [*rows, evil], 1000 + started, 2000 + started)
    connection.close()
    return status_of(folder)


@pytest.mark.parametrize("width", [40, 60, 80, 110])
@pytest.mark.parametrize("unicode", [True, False])
def test_text_fits_the_terminal(tmp_path: Path, width: int, unicode: bool) -> None:
    text = status_text(large_status(tmp_path), width, unicode)
    lines = text.splitlines()
    assert [line for line in lines if len(line) > width and not line.startswith("  dl ")] == []
    assert "\x1b" not in text
    assert "\x07" not in text
    if not unicode:
        assert not re.search("[█▏▎▍▌▋▊▉]", text)
    if width >= 80:
        assert "  17 URLs: 8 done, 0 skipped, 9 failed" in lines
        assert any(line.startswith("and 2 earlier runs") for line in lines)
        assert any("1,000" in line or "files/" in line for line in lines)


def test_bars_are_in_proportion(tmp_path: Path) -> None:
    rows = [done(f"f{number}", 100 * number, ended=1000.5 + 5 * number) for number in (0, 1, 2, 4)]
    write_journal(tmp_path, *rows, started=1000, ended=1025)
    text = status_text(status_of(tmp_path, False), 80, False)
    bars = [len(found) for found in re.findall(r"^ +0:\d\d  (#*)", text, re.MULTILINE)]
    assert bars == [0, 10, 20, 0, 40]


def test_text_of_a_journal_without_rows(tmp_path: Path) -> None:
    new_journal(tmp_path).close()
    assert status_text(status_of(tmp_path), 80, True).splitlines()[1:] == ["  0 URLs: 0 done, 0 skipped, 0 failed"]
