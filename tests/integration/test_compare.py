"""`dl compare`: what it measures, what it prints, and that it sees a wrong byte."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.compare import runner
from downloader.compare.scenarios import SCENARIOS, Scenario
from downloader.strategies.registry import BUILT_IN
from downloader.testserver.launch import TestServer

NAMES = list(BUILT_IN)


def dl(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "downloader", "compare", *words], cwd=cwd, capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow
def test_each_strategy_is_measured_and_verified(tmp_path: Path) -> None:
    done = dl("--scenario", "latency", "--repeat", "2", "--json", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (comparison,) = json.loads((tmp_path / "out.json").read_text())["comparisons"]
    assert [row["strategy"] for row in comparison["rows"]] == NAMES
    files = next(scenario.files for scenario in SCENARIOS if scenario.name == "latency")
    for row in comparison["rows"]:
        assert len(row["runs"]) == 2
        for run in row["runs"]:
            assert (run["failures"], run["files"], run["bytes"]) == (0, files, files * 10_240)
            assert run["elapsed"] > 0
            assert run["cpu"] > 0
            assert run["peak"] > 10_000_000
    for word in (*NAMES, "elapsed", "min-max", "speed-up", "files/s", "MB/s", "CPU s", "peak MB", "failed"):
        assert word in done.stdout
    assert "Traceback" not in done.stderr
    runs = {row["strategy"]: row["runs"] for row in comparison["rows"]}
    serial, threads = runs["serial"], runs["threads"]
    assert min(run["elapsed"] for run in serial) > files * 0.05  # one after the other, each waits
    assert min(run["elapsed"] for run in threads) < min(run["elapsed"] for run in serial)


def test_own_list_is_compared(tmp_path: Path, server: TestServer) -> None:
    (tmp_path / "urls.txt").write_text("\n".join(server.file(number, 100) for number in range(5)) + f"\n{server.url}/missing\n")
    done = dl("urls.txt", "--repeat", "1", "-s", "serial", "-s", "async", "--json", "-", cwd=tmp_path)
    assert done.returncode == 1  # one URL fails under each
    (comparison,) = json.loads(done.stdout)["comparisons"]
    assert [row["strategy"] for row in comparison["rows"]] == ["serial", "async"]
    assert [(run["files"], run["failures"]) for row in comparison["rows"] for run in row["runs"]] == [(5, 1), (5, 1)]


def test_wrong_byte_and_missing_file_are_seen(server: TestServer, tmp_path: Path) -> None:
    work = runner.work_for(Scenario("tiny", "nothing", 3, 100), server)
    assert work.sums is not None
    sums = {**work.sums, "1.bin": "0" * 64, "more.bin": "0" * 64}
    spoiled = runner.Work(work.name, work.isolates, work.files, work.listing, sums)
    ticks: list[int] = []
    result = runner.compare(spoiled, [runner.Row("serial", 1)], 1, str(tmp_path), lambda: ticks.append(1))
    (run,) = result.rows[0].runs
    assert (run.files, run.failures, ticks) == (3, 2, [1])
    assert "1.bin: the bytes differ" in run.errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "smal"], "unknown scenario"),
        (["--strategy", "asink"], "did you mean async"),
        (["--dir", "/proc/nowhere"], "cannot write"),
        (["--json", "nowhere/x.json"], "its folder is not there"),
        (["nowhere.txt"], "cannot read the list"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, words: list[str], said: str) -> None:
    done = dl(*words, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
