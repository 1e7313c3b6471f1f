"""What is read from a journal: the last row of each URL, while a run writes, and what is wrong with a file."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from downloader.errors import DownloadError, JournalDamaged, StorageError, UsageError
from downloader.storage.journal import default_path
from downloader.storage.journal_counts import (
    HostCount,
    RateBucket,
    RunCount,
    UrlCounts,
    count_hosts,
    count_rate,
    count_reasons,
    count_runs,
    count_urls,
)
from downloader.storage.journal_reader import JournalReader, host_matches
from downloader.storage.journal_rows import APPLICATION_ID, SCHEMA_VERSION, JournalRow
from downloader.storage.running_runs import running_runs
from tests.support.journals import add_run, done, failed, new_journal, write_journal


def test_last_row_of_each_url_counts_in_the_order_of_the_rows(tmp_path: Path) -> None:
    path = write_journal(tmp_path, failed("a"), done("b"), failed("c"), done("a", 7))
    with JournalReader(path) as journal:
        assert [(row.path, row.status, row.size) for row in journal.rows()] == [("b", 0, 3), ("c", 2, 0), ("a", 0, 7)]
        assert [row.path for row in journal.rows((2,))] == ["c"]
        assert [row.path for row in journal.rows((0, 1))] == ["b", "a"]


def test_file_of_two_urls_is_read_once_as_its_last_url_left_it(tmp_path: Path) -> None:
    first, second = done("a", 3), replace(done("a", 5), url="https://b.example/a")
    path = write_journal(tmp_path, first, second, failed("c"))
    with JournalReader(path) as journal:
        assert list(journal.complete_files()) == [second]


@pytest.mark.parametrize(
    ("rows", "digests"),
    [
        ([done("a", 3, "sha256=1"), replace(done("a", 3), status=1)], "sha256=1"),
        ([done("a", 3, "sha256=1"), failed("a"), replace(done("a", 3), status=1)], "sha256=1"),
        ([done("a", 3, "sha256=1"), replace(done("a", 3, "md5=2"), status=1)], "md5=2"),
        ([done("a", 3, "sha256=1"), replace(done("a", 4), status=1)], ""),
        ([done("a", 3, "sha256=1"), replace(done("a", 3), status=1, path="b")], ""),
        ([done("a", 3, "sha256=1"), done("a", 3), replace(done("a", 3), status=1)], ""),
        ([done("a", 3, "sha256=1"), done("a", 3)], ""),
    ],
)
def test_skipped_file_has_the_digest_of_the_run_that_fetched_it(tmp_path: Path, rows: list[JournalRow], digests: str) -> None:
    with JournalReader(write_journal(tmp_path, *rows)) as journal:
        assert [row.digests for row in journal.complete_files()] == [digests]
        assert count_urls(journal).with_digest == bool(digests)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.integers(0, 9)), max_size=30))
def test_last_rows_are_those_of_a_dict(entries: list[tuple[str, int, int]]) -> None:
    rows = [JournalRow(f"https://a.example/{key}", key, status, size) for key, status, size in entries]
    expected: dict[str, JournalRow] = {}
    for row in rows:
        expected.pop(row.url, None)
        expected[row.url] = row
    with tempfile.TemporaryDirectory() as folder, JournalReader(write_journal(Path(folder), *rows)) as journal:
        assert list(journal.rows()) == list(expected.values())
        counts = count_urls(journal)
    states = [row.status for row in expected.values()]
    sizes = sum(row.size for row in expected.values() if row.status != 2)
    assert counts == UrlCounts(len(states), states.count(0), states.count(1), states.count(2), sizes, 0, 0)


def test_counts(tmp_path: Path) -> None:
    rows = [done("a", 3, host="b.example"), done("b", 4), failed("c"), failed("d", "NetworkError", 0), failed("e")]
    with JournalReader(write_journal(tmp_path, *rows)) as journal:
        assert count_urls(journal) == UrlCounts(5, 2, 0, 3, 7, 0)
        reasons = [(item.error_class, item.http_status, item.count, item.example_url) for item in count_reasons(journal)]
        assert reasons == [
            ("HTTPStatusError", 404, 2, "https://a.example/e"),
            ("NetworkError", 0, 1, "https://a.example/d"),
        ]
        assert count_hosts(journal, 9) == ([HostCount("a.example", 1, 3, 4), HostCount("b.example", 1, 0, 3)], 2)
        assert count_hosts(journal, 1) == ([HostCount("a.example", 1, 3, 4)], 2)
        assert count_runs(journal) == [RunCount(1, 1000.0, 2000.0, 1600.0, 2, 0, 3, 37)]


def test_counts_of_an_empty_journal(tmp_path: Path) -> None:
    new_journal(tmp_path).close()
    with JournalReader(default_path(str(tmp_path))) as journal:
        assert count_urls(journal) == UrlCounts()
        assert (count_reasons(journal), count_hosts(journal, 5), count_runs(journal)) == ([], ([], 0), [])
        assert (list(journal.rows()), list(journal.complete_files())) == ([], [])


@pytest.mark.parametrize(
    ("times", "length", "period", "buckets"),
    [
        ([0.5, 9.5, 25], 30, 10, [(0, 10, 2), (10, 10, 0), (20, 10, 1)]),
        ([1, 11], 12, 10, [(0, 12, 2)]),
        ([1, 11], 16, 10, [(0, 10, 1), (10, 6, 1)]),
        ([1], 2, 10, [(0, 2, 1)]),
        ([-5, 99], 10, 10, [(0, 10, 2)]),  # the clock was set
        ([5], 0, 10, []),
        ([5], -3, 10, []),
    ],
)
def test_rate_counts_every_period(
    tmp_path: Path, times: list[float], length: float, period: float, buckets: list[tuple[float, float, int]]
) -> None:
    rows = [done(f"f{number}", 3, ended=1000 + time) for number, time in enumerate(times)]
    with JournalReader(write_journal(tmp_path, *rows, started=1000, ended=1000 + length)) as journal:
        (run,) = count_runs(journal)
        assert count_rate(journal, run, length, period) == [RateBucket(start, size, n, 3 * n) for start, size, n in buckets]


def test_reader_sees_the_journal_as_it_was_while_a_run_writes(tmp_path: Path) -> None:
    writer = new_journal(tmp_path)
    add_run(writer, [done("a")], ended=None)
    with JournalReader(default_path(str(tmp_path))) as journal:
        add_run(writer, [done("b")])
        assert [row.path for row in journal.rows()] == ["a"]
        assert count_urls(journal).urls == 1
    with JournalReader(default_path(str(tmp_path))) as journal:
        assert [row.path for row in journal.rows()] == ["a", "b"]
    add_run(writer, [done("c")])  # the readers left no lock
    writer.close()


def test_reader_writes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = Path(write_journal(tmp_path, done("a")))
    before = path.read_bytes()
    with JournalReader(str(path)) as journal:
        assert len(list(journal.rows())) == 1
        with pytest.raises(DownloadError):
            list(journal.select("INSERT INTO runs (started, naming) VALUES (1, '')"))
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["journal.sqlite"]


def test_reader_that_is_left_early_can_be_closed(tmp_path: Path) -> None:
    journal = JournalReader(write_journal(tmp_path, done("a"), done("b")))
    rows = journal.rows()
    next(rows)
    journal.close()
    journal.close()
    rows.close()


def test_threads_may_take_turns(tmp_path: Path) -> None:
    paths: list[str] = []
    with JournalReader(write_journal(tmp_path, done("a"), done("b"))) as journal:
        rows = journal.complete_files()
        paths.append(next(rows).path)
        thread = threading.Thread(target=lambda: paths.append(next(rows).path))
        thread.start()
        thread.join()
    assert paths == ["a", "b"]


def _as_nobody(path: str) -> "subprocess.CompletedProcess[str]":
    """Count the rows as a user who may read the journal only."""
    code = f"""
