"""The journal as a user meets it: the second run, what failed, two runs on one folder, and a folder where it cannot be kept."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import downloader
from downloader.core.model import Status
from downloader.errors import StorageError, UsageError
from downloader.storage.folder_lock import FolderLock
from downloader.storage.journal import default_path, open_journal
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.files import names_in
from tests.support.processes import peak_memory, wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply

LAST_MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


class Site:
    """Serves a few paths, with a weak ETag each, and knows conditional requests. Paths in ``missing`` are 404."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.missing: set[str] = set()
        self.requests: list[RecordedRequest] = []
        self.fields: Callable[[str], dict[str, str]] = lambda path: {"ETag": f'W/"{self.body(path).decode()}"'}

    def body(self, path: str) -> bytes:
        """The bytes of a path."""
        return self.bodies.get(path, b"body")

    def __call__(self, connection: Connection, request: RecordedRequest) -> None:
        """Answer one request."""
        self.requests.append(request)
        fields = self.fields(request.path)
        if request.path in self.missing:
            connection.send(reply("404 Not Found"))
        elif ("etag" in map(str.lower, fields) and request.headers.get("if-none-match") == fields["ETag"]) or (
            "Last_Modified" in fields and request.headers.get("if-modified-since") == fields["Last_Modified"]
        ):
            connection.send(reply("304 Not Modified", length=None, **fields))
        else:
            connection.send(reply("200 OK", self.body(request.path), **fields))


def rows(folder: Path) -> list[tuple[str, str, int, int]]:
    """URL, path, status and size of all rows of the journal of a folder."""
    with sqlite3.connect(default_path(str(folder))) as connection:
        return connection.execute("SELECT url, path, status, size FROM files ORDER BY id").fetchall()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def url(site: Site, scripted: MakeServer) -> str:
    return scripted(site).url


def test_the_second_run_sends_nothing_and_writes_no_rows(dl: Shell, site: Site, url: str) -> None:
    dl.list(f"{url}/a", f"{url}/b", f"{url}/a")
    assert dl("urls.txt", "-d", "out").returncode == 0
    assert [(name, status, size) for _, name, status, size in sorted(rows(dl.folder / "out"))] == [("a", 0, 4), ("b", 0, 4)]
    site.requests.clear()
    again = dl("urls.txt", "-d", "out")
    assert again.returncode == 0
    assert "0 done, 3 skipped" in again.stderr
    assert "2 skipped: exists" in again.stderr
    assert site.requests == []
    assert len(rows(dl.folder / "out")) == 2


def test_a_file_that_is_gone_or_has_another_size_is_fetched_again(dl: Shell, site: Site, url: str) -> None:
    dl.list(*(f"{url}/{name}" for name in "abcd"))
    dl("urls.txt", "-d", "out")
    (dl.folder / "out/a").unlink()
    (dl.folder / "out/b").write_bytes(b"cut")
    (dl.folder / "out/c").write_bytes(b"same")
    site.requests.clear()
    again = dl("urls.txt", "-d", "out", "-v")
    assert again.returncode == 0, again.stderr
    assert "2 done, 2 skipped, 0 failed" in again.stderr
    assert "1 fetched again: missing" in again.stderr
    assert "1 fetched again: resized" in again.stderr
    assert sorted(request.path for request in site.requests) == ["/a", "/b"]
    assert {name: (dl.folder / "out" / name).read_bytes() for name in "abcd"} == {
        "a": b"body",
        "b": b"body",
        "c": b"same",
        "d": b"body",
    }
    (dl.folder / "out/a").unlink()
    dry = dl("urls.txt", "-d", "out", "--dry-run")
    assert [line.split("\t")[0] for line in dry.stdout.splitlines()].count("fetch") == 1


