"""`--dir tar://`: every URL once, every byte right, and no gap in the numbers, whatever happens to the run."""

import base64
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import polars
import pytest

import downloader
from downloader.core.names.shard_names import complete_shards, shard_name
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.processes import assert_session_ended, wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply

KILLS = 5

READ_SAMPLES = """
import base64, json, sys, webdataset
for sample in webdataset.WebDataset(sys.argv[1], shardshuffle=False):
    row = json.loads(sample["json"])
    (suffix,) = [name for name in sample if name != "json" and not name.startswith("__")]
    print(json.dumps([row["url"], row["path"], suffix, base64.b64encode(sample[suffix]).decode()]))
"""
"""Prints the samples of webdataset. It leaves files open, so it has a process of its own."""


class Stored(NamedTuple):
    """What is in the tar files: the bytes by URL; the rows of the tables; the sizes of the tar files."""

    files: dict[str, bytes]
    rows: list[dict[str, object]]
    sizes: list[int]

    @property
    def failed(self) -> set[str]:
        return {str(row["url"]) for row in self.rows if row["status"] == "failed"}


def read(folder: Path) -> Stored:
    """Read the tar files with tarfile, and check that their parts agree and that the numbers have no gaps."""
    numbers = complete_shards(os.listdir(folder))
    assert numbers == list(range(len(numbers)))
    names = [shard_name(number) for number in numbers]
    expected = sorted(f"{name}{suffix}" for name in names for suffix in (".parquet", ".stats.json", ".tar"))
    assert sorted(name for name in os.listdir(folder) if name != ".downloader") == expected
    files: dict[str, bytes] = {}
    rows: list[dict[str, object]] = []
    for name in names:
        with tarfile.open(folder / f"{name}.tar") as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        table = polars.read_parquet(folder / f"{name}.parquet").to_dicts()
        stats = json.loads((folder / f"{name}.stats.json").read_text())
        counts = Counter(row["status"] for row in table)
        assert (stats["done"], stats["failed"]) == (counts["done"], counts["failed"])
        assert len(members) == 2 * counts["done"]
        for row in table:
            if row["status"] == "done":
                described = json.loads(members.pop(f"{row['key']}.json"))
                (data,) = [member for member in members if member.startswith(f"{row['key']}.")]
                assert described["url"] == row["url"]
                assert row["url"] not in files, "a file is stored twice"
                files[row["url"]] = members[data]
        rows += table
    return Stored(files, rows, [(folder / f"{name}.tar").stat().st_size for name in names])


def tabled(folder: Path) -> set[str]:
    """The URLs in the tables of the complete shards. Another shard may be between two renames."""
    tables = [polars.read_parquet(folder / f"{shard_name(number)}.parquet") for number in complete_shards(os.listdir(folder))]
    return {url for table in tables for url in table["url"]}


def samples_of(paths: Path) -> list[tuple[str, str, str, bytes]]:
    """What webdataset reads: URL, path, suffix and bytes of each file. ``paths``: with braces."""
    command = [sys.executable, "-c", READ_SAMPLES, str(paths)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(url, path, suffix, base64.b64decode(data)) for url, path, suffix, data in map(json.loads, lines)]


def urls_of(server: TestServer, count: int, size: int = 1000, query: str = "") -> list[str]:
    return [f"{server.url}/file/{size}/{number}.bin{query}" for number in range(count)]


def check_bytes(stored: Stored, urls: list[str]) -> None:
    """Exactly these URLs are stored, with the bytes that the test server has for them."""
    assert sorted(stored.files) == sorted(urls)
    for url, data in stored.files.items():
        *_, size, name = url.partition("?")[0].split("/")
        assert data == content.body(int(name.partition(".")[0]), 0, int(size)), url