import os
from downloader.storage.journal_reader import JournalReader
if os.getuid() == 0:
    os.setuid(65534)
with JournalReader({path!r}) as journal:
    print(len(list(journal.rows())))
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest belong to their owner."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_journal_in_a_folder_of_somebody_else_is_read(open_folder: Path) -> None:
    path = Path(write_journal(open_folder, done("a"), done("b")))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    done_process = _as_nobody(str(path))
    path.parent.chmod(0o755)
    assert (done_process.stdout, done_process.returncode) == ("2\n", 0), done_process.stderr
    assert [item.name for item in path.parent.iterdir()] == ["journal.sqlite"]


def test_journal_that_only_its_owner_may_read_is_refused(open_folder: Path) -> None:
    path = Path(write_journal(open_folder, done("a")))
    path.chmod(0o600)
    if os.getuid() != 0:
        pytest.skip("another user is needed")
    assert "cannot read the journal" in _as_nobody(str(path)).stderr


def _no_sqlite(path: Path) -> None:
    path.write_bytes(b"https://a.example/\n" * 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _scrambled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)


def _schema_scrambled(path: Path) -> None:
    data = path.read_bytes()
    assert data.count(b"TEXT NOT NULL") > 1
    path.write_bytes(data.replace(b"TEXT NOT NULL", b"TEXT NUL\x9c..."))  # SQLite's message quotes this byte


