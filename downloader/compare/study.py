"""A whole study: comparisons one after the other, then sweeps over one number. What is found is put into words elsewhere."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from downloader.compare import reasons
from downloader.compare.pace import StudyStep
from downloader.compare.results import Comparison, Machine, Point, ResultRow, Study, Sweep
from downloader.compare.rounds import LEAST
from downloader.compare.runner import MeasuredList, Plan, Server, Tick, compare, run_rows, work_for
from downloader.errors import UsageError
from downloader.strategies.registry import find

JOBS, FILES = "jobs", "files"
EXAMPLE = "--sweep jobs=1,2,4,8 or --sweep files=10,100,1000"


class Task(NamedTuple):
    """One comparison to be made: the work, its rows (which are filled), and who serves it (None: the user's own list)."""

    work: MeasuredList
    rows: Sequence[ResultRow]
    server: Server | None = None

    @property
    def cacert(self) -> str:
        """The file with the server's authority; empty without TLS."""
        return self.server.cacert if self.server else ""


class Sweeping(NamedTuple):
    """A sweep to be made: ``over`` ``jobs`` or ``files``, with these values. ``task``: the work and the strategies."""

    over: str
    values: tuple[int, ...]
    task: Task


def run(
    tasks: Sequence[Task],
    sweeps: Sequence[Sweeping],
    plan: Plan,
    machine: Machine,
    where: str | None,
    tick: Tick,
    told: Callable[[Comparison | Sweep], None],
) -> Study:
    """Make all comparisons, then all sweeps; explain each, and say what to use.

    ``where`` and ``tick``: see `downloader.compare.runner.run_rows`; ``told`` is called with each as soon as it is made.
    An interrupt (KeyboardInterrupt, SystemExit) ends the command that runs, removes the folder, and is passed on. Raises
    DownloadError for what cannot be run at all.
    """
    for sweep in sweeps:
        _check(sweep)
    study = Study(machine, [])
    points = sum(len(sweep.values) for sweep in sweeps)
    parts = len(tasks) + points

    for place, task in enumerate(tasks, 1):

        def step(what: StudyStep, place: int = place) -> None:
            tick(what._replace(place=place, places=len(tasks), whole=(place - 1 + what.done) / parts))

        study.comparisons.append(_explained(compare(task.work, task.rows, plan, where, task.server, step, task.cacert)))
        told(study.comparisons[-1])
    for number, sweep in enumerate(sweeps):
        before = sum(len(earlier.values) for earlier in sweeps[:number])

        def point(what: StudyStep, before: int = before) -> None:
            behind = len(tasks) + before + what.place - 1 + what.done
            tick(what._replace(place=before + what.place, places=points, whole=behind / parts))

        study.sweeps.append(_sweep(sweep, plan, where, point))
        told(study.sweeps[-1])
    study.advice = reasons.advise(study)
    return study


def _explained(comparison: Comparison) -> Comparison:
    comparison.why = reasons.explain(comparison)
    return comparison


def _check(sweep: Sweeping) -> None:
    if sweep.over not in (JOBS, FILES):
        raise UsageError(f"cannot sweep over {sweep.over!r}", hint=EXAMPLE)
    if sweep.over == FILES and sweep.task.server is None:
        raise UsageError("a list of your own has as many files as it has", hint="--sweep jobs=… works with it")


def _sweep(sweep: Sweeping, plan: Plan, where: str | None, tick: Tick) -> Sweep:
    """Each value a point, measured in rounds of its own, few and without a trace. Peers do not take part."""
    few = Plan(plan.command, min(plan.repeat or LEAST, LEAST), plan.budget, traced=False)
    found = Sweep(sweep.over, sweep.task.work.scenario, [])
    for place, value in enumerate(sweep.values, 1):
        work, rows = _point(sweep, value)

        def told(step: StudyStep, place: int = place, at: str = f"{sweep.over} {value}") -> None:
            tick(step._replace(place=place, point=at))

        run_rows(work, rows, few, where, sweep.task.server, told, sweep.task.cacert)
        found.points.append(Point(value, rows))
    return found


def _point(sweep: Sweeping, value: int) -> tuple[MeasuredList, list[ResultRow]]:
    task = sweep.task
    strategies = [row for row in task.rows if not row.peer]
    if sweep.over == JOBS:
        return task.work, [ResultRow(row.strategy, value) for row in strategies if _runs(row.strategy, value)]
    assert task.server is not None  # noqa: S101 - `_check` has seen to it
    scenario = msgspec.structs.replace(task.work.scenario, files=value)
    return work_for(scenario, task.server), [ResultRow(row.strategy, row.jobs) for row in strategies]


def _runs(strategy: str, jobs: int) -> bool:
    most = find(strategy).capabilities.max_jobs
    return most is None or jobs <= most
