"""A believable `Study` without measuring: a small simulation, the same for the same seed."""

import heapq
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from downloader.compare.measurements import AttemptSpan, Bound, Comparison, Machine, Measure, Point, ResultRow, Study, Sweep
from downloader.compare.scenarios import SCENARIOS, Scenario


class Model(NamedTuple):
    """A strategy in a few numbers, seconds each: what it starts with, what a file costs its CPU, how many go at once."""

    name: str
    start: float
    each: float
    jobs: int
    cores: int
    memory: int
    kind: str
    how: str = ""


MODELS = (
    Model("serial", 0.16, 0.0009, 1, 1, 38, "thread"),
    Model("threads", 0.18, 0.0010, 16, 1, 52, "thread"),
    Model("processes", 0.42, 0.0012, 8, 2, 290, "process"),
    Model("async", 0.24, 0.0003, 64, 1, 58, "task"),
    Model("multiplex", 0.11, 0.00005, 64, 1, 36, "slot"),
    Model("hybrid", 0.26, 0.00005, 64, 2, 110, "slot"),
    Model("gevent", 0.30, 0.0008, 64, 1, 61, "greenlet"),
    Model("auto", 0.13, 0.00005, 64, 1, 40, "slot"),
)
PEERS = (
    Model("aria2c", 0.06, 0.0004, 5, 1, 21, "", "defaults"),
    Model("aria2c", 0.06, 0.0004, 16, 1, 23, "", "-j 16"),
    Model("curl", 0.02, 0.00012, 50, 1, 18, "", "defaults"),
    Model("wget2", 0.02, 0.00022, 5, 2, 16, "", "defaults"),
)


def sample_study(
    scenarios: Sequence[str] = ("small", "latency", "large", "flaky", "cpu"),
    models: Sequence[Model] = MODELS,
    peers: Sequence[Model] = PEERS,
    files: int | None = None,
    sweeps: bool = True,
) -> Study:
    """Scenarios by name, each under all models and peers. ``files``: so many in each scenario."""
    dice = random.Random(7)
    chosen = [replace(item, files=files or item.files) for item in SCENARIOS if item.name in scenarios]
    comparisons = [_comparison(item, models, peers, dice) for item in chosen]
    swept = [_sweep("jobs", chosen[0], models, dice), _sweep("files", chosen[0], models, dice)] if sweeps else []
    advice = [
        "Use multiplex for long lists of small files; hybrid pays from about 2,000 files.",
        "Serial is never faster here.",
    ]
    return Study(MACHINE, comparisons, swept, advice)


MACHINE = Machine(
    when="2025-03-01T12:00:00Z",
    version="1.2.3",
    python="CPython 3.11.7",
    system="Linux 6.1 x86_64",
    processor="AMD EPYC 7B13",
    cores=2,
    memory=8 * 1024**3,
    server="granian 2.5, 1 worker",
    files="/dev/shm",
    libraries={"pycurl": "7.45.6", "libcurl": "8.12.1", "httpx": "0.28.1"},
    peers={"aria2c": "1.36.0", "curl": "7.88.1"},
)


def _comparison(scenario: Scenario, models: Sequence[Model], peers: Sequence[Model], dice: random.Random) -> Comparison:
    rows = [_row(scenario, model, dice) for model in models]
    rows += [_row(scenario, model, dice, peer=True) for model in peers]
    part = {"latency": scenario.delay, "bytes": scenario.files * scenario.size / 2.4e9, "answers": scenario.files / 30_000}
    comparison = Comparison(scenario, rows, bound=Bound(max(part.values()), **part), server_cores=1.0)
    comparison.why = [f"{rows[0].name} spent most of its time waiting for the answer.", "processes paid 0.3 s to start."]
    if scenario.name == "small":
        comparison.warnings = ["The server used 94 % of what it can: the fastest strategies may be faster than is shown."]
    return comparison


def _row(scenario: Scenario, model: Model, dice: random.Random, peer: bool = False, jobs: int = 0) -> ResultRow:
    jobs = jobs or model.jobs
    stretches = _stretches(scenario, model, jobs, dice)
    traced = max(item.ended for item in stretches) + 0.02
    times = sorted(traced * dice.uniform(0.97, 1.05) for _ in range(7))
    cpu = (
        model.start * 0.9
        + scenario.files * (model.each + scenario.size / 3e9)
        + (scenario.files * 0.02 if scenario.process else 0)
    )
    runs = [
        Measure(
            elapsed=elapsed,
            user=cpu * dice.uniform(0.6, 0.7),
            system=cpu * dice.uniform(0.25, 0.35),
            peak=int(model.memory * 1e6 * dice.uniform(0.98, 1.03)),
            files=scenario.files,
            bytes=scenario.files * scenario.size,
            failures=0,
            voluntary=scenario.files * 2,
            involuntary=dice.randrange(4, 90),
            threads=jobs if model.kind == "thread" else 1,
            processes=jobs + 1 if model.kind == "process" else 1,
            reads=scenario.files * 3,
            writes=scenario.files,
            server=scenario.files * 4e-5,
        )
        for elapsed in times
    ]
    dice.shuffle(runs)
    shown: dict[str, Any] = {"peer": peer, "how": model.how, "low": times[1], "high": times[5], "confidence": 0.969}
    return ResultRow(model.name, jobs, runs=runs, stretches=[] if peer else stretches, traced=traced, **shown)


def _stretches(scenario: Scenario, model: Model, jobs: int, dice: random.Random) -> list[AttemptSpan]:
    """Slots that take the next file as they come free; computing takes turns on the cores."""
    slots = [(model.start + place * 1e-4, place) for place in range(min(jobs, scenario.files))]
    heapq.heapify(slots)
    cores = [model.start] * model.cores
    waiting = [(0.0, number, 1) for number in range(scenario.files)]
    done: list[AttemptSpan] = []
    while waiting:
        free, slot = heapq.heappop(slots)
        _, number, tried = waiting.pop(0)
        core = min(range(len(cores)), key=cores.__getitem__)
        started = max(free, cores[core])
        cores[core] = started + model.each + scenario.size / 3e9
        head = started + scenario.delay * dice.uniform(1.0, 1.04) + model.each + 0.0004
        ended = max(head, cores[core]) + scenario.size / 1.5e9
        if scenario.process:
            core = min(range(len(cores)), key=cores.__getitem__)
            ended = cores[core] = max(cores[core], ended) + 0.02
        end = "complete"
        if scenario.share and tried < 3 and dice.random() < scenario.share:
            end, ended = "failed", ended + dice.uniform(0.05, 0.3)
            waiting.insert(min(len(waiting), jobs), (0.0, number, tried + 1))
        worker = f"{model.kind} {slot + 1}"
        done.append(AttemptSpan(f"{number}.bin", tried, worker, started, head, ended, end, scenario.size))
        heapq.heappush(slots, (ended, slot))
    return done


def _sweep(variable: str, scenario: Scenario, models: Sequence[Model], dice: random.Random) -> Sweep:
    def at(value: int, model: Model) -> ResultRow:
        if variable == "jobs":
            return _row(replace(scenario, files=200, delay=0.01), model, dice, jobs=value)
        return _row(replace(scenario, files=value), model, dice)

    values = (1, 2, 4, 8, 16, 32) if variable == "jobs" else (10, 100, 1000)
    swept = models if variable == "files" else [model for model in models if model.name != "serial"]
    return Sweep(variable, scenario, [Point(value, [at(value, model) for model in swept]) for value in values])
