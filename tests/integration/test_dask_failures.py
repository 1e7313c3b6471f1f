"""What becomes of a run on a cluster when a part of the cluster dies, hangs or returns: real processes, killed by signals."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downloader import Downloader, NetworkError, Report, Result, Status
from downloader.runs.download_run import DownloadRun
from downloader.strategies.dask import client
from tests.support.dask_cluster import DaskCluster
from tests.support.processes import assert_session_ended, command_line, connections_to, descendants, wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, ScriptedServer, reply

pytestmark = pytest.mark.slow

JOBS = 16


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A cluster of two workers, for one test."""
    with DaskCluster(tmp_path / "dask", workers=2) as running:
        yield running


def body_of(path: str) -> bytes:
    """What the server sends for a path."""
    return path.encode() * 200


def slowly(connection: Connection, request: RecordedRequest) -> None:
    """Answer after a moment, so that there is something in flight at any time."""
    time.sleep(0.02)
    connection.send(reply("200 OK", body_of(request.path)))


class Run:
    """A run on a cluster, and what the server and the caller have seen of it."""

    def __init__(self, cluster: DaskCluster, server: ScriptedServer, folder: Path, count: int = 400, **settings: Any) -> None:
        self.server = server
        self.folder = folder
        self.urls = [f"{server.url}/{number}" for number in range(count)]
        self.results: list[Result] = []
        self.again = bool(server.requests)
        values = {"jobs": JOBS, "retry_wait": 0.001, **settings}
        downloads = Downloader(folder, strategy="dask", cluster=cluster.address, **values)
        self.session: DownloadRun = downloads.session(self.urls, self.results.append).start()

    def wait_for_results(self, count: int) -> None:
        """Wait until so many files have their Results."""
        wait_until(lambda: len(self.results) >= count, f"{len(self.results)} results only", unless=lambda: self.session.wait(0))

    def join(self) -> Report:
        """Wait for the end."""
        assert self.session.wait(60), "the run does not end"
        return self.session.join()

    def repeated(self) -> int:
        """Requests beyond one for each file."""
        return sum(Counter(request.path for request in self.server.requests).values()) - len(self.urls)

    def assert_complete(self) -> None:
        """Each URL has one Result, and each file has its bytes."""
        assert Counter(result.url for result in self.results) == Counter(self.urls)
        assert [result.error for result in self.results if result.error] == []
        assert self.again or {result.status for result in self.results} == {Status.DONE}
        for url in self.urls:
            name = url.rpartition("/")[2]
            assert (self.folder / name).read_bytes() == body_of(f"/{name}")


@pytest.mark.parametrize("seed", range(10))
def test_a_worker_that_is_killed_costs_only_what_it_had_in_flight(
    seed: int, cluster: DaskCluster, scripted: MakeServer, tmp_path: Path
) -> None:
    run = Run(cluster, scripted(slowly), tmp_path / "out")
    chance = random.Random(seed)
    run.wait_for_results(chance.randrange(1, 350))
    victim = chance.choice(cluster.workers)
    victim.kill()
    run.join()
    run.assert_complete()
    assert run.repeated() <= JOBS


