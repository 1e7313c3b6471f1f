"""Tar files in an object store: a real S3 server on loopback, and a store in a folder."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import obstore
import polars
import pytest

from downloader.core.names.shard_names import complete_shards, shard_name
from downloader.storage.object_upload import SINGLE_PUT_BYTES
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.object_stores import S3Server, s3_server
from tests.support.processes import wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of temporary files."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def stored(objects: dict[str, bytes]) -> dict[str, bytes]:
    """The bytes of the files by URL. ``objects``: by name, without a prefix; their numbers have no gaps."""
    numbers = complete_shards(objects)
    assert numbers == list(range(len(numbers)))
    assert sorted(objects) == sorted(
        f"{shard_name(number)}{suffix}" for number in numbers for suffix in (".parquet", ".stats.json", ".tar")
    )
    files: dict[str, bytes] = {}
    for number in numbers:
        with tarfile.open(fileobj=io.BytesIO(objects[f"{shard_name(number)}.tar"])) as tar:
            contents = [tar.extractfile(member).read() for member in tar]  # type: ignore[union-attr]
        rows = polars.read_parquet(io.BytesIO(objects[f"{shard_name(number)}.parquet"])).to_dicts()
        found = {json.loads(row)["url"]: data for data, row in zip(contents[::2], contents[1::2], strict=True)}
        assert set(found) == {row["url"] for row in rows if row["status"] == "done"}
        assert not set(found) & set(files), "a file is stored twice"
        files.update(found)
    return files


def of_bucket(s3: S3Server, bucket: str) -> dict[str, bytes]:
    return {name.removeprefix("data/set/"): data for name, data in s3.objects(bucket).items()}


def bodies(server: TestServer, count: int, size: int) -> dict[str, bytes]:
    return {f"{server.url}/file/{size}/{number}.bin": content.body(number, 0, size) for number in range(count)}


def test_tar_files_in_a_bucket(dl: Shell, server: TestServer, s3: S3Server, temporary: Path) -> None:
    bucket = s3.new_bucket()
    place = ("-d", f"tar://s3://{bucket}/data/set", "--endpoint-url", s3.url)
    files = bodies(server, 25, 1000) | bodies(server, 1, SINGLE_PUT_BYTES + 1)
    missing = f"{server.url}/file/10/999.bin?fail=404"
    server.reset()
    listed = dl.list(*files, missing)
    done = dl(listed, *place, "--shard-files", "10", **s3.environment)
    assert done.returncode == 8, done.stderr
    assert stored(of_bucket(s3, bucket)) == files
    assert os.listdir(temporary) == []
    dry = dl(listed, *place, "--dry-run", **s3.environment)
    assert dry.stdout.count("skip (exists)") == 26
    server.reset()
    again = dl(listed, *place, **s3.environment)
    assert "26 skipped: exists" in again.stderr
    again = dl("--retry-failed", *place, "--dry-run", **s3.environment)
    assert again.stdout == f"fetch\t{missing}\t999.bin\n"
    assert len(complete_shards(of_bucket(s3, bucket))) == 4
    assert s3.environment["AWS_SECRET_ACCESS_KEY"] not in done.stderr


def test_a_run_that_was_killed_during_an_upload_leaves_no_gap(dl: Shell, server: TestServer, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    place = ("-d", f"tar://s3://{bucket}/data/set", "--endpoint-url", s3.url)
    files = bodies(server, 20, 1000)
    store = s3.store(bucket)
    for name in ("00000.unfinished", "00000.tar", "00000.parquet"):
        obstore.put(store, f"data/set/{name}", b"of a run that was killed")
    assert dl(dl.list(*files), *place, "--shard-files", "7", **s3.environment).returncode == 0
    assert stored(of_bucket(s3, bucket)) == files


@pytest.mark.slow
def test_kills_leave_a_store_that_the_next_run_completes(dl: Shell, server: TestServer, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    place = ("-d", f"tar://s3://{bucket}/data/set", "--endpoint-url", s3.url)
    files = {f"{url}?delay=0.02": data for url, data in bodies(server, 150, 20_000).items()}
    command = [sys.executable, "-m", "downloader", dl.list(*files), *place, "--shard-files", "7", "-j", "8"]

    def count() -> int:
        names = [item["path"] for page in s3.store(bucket).list() for item in page]
        return len(complete_shards([name.removeprefix("data/set/") for name in names]))

    for _ in range(3):
        before = count()
        environment = {**os.environ, **s3.environment}
        process = Popen(command, cwd=dl.folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: process.poll() is not None or count() > before, "no tar file appears")  # noqa: B023
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert dl(dl.list(*files), *place, "--shard-files", "7", **s3.environment).returncode == 0
    assert stored(of_bucket(s3, bucket)) == files


def test_of_two_runs_that_store_one_number_one_ends(
    dl: Shell, server: TestServer, s3: S3Server, scripted: MakeServer, temporary: Path
) -> None:
    gate = threading.Event()

    def waits(connection: Connection, request: RecordedRequest) -> None:
        gate.wait()
        connection.send(reply("200 OK", b"late"))

    slow = scripted(reply("200 OK", b"early"), waits)
    bucket = s3.new_bucket()
    place = ("-d", f"tar://s3://{bucket}/data/set", "--endpoint-url", s3.url)
    command = [sys.executable, "-m", "downloader", dl.list(f"{slow.url}/a", f"{slow.url}/b"), *place, "-s", "serial"]
    environment = {**os.environ, **s3.environment}
    with Popen(command, cwd=dl.folder, env=environment, stderr=subprocess.PIPE, text=True) as late:
        wait_until(lambda: list(temporary.glob("dl-tar-*/00000.tar")), "no tar file is begun")
        files = bodies(server, 1, 1000)
        done = dl(dl.list(*files, name="b.txt"), *place, **s3.environment)
        gate.set()
        _, said = late.communicate(timeout=60)
    assert done.returncode == 0, done.stderr
    assert (late.returncode, "0 done, 0 skipped, 2 failed" in said) == (3, True), said
    assert f"stopped: another run writes tar files to s3://{bucket}/data/set" in said
    assert stored(of_bucket(s3, bucket)) == files


@pytest.mark.parametrize(
    ("variables", "said"),
    [({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses the credentials"), ({}, "the bucket does not exist")],
)
def test_a_store_that_cannot_be_used_ends_the_run_before_it_begins(
    dl: Shell, server: TestServer, s3: S3Server, variables: dict[str, str], said: str
) -> None:
    place = ("-d", "tar://s3://no-such-bucket/data", "--endpoint-url", s3.url)
    refused = dl(f"{server.url}/file/50/1.bin", *place, **{**s3.environment, **variables})
    assert refused.returncode == 3
    assert said in refused.stderr
    assert os.listdir(dl.folder / "temporary") == []


def test_a_store_in_a_folder(dl: Shell, server: TestServer) -> None:
    place = ("-d", f"tar://file://{dl.folder}/store")
    files = bodies(server, 12, 1000)
    dry = dl(dl.list(*files), *place, "--dry-run")
    assert (dry.returncode, dry.stdout.count("fetch\t"), (dl.folder / "store").exists()) == (0, 12, False)
    for skipped in (0, 12):
        done = dl(dl.list(*files), *place, "--shard-files", "5")
        assert (done.returncode, f"{skipped} skipped" in done.stderr) == (0, True), done.stderr
    assert stored({path.name: path.read_bytes() for path in (dl.folder / "store").iterdir()}) == files