def _of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE files (id)")
    connection.close()


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


def _without_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "kind", "text"),
    [
        (Path.unlink, UsageError, "there is no journal"),
        (_empty, UsageError, "empty"),
        (_no_sqlite, JournalDamaged, "not an SQLite database"),
        (_schema_scrambled, JournalDamaged, "damaged"),
        (_of_another_program, StorageError, "another program"),
        (_newer, StorageError, "newer version"),
        (_a_folder, UsageError, "not a journal"),
        (_a_pipe, UsageError, "not a journal"),
        (_without_tables, StorageError, "damaged"),
        (_cut, StorageError, "journal"),
        (_scrambled, StorageError, "journal"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_what_is_no_journal_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], kind: type[DownloadError], text: str
) -> None:
    path = Path(write_journal(tmp_path, *(done(f"file-{number}") for number in range(300))))
    spoil(path)
    with pytest.raises(kind, match=text) as caught, JournalReader(str(path)) as journal:
        list(journal.rows())
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "pattern", "expected"),
    [
        ("https://a.example/x", "a.example", True),
        ("https://a.example/x", "A.Example", True),
        ("https://a.b.example/x", "*.example", True),
        ("https://a.example/x", "b.example", False),
        ("http://a.example:8080/x", "a.example", True),
        ("http://a.example:8080/x", "a.example:8080", True),
        ("http://a.example:8080/x", "a.example:80", False),
        ("http://a.example:8080/x", "a.example:*", True),
        ("http://[::1]:8080/x", "[::1]", True),
        ("http://[::1]/x", "[::1]", True),
        ("no url", "*", True),
        ("no url", "a", False),
    ],
)
def test_host_pattern(url: str, pattern: str, expected: bool) -> None:
    assert host_matches(url, pattern) is expected


def test_running_runs_are_those_that_hold_the_lock(tmp_path: Path) -> None:
    path, lock = str(tmp_path / "journal.sqlite"), tmp_path / "journal.sqlite.lock"
    assert running_runs(path) == 0
    lock.write_text(f"{os.getpid()} 1000\n999999999 1000\nnonsense\n")
    assert running_runs(path) == 0
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert running_runs(path) == 1
        lock.write_text("999999999 1000\n")
        assert running_runs(path) == 0
    lock.unlink()
    lock.mkdir()
    assert running_runs(path) in (None, 0)


@pytest.mark.slow
def test_million_rows_need_little_memory(tmp_path: Path) -> None:
    rows = (done(f"folder/file-{number % 900_000:07}.bin", 3, "sha256=" + "0" * 64) for number in range(1_000_000))
    connection = new_journal(tmp_path)
    add_run(connection, rows)
    connection.close()
    code = f"""
import re
from downloader.storage.journal_reader import JournalReader
from downloader.storage.journal_counts import count_urls, count_hosts, count_runs
with JournalReader({default_path(str(tmp_path))!r}) as journal:
    print(sum(1 for _ in journal.rows()), sum(1 for _ in journal.complete_files()), count_urls(journal).urls)
    count_hosts(journal, 5), count_runs(journal)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    counts, memory = run.stdout.splitlines()
    assert counts == "900000 900000 900000"
    assert int(memory) < 160, "MiB"
