"""What all tests share: real servers on loopback, every strategy as a parameter, and nothing beyond loopback."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

import downloader
from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer
from tests.scripted import ScriptedServer

LONG_TABLES = (
    "test_answers.py",
    "test_broken_runs.py",
    "test_credentials.py",
    "test_dead_hosts.py",
    "test_files.py",
    "test_guards.py",
    "test_library.py",
    "test_name_server.py",
    "test_odd_answers.py",
    "test_processing.py",
    "test_processing_faults.py",
    "test_public_hosts.py",
    "test_rate.py",
    "test_segments.py",
    "test_stopping.py",
    "test_tls.py",
    "test_watched.py",
    "test_wire_faults.py",
)
LONG_WAITS = ("test_hybrid.py", "test_sharded.py", "test_compare.py", "test_peers.py", "test_page_in_chromium.py")
QUICK = ("serial", "async", "multiplex")
"""One strategy for each transport: the long tables are quick under these, and of the slow part under the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tables under strategies whose transport is another's are of the slow part."""
    for item in items:
        if item.path.name in LONG_WAITS:
            item.add_marker(pytest.mark.slow)
        if item.path.name in LONG_TABLES and isinstance(item, pytest.Function):
            strategy = item.callspec.params.get("strategy") if hasattr(item, "callspec") else None
            if strategy is not None and strategy not in QUICK:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """No test reaches beyond this machine: an address elsewhere is an error at once, whatever tries it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The local test server, in its own process."""
    with TestServer() as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Makes servers that answer each connection, or request, exactly as scripted."""
    running: list[ScriptedServer] = []

    def make(*scripts: Any, **options: Any) -> ScriptedServer:
        running.append(ScriptedServer(scripts, **options))
        return running[-1]

    yield make
    for item in running:
        item.close()


@pytest.fixture(params=list(BUILT_IN))
def strategy(request: pytest.FixtureRequest) -> str:
    """Each strategy that is built in."""
    name: str = request.param
    return name


class Fetch(Protocol):
    """Downloads under the strategy at hand, into `folder`, quickly."""

    folder: Path

    def __call__(self, urls: Any, **settings: Any) -> downloader.Report:
        """Run it."""


class _Fetch:
    def __init__(self, strategy: str, folder: Path) -> None:
        self.strategy = strategy
        self.folder = folder

    def __call__(self, urls: Any, **settings: Any) -> downloader.Report:
        quick = {"jobs": 2, "retry_wait": 0.001, "low_speed_time": 10.0, "retries": 2}
        return downloader.download(urls, self.folder, **{"strategy": self.strategy, **quick, **settings})


@pytest.fixture
def fetch(strategy: str, tmp_path: Path) -> Fetch:
    """See `Fetch`."""
    return _Fetch(strategy, tmp_path / "out")
