"""What a comparison found: plain values, as they are written to JSON. Seconds and bytes throughout.

::

    Study ── Comparison (one scenario) ── Row (one strategy, or peer) ── Measure (one run)
      │            └ Bound                    └ Stretch (one Attempt of the traced run)
      ├ Sweep ── Point ── Row
      └ Machine

Nothing here measures or decides. The traced run of a Row is one more run, whose time is not counted: what writes a
trace must not be in the figures.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from downloader.compare.scenarios import Scenario


class Measure(Struct, frozen=True):
    """One run of one command, from its start to its exit, with all its child processes.

    ``user`` and ``system``: CPU seconds. ``peak``: bytes of memory, summed over the process tree (shared pages counted
    in each). ``voluntary`` and ``involuntary``: context switches. ``threads`` and ``processes``: the most that were
    there at once, as sampled. ``reads`` and ``writes``: system calls of that kind (Linux ``/proc/PID/io``: files and pipes;
    ``recv`` and ``send`` are not in it); 0 where the system does not tell. ``server``: CPU seconds of the test server
    meanwhile. ``others``: the part of the machine (all cores: 1) that other programs used meanwhile; None where the system does
    not tell. ``failures``: files that failed, are missing, or hold a wrong byte.
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
        """Seconds, in user mode and in the kernel."""
        return self.user + self.system


class Stretch(Struct, frozen=True):
    """One Attempt of a traced run. ``worker``: process, thread, task, as far as they differ within the run.

    ``started``, ``head`` (the first byte of the answer; 0: there was none) and ``ended``: seconds since the command was
    started. What is before ``started`` was waiting in the queue. ``end``: how it ended, see `downloader.core.model.End`.
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
    """Percentiles."""

    p50: float
    p95: float
    p99: float


def spread(values: Sequence[float]) -> Percentiles:
    """The percentiles of these (nearest rank); all 0 of none."""
    ranked = sorted(values)
    if not ranked:
        return Percentiles(0.0, 0.0, 0.0)
    return Percentiles(*(ranked[max(0, -(-len(ranked) * part // 100) - 1)] for part in (50, 95, 99)))


class ResultRow(Struct):
    """All runs of one strategy, or of one peer, in one scenario.

    ``jobs``: in flight at most; 0: it finds out itself. ``peer``: another program; ``how``: what it was told, for people.
    ``low`` and ``high``: the interval of the median of ``elapsed``, at ``confidence``.
    """

    strategy: str
    jobs: int
    peer: bool = False
    how: str = ""
    runs: list[Measure] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    traced: float = 0.0
    low: float = 0.0
    high: float = 0.0
    confidence: float = 0.0

    @property
    def name(self) -> str:
        """What tells it from every other row."""
        return f"{self.strategy} {self.how}".strip() if self.peer else self.strategy

    @property
    def elapsed(self) -> float:
        """Median, seconds."""
        return self.median("elapsed")

    def median(self, what: str) -> float:
        """The median of a field or property of `Measure` over the runs; 0 of none."""
        return statistics.median(getattr(run, what) for run in self.runs) if self.runs else 0.0

    @property
    def peak(self) -> int:
        """Bytes, the highest."""
        return max((run.peak for run in self.runs), default=0)

    @property
    def failures(self) -> int:
        """In all runs."""
        return sum(run.failures for run in self.runs)

    @property
    def first_byte(self) -> Percentiles:
        """Seconds from the start of an Attempt to the first byte of its answer, in the traced run."""
        return spread([item.head - item.started for item in self.stretches if item.head])

    @property
    def queued(self) -> Percentiles:
        """Seconds that each Download waited before its first Attempt, from the first start of any, in the traced run."""
        begun = min((item.started for item in self.stretches), default=0.0)
        first: dict[str, float] = {}
        for item in self.stretches:
            first[item.file] = min(item.started, first.get(item.file, item.started))
        return spread([started - begun for started in first.values()])


PARTS = ("latency", "bytes", "answers", "cap", "work")
"""Of a `Bound`."""


class Bound(Struct, frozen=True):
    """What an ideal client would take: all in flight at once, no work of its own. Seconds.

    ``seconds`` is the largest of the parts, and no more than the best run that was seen. ``latency``: the longest way to a
    first byte. ``bytes``: the bytes at the speed that a bare socket gets from this server. ``answers``: so many answers at the
    rate that bare sockets get. ``cap``: the bytes over as many connections as may be open to one host, each at its cap.
    ``work``: the CPU time of the post-processing of all files, spread over all cores.
    """

    seconds: float
    latency: float = 0.0
    bytes: float = 0.0
    answers: float = 0.0
    cap: float = 0.0
    work: float = 0.0

    @property
    def limit(self) -> str:
        """The name of the part that it is."""
        return max(PARTS, key=lambda name: float(getattr(self, name)))


class Comparison(Struct):
    """One scenario (or the user's own list: ``own``), measured. ``server_cores``: what the server can use at most.

    ``why``: sentences derived from the figures; ``warnings``: what the reader must know before believing them.
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
        """The strategy with the least median that failed in no more files than any; peers do not count.

        It may be so by chance: see `downloader.compare.certainty` for what may be said of it.
        """
        least = least_failures(self.rows)
        rows = (row for row in self.rows if not row.peer and row.runs and row.failures <= least * len(row.runs))
        return min(rows, key=_elapsed, default=None)


def least_failures(rows: Sequence[ResultRow]) -> float:
    """Failures in a run of the strategy that had fewest: what fails under all alike, a 404 say, tells none from another."""
    return min((row.failures / len(row.runs) for row in rows if row.runs and not row.peer), default=0.0)


def _elapsed(row: ResultRow) -> float:
    return row.elapsed


class Point(Struct):
    """One value of what a sweep goes over, with a Row for each strategy."""

    value: int
    rows: list[ResultRow]


class Sweep(Struct):
    """How the figures change with one number. ``over``: ``jobs`` or ``files``."""

    over: str
    scenario: Scenario
    points: list[Point]


class Machine(Struct, frozen=True):
    """Where and with what it was measured. ``libraries`` and ``peers``: versions by name. ``when``: ISO 8601, UTC."""

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
    """Everything of one `dl compare`. ``advice``: what to use on this machine, in sentences."""

    machine: Machine
    comparisons: list[Comparison]
    sweeps: list[Sweep] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
