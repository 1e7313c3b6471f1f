"""`dl cluster up`: what it prints works, workers are replaced, and no end of the command leaves a process or a file."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from downloader.cli.cluster import MAX_WORKERS_PER_CORE
from downloader.cli.cluster_processes import MAX_REPLACEMENT_SECONDS, QUICK_DEATHS_AT_ONCE, replacement_wait
from downloader.engine.processors import cores
from tests.support.command import Shell
from tests.support.ports import free_port
from tests.support.processes import command_line, descendants, is_running, wait_until

pytest.importorskip("distributed")

WORKER_PIDS = """
import os, sys
from distributed import Client
with Client(sys.argv[1], set_as_default=False, timeout=30) as client:
    print(*sorted(client.run(os.getpid).values()))
"""


PROCESSES_HERE = """
import sys
from pathlib import Path
from downloader.strategies.dask import processes_here
here = processes_here.processes_here(sys.argv[1])
processes_here._NAMESPACE = Path(sys.argv[2])
print(*sorted(here.here), here.elsewhere, *processes_here.processes_here(sys.argv[1]))
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder for temporary files of the command."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@contextmanager
def cluster_up(scratch: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """The command, as a process. It is killed where the test fails."""
    command = [sys.executable, "-m", "downloader", "cluster", "up", *words]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def address_of(process: "subprocess.Popen[str]") -> str:
    """The address that the command prints when the cluster is complete."""
    assert process.stdout is not None
    printed = ""
    while "the ports of the cluster" not in printed:
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        printed += line
    return re.search(r"--strategy dask --cluster (tcp://127\.0\.0\.1:\d+)\n", printed)[1]  # type: ignore[index]


def processes(command: "subprocess.Popen[str]", module: bytes) -> list[int]:
    """The processes that the command has started and that run this module of Dask."""
    return [process for process in descendants(command.pid) if module in command_line(process)]


def workers(command: "subprocess.Popen[str]") -> list[int]:
    """The worker processes."""
    return processes(command, b"dask_worker")


def connected(cluster: str) -> list[int]:
    """The worker processes that Dask knows. ``cluster``: an address."""
    done = subprocess.run([sys.executable, "-c", WORKER_PIDS, cluster], capture_output=True, text=True, timeout=60, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_cluster_is_there_until_the_command_ends_in_any_way(how: signal.Signals, scratch: Path, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with cluster_up(scratch, "--workers", "2", "--scheduler-file", str(file)) as command:
        address = address_of(command)
        assert json.loads(file.read_text())["address"] == address
        assert file.stat().st_mode & 0o777 == 0o600
        started = descendants(command.pid)
        assert connected(address) == sorted(workers(command))
        assert len(workers(command)) == 2
        os.kill(workers(command)[0], signal.SIGSTOP)  # what is stopped must end, too
        command.send_signal(how)
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out, err) == (-how if how == signal.SIGKILL else 0, "", "")
    wait_until(lambda: not any(map(is_running, started)), "processes of the cluster are left")
    wait_until(lambda: not file.exists() and not list(scratch.iterdir()), "files of the cluster are left")


@pytest.mark.slow
def test_killed_worker_is_replaced_and_a_killed_scheduler_ends_the_command(scratch: Path) -> None:
    port = free_port()
    with cluster_up(scratch, "--workers", "2", "--port", str(port)) as command:
        address = address_of(command)
        assert address.endswith(f":{port}")
        first = set(workers(command))
        os.kill(min(first), signal.SIGKILL)
        wait_until(lambda: len(workers(command)) == 2 and set(workers(command)) != first, "the worker is not replaced")
        wait_until(lambda: set(connected(address)) == set(workers(command)), "the new worker does not connect")
        left = descendants(command.pid)
        os.kill(processes(command, b"dask_scheduler")[0], signal.SIGKILL)
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (4, "")
    assert re.search(r"^dl cluster: worker-[12] was killed by SIGKILL\ndl cluster: worker-3 starts in its place\n", err)
    assert "dl: the scheduler ended unexpectedly: was killed by SIGKILL" in err
    assert "Traceback" not in err
    wait_until(lambda: not any(map(is_running, left)), "processes of the cluster are left")
    assert not list(scratch.iterdir())


@pytest.mark.slow
def test_signal_during_the_start_leaves_nothing(scratch: Path) -> None:
    with cluster_up(scratch, "--workers", "2") as command:
        wait_until(lambda: workers(command), "no worker is started")
        started = descendants(command.pid)
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out, err) == (0, "", "")
    wait_until(lambda: not any(map(is_running, started)), "processes of the cluster are left")
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "must be at least 1"),
        (["--workers", "-3"], "must be at least 1"),
        (["--workers", "two"], "expected a whole number, got 'two'"),
        (["--workers", "100000"], f"must be at most {MAX_WORKERS_PER_CORE * cores()} here"),
        (["--port", "70000"], "must be at most 65535"),
        (["--port", "USED"], "the port is in use (give another --port, or none for any free port)"),
        (["--scheduler-file", "there.json"], "there.json exists already (give another --scheduler-file"),
        (["--scheduler-file", "missing/new.json"], "missing/new.json: No such file or directory"),
    ],
)
def test_bad_option_is_one_error(words: list[str], message: str, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        words = [str(used.getsockname()[1]) if word == "USED" else word for word in words]
        done = Shell(tmp_path)("cluster", "up", *words, TMPDIR=str(scratch))
    assert (done.returncode, done.stdout) == (3 if "No such" in message else 2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "there.json").read_text() == "mine"
    assert not list(scratch.iterdir())


def test_without_distributed_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['distributed'] = None; from downloader.cli.main import main; main(['cluster', 'up'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "dl cluster needs distributed (pip install '" in done.stderr
    assert "'.[dask]'" in done.stderr


def test_quick_deaths_in_a_row_are_repaired_later_and_later() -> None:
    waits = [replacement_wait(deaths) for deaths in range(100)]
    assert set(waits[: QUICK_DEATHS_AT_ONCE + 1]) == {0.0}
    assert waits[QUICK_DEATHS_AT_ONCE + 1] > 0
    assert waits == sorted(waits)
    assert waits[-1] == MAX_REPLACEMENT_SECONDS


@pytest.mark.slow
def test_processes_of_a_cluster_are_known_where_their_numbers_mean_the_same(scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "namespace").symlink_to("pid:[1]")
    with cluster_up(scratch, "--workers", "2") as cluster:
        words = [address_of(cluster), str(tmp_path / "namespace")]
        expected = sorted([*workers(cluster), *processes(cluster, b"dask_scheduler")])
        done = subprocess.run(
            [sys.executable, "-c", PROCESSES_HERE, *words], capture_output=True, text=True, timeout=60, check=True
        )
        cluster.send_signal(signal.SIGINT)
        cluster.communicate(timeout=30)
    assert done.stdout == f"{' '.join(map(str, expected))} 0 () 3\n"


@pytest.mark.slow
def test_comparison_counts_the_workers_of_this_machine(scratch: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    with cluster_up(scratch, "--workers", "2") as cluster:
        words = ["--scenario", "small", "--files", "40", "--repeat", "1", "--json", str(figures)]
        done = Shell(tmp_path)("compare", "-s", "multiplex,dask", "--cluster", address_of(cluster), *words)
        cluster.send_signal(signal.SIGINT)
        cluster.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    (comparison,) = json.loads(figures.read_text())["comparisons"]
    alone, clustered = comparison["rows"]
    assert clustered["strategy"] == "dask"
    assert clustered["elsewhere"] == alone["elsewhere"] == 0
    assert clustered["runs"][0]["failures"] == 0
    assert clustered["runs"][0]["peak"] > 3 * alone["runs"][0]["peak"]  # a client, a scheduler and two workers
