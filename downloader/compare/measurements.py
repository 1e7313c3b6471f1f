"""The results of a comparison: plain values, as they are written to JSON. Times in seconds, sizes in bytes.

::

    Study ── Comparison (one scenario) ── Row (one strategy, or peer) ── Measure (one run)
      │            └ Bound                    └ Stretch (one Attempt of the traced run)
      ├ Sweep ── Point ── Row
      └ Machine

This module measures and decides nothing. The traced run of a row is an additional run, whose time is not counted, because
writing a trace takes time.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from downloader.compare.scenarios import Scenario


class Measure(Struct, frozen=True):
    """The measurements of one run of one command, from its start to its exit, with all its child processes.

    ``user`` and ``system``: CPU seconds. ``peak``: bytes of memory, summed over the process tree; shared pages count in
    each process. ``voluntary`` and ``involuntary``: context switches. ``threads`` and ``processes``: the largest sampled
    numbers at one time. ``reads`` and ``writes``: system calls on files and pipes (Linux ``/proc/PID/io``, which does not count
    ``recv`` and ``send``); 0 where the system does not report them. ``server``: CPU seconds of the test server in this time.
    ``others``: the share of the machine (1: all cores) that other programs used in this time; None where it is unknown.
    ``failures``: files that failed, are missing, or contain a wrong byte.
    """

    elapsed: float
    user: float
    system: float
    peak: int
    files: int
    bytes: int
    failures: int
    voluntary: int = 0
    involuntary: int = 0
    threads: int = 0
    processes: int = 0
    reads: int = 0
    writes: int = 0
    server: float = 0.0
    others: float | None = None
    errors: tuple[str, ...] = ()

    @property
    def cpu(self) -> float:
        """CPU seconds in user mode and in the kernel."""
        return self.user + self.system


class AttemptSpan(Struct, frozen=True):
    """The times of one Attempt of a traced run.

    ``number``: the number of the Attempt of this file. ``worker``: its process, thread and task, as far as the run has
    several. ``started``, ``head`` (the first byte of the answer; 0: no answer) and ``ended``: seconds since the start of the
    command. Before ``started`` the file waited in the queue. ``end``: how the Attempt ended, see `downloader.core.model.End`.
    """

    file: str
    number: int
    worker: str
    started: float
    head: float
    ended: float
    end: str = "complete"
    received: int = 0
    segment: int = 0


class Percentiles(NamedTuple):
    """The 50th, 95th and 99th percentile of some values."""

    p50: float
    p95: float
    p99: float


def percentiles(values: Sequence[float]) -> Percentiles:
    """The percentiles of these values by the nearest-rank method; all 0 without values."""
    ranked = sorted(values)
    if not ranked:
        return Percentiles(0.0, 0.0, 0.0)
    return Percentiles(*(ranked[max(0, -(-len(ranked) * part // 100) - 1)] for part in (50, 95, 99)))


class ResultRow(Struct):
    """All runs of one strategy, or of one peer, in one scenario.

    ``jobs``: the maximum number of requests in flight; 0: the strategy adapts it. ``peer``: whether this is another program;
    ``how``: its options, for display. ``traced``: the duration of the traced run in seconds. ``low`` and ``high``: the
    confidence interval of the median of ``elapsed``, at the level ``confidence``. ``elsewhere``: the number of processes of a
    cluster that are on other machines: what they used is not known.
    """

    strategy: str
    jobs: int
    peer: bool = False
    how: str = ""
    runs: list[Measure] = field(default_factory=list)
    stretches: list[AttemptSpan] = field(default_factory=list)
    traced: float = 0.0
    low: float = 0.0
    high: float = 0.0
    confidence: float = 0.0
    elsewhere: int = 0

    @property
    def name(self) -> str:
        """The unique name of the row in its comparison."""
        return f"{self.strategy} {self.how}".strip() if self.peer else self.strategy

    @property
    def elapsed(self) -> float:
        """The median of the elapsed times, in seconds."""
        return self.median("elapsed")

    def median(self, what: str) -> float:
        """The median over the runs of the field or property ``what`` of `Measure`; 0 without runs."""
        return statistics.median(getattr(run, what) for run in self.runs) if self.runs else 0.0

    @property
    def peak(self) -> int:
        """The highest peak memory of all runs, in bytes."""
        return max((run.peak for run in self.runs), default=0)

    @property
    def failures(self) -> int:
        """The number of failed files in all runs."""
        return sum(run.failures for run in self.runs)

    @property
    def first_byte(self) -> Percentiles:
        """The seconds from the start of an Attempt to the first byte of its answer, in the traced run."""
        return percentiles([item.head - item.started for item in self.stretches if item.head])

    @property
    def queued(self) -> Percentiles:
        """The seconds from the start of the very first Attempt to each Download's first Attempt, in the traced run."""
        begun = min((item.started for item in self.stretches), default=0.0)
        first: dict[str, float] = {}
        for item in self.stretches:
            first[item.file] = min(item.started, first.get(item.file, item.started))
        return percentiles([started - begun for started in first.values()])


