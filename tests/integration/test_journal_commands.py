"""`dl status`, `dl export` and `dl verify`, as a user types them."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.journals import add_run, done, failed, new_journal, write_journal

COMMANDS = ("status", "export", "verify")


def digest(data: bytes) -> str:
    """Its SHA-256 digest, as the journal has it."""
    return f"sha256={hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a journal: two files that are right, one of them without a digest, and one URL that failed."""
    folder = tmp_path / "data"
    write_journal(folder, done("a", 3, digest(b"abc")), done("b", 4), failed("c"))
    (folder / "a").write_bytes(b"abc")
    (folder / "b").write_bytes(b"abcd")
    return folder


def test_status_of_a_folder(dl: Shell, folder: Path) -> None:
    ran = dl("status", "data")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "3 URLs: 2 done, 0 skipped, 1 failed" in ran.stdout
    assert "all 2 files are there with the right size" in ran.stdout
    assert "HTTPStatusError: HTTP 404 Not Found" in ran.stdout
    assert "dl --retry-failed --dir data" in ran.stdout
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())
    status = json.loads(dl("status", "data", "--json").stdout)
    assert status["urls"] == {"urls": 3, "done": 2, "skipped": 0, "failed": 1, "bytes": 7, "with_digest": 1, "digest_bytes": 3}
    assert status["runs"][0]["state"] == "ended"


def test_status_is_plain_text_where_the_locale_is_ascii(dl: Shell, folder: Path) -> None:
    ran = dl("status", "data", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.isascii()
    assert "\\u" not in ran.stdout


def test_verify_tells_what_was_compared_by_size_only(dl: Shell, folder: Path) -> None:
    ran = dl("verify", "data")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 files: 1 verified by digest, 1 verified by size only" in ran.stdout
    assert "1 file was checked by size only: no digest is known" in ran.stdout
    assert "1 URL failed, and was not verified" in ran.stdout


def test_verify_lists_what_differs(dl: Shell, folder: Path) -> None:
    (folder / "a").write_bytes(b"abX")
    (folder / "b").unlink()
    (folder / "mine").write_text("")
    (folder / "c.part").write_text("")
    ran = dl("verify", "data", "--extra")
    assert (ran.returncode, ran.stderr) == (9, "")
    assert set(ran.stdout.splitlines()[:3]) == {"digest differs: a", "missing: b", "unknown: mine"}
    found = json.loads(dl("verify", "data", "--extra", "--json").stdout)
    assert {(item["path"], item["state"]) for item in found["differences"]} == {("a", "digest differs"), ("b", "missing")}
    assert (found["unknown"], found["complete"], found["files"]) == (["mine"], True, 2)
    assert (found["counts"]["digest differs"], found["counts"]["missing"], found["counts"]["ok"]) == (1, 1, 0)


def test_json_without_differences_is_json(dl: Shell, folder: Path) -> None:
    assert json.loads(dl("verify", "data", "--json").stdout)["differences"] == []
    assert json.loads(dl("verify", "data", "--json", "--extra").stdout)["unknown"] == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
@pytest.mark.parametrize("name", ["SHA256SUMS", "data/SHA256SUMS"])
def test_written_digests_are_verified_by_sha256sum_and_by_us(dl: Shell, folder: Path, name: str) -> None:
    for odd in ("new\nline", "back\\slash", "bytes\udcff", "- x"):
        (folder / odd).write_text(odd.encode(errors="replace").decode())
    ran = dl("verify", "--write", name, "data")
    assert (ran.returncode, ran.stderr) == (0, "")
    sums = dl.folder / name
    check = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", sums.name], cwd=sums.parent, capture_output=True)
    assert (check.returncode, check.stdout) == (0, b"")
    ran = dl("verify", name)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "6 files: 6 verified by digest")
    (folder / "new\nline").write_text("x")
    ran = dl("verify", name)
    assert (ran.returncode, "new\\nline" in ran.stdout.splitlines()[0]) == (9, True)
    assert dl("verify", "--write", name, "data").returncode == 0
    assert dl("verify", name).returncode == 0


