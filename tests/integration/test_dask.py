"""Downloads over the workers of a real cluster, and which workers are not used."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import downloader
from downloader import Download, UsageError
from downloader.core.trace import Trace
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from downloader.strategies.dask import client, recruiting
from downloader.strategies.dask.marker import marker_in
from tests.support.command import Shell
from tests.support.dask_cluster import DaskCluster
from tests.support.files import names_in
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.scripted import Connection, InFlight, MakeServer, RecordedRequest, reply, serve

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty_cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler without workers."""
    with DaskCluster(tmp_path / "dask") as running:
        yield running


def test_both_workers_download_and_a_limit_holds_over_both(
    dask_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "downloader")
    in_flight, together = InFlight(), threading.Barrier(2)

    def count(connection: Connection, request: RecordedRequest) -> None:
        with in_flight:
            if request.path in ("/0", "/1"):
                wait_until(lambda: caplog.text.count("takes part") == 2, "a worker does not take part")
                together.wait(30)
            connection.send(reply("200 OK", request.path.encode()))

    server = scripted(count)
    urls = [f"{server.url}/{number}" for number in range(100)]
    report = downloader.download(urls, tmp_path / "out", strategy="dask", cluster=dask_cluster.address, jobs=8, per_host=2)
    assert report.done == 100
    assert in_flight.highest == 2
    assert {name: (tmp_path / "out" / name).read_text() for name in names_in(tmp_path / "out")} == {
        str(number): f"/{number}" for number in range(100)
    }


def test_a_short_list_is_for_all_workers(
    dask_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "GATHER_SECONDS", 60.0)
    together = threading.Barrier(4)

    def answer(connection: Connection, request: RecordedRequest) -> None:
        together.wait(30)
        connection.send(reply("200 OK", b"body"))

    server = scripted(answer)
    traces: list[Trace | None] = []
    settings = Settings(strategy="dask", cluster=dask_cluster.address, dir=str(tmp_path / "out"), jobs=4)
    urls = [Download(f"{server.url}/{number}") for number in range(4)]
    run = DownloadRun(settings, iter(urls), on_attempt=lambda outcome: traces.append(outcome.trace))
    assert run.start().join().done == 4
    assert len({trace.process for trace in traces if trace is not None}) == 2


def test_names_and_mirrors_and_retries_are_decided_once(
    dask_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path
) -> None:
    busy = scripted(reply("503 Service Unavailable", Retry_After="0"), reply("200 OK", b"body"))
    urls = [f"{busy.url}/a/same.bin", f"{busy.url}/b/same.bin"]
    report = downloader.download(urls, tmp_path / "out", strategy="dask", cluster=str(dask_cluster.file), retry_wait=0.001)
    assert report.done == 2
    assert len(names_in(tmp_path / "out")) == 2


def test_the_command_with_a_scheduler_file(dask_cluster: DaskCluster, scripted: MakeServer, dl: Shell) -> None:
    server = scripted(reply("200 OK", b"body"))
    done = dl(dl.list(f"{server.url}/a", f"{server.url}/b"), "-s", "dask", "--cluster", str(dask_cluster.file), "-v")
    assert done.returncode == 0, done.stderr
    assert re.search(r"the worker worker-[12] \(tcp://127\.0\.0\.1:\d+\) takes part", done.stderr)
    assert "distributed" not in done.stderr
    assert names_in(dl.folder) == ["a", "b", "urls.txt"]


def test_no_address_and_no_scheduler(dl: Shell, dask_cluster: DaskCluster) -> None:
    environment = {"DASK_SCHEDULER_ADDRESS": ""}
    none = dl("http://127.0.0.1:9/a", "-s", "dask", **environment)
    assert (none.returncode, "dl cluster up --workers 2" in none.stderr) == (2, True)
    nobody = dl("http://127.0.0.1:9/a", "-s", "dask", "--cluster", f"tcp://127.0.0.1:{free_port()}", "--connect-timeout", "1")
    assert nobody.returncode == 4
    assert "no scheduler of Dask answers at tcp://127.0.0.1:" in nobody.stderr
    assert "Traceback" not in none.stderr + nobody.stderr