@pytest.mark.parametrize("strategy", ["multiplex", "hybrid", "async", "threads", "processes"])
def test_files_of_each_strategy_can_be_read(dl: Shell, server: TestServer, strategy: str) -> None:
    urls = urls_of(server, 25)
    missing = f"{server.url}/file/10/999.bin?fail=404"
    server.reset()
    done = dl(dl.list(*urls, missing, urls[3]), "-d", "tar://out", "--shard-files", "10", "-s", strategy)
    assert done.returncode == 8, done.stderr
    assert "25 done, 1 skipped, 1 failed" in done.stderr
    stored = read(dl.folder / "out")
    check_bytes(stored, urls)
    assert stored.failed == {missing}
    assert len(stored.sizes) == 3
    assert os.listdir(dl.folder / "out" / ".downloader") == ["tar.lock"]

    samples = samples_of(dl.folder / "out" / "{00000..00002}.tar")
    assert {url: data for url, _, _, data in samples} == stored.files


def test_odd_names_keep_samples_apart(dl: Shell, server: TestServer) -> None:
    names = ["a.jpg", "a.png", "a.b.c", "a.json", "a", ".hidden", "sub/a.jpg", "sub/a.json", "x" * 251 + ".jpg", "grün.JPG"]
    lines = [line for number, name in enumerate(names) for line in (f"{server.url}/file/99/{number}.bin", f"  out={name}")]
    done = dl(dl.list(*lines), "-d", "tar://out")
    assert done.returncode == 0, done.stderr
    stored = read(dl.folder / "out")
    check_bytes(stored, urls_of(server, len(names), 99))
    assert {path: suffix for _, path, suffix, _ in samples_of(dl.folder / "out" / "00000.tar")} == {
        "a.jpg": "jpg",
        "a.png": "png",
        "a.b.c": "c",
        "a.json": "data.json",
        "a": "bin",
        ".hidden": "bin",
        "sub/a.jpg": "jpg",
        "sub/a.json": "data.json",
        "x" * 251 + ".jpg": "jpg",
        "grün.JPG": "jpg",
    }


def test_the_same_command_fetches_what_failed_and_nothing_else(dl: Shell, scripted: MakeServer) -> None:
    found = {"/b"}

    def answer(connection: Connection, request: RecordedRequest) -> None:
        name = request.path
        connection.send(reply("200 OK", name.encode()) if name in found else reply("404 Not Found"))

    server = scripted(answer)
    listed = dl.list(*[f"{server.url}/{name}" for name in "abc"])
    command = (listed, "-d", "tar://out", "-s", "serial")
    assert dl(*command).returncode == 8
    found.add("/a")
    again = dl(*command, "--report", "r.jsonl")
    assert again.returncode == 8, again.stderr
    assert [json.loads(line)["status"] for line in (dl.folder / "r.jsonl").read_text().splitlines()] == [
        *("skipped", "done", "failed")
    ]
    found.add("/c")
    assert dl("-d", "tar://out", "-s", "serial", "--retry-failed").returncode == 0
    assert [request.path for request in server.requests] == ["/a", "/b", "/c", "/a", "/c", "/c"]
    stored = read(dl.folder / "out")
    assert stored.files == {f"{server.url}/{name}": f"/{name}".encode() for name in "abc"}
    assert [row["status"] for row in stored.rows] == ["failed", "done", "failed", "done", "failed", "done"]
    nothing = dl(*command)
    assert (nothing.returncode, "3 skipped: exists" in nothing.stderr) == (0, True)
    nothing = dl("-d", "tar://out", "--retry-failed")
    assert (nothing.returncode, nothing.stderr) == (0, "dl: nothing to do: no URL failed before\n")
    assert read(dl.folder / "out") == stored


def test_a_reordered_list_with_checksums_fetches_nothing_again(dl: Shell, server: TestServer) -> None:
    digest = content.sha256(1, 50)
    lines = [f"{server.url}/file/50/1.bin", f"{server.url}/file/60/1.bin"]
    checked = [lines[0], f"  checksum=sha-256={digest}", lines[1]]
    assert dl(dl.list(*checked), "-d", "tar://out").returncode == 0
    again = dl(dl.list(lines[1], *checked[:2]), "-d", "tar://out")
    assert "2 skipped: exists" in again.stderr
    check_bytes(read(dl.folder / "out"), lines)


