"""Runs a list under each strategy and each peer: in fresh processes, in interleaved rounds, with every byte verified.

The measured command is the `dl` that a user would type; `downloader.compare.measure` measures it, `verify` checks the files,
and `rounds` decides when there were enough rounds. An additional run of each strategy writes a trace; its time is not
counted.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from downloader.compare import peers, rounds, trace_reader
from downloader.compare.bound import lower_bound, tightened
from downloader.compare.caveats import caveats
from downloader.compare.measure import Usage, run_measured
from downloader.compare.measurements import Comparison, Measure, ResultRow
from downloader.compare.pace import StudyStep, foreseen
from downloader.compare.scenarios import Scenario
from downloader.compare.verify import RunVerifier, Verification
from downloader.engine.processors import cores
from downloader.errors import NetworkError

PREFIX = "dl-compare-"
MIN_PEER_TIMEOUT = 30.0
"""The minimum time limit of a peer, in seconds."""
PEER_TIMEOUT_FACTOR = 10
"""The time limit of a peer, divided by the time of the slowest strategy."""

StepCallback = Callable[[StudyStep], None]


class Server(Protocol):
    """A test server. ``cores``: the maximum number of cores that it can use. ``cacert``: the file of its authority; empty for
    http."""

    cacert: str

    @property
    def cores(self) -> float: ...

    def reset(self) -> None:
        """Reset the counters of the faults, so that every run meets the same faults."""

    def cpu_seconds(self) -> float:
        """The CPU seconds of all its processes so far."""

    def listing(self, query: str) -> str:
        """The list with these options, one URL per line."""

    def sums(self, query: str) -> Mapping[str, str]:
        """The SHA-256 digests of the files of that list, by name."""


@dataclass(frozen=True, slots=True)
class MeasuredList:
    """The list of a comparison.

    ``listing``: its text. ``digests``: SHA-256 digests by file name; None: unknown, the strategies must agree with each other.
    ``own``: it is the user's own list; then ``scenario`` contains only its name and the number of files.
    """

    scenario: Scenario
    listing: str
    digests: Mapping[str, str] | None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What command is measured, and how often.

    ``command``: the words that start `dl`; arguments are appended. ``repeat``: the number of rounds; None: as many as the
    medians need, see `downloader.compare.rounds`, until ``budget`` seconds are spent, and at least 3. ``traced``: whether
    each strategy then runs once more with a trace. ``cluster``: the address of a Dask cluster, for the strategies with the
    names ``clustered``.
    """

    command: tuple[str, ...]
    repeat: int | None
    budget: float
    traced: bool = True
    cluster: str = ""
    clustered: frozenset[str] = frozenset()


def work_for(scenario: Scenario, server: Server) -> MeasuredList:
    """The list of a scenario on this server, with the digests of the server. Raises WrongQuery."""
    return MeasuredList(scenario, server.listing(scenario.query), server.sums(scenario.query))


def compare(
    work: MeasuredList,
    rows: Sequence[ResultRow],
    plan: Plan,
    parent: str | None,
    server: Server | None,
    on_step: StepCallback,
    cacert: str = "",
) -> Comparison:
    """Run the list under each row's strategy or peer, see `run_rows`, and add the lower bound and the warnings.

    Raises DownloadError for a row that cannot be run at all.
    """
    result = Comparison(work.scenario, list(rows), work.own, server_cores=server.cores if server else 0.0)
    bounded = server is not None and not work.own and not work.scenario.fail  # the cost of a fault depends on time limits
    before = lower_bound(work.scenario, work.listing, cores()) if bounded else None
    run_rows(work, rows, plan, parent, server, on_step, cacert)
    if before is not None:
        best = min((run.elapsed for row in rows for run in row.runs if not run.failures), default=0.0)
        result.bound = tightened(before, lower_bound(work.scenario, work.listing, cores()), best)
    result.warnings = caveats(result, cores())
    return result


