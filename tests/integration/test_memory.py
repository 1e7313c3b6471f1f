"""Memory does not grow with the list: 50,000 lines against 1,000, under strategies of each family."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.compare.measure import run_measured
from downloader.engine.processors import cores
from downloader.testserver.launch import TestServer

LINES = int(os.environ.get("TEST_LINES", "50000"))


def peak(server: TestServer, folder: Path, strategy: str, lines: int) -> int:
    """Peak memory, in bytes, of the command and its children, for a list of so many tiny files."""
    folder.mkdir()
    listing = folder / "urls.txt"
    with listing.open("w") as stream:
        stream.writelines(f"{server.file(number, 10)}\n" for number in range(lines))
    command = [sys.executable, "-m", "downloader", str(listing), "-s", strategy, "-d", str(folder / "out"), "-q"]
    memory = run_measured([*command, "--report", str(folder / "report.jsonl")], errors=True).peak
    with (folder / "report.jsonl").open() as stream:
        assert sum('"done"' in line for line in stream) == lines
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    return memory


@pytest.mark.slow
@pytest.mark.parametrize("name", ["threads", "processes", "async", "hybrid", "auto"])
def test_memory_is_flat(server: TestServer, tmp_path: Path, name: str) -> None:
    few, many = peak(server, tmp_path / "few", name, 1000), peak(server, tmp_path / "many", name, LINES)
    print(f"{name}: {few / 1e6:.1f} MB for 1,000 lines, {many / 1e6:.1f} MB for {LINES:,}")  # noqa: T201 - seen with -s
    more = 50_000_000 * (cores() - 1) if name == "auto" else 0  # for a long list it starts processes, and hybrid always does
    assert many - few < 30_000_000 + more