def test_a_cluster_without_workers(empty_cluster: DaskCluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no workers"):
        downloader.download(["http://127.0.0.1:9/a"], tmp_path / "out", strategy="dask", cluster=empty_cluster.address)


def other_tree(folder: Path, *, version: str) -> str:
    """A folder for PYTHONPATH with the package in another version; empty: without the package."""
    package = folder / "downloader"
    package.mkdir(parents=True)
    if not version:
        (package / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'downloader'\")\n")
        return str(folder)
    for path in (ROOT / "downloader").iterdir():
        if path.name != "_version.py":
            (package / path.name).symlink_to(path)
    (package / "_version.py").write_text(f"__version__ = {version!r}\n")
    return str(folder)


@pytest.mark.parametrize(("version", "reason"), [("", "is not installed there"), ("0.0.1", "it has downloader 0.0.1")])
def test_a_worker_with_another_package_is_not_used_and_goes_on(
    version: str,
    reason: str,
    empty_cluster: DaskCluster,
    scripted: MakeServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tree = other_tree(tmp_path / "tree", version=version)
    (other,) = empty_cluster.add(PYTHONPATH=tree)
    server = scripted(reply("200 OK", b"body"))
    urls = [f"{server.url}/{number}" for number in range(20)]
    with pytest.raises(UsageError, match=f"no worker of the cluster can be used: .*{reason}"):
        downloader.download(urls, tmp_path / "out", strategy="dask", cluster=empty_cluster.address)
    empty_cluster.add()
    report = downloader.download(urls, tmp_path / "out", strategy="dask", cluster=empty_cluster.address)
    assert report.done == 20
    assert "the worker worker-1 is not used: " in caplog.text
    assert other.poll() is None


def test_a_folder_that_is_not_shared(dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def marker_elsewhere(folder: str) -> Iterator[tuple[str, str]]:
        with marker_in(str(tmp_path)) as (path, token):
            yield f"{folder}/{Path(path).name}", token

    monkeypatch.setattr(recruiting, "marker_in", marker_elsewhere)
    with pytest.raises(UsageError, match=r"is not the same folder there"):
        downloader.download(["http://127.0.0.1:9/a"], tmp_path / "out", strategy="dask", cluster=dask_cluster.address)
    assert names_in(tmp_path / "out") == []


def test_a_function_that_is_only_here(dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("def function(path):\n    return path\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"--process only_here:function"):
        downloader.download(
            ["http://127.0.0.1:9/a"],
            tmp_path / "out",
            strategy="dask",
            cluster=dask_cluster.address,
            process="only_here:function",
        )


def test_nothing_secret_is_in_what_dask_keeps(empty_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    empty_cluster.add(2)
    server = scripted(reply("200 OK", b"body"))
    secret = "token-5f3a"
    url = server.url.replace("http://", f"http://user:{secret}@")
    downloads = [downloader.Download(f"{url}/{number}", headers=(("X-Key", secret),)) for number in range(20)]
    program = (
        "import distributed, sys; client = distributed.Client(sys.argv[1]); "
        "sys.stdout.buffer.write(repr((client.get_events(), client.run_on_scheduler("
        "lambda dask_scheduler: (list(dask_scheduler.tasks), list(dask_scheduler.transition_log)))) ).encode())"
    )
    report = downloader.download(
        downloads, tmp_path / "out", strategy="dask", cluster=empty_cluster.address, header=(f"X-All: {secret}",)
    )
    assert report.done == 20
    assert {request.headers["x-key"] for request in server.requests} == {secret}
    kept = subprocess.run([sys.executable, "-c", program, empty_cluster.address], capture_output=True, check=True, timeout=60)
    assert secret.encode() not in kept.stdout
    logs = "".join(empty_cluster.log(name) for name in ("scheduler", "worker-1", "worker-2"))
    assert secret not in logs


def test_the_rate_of_all_workers_together_is_limited(dask_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    rate, size, count = 2_000_000, 300_000, 12
    server = scripted(serve(b"x" * size))
    urls = [f"{server.url}/{number}" for number in range(count)]
    started = time.monotonic()
    report = downloader.download(urls, tmp_path / "out", strategy="dask", cluster=dask_cluster.address, jobs=6, limit_rate=rate)
    assert report.done == count
    assert time.monotonic() - started >= 0.95 * (count * size) / rate


def test_a_file_that_kills_each_worker_is_the_only_one_to_fail(
    scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "poison.py").write_text("import os\ndef taste(part):\n    if '77' in part.name: os.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])

    def slowly(connection: Connection, request: RecordedRequest) -> None:
        time.sleep(0.01)
        connection.send(reply("200 OK", b"body"))

    server = scripted(slowly)
    urls = [f"{server.url}/{number}" for number in range(100)]
    with DaskCluster(tmp_path / "dask", PYTHONPATH=path) as cluster:
        cluster.add(2, nanny=True)
        report = downloader.download(
            urls, tmp_path / "out", strategy="dask", cluster=cluster.address, jobs=16, process="poison:taste", retry_wait=0.01
        )
    assert [result.url for result in report.failed] == [urls[77]]
    assert report.done == 99
    assert all(result.attempts >= 1 for result in report.results)


def test_a_slow_file_holds_no_other_up(dask_cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    """The slowest file is answered only when all others were requested: also those that were dealt together with it."""
    count = 200
    others = threading.Semaphore(0)

    def answer(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/50":
            for _ in range(count - 1):
                assert others.acquire(timeout=30)
        else:
            others.release()
        connection.send(reply("200 OK", b"body"))

    server = scripted(answer)
    urls = [f"{server.url}/{number}" for number in range(count)]
    report = downloader.download(urls, tmp_path / "out", strategy="dask", cluster=dask_cluster.address, jobs=4)
    assert report.done == count
    assert len(server.requests) == count
