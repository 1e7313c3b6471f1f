"""`--manifest` and the tables of `--report` with the real command: runs that are killed or stopped, and files that collide."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import polars
import pytest

from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.processes import peak_memory, wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply

ROWS = int(os.environ.get("TEST_ROWS", "300000"))


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a report or manifest by the paths of the files, as polars reads them."""
    reader: Any = {".csv": polars.read_csv, ".parquet": polars.read_parquet, ".jsonl": polars.read_ndjson}[path.suffix]
    return {row["path"]: row for row in reader(path).to_dicts()}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_run_leaves_the_earlier_manifest_and_loses_no_row(
    dl: Shell, scripted: MakeServer, kind: str, kill: signal.Signals
) -> None:
    fetched = threading.Event()

    def hangs(connection: Connection, request: RecordedRequest) -> None:
        fetched.set()
        connection.hang()

    server = scripted(*[reply("200 OK", b"x" * size, ETag=f'"{size}"') for size in range(1, 4)], hangs)
    manifest = dl.folder / f"m.{kind}"
    words = ["-d", "out", "-j", "1", "--manifest", manifest.name, "--report", f"r.{kind}", "--grace", "0", "-s", "serial"]
    dl.list(f"{server.url}/a1")
    dl("urls.txt", *words)
    before = manifest.read_bytes()
    assert read(manifest)["a1"]["bytes"] == 1
    dl.list(*(f"{server.url}/{name}" for name in ("a1", "a2", "a3", "hangs")))
    with subprocess.Popen(
        [sys.executable, "-m", "downloader", "urls.txt", *words], cwd=dl.folder, stderr=subprocess.DEVNULL
    ) as running:
        assert fetched.wait(20)
        rows = dl.folder / f"m.{kind}.rows"
        wait_until(lambda: rows.read_bytes().count(b"\n") >= 3, "rows come during the run", 20)
        assert manifest.read_bytes() == before
        running.send_signal(kill)
    if kill == signal.SIGKILL:
        assert manifest.read_bytes() == before
        assert rows.exists()
    dl.list(f"{server.url}/a1")
    dl("urls.txt", *words)
    after = read(manifest)
    assert [(name, after[name]["bytes"], after[name]["status"], after[name]["listed"]) for name in ("a1", "a2", "a3")] == [
        ("a1", 1, "done", True),
        ("a2", 2, "done", False),
        ("a3", 3, "done", False),
    ]
    assert {name for name in os.listdir(dl.folder) if name[1] == "."} == {f"m.{kind}", f"r.{kind}"}


def test_table_of_a_list_has_its_columns_in_every_format(dl: Shell, server: TestServer) -> None:
    (dl.folder / "l.csv").write_text(f"url,label\n{server.file(1, 10)},cat\n{server.url}/missing,dog\n")
    for kind in ("csv", "parquet", "jsonl"):
        dl("l.csv", "-d", f"out-{kind}", "--report", f"r.{kind}", "--manifest", f"m.{kind}")
        for path in (dl.folder / f"r.{kind}", dl.folder / f"m.{kind}"):
            labels = {name: row["meta"]["label"] if kind == "jsonl" else row["meta.label"] for name, row in read(path).items()}
            assert labels == {"1.bin": "cat", "missing": "dog"}


def test_retry_of_what_failed_takes_no_entry_off_the_list(dl: Shell, server: TestServer) -> None:
    dl.list(server.file(1, 10), f"{server.url}/missing")
    words = ("-d", "out", "--manifest", "m.jsonl", "--report", "r.jsonl")
    dl("urls.txt", *words)
    dl("urls.txt", *words, "--retry-failed")
    assert {name: row["listed"] for name, row in read(dl.folder / "m.jsonl").items()} == {"1.bin": True, "missing": True}
    dl("urls.txt", *words)
    (row,) = [row for row in read(dl.folder / "r.jsonl").values() if row["path"] == "1.bin"]
    assert row["etag"]  # the run in between had no row for this file


def test_manifest_and_report_must_be_different_files(dl: Shell, server: TestServer) -> None:
    dl.list(server.file(1, 10))
    for words in (["--report", "m.csv", "--manifest", "./m.csv"], ["--manifest", "urls.txt"]):
        done = dl("urls.txt", *words)
        assert done.returncode == 2
        assert "are the same file" in done.stderr
    assert dl("urls.txt", "--manifest", "-").returncode == 2


def test_secrets_are_in_no_report(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("503 Service Unavailable"), reply("302 Found", Location="/b?token=hidden"), reply("200 OK", b"x"))
    url = f"{server.url}/a?X-Amz-Signature=hidden".replace("http://", "http://user:hidden@")
    dl(url, "-d", "out", "--report", "r.jsonl", "--manifest", "m.csv")
    row = json.loads((dl.folder / "r.jsonl").read_text())
    assert (row["status"], json.loads(row["tries"])[0]["status"], row["redirects"] != "") == ("done", 503, True)
    assert "hidden" not in (dl.folder / "r.jsonl").read_text() + (dl.folder / "m.csv").read_text()


def test_full_disk_at_the_end_of_a_manifest_is_said(dl: Shell, server: TestServer) -> None:
    dl.list(server.file(1, 10))
    (dl.folder / "m.jsonl.rows").symlink_to("/dev/full")
    done = dl("urls.txt", "-d", "out", "--manifest", "m.jsonl")
    assert done.returncode == 3
    assert "No space left" in done.stderr


WRITES = """
    import sys
    from downloader.core.model import Result, Status
    from downloader.reports.manifest import Manifest
    from downloader.reports.report_file import ReportFile

    kind, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for status in (Status.DONE, Status.SKIPPED):
        with (Manifest if kind == "manifest" else ReportFile)(path, "/nonexistent") as sink:
            for number in range(count):
                sink.add(Result(f"http://h/{number}", str(number), status, 9, etag='"e"', value=number, origin=f"l:{number}"))
            sink.complete = True
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["report", "manifest"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_memory_is_flat(tmp_path: Path, kind: str, suffix: str) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.{suffix}"
        memory = peak_memory(sys.executable, "-c", textwrap.dedent(WRITES), kind, str(path), str(count))
        assert path.stat().st_size > count
        return memory

    few, many = peak(20_000), peak(ROWS)
    assert many - few < 20_000_000 + 80 * ROWS  # the tables of hashes