def test_a_resized_file_is_not_taken_for_complete_after_a_failure(dl: Shell, site: Site, url: str) -> None:
    dl.list(f"{url}/a")
    dl("urls.txt", "-d", "out")
    (dl.folder / "out/a").write_bytes(b"cut")
    site.missing = {"/a"}
    assert "1 failed" in dl("urls.txt", "-d", "out").stderr
    site.missing = set()
    assert "1 fetched again: resized" in dl("urls.txt", "-d", "out", "--retry-failed").stderr
    assert (dl.folder / "out/a").read_bytes() == b"body"


def test_a_file_that_was_there_before_the_journal_is_kept_and_recorded(dl: Shell, site: Site, url: str) -> None:
    (dl.folder / "out").mkdir()
    (dl.folder / "out/a").write_bytes(b"mine")
    dl.list(f"{url}/a")
    assert "1 skipped: exists" in dl("urls.txt", "-d", "out").stderr
    assert site.requests == []
    assert [row[1:] for row in rows(dl.folder / "out")] == [("a", 1, 4)]


def test_single_urls_leave_no_journal_unless_there_is_one(dl: Shell, url: str) -> None:
    assert dl(f"{url}/a", f"{url}/b", "-d", "out").returncode == 0
    assert sorted(os.listdir(dl.folder / "out")) == ["a", "b"]
    dl.list(f"{url}/c")
    dl("urls.txt", "-d", "out")
    dl(f"{url}/d", "-d", "out")
    assert sorted(row[1] for row in rows(dl.folder / "out")) == ["c", "d"]


def test_none_and_a_file_and_a_dry_run(dl: Shell, url: str) -> None:
    dl.list(f"{url}/a")
    dl("urls.txt", "-d", "out", "--journal", "none")
    assert os.listdir(dl.folder / "out") == ["a"]
    dl("urls.txt", "-d", "other", "--journal", "my.sqlite")
    assert os.listdir(dl.folder / "other") == ["a"]
    with sqlite3.connect(dl.folder / "my.sqlite") as connection:
        assert connection.execute("SELECT path FROM files").fetchall() == [("a",)]
    dl("urls.txt", "-d", "out", "--dry-run")
    assert os.listdir(dl.folder / "out") == ["a"]


def test_library_keeps_a_journal_for_several_urls(tmp_path: Path, url: str) -> None:
    downloader.download(f"{url}/a", tmp_path)
    assert os.listdir(tmp_path) == ["a"]
    report = downloader.download([f"{url}/a", f"{url}/b"], tmp_path)
    assert [result.reason for result in report.results if result.status is Status.SKIPPED] == ["exists"]
    assert sorted(row[1] for row in rows(tmp_path)) == ["a", "b"]
    (tmp_path / "b").unlink()
    (missing,) = [
        result for result in downloader.download([f"{url}/a", f"{url}/b"], tmp_path).results if result.reason != "exists"
    ]
    assert (missing.status, missing.reason) == (Status.DONE, "missing")


def test_secrets_are_not_recorded(dl: Shell, url: str) -> None:
    secret = url.replace("http://", "http://user:hidden1@")
    dl.list(f"{secret}/a?token=hidden2", f"{secret}/b")
    assert dl("urls.txt", "-d", "out").returncode == 0
    for path in (dl.folder / "out/.downloader").iterdir():
        assert b"hidden" not in path.read_bytes()


# --- refresh


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"ETag": 'W/"1"', "Last_Modified": LAST_MODIFIED}, "if-none-match"),
        ({"Last_Modified": LAST_MODIFIED}, "if-modified-since"),
    ],
)
def test_refresh_asks_with_what_the_server_said(dl: Shell, site: Site, url: str, fields: dict[str, str], sent: str) -> None:
    site.fields = lambda path: fields
    dl.list(f"{url}/a")
    dl("urls.txt", "-d", "out", "--no-mtime")  # the time of the file is not that of the server
    for _ in range(2):  # the row of the second run serves the third
        site.requests.clear()
        again = dl("urls.txt", "-d", "out", "--no-mtime", "--on-exists", "refresh")
        assert "1 skipped: not modified" in again.stderr
        (request,) = site.requests
        assert request.headers[sent] == next(iter(fields.values()))
        assert len({"if-none-match", "if-modified-since"} & set(request.headers)) == 1
    assert [row[2:] for row in rows(dl.folder / "out")] == [(0, 4), (1, 4), (1, 4)]