def run_rows(
    work: MeasuredList,
    rows: Sequence[ResultRow],
    plan: Plan,
    parent: str | None,
    server: Server | None,
    on_step: StepCallback,
    cacert: str = "",
) -> None:
    """Run the list under each row, and store the measurements in the rows.

    ``parent``: the folder for the temporary folder of the files; None: the system's. ``on_step`` is called before each run.
    ``cacert``: the file of the server's authority, for a scenario with TLS. Raises DownloadError.
    """
    with scratch(parent) as folder:
        environment = _RunEnvironment(work, plan, Path(folder), server, cacert)
        _rounds(environment, rows, plan, on_step)
        traced = [row for row in rows if not row.peer] if plan.traced else []
        for index, row in enumerate(traced):
            runs = sum(len(item.runs) for item in rows)
            on_step(StudyStep(work.scenario.name, _short(row), 0, 0, True, (runs + index) / (runs + len(traced))))
            environment.trace(row)
    for row in rows:
        row.low, row.high, row.confidence = rounds.interval([run.elapsed for run in row.runs])


def _rounds(environment: "_RunEnvironment", rows: Sequence[ResultRow], plan: Plan, on_step: StepCallback) -> None:
    """Run all rows in rounds, as often as planned."""
    begun, traced_runs = time.monotonic(), sum(plan.traced and not row.peer for row in rows)
    name, least, expected = environment.work.scenario.name, plan.repeat or rounds.MIN_ROUNDS, plan.repeat or rounds.MIN_ROUNDS
    for number in itertools.count(1):
        active = [row for row in rows if row.name not in environment.given_up]
        order = [active[index] for index in rounds.order(number - 1, len(active))]
        if number == 1:
            order.sort(key=lambda row: row.peer)  # the time limit of peers depends on the strategies' times
        for index, row in enumerate(order):
            done = ((number - 1) * len(order) + index) / (expected * len(order) + traced_runs)
            on_step(StudyStep(name, _short(row), number, least, plan.repeat is not None, min(1.0, done)))
            environment.measure(row, rows)
        if plan.repeat is not None:
            if number >= plan.repeat:
                return
            continue
        elapsed = time.monotonic() - begun
        expected = foreseen(number, elapsed, plan.budget, max(least, number + 1))
        if number >= rounds.MIN_ROUNDS:
            if all(rounds.is_narrow([run.elapsed for run in row.runs]) for row in active if not row.failures):
                return
            if elapsed + elapsed / number > plan.budget:
                return


def _short(row: ResultRow) -> str:
    """A short name of the row."""
    return row.strategy if not row.peer or row.how == peers.DEFAULTS else f"{row.strategy} {row.jobs}"


def warm_up(plan: Plan, strategies: Sequence[str], url: str, parent: str | None, cacert: str = "") -> None:
    """Fetch one file under each strategy without counting it, so that the first measured run does not start with cold caches.

    ``url``: a file of the test server; its query, with delays and faults, is removed.
    """
    url = url.partition("?")[0]
    trust = ["--cacert", cacert] if cacert else []
    with scratch(parent) as folder:
        for name in strategies:
            run_measured(
                _command(plan, url, ResultRow(name, 1), Path(folder, name), Path(folder, "report"), *trust), errors=True
            )


