"""A whole study: which comparisons and which points are made of what was asked for."""

from collections.abc import Sequence

import pytest

from downloader.compare import reasons, study
from downloader.compare.machine import machine
from downloader.compare.measurements import Comparison, Measure, ResultRow, Study, Sweep
from downloader.compare.pace import StudyStep
from downloader.compare.runner import MeasuredList, Plan, Server, StepCallback
from downloader.compare.scenarios import Scenario
from downloader.compare.study import SweepTask, Task, run
from downloader.errors import UsageError

COMMAND = ("dl",)
TINY = Scenario("tiny", "nothing", "nothing", files=3, size=10)
MACHINE = machine("built-in", "memory", {"curl": "8.0"})


class ServerListingItsQuery:
    """A server whose list is the query itself."""

    cores = 1.0
    cacert = "ca.pem"

    def reset(self) -> None: ...

    def cpu_seconds(self) -> float:
        return 0.0

    def listing(self, query: str) -> str:
        return query

    def sums(self, query: str) -> dict[str, str]:
        return {}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[tuple[str, int]], Plan, str]]:
    """What was run: listing, rows, plan, authority."""
    found: list[tuple[str, list[tuple[str, int]], Plan, str]] = []

    def run_rows(
        work: MeasuredList,
        rows: Sequence[ResultRow],
        plan: Plan,
        where: str | None,
        server: Server | None,
        tick: StepCallback,
        cacert: str = "",
    ) -> None:
        found.append((work.listing, [(row.name, row.jobs) for row in rows], plan, cacert))
        tick(StudyStep(work.scenario.name, "serial", 1, 3, False, 0.5))
        for row in rows:
            row.runs.append(Measure(1.0, 0.1, 0.1, 1, 3, 30, 0))

    def compare(
        work: MeasuredList,
        rows: Sequence[ResultRow],
        plan: Plan,
        where: str | None,
        server: Server | None,
        tick: StepCallback,
        cacert: str = "",
    ) -> Comparison:
        run_rows(work, rows, plan, where, server, tick, cacert)
        return Comparison(work.scenario, list(rows))

    monkeypatch.setattr(study, "run_rows", run_rows)
    monkeypatch.setattr(study, "compare", compare)
    monkeypatch.setattr(reasons, "explain", lambda comparison: [f"why {comparison.scenario.name}"])
    monkeypatch.setattr(reasons, "advise", lambda whole: [f"{len(whole.comparisons)} and {len(whole.sweeps)}"])
    return found


def ignore(what: object) -> None:
    """Nobody is told."""


def task(server: ServerListingItsQuery | None = None) -> Task:
    """Two strategies and a peer."""
    work = MeasuredList(TINY, "list", {}, own=server is None)
    return Task(work, [ResultRow("serial", 1), ResultRow("multiplex", 0), ResultRow("curl", 8, peer=True)], server)


def test_comparisons_then_sweeps_then_advice(ran: list[tuple[str, list[tuple[str, int]], Plan, str]]) -> None:
    told: list[StudyStep] = []
    made: list[Comparison | Sweep] = []
    sweep = SweepTask("jobs", (1, 4), task(ServerListingItsQuery()))
    found = run(
        [task(), task(ServerListingItsQuery())], [sweep], Plan(COMMAND, None, 9.0), MACHINE, None, told.append, made.append
    )
    assert isinstance(found, Study)
    assert [comparison.why for comparison in found.comparisons] == [["why tiny"], ["why tiny"]]
    assert made == [*found.comparisons, *found.sweeps]
    assert found.advice == ["2 and 1"]
    assert [item[1] for item in ran] == [
        [("serial", 1), ("multiplex", 0), ("curl", 8)],
        [("serial", 1), ("multiplex", 0), ("curl", 8)],
        [("serial", 1), ("multiplex", 1)],
        [("multiplex", 4)],
    ]
    assert [item[3] for item in ran] == ["", "ca.pem", "ca.pem", "ca.pem"]
    assert ran[0][2] == Plan(COMMAND, None, 9.0)
    assert ran[2][2] == Plan(COMMAND, 3, 9.0, traced=False)
    assert [str(step) for step in told] == [
        "scenario 1 of 2, tiny: serial, round 1 of 3 or more",
        "scenario 2 of 2, tiny: serial, round 1 of 3 or more",
        "point 1 of 2, tiny, jobs 1: serial, round 1 of 3 or more",
        "point 2 of 2, tiny, jobs 4: serial, round 1 of 3 or more",
    ]
    assert [step.study_done for step in told] == [0.125, 0.375, 0.625, 0.875]
    assert [(point.value, len(point.rows)) for point in found.sweeps[0].points] == [(1, 2), (4, 1)]


def test_sweep_over_files_makes_longer_lists(ran: list[tuple[str, list[tuple[str, int]], Plan, str]]) -> None:
    found = run(
        [], [SweepTask("files", (10, 20), task(ServerListingItsQuery()))], Plan(COMMAND, 1, 9.0), MACHINE, None, ignore, ignore
    )
    assert [item[0] for item in ran] == ["files=10&size=10&seed=1", "files=20&size=10&seed=1"]
    assert [item[1] for item in ran] == [[("serial", 1), ("multiplex", 0)]] * 2
    assert ran[0][2] == Plan(COMMAND, 1, 9.0, traced=False)
    assert found.sweeps[0].scenario == TINY


@pytest.mark.parametrize("sweep", [SweepTask("size", (1,), task(ServerListingItsQuery())), SweepTask("files", (1,), task())])
def test_what_cannot_be_swept_is_told_before_anything_runs(
    ran: list[tuple[str, list[tuple[str, int]], Plan, str]], sweep: SweepTask
) -> None:
    with pytest.raises(UsageError):
        run([task()], [sweep], Plan(COMMAND, 1, 9.0), MACHINE, None, ignore, ignore)
    assert ran == []


def test_machine_is_described() -> None:
    assert MACHINE.processor
    assert MACHINE.cores >= 1
    assert MACHINE.memory > 1 << 20
    assert MACHINE.when.endswith("+00:00")
    assert {"requests", "httpx", "aiohttp", "pycurl", "libcurl"} <= set(MACHINE.libraries)
    assert (MACHINE.server, MACHINE.files, MACHINE.peers) == ("built-in", "memory", {"curl": "8.0"})
