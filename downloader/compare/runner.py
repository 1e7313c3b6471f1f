"""Run a list under each strategy: fresh processes, interleaved, every byte verified afterwards.

What is measured is the command as it would be typed, from its start to its exit: elapsed time from outside, CPU seconds
of the process and all it waited for (wait4), and the peak of memory, sampled, summed over the process and its children
(each counted in full, shared pages and all).
"""

import contextlib
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from downloader.compare.scenarios import Scenario
from downloader.errors import DownloadError
from downloader.testserver.launch import TestServer

SAMPLE_EVERY = 0.05
PREFIX = "dl-compare-"


@dataclass(frozen=True, slots=True)
class Measure:
    """One run. Seconds and bytes; ``failures`` counts files that failed, are missing, or hold a wrong byte."""

    elapsed: float
    cpu: float
    peak: int
    files: int
    bytes: int
    failures: int
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Row:
    """All runs of one strategy in one scenario. ``jobs``: in flight at most; 0: it found out itself."""

    strategy: str
    jobs: int
    runs: list[Measure] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Median, seconds."""
        return statistics.median(run.elapsed for run in self.runs)

    @property
    def fastest(self) -> float:
        """Seconds."""
        return min(run.elapsed for run in self.runs)

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max(run.elapsed for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median, seconds."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        """Bytes, the highest."""
        return max(run.peak for run in self.runs)

    @property
    def files_per_second(self) -> float:
        """Of the median run."""
        return statistics.median(run.files / run.elapsed for run in self.runs)

    @property
    def bytes_per_second(self) -> float:
        """Of the median run."""
        return statistics.median(run.bytes / run.elapsed for run in self.runs)

    @property
    def failures(self) -> int:
        """In all runs."""
        return sum(run.failures for run in self.runs)


@dataclass(slots=True)
class Comparison:
    """One scenario (or the user's list), measured."""

    name: str
    isolates: str
    files: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Work:
    """What is run: the text of a list, and the digests by file name (None: unknown, the strategies must agree)."""

    name: str
    isolates: str
    files: int
    listing: str
    sums: Mapping[str, str] | None


def work_for(scenario: Scenario, server: TestServer) -> Work:
    """A scenario's list on this server, with the server's own digests."""
    urls = [server.file(number, scenario.size, scenario.delay) for number in range(scenario.files)]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}/sums/{scenario.size}/0/{scenario.files}", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    return Work(scenario.name, scenario.isolates, scenario.files, "\n".join(urls) + "\n", sums)


def compare(work: Work, rows: Sequence[Row], repeat: int, where: str | None, tick: Callable[[], None]) -> Comparison:
    """Run the work under each row's strategy, ``repeat`` times, interleaved. ``tick`` is called after each run."""
    agreed: dict[str, str] = dict(work.sums or {})
    with _scratch(where) as folder:
        listing = Path(folder, "urls.txt")
        listing.write_text(work.listing, encoding="utf-8")
        listing.chmod(0o600)
        for _ in range(repeat):
            for row in rows:
                target = Path(folder, "files")
                row.runs.append(_measure(listing, row, target, agreed, work.sums is None))
                shutil.rmtree(target, ignore_errors=True)
                tick()
    return Comparison(work.name, work.isolates, work.files, list(rows))


def warm_up(strategies: Sequence[str], url: str, where: str | None) -> None:
    """One file under each strategy, not counted, so that the first that is counted does not pay for cold caches."""
    with _scratch(where) as folder:
        for name in strategies:
            run_measured(_command(url, name, 1, Path(folder, name), Path(folder, "report")))


@contextlib.contextmanager
def _scratch(where: str | None) -> Iterator[str]:
    """A new folder, removed afterwards; those of comparisons that were killed are removed now."""
    for left in Path(where or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=where, ignore_cleanup_errors=True) as folder:
        yield folder


def _command(what: str, strategy: str, jobs: int, target: Path, report: Path) -> list[str]:
    flags = ["--strategy", strategy, "--dir", str(target)]
    flags += ["--jobs", str(jobs), "--per-host", str(jobs)] if jobs else []
    quiet = ["--progress", "none", "--quiet", "--report", str(report), "--config", os.devnull]
    return [sys.executable, "-P", "-m", "downloader.cli.child", what, *flags, *quiet]


def _measure(listing: Path, row: Row, target: Path, agreed: dict[str, str], learn: bool) -> Measure:
    report = listing.with_name("report.jsonl")
    elapsed, cpu, peak = run_measured(_command(str(listing), row.strategy, row.jobs, target, report), quiet=True)
    results = [msgspec.json.decode(line) for line in report.read_bytes().splitlines()] if report.exists() else []
    report.unlink(missing_ok=True)
    errors = [str(item["error"]["message"]) for item in results if item["error"] is not None]
    if not results:
        errors.append("the run ended before it began: `dl` with this list and strategy says why")
    done = [item["path"] for item in results if item["status"] == "done"]
    found = {path: _sha256(target / path) for path in done}
    if learn:
        for path, digest in found.items():
            agreed.setdefault(path, digest)
    wrong = [path for path, digest in found.items() if agreed.get(path) != digest]
    errors += [f"{path}: the bytes differ" for path in wrong]
    missing = len(agreed) - len(found) if not learn else len(errors) - len(wrong)
    moved = sum(item["bytes"] for item in results)
    return Measure(elapsed, cpu, peak, len(done), moved, max(0, missing) + len(wrong), tuple(errors[:5]))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def run_measured(command: list[str], quiet: bool = False) -> tuple[float, float, int]:
    """Elapsed seconds, CPU seconds and peak memory in bytes of one process and its children."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DL_")}
    errors = subprocess.DEVNULL if quiet else None  # they are in the report
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors, env=environment, start_new_session=True)  # noqa: S603
    sampler = _Sampler(process.pid)
    sampler.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        _wait_for_group(process.pid)
        raise
    finally:
        sampler.stop()
        if process.stdin is not None:
            process.stdin.close()
    elapsed = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode < 0:
        raise DownloadError(f"a measured run was ended by signal {-process.returncode}")
    return elapsed, usage.ru_utime + usage.ru_stime, max(sampler.peak, usage.ru_maxrss * 1024)


def _wait_for_group(group: int, seconds: float = 5.0) -> None:
    """Wait for the last of a killed run's processes: workers that notice it, and who removes their semaphores."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.01)


class _Sampler(threading.Thread):
    """Samples the memory of a process and its children (Linux: VmHWM, the peak of each; elsewhere nothing)."""

    def __init__(self, process: int) -> None:
        super().__init__(name="memory", daemon=True)
        self._process = process
        self._over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Until `stop`."""
        while not self._over.wait(SAMPLE_EVERY):
            self.peak = max(self.peak, sum(_peak_of(process) for process in _tree(self._process)))

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()


def _tree(process: int) -> list[int]:
    found = [process]
    for parent in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


def _peak_of(process: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{process}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024
    return 0


def as_json(comparisons: Sequence[Comparison], machine: Mapping[str, Any]) -> bytes:
    """Everything that was measured, each single run included."""
    return msgspec.json.format(msgspec.json.encode({"machine": machine, "comparisons": comparisons}), indent=2) + b"\n"
