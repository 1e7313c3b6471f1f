"""`--report` over several runs: what is known of a file is not lost because a later run had nothing to fetch."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from downloader.core.model import Result, Status
from downloader.reports.report_file import ReportFile
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.files import names_in
from tests.support.processes import wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply

MODULE = "import hashlib\ndef sha(path): return hashlib.sha256(path.read_bytes()).hexdigest()\ndef size(path): return 5\n"


def rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a report."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_second_run_keeps_what_the_first_one_knew(dl: Shell, server: TestServer) -> None:
    (dl.folder / "own.py").write_text(MODULE)
    dl.list(*(server.file(number, 100 + number) for number in range(5)))
    words = ("urls.txt", "-d", "out", "--process", "own:sha", "--report", "r.jsonl")
    dl(*words)
    first = {row["url"]: row for row in rows(dl.folder / "r.jsonl")}
    again = dl(*words)
    assert "5 skipped" in again.stderr
    assert "never processed" not in again.stderr
    for row in rows(dl.folder / "r.jsonl"):
        before = first[row["url"]]
        assert (row["status"], row["attempts"]) == ("skipped", 0)
        assert [row[key] for key in ("bytes", "etag", "value", "processed")] == [
            before[key] for key in ("bytes", "etag", "value", "processed")
        ]
        assert json.loads(row["value"]) == hashlib.sha256((dl.folder / "out" / row["path"]).read_bytes()).hexdigest()
    assert {name for name in names_in(dl.folder) if "r.jsonl" in name} == {"r.jsonl"}


def test_files_that_were_never_processed_are_said(dl: Shell, server: TestServer) -> None:
    (dl.folder / "own.py").write_text(MODULE)
    dl.list(server.file(1, 100), server.file(2, 100))
    dl(server.file(1, 100), "-d", "out")
    done = dl("urls.txt", "-d", "out", "--process", "own:sha", "--report", "r.jsonl")
    assert "  1 never processed" in done.stderr
    assert {row["path"]: row["processed"] for row in rows(dl.folder / "r.jsonl")} == {"1.bin": False, "2.bin": True}
    assert "  2 not processed by this run" in dl("urls.txt", "-d", "out", "--process", "own:sha").stderr
    other = dl("urls.txt", "-d", "out", "--process", "own:size", "--report", "r.jsonl")
    assert "  2 never processed" in other.stderr  # by this function
    assert [row["value"] for row in rows(dl.folder / "r.jsonl")] == ["", ""]


def test_file_of_another_size_is_not_taken_for_the_one_of_the_report(dl: Shell, server: TestServer) -> None:
    dl(server.file(1, 100), "-d", "out", "--report", "r.jsonl")
    (dl.folder / "out" / "1.bin").write_bytes(b"changed")
    dl(server.file(1, 100), "-d", "out", "--report", "r.jsonl")
    (row,) = rows(dl.folder / "r.jsonl")
    assert (row["bytes"], row["etag"]) == (7, "")


def test_report_without_the_later_keys_is_understood(dl: Shell, server: TestServer) -> None:
    url = server.file(1, 100)
    dl(url, "-d", "out")
    old = {"url": url, "path": "1.bin", "status": "done", "bytes": 100, "etag": None, "value": {"a": [1]}, "error": None}
    (dl.folder / "r.jsonl").write_text(f"{json.dumps(old)}\nnot a line\n{{\n")
    dl(url, "-d", "out", "--report", "r.jsonl")
    (row,) = rows(dl.folder / "r.jsonl")
    assert (row["value"], row["bytes"], row["processed"]) == ('{"a":[1]}', 100, True)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_run_that_is_killed_loses_nothing_of_what_was_known(dl: Shell, scripted: MakeServer, kill: signal.Signals) -> None:
    (dl.folder / "own.py").write_text(MODULE)
    fetched = threading.Event()

    def hangs(connection: Connection, request: RecordedRequest) -> None:
        fetched.set()
        connection.hang()

    server = scripted(*[reply("200 OK", b"x" * size, ETag=f'"{size}"') for size in range(1, 5)], hangs)
    dl.list(*(f"{server.url}/{number}" for number in range(1, 4)))
    words = ["-d", "out", "-j", "1", "--process", "own:sha", "--report", "r.jsonl", "--grace", "0"]
    dl("urls.txt", *words)
    before = {row["path"]: row for row in rows(dl.folder / "r.jsonl")}
    assert len(before) == 3
    dl.list(
        f"{server.url}/1", f"{server.url}/new", f"{server.url}/hangs", f"{server.url}/2", f"{server.url}/3", name="more.txt"
    )
    for _ in range(2):  # killed twice: nothing is lost by that, either
        fetched.clear()
        command = [sys.executable, "-m", "downloader", "more.txt", *words, "-s", "serial"]
        with subprocess.Popen(command, cwd=dl.folder, stderr=subprocess.DEVNULL) as running:
            assert fetched.wait(20)
            report = dl.folder / "r.jsonl"
            wait_until(lambda report=report: len(report.read_bytes().splitlines()) >= 2, "cannot be read during the run", 20)  # type: ignore[misc]
            running.send_signal(kill)
    dl.list(*(f"{server.url}/{number}" for number in (1, 2, 3, "new")))
    done = dl("urls.txt", *words)
    assert "4 skipped" in done.stderr
    after = {row["path"]: row for row in rows(dl.folder / "r.jsonl")}
    assert {path: after[path]["value"] for path in before} == {path: row["value"] for path, row in before.items()}
    assert json.loads(after["new"]["value"]) == hashlib.sha256(b"xxxx").hexdigest()
    assert not (dl.folder / "r.jsonl.earlier").exists()


def test_columns_have_one_type_from_the_first_row_to_the_last(dl: Shell, server: TestServer) -> None:
    dl.list(
        *(server.file(number, 1) for number in range(20)), f"{server.url}/missing", server.file(1, 1), "http://127.0.0.1:1/"
    )
    dl("urls.txt", "-d", "out", "-j", "1", "-r", "0", "--report", "r.jsonl")
    shapes = {tuple((key, type(value)) for key, value in row.items()) for row in rows(dl.folder / "r.jsonl")}
    assert len(shapes) == 1
    assert type(None) not in {kind for _, kind in shapes.pop()}


def test_earlier_report_does_not_grow_without_end(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    row = {"url": "http://h/{}", "path": "{}", "status": "done", "bytes": 5, "etag": "e", "value": "{}"}
    for run in range(5):
        lines = (json.dumps({**row, "url": f"http://h/{number}", "path": str(number), "value": run}) for number in range(1000))
        path.write_text("".join(f"{line}\n" for line in lines))
        with ReportFile(str(path)) as sink:
            sink.add(Result("http://h/7", "7", Status.SKIPPED, 5, reason="exists"))
    assert rows(path)[0]["value"] == "4"
    assert len((tmp_path / "r.jsonl.earlier").read_bytes().splitlines()) <= 3000
