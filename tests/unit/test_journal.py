"""The journal: its rows, what is known from them, and what happens where the file cannot be used."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum, Validator
from downloader.core.model import Result, Status
from downloader.core.names.earlier_files import MISSING, NOT_WANTED, RESIZED, UNKNOWN
from downloader.core.names.file_names import safe_component, wished_path
from downloader.errors import HTTPStatusError, JournalDamaged, JournalUnavailable, StorageError
from downloader.storage import journal_writer
from downloader.storage.folder import Folder
from downloader.storage.journal import (
    default_path,
    open_journal,
    open_to_read,
    set_aside,
)
from downloader.storage.journal_rows import COLUMNS, DONE, FAILED, SCHEMA_VERSION, SKIPPED, JournalRow, row_of
from downloader.storage.journal_writer import JournalWriter
from downloader.storage.known_files import KnownFiles
from downloader.storage.recorded_versions import RecordedVersions

A_DONE = Result("http://h/a", "a", Status.DONE, 3, 3, 200, 1, 0.1, "http://h/a", 'W/"1"', last_modified="Mon", digests=())


def rows_in(path: Path) -> list[JournalRow]:
    """All rows of a journal, in the order in which they were written."""
    with sqlite3.connect(path) as connection:
        names = ", ".join(COLUMNS[1:])
        return [JournalRow(*row) for row in connection.execute(f"SELECT {names} FROM files ORDER BY id")]


def write(path: Path, root: Path, *results: Result) -> JournalWriter:
    """Append the rows of one run."""
    writer = JournalWriter(open_journal(str(path)), str(path), str(root), "{}")
    for result in results:
        writer.add(result)
    writer.close()
    return writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(str(tmp_path / "files"))
    yield folder
    folder.close()


def test_each_column_has_a_value() -> None:
    error = HTTPStatusError(404, "http://h/a")
    result = Result("http://h/a", "d/a", Status.FAILED, received=7, http_status=404, attempts=2, etag="e", error=error)
    row = JournalRow(*row_of(result, 5, 0, 12.0)[1:])
    assert row.url == "http://h/a"
    assert row.path == "d/a"
    assert row.status == FAILED
    assert (row.size, row.http_status, row.attempts, row.received, row.ended) == (0, 404, 2, 7, 12.0)
    assert (row.error_class, row.error) == ("HTTPStatusError", "http://h/a: HTTP 404 Not Found")
    digests = (Checksum("sha256", "ab"), Checksum("md5", "cd"))
    done = Result("http://h/a", "a", Status.DONE, 3, etag='"1"', last_modified="Mon", digests=digests)
    row = JournalRow(*row_of(done, 5, 3, 12.0)[1:])
    assert (row.status, row.size, row.etag, row.last_modified, row.digests) == (DONE, 3, '"1"', "Mon", "sha256=ab md5=cd")


def test_names_that_utf8_does_not_have_are_escaped(path: Path, tmp_path: Path) -> None:
    write(path, tmp_path, Result("http://h/a", "a\udcff", Status.DONE, 1))
    assert rows_in(path)[0].path == "a\\udcff"


@pytest.mark.parametrize("count", [0, 1, journal_writer.ROWS_PER_STATEMENT, 3 * journal_writer.ROWS_PER_STATEMENT + 1])
def test_all_rows_are_written_in_order(path: Path, tmp_path: Path, count: int) -> None:
    write(path, tmp_path, *(Result(f"http://h/{number}", f"{number}", Status.DONE, number) for number in range(count)))
    assert [row.url for row in rows_in(path)] == [f"http://h/{number}" for number in range(count)]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with sqlite3.connect(path) as connection:
        ((started, ended, naming),) = connection.execute("SELECT started, ended, naming FROM runs")
    assert 0 < started <= ended
    assert naming == "{}"


def test_a_run_that_was_not_closed_has_no_end(path: Path, tmp_path: Path) -> None:
    connection = open_journal(str(path))
    writer = JournalWriter(connection, str(path), str(tmp_path), "{}")
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT ended FROM runs").fetchall() == [(None,)]
    writer.close()


def test_a_file_that_was_not_modified_keeps_its_size(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    write(path, tmp_path, Result("http://h/a", "a", Status.SKIPPED, http_status=304, reason="not modified", etag='"1"'))
    assert [(row.status, row.size, row.etag) for row in rows_in(path)] == [(SKIPPED, 5, '"1"')]


def test_rows_wait_while_another_program_has_the_database(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "COMMIT_SECONDS", 0.01)
    connection = open_journal(str(path))
    connection.execute("PRAGMA busy_timeout = 1")
    writer = JournalWriter(connection, str(path), str(tmp_path), "{}")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    writer.add(A_DONE)
    while writer.error is None:
        pass
    blocker.execute("ROLLBACK")
    blocker.close()
    writer.close()
    assert writer.error is None
    assert writer.lost == 0
    assert [row.url for row in rows_in(path)] == [A_DONE.url]


def test_rows_that_cannot_be_written_are_counted(path: Path, tmp_path: Path) -> None:
    connection = open_journal(str(path))
    writer = JournalWriter(connection, str(path), str(tmp_path), "{}")
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE files")
    writer.add(A_DONE)
    writer.close()
    assert writer.lost == 1
    assert isinstance(writer.error, StorageError)
    assert "no such table" in str(writer.error)


# --- what is wrong with the file


def test_a_newer_version_is_left_alone(path: Path) -> None:
    open_journal(str(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer version"):
        open_journal(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("statement", ["CREATE TABLE t (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"])
def test_the_database_of_another_program_is_left_alone(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        open_journal(str(path))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_damaged(path: Path) -> None:
    path.write_bytes(b"http://h/a\n" * 500)
    for call in (open_journal, open_to_read):
        with pytest.raises(JournalDamaged, match="damaged"):
            call(str(path))
    assert set_aside(str(path)) == f"{path}.damaged"
    open_journal(str(path)).close()
    assert Path(f"{path}.damaged").read_bytes() == b"http://h/a\n" * 500


def test_an_empty_file_becomes_a_journal(path: Path, tmp_path: Path) -> None:
    path.touch()  # the process was killed before the first statement
    write(path, tmp_path, A_DONE)
    assert len(rows_in(path)) == 1


@pytest.mark.parametrize("name", ["journal.sqlite", ".downloader"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = Path(default_path(str(tmp_path)))
    if name == ".downloader":
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    else:
        path.parent.mkdir()
        path.symlink_to(tmp_path / "elsewhere" / "file")
    with pytest.raises(JournalUnavailable):
        open_journal(str(path))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_reading_writes_nothing(path: Path, tmp_path: Path) -> None:
    write(path, tmp_path, A_DONE)
    before = sorted(tmp_path.iterdir())
    connection = open_to_read(str(path))
    assert connection.execute("SELECT url FROM files").fetchall() == [(A_DONE.url,)]
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM files")
    assert sorted(tmp_path.iterdir()) == before
    connection.close()


# --- what is known


Row = tuple[str, str, int, int]
ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y"]), st.integers(0, 2), st.integers(0, 3)))


@given(ROWS, st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 3))))
def test_the_last_row_of_a_url_counts(rows: list[Row], on_disk: list[tuple[str, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        for name, size in on_disk:
            Path(root, name).write_bytes(bytes(size))
        sizes = dict(on_disk)
        folder = Folder(root)
        known, only_failed = KnownFiles(folder), KnownFiles(folder, only_failed=True)
        known.load(rows)
        only_failed.load(rows)
        last = {row[0]: row for row in rows}
        complete = {row[0]: row for row in rows if row[2] != FAILED}
        assert len(known) == len(last)
        assert only_failed.failed == sum(row[2] == FAILED for row in last.values())
        for url in "abcde":
            for path in "xy":
                row, failed = complete.get(url), url in last and last[url][2] == FAILED
                if row is None or row[1] != path:
                    expected = UNKNOWN
                elif path not in sizes:
                    expected = MISSING
                elif sizes[path] != row[3]:
                    expected = RESIZED
                else:
                    expected = UNKNOWN if failed else row[3]
                assert known.state_of(url, path) == expected
                assert only_failed.state_of(url, path) == (expected if failed else NOT_WANTED)
        folder.close()


def test_a_folder_and_a_huge_file_are_not_known(folder: Folder) -> None:
    os.mkdir(os.path.join(folder.root, "d"))
    known = KnownFiles(folder)
    known.load([("http://h/d", "d", DONE, 5), ("http://h/a", "a", DONE, 1 << 60)])
    assert known.state_of("http://h/d", "d") == UNKNOWN
    assert known.state_of("http://h/a", "a") == UNKNOWN


def test_nothing_is_skipped_for_another_policy(folder: Folder) -> None:
    Path(folder.root, "a").write_bytes(b"abc")
    known = KnownFiles(folder, skips=False)
    known.load([("http://h/a", "a", DONE, 3)])
    assert known.state_of("http://h/a", "a") == UNKNOWN


CHANGES = {
    "nothing": Validator('W/"1"', "Mon"),
    "other bytes": None,
    "other time": None,
    "removed": None,
    "other path": None,
    "failed": None,
    "no validator": None,
    "odd etag": Validator("", "Mon"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_version_is_known_while_the_file_is_unchanged(path: Path, folder: Folder, change: str) -> None:
    file = Path(folder.root, "a")
    file.write_bytes(b"abc")
    values: dict[str, object] = {"etag": 'W/"1"', "last_modified": "Mon", "size": 3, "status": DONE, "path": "a"}
    if change == "other bytes":
        file.write_bytes(b"abcd")
    elif change == "removed":
        file.unlink()
    elif change == "other path":
        values["path"] = "b"
    elif change == "failed":
        values["status"] = FAILED
    elif change == "no validator":
        values["etag"] = values["last_modified"] = ""
    elif change == "odd etag":
        values["etag"] = '"1"\r\nX: y'
    modified = os.stat(file).st_mtime if file.exists() else 0.0
    values["ended"] = modified - 100 if change == "other time" else modified
    connection = open_journal(str(path))
    row = JournalRow(url="http://h/a", **values)  # type: ignore[arg-type]
    marks = ", ".join("?" * len(COLUMNS))
    texts = [getattr(row, name) for name in COLUMNS[1:]]
    connection.execute(f"INSERT INTO files ({', '.join(COLUMNS)}) VALUES ({marks})", [1, *texts])
    versions = RecordedVersions(folder, connection)
    versions.load(connection.execute("SELECT url, id FROM files"))
    assert versions.version_of("http://h/a", "a") == CHANGES[change]
    assert versions.version_of("http://h/b", "b") is None
    connection.close()


# --- the folder of the journal is nobody else's


@pytest.mark.parametrize("name", [".downloader", ".DOWNLOADER", ".downloader ", ".downloader."])
def test_no_file_gets_a_path_below_the_folder_of_the_journal(name: str) -> None:
    assert safe_component(name).lower().startswith("_.downloader")
    assert wished_path(name, "journal.sqlite").lower().startswith("_.downloader")
    assert wished_path("", f"{name}/journal.sqlite").lower().startswith("_.downloader")


@pytest.mark.parametrize(
    ("names", "empty"), [([], True), ([".downloader"], True), ([".downloader", "a"], False), (["a"], False)]
)
def test_a_folder_with_nothing_but_a_journal_is_empty(tmp_path: Path, names: list[str], empty: bool) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    folder = Folder(str(tmp_path))
    assert folder.was_empty is empty
    folder.close()