def test_all_workers_are_killed_and_another_joins(cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    run = Run(cluster, scripted(slowly), tmp_path / "out")
    run.wait_for_results(50)
    for worker in cluster.workers:
        worker.kill()
    cluster.add()
    run.join()
    run.assert_complete()
    assert run.repeated() <= JOBS


def test_a_worker_that_its_nanny_replaces_again_and_again(cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    run = Run(cluster, scripted(slowly), tmp_path / "out", count=600)
    run.wait_for_results(10)
    for worker in cluster.workers:
        worker.kill()
    (nanny,) = cluster.add(nanny=True)
    for death in range(4):
        run.wait_for_results(min(100 * (death + 1), len(run.results) + 100))
        os.kill(_worker_of(nanny), signal.SIGKILL)
    run.join()
    run.assert_complete()
    assert run.repeated() <= 6 * JOBS


def _worker_of(nanny: "subprocess.Popen[bytes]") -> int:
    """The worker process of a nanny, once it works."""
    found: list[int] = []

    def find() -> bool:
        found.extend(process for process in descendants(nanny.pid) if b"spawn_main" in command_line(process))
        return bool(found)

    wait_until(find, "the nanny has no worker")
    return found[0]


def test_a_worker_that_hangs_beyond_its_lease_does_nothing_when_it_wakes(
    scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(client, "SILENT_AFTER_LEASE", 0.5)
    go_on = threading.Event()

    def when_told(connection: Connection, request: RecordedRequest) -> None:
        go_on.wait(60)
        connection.send(reply("200 OK", body_of(request.path)))

    with DaskCluster(tmp_path / "dask", workers=1) as cluster:
        run = Run(cluster, scripted(when_told), tmp_path / "out")
        wait_until(lambda: len(run.server.requests) == JOBS, "the worker does not ask for all that it has")
        os.kill(cluster.workers[0].pid, signal.SIGSTOP)  # it has sent its requests: it only waits
        cluster.add()
        go_on.set()
        run.join()
        run.assert_complete()
        asked, files = len(run.server.requests), _files_of(run.folder)
        assert asked == len(run.urls) + JOBS
        os.kill(cluster.workers[0].pid, signal.SIGCONT)
        wait_until(lambda: not connections_to(run.server.port), "the worker that woke keeps its connections")
        assert len(run.server.requests) == asked
        assert _files_of(run.folder) == files
        assert list(run.folder.rglob(".dl-*")) == []


def _files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file of the folder, hidden ones too, with what changes when it is written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def test_a_worker_that_is_retired(cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    run = Run(cluster, scripted(slowly), tmp_path / "out")
    run.wait_for_results(50)
    program = f"import distributed; client = distributed.Client({cluster.address!r}); print(client.retire_workers(n=1))"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True)
    run.join()
    run.assert_complete()
    assert run.repeated() <= JOBS


def test_the_scheduler_is_killed(cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    run = Run(cluster, scripted(slowly), tmp_path / "out")
    run.wait_for_results(50)
    cluster.scheduler.kill()
    killed_at = time.monotonic()
    with pytest.raises(NetworkError, match=r"the scheduler of Dask at .* is gone"):
        run.join()
    assert time.monotonic() - killed_at < 5
    begun = Counter(result.url for result in run.results)
    assert set(begun.values()) == {1}
    for worker in cluster.workers:
        wait_until(lambda worker=worker: worker.poll() is not None, "a worker outlives the scheduler")  # type: ignore[misc]
    with DaskCluster(tmp_path / "again", workers=1) as other:
        again = Run(other, run.server, run.folder)
        report = again.join()
    assert report.done + report.skipped == len(run.urls)
    again.assert_complete()


def test_the_client_is_killed(cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(slowly)
    urls = tmp_path / "urls.txt"
    urls.write_text("".join(f"{server.url}/{number}\n" for number in range(3000)))
    program = (
        "from downloader.strategies.dask import client; client.LEASE_SECONDS = 1.0; "
        "from downloader.cli.entry import main; main()"
    )
    words = [str(urls), "-s", "dask", "--cluster", cluster.address, "-d", str(tmp_path / "out"), "-j", "4", "-q"]
    command = subprocess.Popen([sys.executable, "-c", program, *words], start_new_session=True)
    wait_until(lambda: len(server.requests) > 50, "no requests", unless=lambda: command.poll() is not None)
    command.kill()
    command.wait()
    wait_until(lambda: not connections_to(server.port), "the workers go on without the client")
    asked = len(server.requests)
    time.sleep(0.5)
    assert len(server.requests) == asked < 3000
    assert all(worker.poll() is None for worker in cluster.workers)
    run = Run(cluster, server, tmp_path / "out", count=100)
    report = run.join()
    assert report.done + report.skipped == 100


@pytest.mark.parametrize("grace", [0.2, 30.0])
def test_a_stop_reaches_the_workers(grace: float, cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait(connection: Connection, request: RecordedRequest) -> None:
        asked.set()
        go_on.wait(30)
        connection.send(reply("200 OK", body_of(request.path)))

    run = Run(cluster, scripted(wait), tmp_path / "out", grace=grace)
    assert asked.wait(30)
    wait_until(lambda: len(run.server.requests) == JOBS)
    run.session.stop()
    if grace > 1:
        go_on.set()
    report = run.join()
    go_on.set()
    assert len(run.server.requests) == JOBS
    assert (report.done, report.failures) == ((JOBS, 0) if grace > 1 else (0, JOBS))
    assert report.interrupted


@pytest.mark.parametrize("signals", [1, 2])
def test_the_command_is_interrupted(signals: int, cluster: DaskCluster, scripted: MakeServer, tmp_path: Path) -> None:
    def drip(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", b"x" * 1000, length=100_000, ETag='"1"'))
        connection.hang()

    server = scripted(drip)
    words = [f"{server.url}/a", f"{server.url}/b", "-s", "dask", "--cluster", cluster.address, "-d", str(tmp_path / "out")]
    command = subprocess.Popen(
        [sys.executable, "-m", "downloader", *words, "--grace", "1" if signals == 1 else "60"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(server.requests) == 2, "no requests", unless=lambda: command.poll() is not None)
    for _ in range(signals):
        command.send_signal(signal.SIGINT)
        time.sleep(0.5)
    _, errors = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "Traceback" not in errors
    assert_session_ended(command)
    assert all(worker.poll() is None for worker in cluster.workers)


def test_a_callback_that_takes_longer_than_the_lease(
    cluster: DaskCluster, scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(client, "SILENT_AFTER_LEASE", 0.5)
    server = scripted(slowly)
    calls: list[str] = []

    def slow(result: Result) -> None:
        calls.append(result.url)
        if len(calls) == 20:
            time.sleep(5.0)

    downloads = Downloader(tmp_path / "out", strategy="dask", cluster=cluster.address, jobs=JOBS)
    report = downloads.session([f"{server.url}/{number}" for number in range(200)], slow).start().join()
    assert report.done == 200
    assert len(server.requests) == 200
