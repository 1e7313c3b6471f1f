"""Strategies whose loops run in worker processes: what the caller's process keeps, and what a lost worker costs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer
from tests.support.command import start_dl
from tests.support.files import assert_served_files, part_files_with_bytes
from tests.support.processes import assert_session_ended, kill_and_wait, wait_until, worker_processes

pytestmark = pytest.mark.slow


def run(code: str, **environment: str) -> str:
    """What a script of its own prints."""
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("strategy", ["hybrid", "gevent"])
def test_killed_worker_costs_a_retry_and_not_the_run(strategy: str, server: TestServer, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    process = start_dl([server.file(number, 3_000_000, rate=2_000_000) for number in range(9)], folder, strategy)
    killed: set[int] = set()
    for _ in range(2):
        wait_until(lambda: set(worker_processes(process.pid)) - killed, "no worker starts")
        time.sleep(0.5)
        wait_until(lambda: part_files_with_bytes(folder) >= 2, "nothing came")
        victim = min(set(worker_processes(process.pid)) - killed)
        killed.add(victim)
        kill_and_wait(victim)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "9 done, 0 skipped, 0 failed" in said
    assert_served_files(folder, 9, 3_000_000)
    assert_session_ended(process)


def test_gevent_patches_nobody_else(server: TestServer, tmp_path: Path) -> None:
    code = f"""if True:
        import json, socket, sys, time, downloader
        before = socket.socket, time.sleep
        done = downloader.download([{server.file(1, 10)!r}], {str(tmp_path)!r}, strategy="gevent").done
        loaded = [name for name in sys.modules if name.partition(".")[0] in ("gevent", "requests", "urllib3")]
        print(json.dumps([done, (socket.socket, time.sleep) == before, loaded]))
    """
    assert json.loads(run(code)) == [1, True, []]


def test_without_gevent_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    code = f"""if True:
        import sys, downloader
        sys.modules["gevent"] = None
        try:
            downloader.download(["http://127.0.0.1:9/a"], {str(tmp_path)!r}, strategy="gevent")
        except downloader.UsageError as error:
            print(error)
    """
    assert "pip install '.[gevent]'" in run(code)


SLOW_NAME = """
import _socket
import time

sleep, lookup = time.sleep, _socket.getaddrinfo  # as they are before anything is patched


def getaddrinfo(host, *arguments):
    if host in ("slow.invalid", b"slow.invalid"):
        sleep(20)
    return lookup(host, *arguments)


_socket.getaddrinfo = getaddrinfo
"""


def test_gevent_waits_for_no_name_server_after_the_grace_time(server: TestServer, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAME)
    fast = [server.file(number, 10) for number in range(20)]
    code = f"""if True:
        import time, downloader
        slow = ["http://slow.invalid/" + name for name in "abc"]
        session = downloader.Downloader({str(tmp_path / "out")!r}, strategy="gevent", jobs=4, grace=0.2).session(slow + {fast})
        session.start()
        while session.stats.done < {len(fast)}:
            time.sleep(0.01)
        session.stop()
        print(len(session.join().results))
    """
    started = time.monotonic()
    assert run(code, PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])) == "23"
    assert time.monotonic() - started < 15
