"""The benchmarks start, and one cell of them runs: they stand on modules of the package that may change under them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("script", ["against_peers.py", "async_against_httpx.py", "growth.py", "python_peers.py", "server.py"])
def test_benchmark_tells_its_flags(script: str) -> None:
    assert "usage: " + script in run(script, "--help")


@pytest.mark.slow
@pytest.mark.skipif(not NGINX or not shutil.which("curl"), reason="nginx or curl is not installed")
@pytest.mark.parametrize("cell", ["small-tls", "faults", "hosts"])
def test_cell_is_run_and_every_byte_is_verified(cell: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    printed = run("against_peers.py", "--cells", cell, "--peers", "curl", "--quick", "--rounds", "1", "--json", str(figures))
    if cell == "hosts" and cell not in printed:
        pytest.skip("what this cell needs is not installed")
    (runs,) = json.loads(figures.read_text())["cells"][cell]["rounds"]
    assert {item["who"] for item in runs} == {"dl", "curl"}
    assert [item["problem"] for item in runs] == [""] * len(runs)
    assert all(0 < item["leader_peak"] <= item["peak"] for item in runs)
    assert all(item["cpu"] > 0 and item["elapsed"] > 0 for item in runs)
    assert f"\n{cell}: " in printed


@pytest.mark.slow
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_growth_is_measured() -> None:
    (line,) = (line for line in run("growth.py", "--up-to", "1000").splitlines() if line.startswith("1,000"))
    assert line.endswith("1/1")