def test_refresh_fetches_what_has_changed_here_or_there(dl: Shell, site: Site, url: str) -> None:
    dl.list(*(f"{url}/{name}" for name in "abcd"))
    dl("urls.txt", "-d", "out")
    site.bodies["/a"] = b"newer"
    (dl.folder / "out/b").write_bytes(b"changed here")
    (dl.folder / "out/c").unlink()
    site.requests.clear()
    again = dl("urls.txt", "-d", "out", "--on-exists", "refresh")
    assert "3 done, 1 skipped, 0 failed" in again.stderr
    assert {name: (dl.folder / "out" / name).read_bytes() for name in "abcd"} == {
        "a": b"newer",
        "b": b"body",
        "c": b"body",
        "d": b"body",
    }
    assert {request.path for request in site.requests if "if-none-match" in request.headers} == {"/a", "/d"}


# --- what failed


def test_only_what_failed_is_fetched_again(dl: Shell, site: Site, url: str) -> None:
    site.missing = {"/b", "/x/a"}
    dl.list(f"{url}/a", f"{url}/b", f"{url}/c", f"{url}/x/a")
    assert dl("urls.txt", "-d", "out", "-q").returncode == 8
    (dl.folder / "out/c").unlink()  # gone, but it did not fail
    site.requests.clear()
    site.missing = {"/b"}
    dry = dl("urls.txt", "-d", "out", "--retry-failed", "--dry-run")
    assert len(dry.stdout.splitlines()) == 2
    assert site.requests == []
    again = dl("urls.txt", "-d", "out", "--retry-failed")
    assert again.returncode == 8
    assert "1 done, 0 skipped, 1 failed\n" in again.stderr
    assert sorted(request.path for request in site.requests) == ["/b", "/x/a"]
    assert len(names_in(dl.folder / "out")) == 2  # a, and the other a with a digest in its name
    site.missing, names = set(), names_in(dl.folder / "out")
    without_list = dl("--retry-failed", "-d", "out")
    assert without_list.returncode == 0, without_list.stderr
    assert "1 done, 0 skipped, 0 failed" in without_list.stderr
    assert names_in(dl.folder / "out") == sorted([*names, "b"])
    for words in (["urls.txt"], []):
        nothing = dl(*words, "--retry-failed", "-d", "out")
        assert nothing.returncode == 0
        assert "no URL failed" in nothing.stderr


def test_nothing_is_retried_where_nothing_is_known(dl: Shell, url: str) -> None:
    dl.list(f"{url}/a")
    for words in (["urls.txt", "--journal", "none"], ["-d", "out"], ["urls.txt", "-d", "out", "--dry-run"]):
        done = dl("--retry-failed", *words)
        assert done.returncode == 2
        assert "nothing is known of earlier runs" in done.stderr


def _is_damaged(journal: Path) -> None:
    journal.write_bytes(b"no database" * 100)


def _is_a_loop(journal: Path) -> None:
    journal.symlink_to(journal.name)


def _has_no_folder(journal: Path) -> None:
    journal.parent.rmdir()
    journal.parent.write_text("")


