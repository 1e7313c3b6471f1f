"""The benchmarks start, and one cell of them runs: they stand on modules of the package that may change under them."""

import dataclasses
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from downloader.testserver import nginx
from downloader.testserver.server_errors import Unsupported

FOLDER = Path(__file__).parents[2] / "benchmarks"
try:
    NGINX = bool(nginx.find())
except Unsupported:
    NGINX = False


def run(script: str, *words: str) -> str:
    """What it prints."""
    command = [sys.executable, str(FOLDER / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "against_peers.py",
        "async_against_httpx.py",
        "cluster.py",
        "growth.py",
        "long_lists.py",
        "python_peers.py",
        "server.py",
        "start.py",
    ],
)
def test_benchmark_tells_its_flags(script: str) -> None:
    assert "usage: " + script in run(script, "--help")


@pytest.mark.slow
@pytest.mark.skipif(not NGINX or not shutil.which("curl"), reason="nginx or curl is not installed")
@pytest.mark.parametrize("cell", ["small-tls", "small-disk", "faults", "hosts"])
def test_cell_is_run_and_every_byte_is_verified(cell: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    printed = run("against_peers.py", "--cells", cell, "--peers", "curl", "--quick", "--rounds", "1", "--json", str(figures))
    if cell in ("hosts", "small-disk") and cell not in printed:
        pytest.skip("what this cell needs is not installed")
    (runs,) = json.loads(figures.read_text())["cells"][cell]["rounds"]
    assert {item["who"] for item in runs} == {"dl", "curl"}
    assert [item["problem"] for item in runs] == [""] * len(runs)
    assert all(0 < item["leader_peak"] <= item["peak"] for item in runs)
    assert all(item["cpu"] > 0 and item["elapsed"] > 0 for item in runs)
    assert all(0 < item["kernel"] < item["cpu"] for item in runs)
    assert f"\n{cell}: " in printed
    assert printed.splitlines()[-1].startswith(f"| {cell} | ")


@pytest.mark.slow
@pytest.mark.skipif(not NGINX or not shutil.which("curl"), reason="nginx or curl is not installed")
def test_table_of_all_cells_is_printed_last_and_written(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    printed = run("against_peers.py", "--cells", "start", "--peers", "curl", "--rounds", "1", "--markdown", str(table))
    header, _, row, version = table.read_text().splitlines()
    assert printed.endswith(f"\n\n{table.read_text()}")
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    time, peer = float(cells["dl"].removesuffix(" s")), float(cells["best peer (its settings)"].split()[0])
    median, bounds = cells["dl / best, time"].split(" (")
    low, high = bounds.rstrip(")").split("-")
    assert time > peer > 0
    assert 1 < float(low) <= float(median) <= float(high)
    assert version.startswith("| `dl --version` | ")


@pytest.fixture
def contest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `contest`. It is imported as the benchmarks do it: from their folder."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("contest")


def pausing(contest: ModuleType, who: str, pause: float) -> Any:
    """A command that takes so many seconds and makes one file."""
    command = (sys.executable, "-c", f"import time; time.sleep({pause}); open('file', 'w').close()")
    return contest.Contender(who, "defaults", command)


def test_slow_contender_takes_part_in_the_first_two_rounds_only(
    contest: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "SLOW_SECONDS", 0.5)
    ours, quick, slow = pausing(contest, "dl", 0.2), pausing(contest, "quick", 0), pausing(contest, "slow", 2)
    cell = contest.Contest(tmp_path / "files", tmp_path, lambda folder: "" if (folder / "file").exists() else "missing", 60)
    cell.tune([quick])
    cell.tune([slow])
    cell.play(3, [ours])
    assert {contender.who: len(runs) for contender, runs in cell.runs.items()} == {"dl": 3, "quick": 3, "slow": 2}
    assert [len(runs) for runs in cell.as_json()["rounds"]] == [3, 3, 2]
    assert "2/2" in cell.table(1, 1, by_bytes=False)
    assert cell.leader() is quick
    assert len(cell.ratios(ours, slow)) == 2
    assert all(ratio < 1 for ratio in cell.ratios(ours, slow))
    assert all(ratio > 1 for ratio in cell.ratios(ours, quick))


def test_setting_that_cannot_be_the_best_is_killed_and_not_kept(contest: ModuleType, tmp_path: Path) -> None:
    cell = contest.Contest(tmp_path / "files", tmp_path, lambda folder: "", 60)
    first, second = pausing(contest, "peer", 0), dataclasses.replace(pausing(contest, "peer", 30), settings="slow")
    cell.tune([first, second])
    assert cell.best == cell.defaults == {"peer": first}
    assert cell.trials[1][1].elapsed < 10
    assert cell.trials[1][1].problem.startswith("not done after")


def test_further_lines_of_the_version_name_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    peers = importlib.import_module("peers")
    command = tmp_path / "dl"
    for printed, build in (("dl 1.2", ""), ("dl 1.2\ncompiled", "compiled"), ("", "")):
        command.write_text(f"#!/bin/sh\ncat <<END\n{printed}\nEND\n")
        command.chmod(0o755)
        machine = peers.machine(str(command), {"nginx": "1.0"})
        assert machine["build"] == build
        assert (" (compiled) · nginx 1.0" in peers.machine_line(machine)) is bool(build)


@pytest.mark.slow
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_cost_of_a_file_on_a_cluster_is_measured() -> None:
    pytest.importorskip("distributed")
    printed = run("cluster.py", "--only", "cost", "--rounds", "1", "--count", "500").splitlines()
    dask = next(line.split() for line in printed if line.startswith("dask"))
    assert 0 < float(dask[1]) < 120
    assert len(dask) == 5


@pytest.mark.slow
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_growth_is_measured() -> None:
    (line,) = (line for line in run("growth.py", "--up-to", "1000").splitlines() if line.startswith("1,000"))
    assert line.endswith("1/1")


def test_tiny_bodies_have_100_bytes_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    origin = importlib.import_module("origin")
    bodies = {origin.tiny_body(f"{number:08d}") for number in (0, 1, 999_999)}
    assert {len(body) for body in bodies} == {100}
    assert len(bodies) == 3