def test_the_sizes_of_tar_files(dl: Shell, server: TestServer) -> None:
    urls = urls_of(server, 20, 10_000) + urls_of(server, 1, 300_000)
    assert dl(dl.list(*urls), "-d", "tar://out", "--shard-size", "100k").returncode == 0
    stored = read(dl.folder / "out")
    check_bytes(stored, urls)
    assert sorted(size > 100_000 for size in stored.sizes) == [False] * (len(stored.sizes) - 1) + [True]
    assert len(stored.sizes) <= 5


def test_lists_without_a_file(dl: Shell, server: TestServer) -> None:
    empty = dl(dl.list(), "-d", "tar://empty")
    assert (empty.returncode, (dl.folder / "empty").exists()) == (0, False)
    server.reset()
    failing = urls_of(server, 3, query="?fail=404")
    assert dl(dl.list(*failing), "-d", "tar://failed").returncode == 8
    stored = read(dl.folder / "failed")
    assert (stored.files, stored.failed, len(stored.sizes)) == ({}, set(failing), 1)


def test_a_dry_run_changes_nothing(dl: Shell, server: TestServer) -> None:
    urls = urls_of(server, 2)
    dry = dl(dl.list(*urls), "-d", "tar://out", "--dry-run")
    assert ([line.split("\t")[0] for line in dry.stdout.splitlines()], dry.returncode) == (["fetch", "fetch"], 0)
    assert not (dl.folder / "out").exists()
    assert dl(dl.list(urls[0]), "-d", "tar://out").returncode == 0
    before = sorted((dl.folder / "out").rglob("*"))
    dry = dl(dl.list(*urls), "-d", "tar://out", "--dry-run")
    assert [line.split("\t")[0] for line in dry.stdout.splitlines()] == ["skip (exists)", "fetch"]
    assert sorted((dl.folder / "out").rglob("*")) == before


@pytest.mark.parametrize(
    "flags",
    [
        ("--on-exists", "overwrite"),
        ("--on-complete", "gzip {path}"),
        ("--on-busy", "wait"),
        ("--on-full", "wait"),
        ("--journal", "j.sqlite"),
        ("--content-disposition",),
    ],
)
def test_options_that_cannot_be_followed_are_refused(dl: Shell, flags: tuple[str, ...]) -> None:
    refused = dl("http://127.0.0.1:9/a", "-d", "tar://out", *flags)
    assert refused.returncode == 2
    assert f"{flags[0]} cannot be used with --dir tar://" in refused.stderr
    assert not (dl.folder / "out").exists()


@pytest.mark.parametrize("command", ["status", "export", "verify"])
def test_commands_about_a_folder_say_that_tar_files_are_none(dl: Shell, command: str) -> None:
    refused = dl(command, "tar://out", *(("--to", "a.csv") if command == "export" else ()))
    assert refused.returncode == 2
    assert "tar://" in refused.stderr


def test_the_library_gets_results_of_stored_files_only(server: TestServer, tmp_path: Path) -> None:
    root = tmp_path / "out"
    told = 0
    for result in downloader.stream(urls_of(server, 20), f"tar://{root}", shard_files=5):
        told += 1
        assert result.status == "done"
        assert result.url in tabled(root)
    report = downloader.download(urls_of(server, 21), f"tar://{root}")
    assert (report.done, report.skipped, told) == (1, 20, 20)
    check_bytes(read(root), urls_of(server, 21))


def start(dl: Shell, urls: list[str], *flags: str) -> "Popen[str]":
    command = [sys.executable, "-m", "downloader", dl.list(*urls), "-d", "tar://out", "-s", "multiplex", "-j", "8", *flags]
    return Popen(command, cwd=dl.folder, stderr=subprocess.PIPE, text=True, start_new_session=True)


