"""A folder that cannot be written ends the run at once, with one message: full, read-only, not ours, removed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.scripted import Connection, MakeServer, RecordedRequest, ScriptedServer, reply

BODY = b"x" * 30_000
QUICK = "multiplex"
STRATEGIES = [
    QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("auto", "serial", "threads", "processes", "async", "hybrid")),
]


def can_mount() -> bool:
    """Whether this user may mount file systems of its own."""
    try:
        probe = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


pytestmark = pytest.mark.skipif(not can_mount(), reason="this user may not mount a tmpfs")


class Mounted:
    """Runs shell lines and then `dl` where ``disk``, a folder, is a small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.folder = folder

    def __call__(self, before: str, *words: str, after: str = "", wrap: str = "") -> "subprocess.CompletedProcess[str]":
        """``before``, ``after``: shell lines; ``wrap``: what `dl` is started by."""
        command = f'{wrap} "$PYTHON" -m downloader "$@"'
        script = f"set -e; mount -t tmpfs -o size=1m,mode=755 tmpfs disk; {before}\n"
        script += f"{command} & child=$!; {after}\nwait $child" if after else f"exec {command}"
        environment = {**os.environ, "PYTHON": sys.executable}
        return subprocess.run(
            ["unshare", "-m", "bash", "-c", script, "dl", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """See `Mounted`."""
    return Mounted(tmp_path)


def listed(folder: Path, server: ScriptedServer, count: int) -> str:
    """A list of so many files there."""
    (folder / "urls.txt").write_text("".join(f"{server.url}/{number}.bin\n" for number in range(count)))
    return "urls.txt"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_full_disk_ends_the_run_after_what_is_in_flight(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    urls = listed(mounted.folder, server, 300)
    done = mounted("", urls, "-d", "disk", "-s", strategy, "-j", "4")
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("stopped: ") == 1
    assert done.stderr.count("no space left on device: cannot write") == 1
    assert "not started" in done.stderr
    assert "✗" not in done.stderr
    fits = (1 << 20) // (8 * 4096)  # files of 8 pages each
    assert fits - 2 <= int(done.stderr.split(" done")[0].split()[-1]) <= fits
    assert len(server.requests) <= fits + 4


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_workers_of_a_cluster_ends_the_run(mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    urls = listed(mounted.folder, server, 300)
    cluster = """
        "$PYTHON" -m downloader cluster up --workers 2 --scheduler-file dask.json > cluster.txt 2>&1 &
        cluster=$!; trap 'kill $cluster; wait $cluster' EXIT
        until grep -q 'tcp://' cluster.txt; do kill -0 $cluster; sleep 0.1; done
    """
    done = mounted(cluster, urls, "-d", "disk", "-s", "dask", "--cluster", "dask.json", "-j", "4", after=":")
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("stopped: ") == 1
    assert "no space left on device: cannot write" in done.stderr
    assert "not started" in done.stderr
    files = int(done.stderr.split(" done")[0].split()[-1])
    assert 0 < files <= (1 << 20) // (8 * 4096)
    assert len(server.requests) < 300


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_read_only_disk_is_known_before_anything_is_asked_for(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    done = mounted("mount -o remount,ro disk", listed(mounted.folder, server, 50), "-d", "disk", "-s", strategy)
    assert done.returncode == 3, done.stderr
    assert server.requests == []
    assert "stopped: read-only file system: cannot write to" in done.stderr
    assert "49 not started" in done.stderr


def test_a_folder_of_someone_else_is_known_before_anything_is_asked_for(mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    urls = listed(mounted.folder, server, 50)
    done = mounted("chown 65534 disk", urls, "-d", "disk", wrap="setpriv --bounding-set=-all --inh-caps=-all")
    assert done.returncode == 3, done.stderr
    assert server.requests == []
    assert "stopped: permission denied: cannot write to" in done.stderr


def test_what_is_there_already_needs_no_folder_that_can_be_written(mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    urls = listed(mounted.folder, server, 3)
    done = mounted("touch disk/0.bin disk/1.bin disk/2.bin; mount -o remount,ro disk", urls, "-d", "disk")
    assert done.returncode == 0, done.stderr
    assert "0 done, 3 skipped, 0 failed" in done.stderr


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_file_that_does_not_fit_is_not_begun(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    taken = []

    def large(connection: Connection, request: RecordedRequest) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
        while connection.send(b"x" * 65536):
            taken.append(65536)

    server = scripted(large)
    done = mounted("", f"{server.url}/large.bin", "-d", "disk", "-s", strategy)
    assert done.returncode == 3, done.stderr
    assert "not enough space: 500000000 bytes are needed, 1048576 are free" in done.stderr
    assert sum(taken) < 50_000_000  # what the connection held, and not the file


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_waits_for_space_goes_on_when_there_is_some(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", BODY))
    urls = listed(mounted.folder, server, 20)
    waits = "until grep -q 'waiting for space' said; do sleep 0.05; done; rm disk/filler"
    before = "head -c 900000 /dev/zero > disk/filler"
    wrap = "2> >(tee said >&2)"
    done = mounted(before, urls, "-d", "disk", "-s", strategy, "-j", "2", "--on-full", "wait", after=waits, wrap=wrap)
    assert done.returncode == 0, done.stderr
    assert "20 done, 0 skipped, 0 failed" in done.stderr
    assert len(server.requests) <= 20 + 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_waits_for_space_asks_for_nothing_meanwhile(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    """What is left on the disk is too little for a file, and is no reason to try."""
    server = scripted(reply("200 OK", b"x" * 200_000))
    urls = listed(mounted.folder, server, 3)
    waits = "until grep -q 'waiting for space' said; do sleep 0.05; done; sleep 3; rm disk/filler"
    before, wrap = "head -c 700000 /dev/zero > disk/filler", "2> >(tee said >&2)"
    done = mounted(before, urls, "-d", "disk", "-s", strategy, "-j", "1", "--on-full", "wait", after=waits, wrap=wrap)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("waiting for space; Ctrl-C") == 1
    assert len(server.requests) <= 3 + 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_disk_that_becomes_read_only_ends_the_run(strategy: str, mounted: Mounted, scripted: MakeServer) -> None:
    """Without a journal: `mount` refuses a disk on which a file is open to be written."""

    def unhurried(connection: Connection, request: RecordedRequest) -> None:
        time.sleep(0.02)
        connection.send(reply("200 OK", b"x" * 100))

    server = scripted(unhurried)
    urls = listed(mounted.folder, server, 2000)
    remount = "until [ -e disk/3.bin ]; do sleep 0.02; done; until mount -o remount,ro disk 2>/dev/null; do :; done"
    done = mounted("", urls, "-d", "disk", "-s", strategy, "-j", "2", "--journal", "none", after=remount)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("stopped: ") == 1
    assert "read-only file system" in done.stderr
    assert "not started" in done.stderr


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_folder_that_is_removed_ends_the_run(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    folder = tmp_path / "out"

    def remove(connection: Connection, request: RecordedRequest) -> None:
        while folder.exists():  # a file may be made in the midst of it
            shutil.rmtree(folder, ignore_errors=True)
        connection.send(reply("200 OK", BODY))

    server = scripted(*[reply("200 OK", BODY)] * 3, remove)
    listed(tmp_path, server, 300)
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-s", strategy, "-j", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("the folder was removed") == 2  # the reason, and the end
    assert "not started" in done.stderr