@pytest.mark.parametrize(
    ("name", "tool"), [("SHA512SUMS", "sha512sum"), ("MD5SUMS", "md5sum"), ("B2SUMS", "b2sum"), ("x.sha1", "sha1sum")]
)
def test_name_of_the_sums_file_chooses_the_algorithm(dl: Shell, folder: Path, name: str, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    assert dl("verify", "--write", name, "data").returncode == 0
    subprocess.run([tool, "-c", "--strict", name], cwd=dl.folder, check=True, capture_output=True)
    assert dl("verify", name).returncode == 0


def test_digests_go_to_standard_output(dl: Shell, folder: Path) -> None:
    ran = dl("verify", "--write", "-", "--algorithm", "md5", "data")
    assert ran.stdout == f"{hashlib.md5(b'abc').hexdigest()}  a\n{hashlib.md5(b'abcd').hexdigest()}  b\n"


def test_sums_file_that_leads_out_of_the_folder_is_refused_for_that_line(dl: Shell, folder: Path) -> None:
    name = hashlib.sha256(b"abc").hexdigest()
    (folder / "SUMS").write_text(f"{name}  a\n{name}  ../secret\n")
    (dl.folder / "secret").write_bytes(b"abc")
    ran = dl("verify", "data/SUMS")
    assert ran.returncode == 9
    assert "refused: ../secret (the path leaves the folder)" in ran.stdout
    assert "1 verified by digest, 1 refused" in ran.stdout


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.tsv", "r.parquet"])
def test_exported_report_is_verified(dl: Shell, folder: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    ran = dl("export", "data", "--to", name)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", f"wrote 3 rows to {name}\n")
    ran = dl("verify", name, "--dir", "data")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "2 files: 1 verified by digest, 1 verified by size only")
    ran = dl("verify", name)
    assert (ran.returncode, "--dir DIR" in ran.stderr) == (9, True)


def test_exported_sums_are_verified(dl: Shell, folder: Path) -> None:
    ran = dl("export", "data", "--to", "SHA256SUMS")
    assert (ran.returncode, "left out: 1 without a recorded sha256 digest" in ran.stderr) == (0, True)
    assert (dl.folder / "SHA256SUMS").read_text() == f"{digest(b'abc')[7:]}  data/a\n"
    assert dl("verify", "SHA256SUMS").returncode == 0


def test_exported_list_is_read_again(dl: Shell, folder: Path) -> None:
    ran = dl("export", "data", "--to", "-", "--as", "urls", "--status", "all")
    assert ran.stdout == "https://a.example/a\nhttps://a.example/b\nhttps://a.example/c\n"
    dl("export", "data", "--to", "failed.txt")
    assert "https://a.example/c" in dl("failed.txt", "--dry-run").stdout


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["status", "nowhere"], 2, "there is no journal"),
        (["verify", "nowhere"], 2, "there is no file or folder"),
        (["verify", "empty"], 2, "there is no journal"),
        (["verify", "empty.txt"], 2, "lists no file"),
        (["verify", "text.txt"], 2, "not a sums file: line 1"),
        (["verify", "other.sqlite"], 3, "another program"),
        (["verify", "--write", "SUMS", "nowhere"], 2, "not a folder"),
        (["verify", "--write", "nowhere/SUMS", "data"], 3, "cannot write nowhere/SUMS"),
        (["verify", "--write", "SUMS", "--algorithm", "sha7", "data"], 2, "unknown kind of checksum"),
        (["verify", "--algorithm", "md5", "data"], 2, "--algorithm is for --write"),
        (["verify", "--write", "SUMS", "--extra", "data"], 2, "--write takes a folder"),
        (["export", "data"], 2, "--to FILE is missing"),
        (["export", "data", "--to", "x.bin"], 2, "does not tell what to write"),
        (["export", "data", "--to", "MD5SUMS"], 2, "no md5 digest is recorded"),
        (["export", "data", "--to", "x.txt", "--status", "lost"], 2, "failed"),
        (["export", "data", "--to", "data"], 2, "does not tell"),
        (["export", "data", "--to", "data", "--as", "urls"], 3, "cannot write data"),
        (["verfy", "data"], 2, "did you mean `dl verify`?"),
        (["statsu", "data"], 2, "did you mean `dl status`?"),
    ],
)
def test_what_is_wrong_is_said(dl: Shell, folder: Path, words: list[str], code: int, text: str) -> None:
    (dl.folder / "empty").mkdir()
    (dl.folder / "empty.txt").write_text("")
    (dl.folder / "text.txt").write_text("https://a.example/\n")
    connection = sqlite3.connect(dl.folder / "other.sqlite")
    connection.execute("CREATE TABLE files (id)")
    connection.close()
    ran = dl(*words)
    assert (ran.returncode, text in ran.stderr, "Traceback" in ran.stderr) == (code, True, False), ran.stderr


def test_folder_with_a_sums_file_but_no_journal_names_it(dl: Shell, folder: Path) -> None:
    shutil.rmtree(folder / ".downloader")
    (folder / "SHA256SUMS").write_text("")
    assert "dl verify data/SHA256SUMS" in dl("verify", "data").stderr


@pytest.mark.parametrize("words", [["status"], ["verify"], ["export", "--to", "x.csv"]], ids=lambda words: words[0])
def test_damaged_journal_is_an_error_of_the_storage(dl: Shell, folder: Path, words: list[str]) -> None:
    journal = folder / ".downloader" / "journal.sqlite"
    for data in (b"no database" * 100, journal.read_bytes()[:5000]):
        journal.write_bytes(data)
        ran = dl(words[0], "data", *words[1:])
        assert ran.returncode == 3, ran.stderr
        assert "damaged" in ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help(dl: Shell, command: str) -> None:
    ran = dl("help", command)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == dl(command, "--help").stdout
    assert f"dl help {command}" in dl("help").stdout