def reported(path: Path) -> set[str]:
    """The URLs that a report says are done. The last line may be cut."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return {row["url"] for row in map(json.loads, lines) if row["status"] == "done"}


def killed(dl: Shell, urls: list[str], *flags: str) -> None:
    """Start the command, and kill it some time after it has completed a shard."""
    folder = dl.folder / "out"

    def count() -> int:
        return len(complete_shards(os.listdir(folder))) if folder.exists() else 0

    before = count()
    process = start(dl, urls, *flags)
    wait_until(lambda: process.poll() is not None or count() > before, "no tar file appears")
    time.sleep(random.random() * 0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert_session_ended(process)


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing_that_was_reported(dl: Shell, server: TestServer) -> None:
    urls = urls_of(server, 300, 20_000, "?delay=0.02")
    folder = dl.folder / "out"
    seen: set[str] = set()
    for number in range(KILLS):
        killed(dl, urls, "--shard-files", "7", "--report", f"{number}.jsonl")
        told = reported(dl.folder / f"{number}.jsonl")
        assert not told & seen, "a file is done twice"
        seen |= told
        assert seen <= tabled(folder)
    last = dl(dl.list(*urls), "-d", "tar://out")
    assert last.returncode == 0, last.stderr
    check_bytes(read(folder), urls)


def test_ctrl_c_stores_what_is_complete(dl: Shell, server: TestServer) -> None:
    urls = urls_of(server, 4) + urls_of(server, 2, 1001, "?delay=60")
    process = start(dl, urls, "--grace", "0.1")
    wait_until((dl.folder / "out" / ".downloader" / "tar" / "00000.tar").exists, "no file comes")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "interrupted: run the same command again" in said
    stored = read(dl.folder / "out")
    assert 1 <= len(stored.files) <= 4
    assert not stored.failed
    assert dl(dl.list(*urls[:4]), "-d", "tar://out").returncode == 0
    check_bytes(read(dl.folder / "out"), urls[:4])


def test_a_second_run_is_refused(dl: Shell, server: TestServer) -> None:
    urls = urls_of(server, 1) + urls_of(server, 1, 1001, "?delay=60")
    process = start(dl, urls, "--grace", "0.1")
    wait_until((dl.folder / "out" / ".downloader" / "tar" / "00000.tar").exists, "the run does not begin")
    refused = dl(dl.list(*urls), "-d", "tar://out")
    assert refused.returncode == 3
    assert f"another run writes tar files to {dl.folder / 'out'} (process {process.pid}, since" in refused.stderr
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert list(read(dl.folder / "out").files) == urls[:1]


def test_an_interrupted_file_is_resumed(dl: Shell, scripted: MakeServer) -> None:
    body = content.body(1, 0, 4_000_000)

    def hangs(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", body[:2_500_000], length=len(body), ETag='"v1"'))
        connection.hang()

    def continues(connection: Connection, request: RecordedRequest) -> None:
        span = request.range_of(len(body))
        assert span is not None
        where = f"bytes {span[0]}-{span[1] - 1}/{len(body)}"
        connection.send(reply("206 Partial Content", body[slice(*span)], ETag='"v1"', Content_Range=where))

    server = scripted(hangs, continues)
    process = start(dl, [f"{server.url}/a.bin"], "--grace", "0.1")
    part = dl.folder / "out" / ".downloader" / "tar" / "files" / "a.bin.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 2_000_000, "nothing comes")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert dl(f"{server.url}/a.bin", "-d", "tar://out").returncode == 0
    assert list(read(dl.folder / "out").files.values()) == [body]
    assert "range" in server.requests[1].headers


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount a small file system")
def test_a_full_disk_ends_the_run_and_nothing_is_done_that_is_not_stored(dl: Shell, server: TestServer) -> None:
    small = dl.folder / "out"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", str(small)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        urls = urls_of(server, 40, 30_000)
        full = dl(dl.list(*urls), "-d", "tar://out", "--shard-files", "5", "--report", "r.jsonl", "-j", "4")
        assert full.returncode == 3, full.stderr
        assert "no space left on device" in full.stderr
        stored = read(small)
        assert reported(dl.folder / "r.jsonl") == set(stored.files)
        assert len(stored.files) < len(urls)
        subprocess.run(["mount", "-o", "remount,size=10M", str(small)], check=True)
        assert dl(dl.list(*urls), "-d", "tar://out").returncode == 0
        check_bytes(read(small), urls)
    finally:
        subprocess.run(["umount", str(small)], check=True)
