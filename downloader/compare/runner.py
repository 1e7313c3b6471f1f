"""Run a list under each strategy and each peer: fresh processes, interleaved rounds, every byte verified afterwards.

What is measured is the command as it would be typed; `downloader.compare.measure` says how. What is verified, and when
there were enough rounds, is decided in `verify` and `rounds`. One more run of each strategy writes a trace; it counts for
no figure.
"""

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from downloader.compare import peers, rounds, trace
from downloader.compare.bound import lower_bound, tightened
from downloader.compare.caveats import caveats
from downloader.compare.measure import Usage, run_measured
from downloader.compare.pace import Step, foreseen
from downloader.compare.results import Comparison, Measure, Row
from downloader.compare.scenarios import Scenario
from downloader.compare.verify import Verdict, Verifier
from downloader.engine.processors import cores
from downloader.errors import NetworkError

PREFIX = "dl-compare-"
PATIENCE = 30.0
"""Seconds that a peer has at least."""
TIMES = 10
"""A peer is given up where it takes so many times as long as the slowest strategy."""

Tick = Callable[[Step], None]


class Server(Protocol):
    """What serves the lists. ``cores``: how many processors it can use at most. ``cacert``: its authority; empty for http."""

    cacert: str

    @property
    def cores(self) -> float: ...

    def reset(self) -> None:
        """Forget which requests have met their fault: every run meets the same ones."""

    def cpu_seconds(self) -> float:
        """So far, of all its processes."""

    def listing(self, query: str) -> str:
        """The list of a scenario, one URL a line."""

    def sums(self, query: str) -> Mapping[str, str]:
        """The SHA-256 digests of its files, by name."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is run: the text of a list, and the digests by file name (None: unknown, the strategies must agree).

    ``own``: the user's own list, of which ``scenario`` knows no more than its name and the number of files.
    """

    scenario: Scenario
    listing: str
    sums: Mapping[str, str] | None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How often. ``repeat``: so many rounds; None: until the medians are known, see `downloader.compare.rounds`, or until
    ``budget`` seconds are spent, at least 3 rounds. ``traced``: whether each strategy then runs once more with a trace.
    """

    repeat: int | None
    budget: float
    traced: bool = True


def work_for(scenario: Scenario, server: Server) -> Work:
    """A scenario's list on this server, with the server's own digests."""
    return Work(scenario, server.listing(scenario.query), server.sums(scenario.query))


def compare(
    work: Work, rows: Sequence[Row], plan: Plan, where: str | None, server: Server | None, tick: Tick, cacert: str = ""
) -> Comparison:
    """Run the work under each row's strategy or peer, as `run_rows` does; what else is to be known of it: bound and warnings.

    Raises DownloadError for a row that cannot be run at all.
    """
    result = Comparison(work.scenario, list(rows), work.own, server_cores=server.cores if server else 0.0)
    bounded = server is not None and not work.own and not work.scenario.fail  # what a fault costs depends on one's patience
    before = lower_bound(work.scenario, work.listing, cores()) if bounded else None
    run_rows(work, rows, plan, where, server, tick, cacert)
    if before is not None:
        best = min((run.elapsed for row in rows for run in row.runs if not run.failures), default=0.0)
        result.bound = tightened(before, lower_bound(work.scenario, work.listing, cores()), best)
    result.warnings = caveats(result, cores())
    return result


def run_rows(
    work: Work, rows: Sequence[Row], plan: Plan, where: str | None, server: Server | None, tick: Tick, cacert: str = ""
) -> None:
    """Put the runs into the rows.

    ``where``: the folder below which the files go, for a while. ``tick`` is told what is run next. ``cacert``: the file
    with the server's authority, for a scenario with TLS.
    """
    with scratch(where) as folder:
        bench = _Bench(work, Path(folder), server, cacert)
        _rounds(bench, rows, plan, tick)
        traced = [row for row in rows if not row.peer] if plan.traced else []
        for place, row in enumerate(traced):
            runs = sum(len(item.runs) for item in rows)
            tick(Step(work.scenario.name, _short(row), 0, 0, True, (runs + place) / (runs + len(traced))))
            bench.trace(row)
    for row in rows:
        row.low, row.high, row.confidence = rounds.interval([run.elapsed for run in row.runs])


def _rounds(bench: "_Bench", rows: Sequence[Row], plan: Plan, tick: Tick) -> None:
    """Run them all, as often as planned."""
    begun, after = time.monotonic(), sum(plan.traced and not row.peer for row in rows)
    name, least, whole = bench.work.scenario.name, plan.repeat or rounds.LEAST, plan.repeat or rounds.LEAST
    for number in itertools.count(1):
        playing = [row for row in rows if row.name not in bench.given_up]
        turns = [playing[index] for index in rounds.order(number - 1, len(playing))]
        if number == 1:
            turns.sort(key=lambda row: row.peer)  # what a strategy took says how long a peer may take
        for place, row in enumerate(turns):
            done = ((number - 1) * len(turns) + place) / (whole * len(turns) + after)
            tick(Step(name, _short(row), number, least, plan.repeat is not None, min(1.0, done)))
            bench.measure(row, rows)
        if plan.repeat is not None:
            if number >= plan.repeat:
                return
            continue
        spent = time.monotonic() - begun
        whole = foreseen(number, spent, plan.budget, max(least, number + 1))
        if number >= rounds.LEAST:
            if all(rounds.is_narrow([run.elapsed for run in row.runs]) for row in playing if not row.failures):
                return
            if spent + spent / number > plan.budget:
                return


def _short(row: Row) -> str:
    """What a row is called where there is little room."""
    return row.strategy if not row.peer or row.how == peers.DEFAULTS else f"{row.strategy} {row.jobs}"


def warm_up(strategies: Sequence[str], url: str, where: str | None, cacert: str = "") -> None:
    """One file under each strategy, not counted, so that the first that is counted does not pay for cold caches.

    ``url``: of the test server; the delays and faults that its query asks for are left out.
    """
    url = url.partition("?")[0]
    trust = ["--cacert", cacert] if cacert else []
    with scratch(where) as folder:
        for name in strategies:
            run_measured(_command(url, Row(name, 1), Path(folder, name), Path(folder, "report"), *trust), errors=True)


@contextlib.contextmanager
def scratch(where: str | None) -> Iterator[str]:
    """A new folder, removed afterwards; those of comparisons that were killed are removed now."""
    for left in Path(where or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=where, ignore_cleanup_errors=True) as folder:
        yield folder


def _command(what: str, row: Row, target: Path, report: Path, *more: str) -> list[str]:
    flags = ["--strategy", row.strategy, "--dir", str(target)]
    flags += ["--jobs", str(row.jobs), "--per-host", str(row.jobs)] if row.jobs else []
    quiet = ["--progress", "none", "--quiet", "--report", str(report), "--config", os.devnull]
    return [sys.executable, "-P", "-m", "downloader.cli.child", what, *flags, *quiet, *more]


class _Bench:
    """Where the runs of one comparison take place: the list, a folder for the files, and what is known of them."""

    def __init__(self, work: Work, folder: Path, server: Server | None, cacert: str) -> None:
        self.work = work
        self.given_up: set[str] = set()
        self._target = folder / "files"
        self._report = folder / "report.jsonl"
        self._trace = folder / "trace.jsonl"
        self._server = server
        self._cacert = cacert
        self._verifier = Verifier(work.sums, work.scenario.files)
        self._listing = folder / "urls.txt"
        self._listing.write_text(work.listing, encoding="utf-8")
        self._listing.chmod(0o600)  # own lists may hold secrets

    def measure(self, row: Row, rows: Sequence[Row]) -> None:
        """One run that counts, verified."""
        usage, verdict = self._run_peer(row, rows) if row.peer else self._run(row)
        row.runs.append(_measure_of(usage, verdict))
        shutil.rmtree(self._target, ignore_errors=True)
        self._report.unlink(missing_ok=True)

    def trace(self, row: Row) -> None:
        """One run that does not count, with a trace."""
        usage = self._spawn(self._strategy(row, "--trace", str(self._trace)))
        row.traced = usage.elapsed
        row.stretches = trace.read(self._trace, usage.started)
        shutil.rmtree(self._target, ignore_errors=True)
        self._report.unlink(missing_ok=True)
        self._trace.unlink(missing_ok=True)

    def _run(self, row: Row) -> tuple[Usage, Verdict]:
        usage = self._spawn(self._strategy(row))
        verdict = self._verifier.of_strategy(self._report, self._target)
        if usage.code and not verdict.failures:
            verdict = verdict._replace(failures=1, errors=(f"exit code {usage.code}", *verdict.errors))
        return usage, verdict

    def _run_peer(self, row: Row, rows: Sequence[Row]) -> tuple[Usage, Verdict]:
        self._target.mkdir()
        command = peers.command(row, self.work.scenario, self._listing, self._target, self._cacert)
        limit = max(PATIENCE, TIMES * max((other.elapsed for other in rows if not other.peer), default=0.0))
        usage = self._spawn(command, folder=str(self._target), limit=limit)
        verdict = self._verifier.of_peer(self._target, usage.code)
        if usage.expired:
            self.given_up.add(row.name)
            errors = (f"given up after {limit:.0f} s", *verdict.errors)
            verdict = verdict._replace(failures=max(1, verdict.failures), errors=errors)
        return usage, verdict

    def _strategy(self, row: Row, *more: str) -> list[str]:
        scenario = self.work.scenario
        flags = ["--process", scenario.process] if scenario.process else []
        flags += ["--low-speed-time", str(peers.PATIENCE)] if scenario.fail else []  # as for peers: stalls end by giving up
        flags += ["--cacert", self._cacert] if self._cacert else []
        return _command(str(self._listing), row, self._target, self._report, *flags, *more)

    def _spawn(self, command: list[str], folder: str | None = None, limit: float | None = None) -> Usage:
        server = self._server
        if server is not None:
            try:
                server.reset()
            except OSError as error:
                raise NetworkError(f"the test server has gone: {error}", hint="start the comparison again") from error
        tell = server.cpu_seconds if server is not None else None
        return run_measured(command, folder=folder, server=tell, limit=limit, group=limit is not None)


def _measure_of(usage: Usage, verdict: Verdict) -> Measure:
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
