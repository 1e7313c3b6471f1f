"""A batch of Attempts that one worker runs in turn."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from downloader.core.http.messages import TransferPolicy
from downloader.core.model import Attempt, End
from downloader.engine import blocking_driver
from downloader.engine.blocking_driver import BlockingDriver
from downloader.engine.contract import AttemptContext, Slot, WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats
from downloader.storage.folder import Folder
from downloader.transports.base import ClientOptions
from tests.support.scripted import MakeServer, ScriptedServer, reply

Stopping = Callable[[], bool]


def ends(server: ScriptedServer, root: Path, stopping: Stopping = lambda: False) -> list[End]:
    """How the three Attempts of a batch end."""
    urls = [f"{server.url}/{number}" for number in range(3)]
    batch = [Attempt(number, 1, url, url, str(number)) for number, url in enumerate(urls)]
    folder = Folder(str(root))
    context = AttemptContext(WorkerConfig(str(root), TransferPolicy(), ClientOptions()), folder)
    driver = BlockingDriver(context, Slot(LocalStats(), Cut()))
    try:
        return [outcome.end for outcome in driver.run_batch(batch, stopping)]
    finally:
        driver.close()
        folder.close()


def test_after_a_stop_nothing_more_of_a_batch_is_begun(scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    assert ends(server, tmp_path, lambda: bool(server.requests)) == [End.COMPLETE, End.UNSTARTED, End.UNSTARTED]
    assert len(server.requests) == 1


def test_on_a_full_disk_nothing_more_of_a_batch_is_begun(
    scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full = os.statvfs_result((1, 1, 1000, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: nearly_full)
    server = scripted(reply("200 OK", bytes(100_000)))
    assert ends(server, tmp_path) == [End.FAILED, End.UNSTARTED, End.UNSTARTED]
    assert len(server.requests) == 1


def test_each_file_of_a_batch_has_the_whole_time_of_an_attempt(
    scripted: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    folder = Folder(str(tmp_path))
    context = AttemptContext(WorkerConfig(str(tmp_path), TransferPolicy(timeout=60.0), ClientOptions()), folder)
    driver = BlockingDriver(context, Slot(LocalStats(), Cut()))

    def note(now: float, grace_over: bool, deadline: float, *_: object) -> None:
        seen.append(deadline)

    monkeypatch.setattr(blocking_driver, "verdict", note)
    server = scripted(lambda connection, _: (driver.end_if_due(0.0, False), connection.send(reply("200 OK", b"x"))))
    batch = [Attempt(number, 1, f"{server.url}/{number}", server.url, str(number)) for number in range(3)]
    try:
        assert [outcome.end for outcome in driver.run_batch(batch, lambda: False)] == [End.COMPLETE] * 3
    finally:
        driver.close()
        folder.close()
    first, second, third = seen
    assert first < second < third