def test_output_that_is_closed_or_full_is_said(dl: Shell, folder: Path) -> None:
    for words in (["status", "data"], ["export", "data", "--to", "-", "--as", "urls"], ["verify", "data"]):
        command = [sys.executable, "-m", "downloader", *words]
        with open("/dev/full", "w") as full:
            ran = subprocess.run(command, cwd=dl.folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert ran.returncode == 3, words
        assert "Traceback" not in ran.stderr
        assert "Exception ignored" not in ran.stderr


def test_status_while_a_run_goes_on_and_after_it_was_killed(dl: Shell) -> None:
    """The run is this test, which holds the lock of a run."""
    connection = new_journal(dl.folder / "data")
    add_run(connection, [done("a")], time.time() - 10, None)
    lock = dl.folder / "data" / ".downloader" / "journal.sqlite.lock"
    lock.write_text(f"{os.getpid()} {time.time():.0f}\n")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        ran = dl("status", "data")
        assert "running" in ran.stdout
        assert "dl status data" in ran.stdout
    ran = dl("status", "data")
    assert "killed" in ran.stdout
    assert "dl LIST --dir data" in ran.stdout
    connection.close()


WRITE = ["verify", "--write", "SHA256SUMS", "data"]


@pytest.mark.parametrize(
    ("words", "number"), [(["verify", "data"], signal.SIGINT), (WRITE, signal.SIGINT), (WRITE, signal.SIGTERM)]
)
def test_interrupt_tells_how_far_it_came_and_leaves_nothing(
    dl: Shell, tmp_path: Path, words: list[str], number: signal.Signals
) -> None:
    folder = tmp_path / "data"
    size = 40_000_000_000  # holes: reading takes time, and no space
    write_journal(folder, *(done(f"f{index}", size, digest(b"x")) for index in range(2)))
    for index in range(2):
        with (folder / f"f{index}").open("wb") as stream:
            stream.truncate(size)
    command = [sys.executable, "-m", "downloader", *words]
    with subprocess.Popen(command, cwd=dl.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _reads(process.pid, folder):
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert number is signal.SIGTERM or "interrupted after 0 files" in out + err
    assert not (dl.folder / "SHA256SUMS").exists()
    assert not (dl.folder / "SHA256SUMS.part").exists()


def _reads(process: int, folder: Path) -> bool:
    """Whether a process has opened a file of the folder."""
    opened = Path(f"/proc/{process}/fd")
    if not opened.exists():
        time.sleep(1)
        return True
    try:
        return any(os.readlink(item).startswith(str(folder / "f")) for item in opened.iterdir())
    except OSError:
        return False


def test_commands_answer_for_what_a_real_run_recorded(dl: Shell, server: TestServer) -> None:
    dl.list(*(server.file(number, 1000) for number in range(5)), f"{server.url}/missing")
    assert dl("urls.txt", "-d", "data", "--digest", "sha256", "-q").returncode == 8
    status = json.loads(dl("status", "data", "--json").stdout)
    counts = status["urls"]
    assert (counts["done"], counts["failed"], counts["with_digest"]) == (5, 1, 5)
    assert [run["state"] for run in status["runs"]] == ["ended"]
    assert (status["disk"]["checked"], status["disk"]["missing"]) == (5, 0)
    ran = dl("verify", "data", "--extra")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "5 files: 5 verified by digest")
    assert dl("export", "data", "--to", "SHA256SUMS").returncode == 0
    assert len((dl.folder / "SHA256SUMS").read_text().splitlines()) == 5
    assert dl("verify", "SHA256SUMS").returncode == 0
    assert dl("export", "data", "--to", "failed.txt").returncode == 0
    assert (dl.folder / "failed.txt").read_text() == f"{server.url}/missing\n"
    assert dl("urls.txt", "-d", "data", "--on-exists", "refresh", "-q").returncode == 8
    assert dl("verify", "data").stdout.splitlines()[0] == "5 files: 5 verified by digest"


@pytest.mark.parametrize("flag", ["--report", "--manifest"])
@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.parquet"])
def test_report_and_manifest_of_a_real_run_are_verified(dl: Shell, server: TestServer, flag: str, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    dl.list(*(server.file(number, 1000) for number in range(3)), f"{server.url}/missing")
    assert dl("urls.txt", "-d", "data", "--digest", "sha256", flag, name, "-q").returncode == 8
    ran = dl("verify", name, "--dir", "data")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "3 files: 3 verified by digest")
    next(path for path in (dl.folder / "data").iterdir() if path.is_file()).write_bytes(bytes(1000))
    assert dl("verify", name, "--dir", "data").returncode == 9