BOUND_PARTS = ("latency", "bytes", "answers", "cap", "work")
"""The names of the parts of a `Bound`."""


class Bound(Struct, frozen=True):
    """The time of an ideal client, which has all requests in flight at once and does no work of its own. Seconds.

    ``seconds`` is the largest of the parts, and at most the time of the best run. ``latency``: the longest delay of a first
    byte. ``bytes``: the time for all bytes at the speed of a bare socket. ``answers``: the time for all answers at the rate of
    bare sockets. ``cap``: the time for all bytes over the maximum number of connections to one host, each at its rate limit.
    ``work``: the CPU time of the processing of all files, divided by the number of cores.
    """

    seconds: float
    latency: float = 0.0
    bytes: float = 0.0
    answers: float = 0.0
    cap: float = 0.0
    work: float = 0.0

    @property
    def limit(self) -> str:
        """The name of the largest part."""
        return max(BOUND_PARTS, key=lambda name: float(getattr(self, name)))


class Comparison(Struct):
    """The results of one scenario, or of the user's own list (``own``).

    ``server_cores``: the maximum number of cores that the server can use. ``why``: explanations in sentences. ``warnings``:
    what the reader must know before believing the figures.
    """

    scenario: Scenario
    rows: list[ResultRow]
    own: bool = False
    bound: Bound | None = None
    server_cores: float = 0.0
    why: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def quickest(self) -> ResultRow | None:
        """The strategy with the smallest median among those with the fewest failures; peers are ignored.

        The difference may be chance: `downloader.compare.certainty` decides whether it is a winner.
        """
        least = least_failures(self.rows)
        rows = (row for row in self.rows if not row.peer and row.runs and row.failures <= least * len(row.runs))
        return min(rows, key=_elapsed, default=None)


def least_failures(rows: Sequence[ResultRow]) -> float:
    """The failures per run of the strategy with the fewest.

    A file that fails under all strategies, such as a 404, does not count against any of them.
    """
    return min((row.failures / len(row.runs) for row in rows if row.runs and not row.peer), default=0.0)


def _elapsed(row: ResultRow) -> float:
    return row.elapsed


class Point(Struct):
    """One value of the variable of a sweep, with a row for each strategy."""

    value: int
    rows: list[ResultRow]


class Sweep(Struct):
    """The results for several values of one variable. ``over``: the variable, ``jobs`` or ``files``."""

    over: str
    scenario: Scenario
    points: list[Point]


class Machine(Struct, frozen=True):
    """The machine of a study. ``memory``: bytes. ``libraries`` and ``peers``: versions by name. ``when``: ISO 8601, UTC."""

    when: str
    version: str
    python: str
    system: str
    processor: str
    cores: int
    memory: int
    server: str
    files: str
    libraries: dict[str, str] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)


class Study(Struct):
    """All results of one `dl compare`. ``advice``: which strategy to use on this machine, in sentences."""

    machine: Machine
    comparisons: list[Comparison]
    sweeps: list[Sweep] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