@pytest.mark.parametrize("spoil", [_is_damaged, _is_a_loop, _has_no_folder])
@pytest.mark.parametrize("words", [(), ("urls.txt",), ("urls.txt", "--dry-run")], ids=" ".join)
def test_a_journal_that_cannot_be_read_is_not_taken_for_a_missing_one(
    dl: Shell, url: str, spoil: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    dl.list(f"{url}/a")
    journal = Path(default_path(str(dl.folder / "out")))
    journal.parent.mkdir(parents=True)
    spoil(journal)
    before = sorted(path.name for path in (dl.folder / "out").rglob("*"))
    done = dl("--retry-failed", "-d", "out", *words)
    assert done.returncode == 3
    assert str(journal) in done.stderr
    assert any(what in done.stderr for what in ("is damaged: ", "cannot read the journal", "cannot open the journal"))
    kept = sorted(path.name for path in (dl.folder / "out").rglob("*") if path.suffix != ".lock")
    assert kept == before  # what may still say something of what failed is not renamed


def test_a_url_with_a_secret_cannot_be_retried_without_its_list(dl: Shell, site: Site, url: str) -> None:
    site.missing = {"/a?token=1"}
    dl.list(f"{url}/a?token=1")
    dl("urls.txt", "-d", "out", "-q")
    done = dl("--retry-failed", "-d", "out")
    assert done.returncode == 2
    assert "needs a secret, which was not recorded (give the list, too)" in done.stderr
    site.missing = set()
    assert dl("urls.txt", "--retry-failed", "-d", "out").returncode == 0


# --- a journal that cannot be used


def break_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def break_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 99")


def break_bytes(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


@pytest.mark.parametrize(("spoil", "text"), [(break_version, "newer version"), (break_program, "another program")])
def test_a_foreign_journal_stops_the_run(dl: Shell, site: Site, url: str, spoil: Callable[[Path], None], text: str) -> None:
    dl.list(f"{url}/a")
    dl("urls.txt", "-d", "out", "-q")
    spoil(Path(default_path(str(dl.folder / "out"))))
    site.requests.clear()
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 3
    assert text in done.stderr
    assert "--journal none" in done.stderr or "--journal" in done.stderr
    assert site.requests == []
    assert dl("urls.txt", "-d", "out", "--journal", "none").returncode == 0


def test_a_damaged_journal_is_kept_and_a_new_one_begins(dl: Shell, url: str) -> None:
    dl.list(f"{url}/a")
    path = Path(default_path(str(dl.folder / "out")))
    path.parent.mkdir(parents=True)
    break_bytes(path)
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stderr
    assert "a new journal begins" in done.stderr
    assert Path(f"{path}.damaged").read_bytes() == b"no database at all" * 100
    assert len(rows(dl.folder / "out")) == 1
    (dl.folder / "list.txt").write_text("precious")
    named = dl("urls.txt", "-d", "out", "--journal", "list.txt")
    assert named.returncode == 3
    assert (dl.folder / "list.txt").read_text() == "precious"


def test_damage_in_the_middle_is_reported_and_no_file_is_lost(dl: Shell, url: str) -> None:
    dl.list(*(f"{url}/{number}" for number in range(300)))
    dl("urls.txt", "-d", "out", "-q")
    path = Path(default_path(str(dl.folder / "out")))
    data = bytearray(path.read_bytes())
    data[8192 : len(data) - 4096] = bytes(len(data) - 12288)
    path.write_bytes(data)
    done = dl("urls.txt", "-d", "out")
    assert "damaged" in done.stderr
    assert "300 skipped" in done.stderr
    assert len(names_in(dl.folder / "out")) == 300


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_no_reason_to_fail(dl: Shell, url: str) -> None:
    (dl.folder / "out").mkdir()
    (dl.folder / "out/a").write_bytes(b"body")
    (dl.folder / "out").chmod(0o500)
    dl.list(f"{url}/a")
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 0
    assert "no journal is kept" in done.stderr
    (dl.folder / "out").chmod(0o700)


def test_a_journal_that_cannot_be_made_is_no_reason_to_fail(dl: Shell, url: str) -> None:
    (dl.folder / "out").mkdir()
    (dl.folder / "out/.downloader").write_text("a file")
    dl.list(f"{url}/a")
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 0
    assert "no journal is kept" in done.stderr
    assert (dl.folder / "out/a").read_bytes() == b"body"
    named = dl("urls.txt", "-d", "out", "--journal", "out/.downloader/x.sqlite")
    assert named.returncode == 3
    assert "cannot open the journal" in named.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount a small file system")
def test_a_full_disk_costs_rows_and_no_files(dl: Shell, url: str) -> None:
    small = dl.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        dl.list(*(f"{url}/{'x' * 100}{number}" for number in range(2000)))
        named = dl("urls.txt", "-d", "out", "--journal", str(small / "j.sqlite"))
        assert named.returncode == 3
        assert "cannot use the journal" in named.stderr
        assert len(names_in(dl.folder / "out")) == 2000
    finally:
        subprocess.run(["umount", str(small)], check=True)


# --- two runs at once


def test_a_run_may_fail_or_share_while_another_works(dl: Shell, site: Site, url: str) -> None:
    dl.list(f"{url}/a")
    (dl.folder / "out").mkdir()
    path = default_path(str(dl.folder / "out"))
    open_journal(path).close()
    other = FolderLock(f"{path}.lock")
    other.share()
    done = dl("urls.txt", "-d", "out", "--on-busy", "fail")
    assert done.returncode == 3
    assert f"another run works in {dl.folder / 'out'} (process {os.getpid()}, since " in done.stderr
    assert site.requests == []
    with pytest.raises(StorageError, match="another run works"):
        downloader.download([f"{url}/a"], dl.folder / "out", on_busy="fail")
    assert dl("urls.txt", "-d", "out", "--on-busy", "share").returncode == 0
    assert dl("urls.txt", "-d", "out", "--on-busy", "fail", "--journal", "none").returncode == 0
    other.close()
    assert dl("urls.txt", "-d", "out", "--on-busy", "fail").returncode == 0


def start(dl: Shell, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "downloader", *words]
    return subprocess.Popen(command, cwd=dl.folder, stderr=subprocess.PIPE, text=True)


def test_a_run_waits_for_the_other_and_skips_what_that_did(dl: Shell, site: Site, url: str) -> None:
    dl.list(f"{url}/a")
    (dl.folder / "out").mkdir()
    path = default_path(str(dl.folder / "out"))
    open_journal(path).close()
    other = FolderLock(f"{path}.lock")
    assert other.is_free()
    other.share()
    waiting = start(dl, "urls.txt", "-d", "out", "--on-busy", "wait")
    assert waiting.stderr is not None
    assert f"(process {os.getpid()}, since" in waiting.stderr.readline()
    (dl.folder / "out/a").write_bytes(b"body")
    other.close()
    assert "1 skipped: exists" in waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 0
    assert site.requests == []


def test_ctrl_c_ends_the_waiting(dl: Shell, site: Site, url: str) -> None:
    dl.list(f"{url}/a")
    (dl.folder / "out").mkdir()
    path = default_path(str(dl.folder / "out"))
    open_journal(path).close()
    other = FolderLock(f"{path}.lock")
    other.share()
    waiting = start(dl, "urls.txt", "-d", "out", "--on-busy", "wait")
    assert waiting.stderr is not None
    waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert site.requests == []
    other.close()


def test_runs_of_one_thread_share_a_folder(tmp_path: Path, url: str) -> None:
    first = downloader.stream([f"{url}/a", f"{url}/b"], tmp_path, jobs=1)
    next(first)
    assert downloader.download([f"{url}/c", f"{url}/d"], tmp_path).done == 2
    assert len(list(first)) == 1
    assert sorted(row[1] for row in rows(tmp_path)) == ["a", "b", "c", "d"]


def test_two_processes_share_a_list(dl: Shell, server: TestServer) -> None:
    dl.list(*(server.file(number, 1000) for number in range(1500)))
    runs = [start(dl, "urls.txt", "-d", "out") for _ in range(2)]
    texts = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], texts
    last = {name: (status, size) for _, name, status, size in rows(dl.folder / "out")}
    assert len(last) == 1500
    assert all(status in (0, 1) and size == 1000 for status, size in last.values())
    assert "1500 skipped: exists" in dl("urls.txt", "-d", "out").stderr


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    script = "import sys, time; from downloader.storage.folder_lock import FolderLock; lock = FolderLock(sys.argv[1])\n"
    script += "assert lock.is_free(); lock.share(); print('held', flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    lock = FolderLock(path)
    assert not lock.is_free()
    assert f"process {holder.pid}, since 20" in lock.holder()
    holder.kill()
    holder.communicate()
    assert lock.is_free()
    assert lock.holder() == "its process is not known"
    lock.close()
    lock.close()


# --- killed


def wait_for_files(run: "subprocess.Popen[str]", folder: Path, count: int) -> None:
    wait_until(lambda: run.poll() is not None or (folder.exists() and len(os.listdir(folder)) > count), "too few files")


@pytest.mark.slow
def test_after_each_kill_the_next_run_goes_on(dl: Shell, server: TestServer) -> None:
    count, size = 20_000, 2000
    dl.list(*(server.file(number, size) for number in range(count)))
    out = dl.folder / "out"
    kills = 0
    for number in range(1, 6):
        run = start(dl, "urls.txt", "-d", "out", "-q")
        wait_for_files(run, out, number * 2500)
        time.sleep(0.1 * number)
        kills += run.poll() is None
        run.kill()
        run.communicate()
    assert kills > 1
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert len(rows(out)) <= count + kills * count
    for name in range(0, count, 7):
        assert (out / f"{name}.bin").read_bytes() == content.body(name, 0, size)
    last = {name: (status, bytes_) for _, name, status, bytes_ in rows(out)}
    assert len(last) == count
    assert all(bytes_ == size for _, bytes_ in last.values())
    assert f"{count} skipped: exists" in dl("urls.txt", "-d", "out").stderr


LIBRARY = """
import sys, downloader
report = downloader.download(sys.argv[1], sys.argv[2])
assert report.skipped == len(report.results), report
assert {result.reason for result in report.results} == {"exists"}, report
"""


@pytest.mark.slow
def test_the_second_run_of_a_long_list_needs_little_memory(dl: Shell) -> None:
    peaks: dict[tuple[str, int], int] = {}
    for count in (1000, 200_000):
        out, listing = dl.folder / f"out{count}", dl.folder / f"{count}.txt"
        out.mkdir()
        names = [f"{number:07}.bin" for number in range(count)]
        listing.write_text("".join(f"http://127.0.0.1:9/set/{name}\n" for name in names))
        for name in names:
            (out / name).touch()
        connection = open_journal(default_path(str(out)))
        connection.execute("BEGIN")
        rows = ((f"http://127.0.0.1:9/set/{name}", name) for name in names)
        connection.executemany(
            "INSERT INTO files (run, url, path, status, size, etag, last_modified, digests, http_status, attempts, received,"
            " ended, error_class, error) VALUES (1, ?, ?, 0, 0, '', '', '', 200, 1, 0, 0, '', '')",
            rows,
        )
        connection.execute("COMMIT")
        connection.close()
        peaks["command", count] = peak_memory(sys.executable, "-m", "downloader", str(listing), "-d", str(out), "-q")
        peaks["library", count] = peak_memory(sys.executable, "-c", LIBRARY, str(listing), str(out))
    for name, limit in (("command", 150), ("library", 200)):
        bytes_each = (peaks[name, 200_000] - peaks[name, 1000]) / 199_000
        assert bytes_each < limit, (name, bytes_each)


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        downloader.download(["http://127.0.0.1:9/a"], tmp_path, on_busy="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["DROP TABLE files", "PRAGMA user_version = 0", "pages"])
def test_damage_that_shows_late_leads_to_a_new_journal(dl: Shell, site: Site, url: str, damage: str) -> None:
    dl.list(*(f"{url}/{name}" for name in "abc"))
    assert dl("urls.txt", "-d", "out", "-q").returncode == 0
    path = Path(default_path(str(dl.folder / "out")))
    if damage == "pages":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"Z" * (len(content) - 4096))
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(damage)
        connection.close()
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert "a new journal begins" in done.stderr
    assert path.with_name("journal.sqlite.damaged").exists()
    assert "3 skipped" in dl("urls.txt", "-d", "out").stderr
