"""What needs no cluster: the meaning of ``--cluster``, the judgement about a worker, and what a worker does with its lease."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader import UsageError
from downloader._version import __version__
from downloader.core.model import Attempt, End, Outcome
from downloader.engine.contract import AttemptContext, Capabilities
from downloader.engine.log import LOG
from downloader.runs.plan import worker_config
from downloader.settings.definitions import Settings
from downloader.storage.folder import Folder
from downloader.strategies.dask import remote
from downloader.strategies.dask.address import scheduler_address
from downloader.strategies.dask.engine import EngineRun
from downloader.strategies.dask.messages import STOPPING, Engagement, pack_parcels, unpack_report
from downloader.strategies.dask.rate_shares import RateShares
from downloader.strategies.dask.vetting import MOST_JOBS, jobs_of, problem_of

ANSWER = {"version": "1", "python": "3.11", "engine": "", "folder": "", "process": ""}


@pytest.mark.parametrize(
    ("setting", "configured", "address"),
    [
        ("tcp://host:8786", "", "tcp://host:8786"),
        ("tls://host:8786", "tcp://other:1", "tls://host:8786"),
        ("", "tcp://other:1", "tcp://other:1"),
    ],
)
def test_the_address_of_the_scheduler(setting: str, configured: str, address: str) -> None:
    assert scheduler_address(setting, configured) == address


def test_the_address_in_a_scheduler_file(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"type": "Scheduler", "address": "tcp://10.0.0.1:8786", "workers": {}}))
    assert scheduler_address(str(file), "") == "tcp://10.0.0.1:8786"


@pytest.mark.parametrize(
    ("setting", "content", "message"),
    [
        ("", "", "needs a cluster.*dl cluster up --workers 2"),
        ("http://host:8786", "", "not an address of a Dask scheduler"),
        ("tcp://", "", "not an address of a Dask scheduler"),
        ("nowhere.json", "", "no such file: nowhere.json"),
        ("host:8786", "", "no such file: host:8786.*tcp://"),
        (".", "", "cannot read"),
        ("FILE", "not JSON", "not a scheduler file of Dask"),
        ("FILE", "[]", "not a scheduler file of Dask"),
        ("FILE", '{"address": 5}', "not a scheduler file of Dask"),
        ("FILE", '{"address": "host"}', "not a scheduler file of Dask"),
    ],
)
def test_what_is_no_address(setting: str, content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text(content)
    with pytest.raises(UsageError, match=f"(?s){message}"):
        scheduler_address(setting, "")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (ANSWER, ""),
        ({**ANSWER, "version": "2"}, "it has downloader 2, this is 1"),
        ({**ANSWER, "python": "3.12"}, "it has Python 3.12, this is 3.11"),
        ({**ANSWER, "engine": "No module named 'pycurl'"}, "No module named 'pycurl'"),
        ({**ANSWER, "folder": "/data is not the same folder there"}, "/data is not the same folder there"),
        ({**ANSWER, "process": "--process a:b: no module"}, "--process a:b: no module"),
        ({}, "it has downloader None, this is 1"),
        ([], "it has another version of downloader"),
        (
            Exception("ModuleNotFoundError(\"No module named 'downloader'\")"),
            "the package downloader is not installed there",
        ),
        (TimeoutError(), "it does not answer"),
        (OSError("gone"), "OSError: gone"),
    ],
)
def test_whether_a_worker_can_be_used(answer: object, problem: str) -> None:
    found = problem_of(answer, "1", "3.11")
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("open_files", "jobs"), [(1024, 240), (1 << 20, MOST_JOBS), (-1, MOST_JOBS), (None, MOST_JOBS), (8, 1)]
)
def test_how_many_files_a_worker_has_in_flight(open_files: int | None, jobs: int) -> None:
    assert jobs_of({"open_files": open_files}) == jobs


class Dask:
    """What `remote.hello` needs of a worker of Dask."""

    name = "w"


def test_a_worker_that_can_be_used_says_so(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.write_text("token")
    answer = remote.hello(str(tmp_path), str(marker), "token", "", Dask())
    assert problem_of(answer, __version__, answer["python"]) == ""


def test_a_worker_with_another_folder_says_so(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert "is not the same folder there" in remote.hello(str(tmp_path), str(marker), "token", "", Dask())["folder"]
    marker.write_text("other")
    assert "is not the same folder there" in remote.hello(str(tmp_path), str(marker), "token", "", Dask())["folder"]


def test_a_worker_without_the_function_says_so(tmp_path: Path) -> None:
    answer = remote.hello("", "", "", "nowhere_at_all:function", Dask())
    assert answer["process"].startswith("--process nowhere_at_all:function: ")


def engine_run(folder: Path, lease: float = 60.0) -> tuple[EngineRun, list[Any]]:
    """The run of a worker, and the events that it has published."""
    events: list[Any] = []
    config = worker_config(Settings(dir=str(folder)), Capabilities(default_jobs=2), 2)
    engagement = Engagement("run", config, True, 2, lease, 0.0)
    return EngineRun(AttemptContext(config, Folder(str(folder))), engagement, lambda topic, event: events.append(event)), events


def attempts(*keys: int) -> list[Attempt]:
    """Attempts with these keys."""
    return [Attempt(key, 1, f"http://127.0.0.1/{key}", f"http://127.0.0.1/{key}", str(key)) for key in keys]


def reported(events: list[Any]) -> list[tuple[int, End]]:
    """The Outcomes that were published, by key."""
    reports = [unpack_report(event["report"]) for event in events]
    return [(outcome.key, outcome.end) for report in reports for _, ended in report.ended for outcome in ended]


def test_a_worker_runs_the_attempts_of_a_parcel_one_after_the_other(tmp_path: Path) -> None:
    run, events = engine_run(tmp_path)
    assert run.add(pack_parcels([(0, attempts(1, 2)), (1, attempts(3))]))
    run.wake()
    first, other = run.take(), run.take()
    assert ([one.key for one in first], [one.key for one in other], run.take()) == ([1], [3], [])
    run.settle([Outcome(1, End.COMPLETE)])
    assert [one.key for one in run.take()] == [2]
    run.tick()
    assert reported(events) == [(1, End.COMPLETE)]
    run.settle([Outcome(2, End.COMPLETE), Outcome(3, End.COMPLETE)])
    run.close()
    assert run.finished
    run.dispose()


def test_a_worker_that_is_told_to_stop_returns_what_it_has_not_begun(tmp_path: Path) -> None:
    run, events = engine_run(tmp_path)
    run.add(pack_parcels([(0, attempts(1, 2)), (1, attempts(3))]))
    run.wake()
    run.take()
    assert run.renew(STOPPING)
    assert run.take() == []
    run.settle([Outcome(1, End.COMPLETE)])
    assert run.take() == []
    run.tick()
    assert sorted(reported(events)) == [(1, End.COMPLETE), (2, End.UNSTARTED), (3, End.UNSTARTED)]
    run.close()
    run.dispose()


def test_a_worker_whose_lease_is_over_does_nothing_more(tmp_path: Path) -> None:
    run, events = engine_run(tmp_path, lease=0.05)
    run.add(pack_parcels([(0, attempts(1, 2))]))
    run.wake()
    run.take()
    time.sleep(0.1)
    assert run.grace_over
    assert not run.finished
    run.settle([Outcome(1, End.INTERRUPTED)])
    assert run.take() == []
    run.tick()
    assert run.finished
    assert events == []
    assert not run.renew(0)
    assert not run.add(pack_parcels([(1, attempts(3))]))
    run.dispose()


class FakeWorkers:
    """Workers that obey orders about their part of a rate limit, each some time after it was given."""

    def __init__(self) -> None:
        self.shares = RateShares()
        self.parts: dict[str, float] = {}  # what each worker uses, also one that the client has given up
        self.orders: dict[str, float] = {}
        self.lost_until: dict[str, float] = {}
        self.now = 0.0

    def use(self) -> float:
        """What all workers together may use now: an order has perhaps arrived, or not."""
        return sum(max(part, self.orders.get(name, 0.0)) for name, part in self.parts.items())


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from("joldaaaft"), st.sampled_from("abcd"), st.integers(0, 9)), max_size=60))
def test_the_parts_of_a_rate_limit_never_exceed_it(steps: list[tuple[str, str, int]]) -> None:
    world, loads = FakeWorkers(), dict[str, int]()
    shares = world.shares
    for step, name, number in steps:
        world.now += 0.1
        for lost in [lost for lost, until in world.lost_until.items() if until <= world.now]:
            del world.parts[lost], world.lost_until[lost]
        if step == "j" and name not in loads and name not in world.parts:
            shares.join(name)
            loads[name], world.parts[name] = number, 0.0
        elif step == "l" and name in loads:
            loads[name] = number
        elif step == "d" and name in loads:
            del loads[name]
            shares.leave(name, world.now + 1.0)
            world.parts[name] = max(world.parts[name], world.orders.pop(name, 0.0))
            world.lost_until[name] = world.now + 1.0
        elif step == "o":
            world.orders |= shares.orders(loads, world.now)
        elif step == "a" and name in world.orders:
            world.parts[name] = world.orders.pop(name)
            shares.answered(name)
        elif step == "f" and name in world.orders:
            world.parts[name] = max(world.parts[name], world.orders.pop(name))  # who knows
            shares.failed(name)
        elif step == "t":
            world.now += 1.0
        assert world.use() <= 1.0 + 1e-9


def test_the_whole_limit_is_used_where_every_order_is_obeyed() -> None:
    shares, loads = RateShares(), {"a": 3, "b": 1}
    shares.join("a")
    assert shares.orders({"a": 3}, 0.0) == {"a": 1.0}
    shares.answered("a")
    shares.join("b")
    assert shares.orders(loads, 0.0) == {"a": 0.625}  # lower first
    shares.answered("a")
    assert shares.orders(loads, 0.0) == {"b": 0.375}
    shares.answered("b")
    assert shares.orders(loads, 0.0) == {}
    assert shares.orders({"a": 0, "b": 4}, 0.0) == {"a": 0.25}
    shares.answered("a")
    assert shares.orders({"a": 0, "b": 4}, 0.0) == {"b": 0.75}


def test_warnings_of_a_run_go_to_its_display_without_a_log(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[str] = []
    LOG.show_warning = shown.append
    try:
        LOG.warning("dask: the worker %s is gone", "worker-1")
    finally:
        LOG.show_warning = None
    assert shown == ["dask: the worker worker-1 is gone"]
    assert [record.getMessage() for record in caplog.records] == shown  # a handler of the caller gets it, too
