"""What all tests share: servers on loopback, each strategy as a parameter, and one tree of code for all processes."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downloader.compare.measurements import Study
from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.dask_cluster import DaskCluster
from tests.support.fetching import Fetch
from tests.support.sample_study import sample_study
from tests.support.scripted import MakeServer, ScriptedServer

ROOT = Path(__file__).parents[1]
ALL_BUT_DASK = tuple(name for name in BUILT_IN if name != "dask")


def pytest_configure() -> None:
    """Put the tree before whatever is installed in subprocesses, as `pythonpath` in pyproject.toml does in this process."""
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(path for path in inherited if path not in ("", str(ROOT)))])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test `slow` if its mark `quick_for` does not name the strategy that it is run for.

    `dask` is slow without a mark, too: its cluster takes seconds to start.
    """
    for item in items:
        strategy = item.callspec.params.get("strategy") if hasattr(item, "callspec") else None
        mark = item.get_closest_marker("quick_for")
        quick = ALL_BUT_DASK if mark is None else mark.args
        if strategy is not None and strategy not in quick:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def _check_loopback(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {address[0]}")


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Python's sockets in this process connect, and send datagrams, to loopback addresses only.

    Not covered: libcurl, which opens sockets without Python; the system's resolver; and subprocesses. Tests of those
    use loopback addresses, or names below `.invalid` and `.example`, which exist nowhere (RFC 2606).
    """
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check_loopback(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check_loopback(self, address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *flags_and_address: Any) -> int:
        _check_loopback(self, flags_and_address[-1])
        return sendto(self, data, *flags_and_address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", guarded_sendto)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The local test server, in its own process."""
    with TestServer() as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[MakeServer]:
    """Makes servers that answer each connection, or request, exactly as scripted."""
    running: list[ScriptedServer] = []

    def make(*scripts: Any, **options: Any) -> ScriptedServer:
        running.append(ScriptedServer(scripts, **options))
        return running[-1]

    yield make
    for item in running:
        item.close()


@pytest.fixture(scope="module")
def study() -> Study:
    """A comparison of two scenarios, not measured but simulated."""
    return sample_study(("latency", "flaky"))


@pytest.fixture
def dl(tmp_path: Path) -> Shell:
    """`dl` in a process of its own, started in a new folder; see `Shell`."""
    return Shell(tmp_path)


@pytest.fixture(params=list(BUILT_IN))
def strategy(request: pytest.FixtureRequest) -> str:
    """Each strategy that is built in. `dask` has a cluster of two workers, for the whole session."""
    name: str = request.param
    if name == "dask":
        request.getfixturevalue("dask_cluster")
    return name


@pytest.fixture
def workers_find_modules(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers can import modules of ``tmp_path``, and work there: `dask` gets a cluster of its own for that."""
    if strategy != "dask":
        yield
        return
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    with DaskCluster(tmp_path / "dask", workers=2, cwd=tmp_path, PYTHONPATH=path) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.address)
        yield


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster of two workers, which Dask's own configuration names, here and in subprocesses."""
    with DaskCluster(tmp_path_factory.mktemp("dask"), workers=2) as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_SCHEDULER_ADDRESS", cluster.address)
        if "dask" in sys.modules:
            sys.modules["dask"].config.refresh()
        yield cluster


@pytest.fixture
def fetch(strategy: str, tmp_path: Path) -> Fetch:
    """Downloads under the strategy at hand; see `Fetch`."""
    return Fetch(strategy, tmp_path / "out")