@contextlib.contextmanager
def scratch(parent: str | None) -> Iterator[str]:
    """A new temporary folder, removed at the end. Folders of comparisons that were killed are removed, too."""
    for leftover in Path(parent or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = leftover.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield folder


def _command(plan: Plan, listing: str, row: ResultRow, target: Path, report: Path, *more: str) -> list[str]:
    flags = ["--strategy", row.strategy, "--dir", str(target)]
    flags += ["--cluster", plan.cluster] if row.strategy in plan.clustered else []
    flags += ["--jobs", str(row.jobs), "--per-host", str(row.jobs)] if row.jobs else []
    quiet = ["--progress", "none", "--quiet", "--report", str(report), "--config", os.devnull]
    return [*plan.command, listing, *flags, *quiet, *more]


class _RunEnvironment:
    """The files of one comparison: the list, the folder of the downloaded files, the report and the trace.

    ``given_up``: the names of the rows that exceeded their time limit.
    """

    def __init__(self, work: MeasuredList, plan: Plan, folder: Path, server: Server | None, cacert: str) -> None:
        self.work = work
        self._plan = plan
        self.given_up: set[str] = set()
        self._target = folder / "files"
        self._report = folder / "report.jsonl"
        self._trace = folder / "trace.jsonl"
        self._server = server
        self._cacert = cacert
        self._verifier = RunVerifier(work.digests, work.scenario.files)
        self._listing = folder / "urls.txt"
        self._listing.write_text(work.listing, encoding="utf-8")
        self._listing.chmod(0o600)  # the user's list may contain secrets

    def measure(self, row: ResultRow, rows: Sequence[ResultRow]) -> None:
        """Make one measured run of the row, and verify its files."""
        usage, verdict = self._run_peer(row, rows) if row.peer else self._run(row)
        row.runs.append(_measure_of(usage, verdict))
        shutil.rmtree(self._target, ignore_errors=True)
        self._report.unlink(missing_ok=True)

    def trace(self, row: ResultRow) -> None:
        """Make one run of the row with a trace; its time is not counted."""
        usage = self._spawn(self._strategy(row, "--trace", str(self._trace)))
        row.traced = usage.elapsed
        row.stretches = trace_reader.read(self._trace, usage.started)
        shutil.rmtree(self._target, ignore_errors=True)
        self._report.unlink(missing_ok=True)
        self._trace.unlink(missing_ok=True)

    def _run(self, row: ResultRow) -> tuple[Usage, Verification]:
        beside: tuple[int, ...] = ()
        if row.strategy in self._plan.clustered:
            from downloader.strategies.dask.processes_here import processes_here  # here: it imports distributed

            beside, row.elsewhere = processes_here(self._plan.cluster)
        usage = self._spawn(self._strategy(row), beside=beside)
        verdict = self._verifier.of_strategy(self._report, self._target)
        if usage.code and not verdict.failures:
            verdict = verdict._replace(failures=1, errors=(f"exit code {usage.code}", *verdict.errors))
        return usage, verdict

    def _run_peer(self, row: ResultRow, rows: Sequence[ResultRow]) -> tuple[Usage, Verification]:
        self._target.mkdir()
        command = peers.command(row, self.work.scenario, self._listing, self._target, self._cacert)
        slowest = max((other.elapsed for other in rows if not other.peer), default=0.0)
        limit = max(MIN_PEER_TIMEOUT, PEER_TIMEOUT_FACTOR * slowest)
        usage = self._spawn(command, folder=str(self._target), limit=limit)
        verdict = self._verifier.of_peer(self._target, usage.code)
        if usage.expired:
            self.given_up.add(row.name)
            errors = (f"killed after {limit:.0f} s", *verdict.errors)
            verdict = verdict._replace(failures=max(1, verdict.failures), errors=errors)
        return usage, verdict

    def _strategy(self, row: ResultRow, *more: str) -> list[str]:
        scenario = self.work.scenario
        flags = ["--process", scenario.process] if scenario.process else []
        flags += ["--low-speed-time", str(peers.STALL_TIMEOUT)] if scenario.fail else []  # the same limit as for peers
        flags += ["--cacert", self._cacert] if self._cacert else []
        return _command(self._plan, str(self._listing), row, self._target, self._report, *flags, *more)

    def _spawn(
        self, command: list[str], folder: str | None = None, limit: float | None = None, beside: tuple[int, ...] = ()
    ) -> Usage:
        server = self._server
        if server is not None:
            try:
                server.reset()
            except OSError as error:
                raise NetworkError(f"the test server does not answer: {error}", hint="start the comparison again") from error
        cpu_seconds = server.cpu_seconds if server is not None else None
        return run_measured(command, folder=folder, server=cpu_seconds, limit=limit, group=limit is not None, beside=beside)


def _measure_of(usage: Usage, verdict: Verification) -> Measure:
    errors = verdict.errors
    if usage.code < 0 and not usage.expired:
        errors = (f"ended by signal {-usage.code}", *errors)
    return Measure(
        elapsed=usage.elapsed,
        user=usage.user,
        system=usage.system,
        peak=usage.peak,
        files=verdict.files,
        bytes=verdict.bytes,
        failures=verdict.failures,
        voluntary=usage.voluntary,
        involuntary=usage.involuntary,
        threads=usage.threads,
        processes=usage.processes,
        reads=usage.reads,
        writes=usage.writes,
        server=usage.server,
        others=usage.others,
        errors=errors,
    )
