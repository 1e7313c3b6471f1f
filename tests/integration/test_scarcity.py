"""Little of what a machine has: descriptors, address space, and what a run must give back. Interrupts at any moment."""

import gc
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import downloader
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.files import assert_served_files, names_in
from tests.support.processes import processes_of_group, wait_until
from tests.support.strategies import quick_for_each_transport

FILES = 200
SIZE = 20_000


def fetch(folder: Path, server: TestServer, strategy: str, before: Callable[[], None]) -> "subprocess.CompletedProcess[str]":
    """`dl` for a list of files, in a process that is told something before."""
    (folder / "urls.txt").write_text("".join(f"{server.file(number, SIZE)}\n" for number in range(FILES)))
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-s", strategy]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, preexec_fn=before)


@quick_for_each_transport
def test_64_descriptors_are_enough(strategy: str, server: TestServer, tmp_path: Path) -> None:
    done = fetch(tmp_path, server, strategy, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)


@quick_for_each_transport
def test_400_mb_of_address_space_are_enough(strategy: str, server: TestServer, tmp_path: Path) -> None:
    """A thread takes 8 MB of it: where no further one can be started, those that there are do the work."""
    done = fetch(tmp_path, server, strategy, lambda: resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000)))
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)


@quick_for_each_transport
def test_400_mb_of_address_space_are_enough_where_the_storage_is_slow(
    strategy: str, server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, many threads wait for the storage, where there is room for them."""
    (tmp_path / "sitecustomize.py").write_text(
        "from tests.support.slow_folder import delay_each_name\ndelay_each_name(0.005)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    done = fetch(tmp_path, server, strategy, lambda: resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000)))
    assert done.returncode == 0, done.stderr
    assert_served_files(tmp_path / "out", FILES, SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["serial", "async", "multiplex", "threads", "auto"])
def test_runs_in_one_process_give_back_what_they_took(strategy: str, server: TestServer, tmp_path: Path) -> None:
    seen = []
    for number in range(50):
        urls = [server.file(file, 1000) for file in range(3)]
        assert downloader.download(urls, tmp_path / str(number), strategy=strategy, jobs=3).done == 3
        gc.collect()
        seen.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    assert seen[-1] == seen[9]  # what is imported, and kept for all that follow, is there by then


@pytest.mark.slow
def test_an_interrupt_at_any_moment_leaves_nothing_behind(strategy: str, server: TestServer, tmp_path: Path) -> None:
    chance = random.Random(strategy)
    urls = "".join(f"{server.file(number, 300_000, rate=3_000_000)}\n" for number in range(40))
    (tmp_path / "urls.txt").write_text(urls)
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-s", strategy, "-j", "8"]
    for _ in range(10):
        running = subprocess.Popen(
            [*command, "--grace", "0.1"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        time.sleep(chance.uniform(0.15, 1.5))
        os.killpg(running.pid, signal.SIGINT)
        said = running.communicate(timeout=60)[1]
        assert running.returncode in (0, 130, -signal.SIGINT), said
        assert "internal error" not in said
        assert "Exception" not in said
        group = running.pid
        wait_until(lambda group=group: not processes_of_group(group), "a process of the run outlives it", 20)  # type: ignore[misc]
        for file in (tmp_path / "out").glob("*.bin"):
            assert file.read_bytes() == content.body(int(file.stem), 0, 300_000)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "out") == sorted(f"{number}.bin" for number in range(40))
