"""What other programs used of the machine: all that its cores did, less the command, the server and ourselves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloader.compare import certainty, other_programs
from downloader.compare.measure import run_measured
from downloader.compare.measurements import Measure, ResultRow
from downloader.compare.other_programs import CpuTimes, cpu_times, share

TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def stat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """In place of ``/proc/stat``, on a machine with two cores that we may run on and one that we may not."""
    path = tmp_path / "stat"
    monkeypatch.setattr(other_programs, "_STAT", path)
    monkeypatch.setattr(other_programs, "available_cores", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2}, raising=False)
    return path


@pytest.fixture
def spinning() -> Iterator[None]:
    """Another program on every core."""
    command = [sys.executable, "-S", "-c", "print(flush=True)\nwhile True: pass"]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(other_programs.available_cores())]
    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()
    yield
    for program in programs:
        program.kill()
        program.communicate()


def test_cpu_time_of_all_kinds_counts_but_for_interrupts(stat: Path) -> None:
    each = [10, 20, 30, 1000, 500, 700, 800, 40, 5, 0]  # user nice system idle iowait irq softirq steal guest guest_nice
    line = " ".join(map(str, each))
    stat.write_text(f"cpu  {line}\ncpu0 {line}\ncpu1 {line}\ncpu2 {line}\nintr 1 2 3\nctxt 5\n")
    assert cpu_times().busy == pytest.approx(2 * 100 / TICK)


@pytest.mark.parametrize("text", [None, "", "cpu  1 2 3 4 5 6 7 8\n", "cpu0 1 2\n"])
def test_system_that_does_not_tell_is_unknown(stat: Path, text: str | None) -> None:
    if text is not None:
        stat.write_text(text)
    assert cpu_times().busy is None
    assert share(cpu_times(), cpu_times(), 1.0, 0.0) is None


def test_command_server_and_ourselves_are_no_others(stat: Path) -> None:
    before, after = CpuTimes(10.0, 1.0), CpuTimes(13.0, 1.25)  # 3 CPU seconds in 2 seconds on 2 cores
    assert share(before, after, 2.0, 0.75) == pytest.approx((3 - 0.25 - 0.75) / 4)
    assert share(before, after, 2.0, 2.9) == 0.0
    assert share(before, after, 0.1, 0.0) == 1.0


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell")
@pytest.mark.usefixtures("spinning")
def test_programs_on_all_cores_leave_no_winner() -> None:
    usage = run_measured(["sleep", "0.3"])
    assert usage.others is not None
    assert usage.others > certainty.MAX_OTHER_LOAD
    run = Measure(usage.elapsed, usage.user, usage.system, 1, 1, 1, 0, others=usage.others)
    slow = Measure(9.0, 1.0, 1.0, 1, 1, 1, 0, others=0.0)
    assert "of the machine meanwhile" in certainty.doubt([ResultRow("a", 1, runs=[run] * 3)])
    assert certainty.other_load([ResultRow("a", 1, runs=[run] * 3), ResultRow("b", 1, runs=[slow] * 3)]) == pytest.approx(
        usage.others * usage.elapsed / (usage.elapsed + 9.0)
    )
