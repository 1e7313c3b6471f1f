"""Runs a study: all comparisons, one after the other, then all sweeps over one variable."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from downloader.compare import reasons
from downloader.compare.measurements import Comparison, Machine, Point, ResultRow, Study, Sweep
from downloader.compare.pace import StudyStep
from downloader.compare.rounds import MIN_ROUNDS
from downloader.compare.runner import MeasuredList, Plan, Server, StepCallback, compare, run_rows, work_for
from downloader.errors import UsageError
from downloader.strategies.registry import find

JOBS, FILES = "jobs", "files"
EXAMPLE = "--sweep jobs=1,2,4,8 or --sweep files=10,100,1000"


class Task(NamedTuple):
    """A comparison to be made: the list, its rows (to be filled), and the server (None for the user's own list)."""

    work: MeasuredList
    rows: Sequence[ResultRow]
    server: Server | None = None

    @property
    def cacert(self) -> str:
        """The file of the server's authority; empty without TLS."""
        return self.server.cacert if self.server else ""


class SweepTask(NamedTuple):
    """A sweep to be made.

    ``over``: the variable, ``jobs`` or ``files``. ``values``: its values. ``task``: list and strategies.
    """

    over: str
    values: tuple[int, ...]
    task: Task


def run(
    tasks: Sequence[Task],
    sweeps: Sequence[SweepTask],
    plan: Plan,
    machine: Machine,
    where: str | None,
    on_step: StepCallback,
    on_result: Callable[[Comparison | Sweep], None],
) -> Study:
    """Make all comparisons, then all sweeps; explain each comparison, and give advice.

    ``where``: the folder for temporary folders; None: the system's. ``on_step``: called before each run. ``on_result``: called
    with each result as soon as it is complete. An interrupt (KeyboardInterrupt, SystemExit) ends the running command, removes
    the temporary folder, and is raised again. Raises DownloadError for a row that cannot be run at all.
    """
    for sweep in sweeps:
        _check(sweep)
    study = Study(machine, [])
    points = sum(len(sweep.values) for sweep in sweeps)
    parts = len(tasks) + points

    for item, task in enumerate(tasks, 1):

        def step(what: StudyStep, item: int = item) -> None:
            on_step(what._replace(item=item, items=len(tasks), study_done=(item - 1 + what.done) / parts))

        study.comparisons.append(_explained(compare(task.work, task.rows, plan, where, task.server, step, task.cacert)))
        on_result(study.comparisons[-1])
    for number, sweep in enumerate(sweeps):
        before = sum(len(earlier.values) for earlier in sweeps[:number])

        def point(what: StudyStep, before: int = before) -> None:
            finished = len(tasks) + before + what.item - 1 + what.done
            on_step(what._replace(item=before + what.item, items=points, study_done=finished / parts))

        study.sweeps.append(_sweep(sweep, plan, where, point))
        on_result(study.sweeps[-1])
    study.advice = reasons.advise(study)
    return study


def _explained(comparison: Comparison) -> Comparison:
    comparison.why = reasons.explain(comparison)
    return comparison


def _check(sweep: SweepTask) -> None:
    if sweep.over not in (JOBS, FILES):
        raise UsageError(f"cannot sweep over {sweep.over!r}", hint=EXAMPLE)
    if sweep.over == FILES and sweep.task.server is None:
        raise UsageError(
            "a sweep over files needs a scenario: the number of files of a list is fixed", hint="use --sweep jobs=…"
        )


def _sweep(sweep: SweepTask, plan: Plan, where: str | None, on_step: StepCallback) -> Sweep:
    """Measure each value of the sweep in a few rounds, without a trace and without peers."""
    few = Plan(plan.command, min(plan.repeat or MIN_ROUNDS, MIN_ROUNDS), plan.budget, traced=False)
    result = Sweep(sweep.over, sweep.task.work.scenario, [])
    for item, value in enumerate(sweep.values, 1):
        work, rows = _point(sweep, value)

        def report_step(step: StudyStep, item: int = item, point_name: str = f"{sweep.over} {value}") -> None:
            on_step(step._replace(item=item, point=point_name))

        run_rows(work, rows, few, where, sweep.task.server, report_step, sweep.task.cacert)
        result.points.append(Point(value, rows))
    return result


def _point(sweep: SweepTask, value: int) -> tuple[MeasuredList, list[ResultRow]]:
    task = sweep.task
    strategies = [row for row in task.rows if not row.peer]
    if sweep.over == JOBS:
        return task.work, [ResultRow(row.strategy, value) for row in strategies if _runs(row.strategy, value)]
    assert task.server is not None  # noqa: S101 - `_check` has checked it
    scenario = msgspec.structs.replace(task.work.scenario, files=value)
    return work_for(scenario, task.server), [ResultRow(row.strategy, row.jobs) for row in strategies]


def _runs(strategy: str, jobs: int) -> bool:
    max_jobs = find(strategy).capabilities.max_jobs
    return max_jobs is None or jobs <= max_jobs
