"""`dl compare`: what it measures, that it sees a wrong byte, and that it leaves nothing behind."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from downloader.cli.compare import MEASURED_COMMAND as COMMAND
from downloader.compare import peers, runner
from downloader.compare.measurements import ResultRow
from downloader.compare.pace import StudyStep
from downloader.compare.runner import Plan
from downloader.compare.scenarios import C_WORK, PYTHON_WORK, Scenario
from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer
from tests.support.processes import descendants, is_running, wait_until

pytestmark = pytest.mark.slow

NAMES = [name for name in BUILT_IN if name != "dask"]  # which needs a cluster


def dl(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "downloader", "compare", *words], cwd=cwd, capture_output=True, text=True, timeout=200
    )


def quiet(step: StudyStep) -> None:
    """No ticks."""


def kinds_of_worker(row: dict[str, Any]) -> set[str]:
    """What the workers of the traced run are called, without their numbers."""
    return {"".join(char for char in item["worker"] if not char.isdigit()) for item in row["stretches"]}


@pytest.mark.slow
def test_each_strategy_is_measured_traced_and_verified(tmp_path: Path) -> None:
    words = ["--files", "10", "--size", "10Ki", "--latency", "0.05", "--repeat", "1", "--json", "out.json", "--csv", "out.csv"]
    done = dl(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (comparison,) = json.loads((tmp_path / "out.json").read_text())["comparisons"]
    rows = {row["strategy"]: row for row in comparison["rows"]}
    assert list(rows) == NAMES
    for row in rows.values():
        (run,) = row["runs"]
        assert (run["failures"], run["files"], run["bytes"]) == (0, 10, 102_400)
        assert run["elapsed"] > comparison["bound"]["seconds"] >= 0.05
        assert run["cpu"] > 0
        assert run["peak"] > 10_000_000
        assert min(run["threads"], run["processes"], run["reads"], run["writes"], run["voluntary"]) > 0
        assert (len(row["stretches"]), row["traced"] > 0) == (10, True)
        assert all(0 < item["started"] < item["head"] < item["ended"] < row["traced"] for item in row["stretches"])
        assert row["first_byte"]["p50"] > 0.05
    for name, kinds in (("serial", {"thread "}), ("threads", {"thread "}), ("processes", {"process "}), ("async", {"task "})):
        assert kinds_of_worker(rows[name]) == kinds
    assert rows["processes"]["runs"][0]["processes"] > 2
    assert rows["serial"]["runs"][0]["elapsed"] > 10 * 0.05  # one after the other, each waits
    assert rows["serial"]["queued"]["p99"] > 9 * 0.05
    with (tmp_path / "out.csv").open() as stream:
        assert [line["strategy"] for line in csv.DictReader(stream)] == NAMES


def test_peers_and_sweeps(tmp_path: Path) -> None:
    if not peers.installed():
        pytest.skip("no peer is installed")
    words = ["--files", "2", "--size", "100", "-s", "serial", "--peers", "--repeat", "1"]
    done = dl(*words, "--sweep", "files=1,3", "--sweep", "jobs=1,2", "--json", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (comparison,) = found["comparisons"]
    assert {row["strategy"] for row in comparison["rows"] if row["peer"]} == set(peers.installed())
    assert all(run["files"] == 2 and not run["failures"] for row in comparison["rows"] for run in row["runs"])
    over_files, over_jobs = found["sweeps"]
    points = [
        (point["value"], [run["files"] for row in point["rows"] for run in row["runs"]]) for point in over_files["points"]
    ]
    assert points == [(1, [1]), (3, [3])]
    assert [(point["value"], len(point["rows"])) for point in over_jobs["points"]] == [(1, 1), (2, 0)]


def test_own_list_is_compared(tmp_path: Path, server: TestServer) -> None:
    (tmp_path / "urls.txt").write_text("\n".join(server.file(number, 100) for number in range(5)) + f"\n{server.url}/missing\n")
    done = dl("urls.txt", "--repeat", "1", "-s", "serial,async", "-s", "async", "--json", "-", cwd=tmp_path)
    assert done.returncode == 1  # one URL fails under each
    (comparison,) = json.loads(done.stdout)["comparisons"]
    assert comparison["bound"] is None
    assert [row["strategy"] for row in comparison["rows"]] == ["serial", "async"]
    assert [(run["files"], run["failures"]) for row in comparison["rows"] for run in row["runs"]] == [(5, 1), (5, 1)]
    said = " ".join(done.stderr.split()).lower()
    assert "one run of each strategy proves nothing: no winner is named" in said
    assert "On this machine" not in done.stderr


@pytest.mark.parametrize(
    "more",
    [
        {"process": PYTHON_WORK},
        {"process": C_WORK},
        {"fail": "503", "share": 0.5},
        {"tls": True},
        {"delay": 0.01, "rate": 100_000, "spread": 1.0},
    ],
    ids=["python", "native", "faults", "tls", "mixed"],
)
def test_each_kind_of_scenario(tmp_path: Path, more: dict[str, Any]) -> None:
    scenario = Scenario("tiny", "nothing", "nothing", files=4, size=1000, **more)
    with TestServer(tls=scenario.tls) as server:
        work, rows = runner.work_for(scenario, server), [ResultRow("serial", 1)]
        found = runner.compare(work, rows, Plan(COMMAND, 2, 0.0, traced=False), str(tmp_path), server, quiet, server.cacert)
    first, second = rows[0].runs
    assert (first.errors, first.failures, first.files) == ((), 0, 4)
    assert first.bytes == second.bytes
    assert (found.bound is None) is bool(scenario.fail)
    if found.bound is not None:
        assert 0 < found.bound.seconds < min(first.elapsed, second.elapsed)


def test_wrong_byte_and_missing_file_are_seen(server: TestServer, tmp_path: Path) -> None:
    work = runner.work_for(Scenario("tiny", "nothing", "nothing", 3, 100), server)
    assert work.digests is not None
    sums = {**work.digests, "1.bin": "0" * 64, "more.bin": "0" * 64}
    spoiled = runner.MeasuredList(work.scenario, work.listing, sums)
    ticks: list[StudyStep] = []
    plan = Plan(COMMAND, 1, 0.0, traced=False)
    result = runner.compare(spoiled, [ResultRow("serial", 1)], plan, str(tmp_path), None, ticks.append)
    (run,) = result.rows[0].runs
    assert (run.files, run.failures, list(map(str, ticks))) == (3, 2, ["scenario 1 of 1, tiny: serial, round 1 of 1"])
    assert "1.bin: the bytes differ" in run.errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_nothing_is_left_of_a_comparison_that_is_ended(tmp_path: Path, number: signal.Signals, code: int) -> None:
    words = ["compare", "--files", "3", "--latency", "30", "-s", "processes", "-d", str(tmp_path)]
    run = subprocess.Popen([sys.executable, "-m", "downloader", *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def at_work() -> bool:
        return any(tmp_path.glob("*/files")) and len(descendants(run.pid)) > 4  # server, command, its workers

    wait_until(at_work, "the comparison does not begin", timeout=60, unless=lambda: run.poll() is not None)
    below = descendants(run.pid)
    run.send_signal(number)
    assert run.wait(60) == code
    wait_until(lambda: not any(is_running(process) for process in below), "stray processes", timeout=60)
    assert (list(tmp_path.iterdir()) == []) is (number != signal.SIGKILL)
    if number == signal.SIGKILL:
        dl("--files", "1", "--size", "10", "-s", "serial", "--repeat", "1", "-d", str(tmp_path), cwd=tmp_path.parent)
        assert list(tmp_path.iterdir()) == []  # the next comparison removes what the killed one has left


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--scenario", "smal"], 2, "unknown scenario"),
        (["--strategy", "asynk"], 2, "did you mean async"),
        (["--dir", "/proc/nowhere"], 3, "cannot write"),
        (["--json", "nowhere/x.json"], 3, "its folder does not exist"),
        (["nowhere.txt"], 2, "cannot read the list"),
        (["nowhere.txt", "--files", "3"], 2, "cannot be combined"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = dl(*words, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
