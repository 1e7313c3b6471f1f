"""How runs are put together: order, repeats, verification, traces. No process is started: what one would do is played."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from downloader.compare import peers, runner
from downloader.compare.measure import Usage
from downloader.compare.measurements import Bound, ResultRow
from downloader.compare.pace import StudyStep
from downloader.compare.runner import MeasuredList, Plan, compare
from downloader.compare.scenarios import Scenario

FILES = {f"{number}.bin": f"content {number}".encode() for number in range(3)}
SUMS = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
TINY = Scenario("tiny", "nothing", "nothing", files=3, size=10)
LISTING = "".join(f"http://127.0.0.1:1/{name}\n" for name in FILES)
WORK = MeasuredList(TINY, LISTING, SUMS)
COMMAND = ("dl-under-test",)
OWN = MeasuredList(TINY, LISTING, None, own=True)
ONCE = Plan(COMMAND, 1, 60.0, traced=False)


class ServerCountingResets:
    """A server that counts how often it was reset."""

    cores = 2.0
    cacert = ""

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def cpu_seconds(self) -> float:
        return 0.25 * self.resets

    def listing(self, query: str) -> str:
        return LISTING

    def sums(self, query: str) -> Mapping[str, str]:
        return SUMS


class Stage:
    """Plays the commands: writes the files and reports that they would, takes the seconds that it is told."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.order: list[str] = []
        self.seconds: dict[str, Iterator[float]] = {}
        self.files: dict[str, Mapping[str, bytes]] = {}
        self.failed: dict[str, list[str]] = {}
        self.limits: list[float | None] = []
        self.codes: dict[str, int] = {}
        self.folders: set[Path] = set()

    def __call__(
        self,
        command: list[str],
        *,
        folder: str | None,
        server: Callable[[], float] | None,
        limit: float | None,
        group: bool,
        beside: tuple[int, ...],
    ) -> Usage:
        flags = dict(itertools.pairwise(command))
        name = flags.get("--strategy") or " ".join(command)
        self.commands.append(command)
        self.order.append(name)
        self.limits.append(limit)
        assert group is (limit is not None) is (folder is not None)
        target = Path(folder or flags["--dir"])
        self.folders.add(target)
        assert folder is None or list(target.iterdir()) == []
        target.mkdir(exist_ok=True)
        files = self.files.get(name, FILES)
        for path, data in files.items():
            (target / path).write_bytes(data)
        if folder is None:
            self._report(Path(flags["--report"]), files, self.failed.get(name, []))
            if "--trace" in flags:
                self._trace(Path(flags["--trace"]), files)
        elapsed = next(self.seconds.get(name, iter([1.0])), 1.0)
        code = self.codes.get(name, 0)
        expired = limit is not None and elapsed > limit
        took = (server() - 0.2) if server else 0.0
        return Usage(100.0, elapsed, 0.5, 0.25, 1000, 10, 5, 2, 1, 7, 8, took, code, expired)

    def _report(self, report: Path, files: Mapping[str, bytes], failed: list[str]) -> None:
        lines: list[dict[str, object]] = [
            {"path": path, "status": "done", "bytes": len(data), "error": {"class": "", "message": ""}}
            for path, data in files.items()
        ]
        lines += [
            {"path": None, "status": "failed", "bytes": 0, "error": {"class": "NetworkError", "message": text}}
            for text in failed
        ]
        report.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def _trace(self, trace: Path, files: Mapping[str, bytes]) -> None:
        usual = {"attempt": 1, "segment": 0, "process": 1, "thread": "a", "task": 0, "end": "complete", "received": 1}
        lines = [{"path": path, "started": 100.5, "head": 100.75, "ended": 101.0, **usual} for path in files]
        trace.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """See `Stage`. The bound is a second."""
    played = Stage()
    monkeypatch.setattr(runner, "run_measured", played)
    monkeypatch.setattr(runner, "lower_bound", lambda scenario, listing, cores: Bound(1.0, latency=1.0))
    monkeypatch.setattr(peers, "command", lambda row, *others: ["peer", row.how])
    return played


def quiet(step: StudyStep) -> None:
    """No ticks."""


def rows(*names: str) -> list[ResultRow]:
    """A row for each strategy; ``!name``: for a peer."""
    return [ResultRow(name.strip("!"), 4, peer=name[0] == "!", how=name[1:] if name[0] == "!" else "") for name in names]


def test_rounds_are_interleaved_in_changing_order(stage: Stage, tmp_path: Path) -> None:
    told: list[StudyStep] = []
    found = compare(WORK, rows("a", "b", "c", "d"), Plan(COMMAND, 4, 0.0, traced=False), str(tmp_path), None, told.append)
    rounds = [tuple(stage.order[at : at + 4]) for at in range(0, 16, 4)]
    assert all(sorted(each) == ["a", "b", "c", "d"] for each in rounds)
    assert len(set(rounds)) == 4
    assert [len(row.runs) for row in found.rows] == [4, 4, 4, 4]
    assert str(told[-1]) == f"scenario 1 of 1, tiny: {stage.order[-1]}, round 4 of 4"
    assert [step.done for step in told] == [number / 16 for number in range(16)]
    assert list(tmp_path.iterdir()) == []


def test_rounds_go_on_until_the_medians_are_known(stage: Stage) -> None:
    stage.seconds = {"a": iter([1.0, 1.5, *[2.0] * 20])}
    found = compare(WORK, rows("a", "b"), Plan(COMMAND, None, 60.0, traced=False), None, None, quiet)
    row = found.rows[0]
    assert (row.low, row.high, row.elapsed) == (2.0, 2.0, 2.0)
    assert row.confidence >= 0.95
    assert len(row.runs) == len(found.rows[1].runs) > 6
    assert found.warnings == []


def test_rounds_end_when_the_budget_is_spent(stage: Stage) -> None:
    stage.seconds = {"a": iter([1.0, 1.5, 2.0])}
    found = compare(WORK, rows("a", "b"), Plan(COMMAND, None, 0.0, traced=False), None, None, quiet)
    row = found.rows[0]
    assert (len(row.runs), row.low, row.high, row.confidence) == (3, 1.0, 2.0, 0.75)
    assert found.warnings == ["Runs of one strategy differ by up to 67 %: smaller differences mean nothing."]


def test_steps_state_the_least_number_of_rounds(stage: Stage) -> None:
    told: list[StudyStep] = []
    stage.seconds = {"a": iter([1.0, 1.5, 2.0] * 20)}
    compare(WORK, rows("a", "!p"), Plan(COMMAND, None, 0.0), None, None, told.append)
    said = [str(step).partition(": ")[2] for step in told]
    assert said[:2] == ["a, round 1 of 3 or more", "p 4, round 1 of 3 or more"]
    assert said[-1] == "a, once more for the timeline"
    assert all(0 <= step.done < 1 for step in told)


def test_row_that_fails_does_not_keep_the_others_waiting(stage: Stage) -> None:
    stage.seconds = {"a": iter([1.0, 1.5, 2.0])}
    stage.files = {"a": {}}
    found = compare(WORK, rows("a", "b"), Plan(COMMAND, None, 60.0, traced=False), None, None, quiet)
    assert len(found.rows[0].runs) == 3


def test_each_run_is_measured_from_a_fresh_server(stage: Stage) -> None:
    server = ServerCountingResets()
    found = compare(WORK, rows("a", "b", "!p"), Plan(COMMAND, 2, 0.0), None, server, quiet)
    assert server.resets == len(stage.commands) == 3 * 2 + 2
    first = next(row for row in found.rows if row.strategy == stage.order[0]).runs[0]
    assert (first.elapsed, first.user, first.system, first.peak) == (1.0, 0.5, 0.25, 1000)
    assert (first.voluntary, first.involuntary, first.threads, first.processes) == (10, 5, 2, 1)
    assert (first.reads, first.writes, first.server) == (7, 8, pytest.approx(0.05))
    assert (first.files, first.bytes, first.failures) == (3, 27, 0)
    assert (found.server_cores, found.bound) == (2.0, Bound(1.0, latency=1.0))


def test_bound_is_looked_for_before_and_after_the_rounds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def lower_bound(scenario: Scenario, listing: str, cores: int) -> Bound:
        looks.append(len(stage.commands))
        return Bound(9.0 / len(looks), latency=9.0 / len(looks))

    monkeypatch.setattr(runner, "lower_bound", lower_bound)
    stage.seconds = {"a": iter([5.0] * 9), "b": iter([6.0] * 9)}
    found = compare(WORK, rows("a", "b"), Plan(COMMAND, 2, 0.0, traced=False), None, ServerCountingResets(), quiet)
    assert looks == [0, 4]
    assert found.bound == Bound(4.5, latency=4.5)
    stage.seconds = {"a": iter([2.0] * 9), "b": iter([6.0] * 9)}
    found = compare(WORK, rows("a", "b"), Plan(COMMAND, 2, 0.0, traced=False), None, ServerCountingResets(), quiet)
    assert found.bound == Bound(2.0, latency=2.25)


def test_strategies_are_traced_after_all_rounds_and_not_counted(stage: Stage) -> None:
    stage.seconds = {"a": iter([1.0, 1.5])}
    found = compare(WORK, rows("a", "!p"), Plan(COMMAND, 1, 0.0), None, None, quiet)
    strategy, peer = found.rows
    assert [run.elapsed for run in strategy.runs] == [1.0]
    assert strategy.traced == 1.5
    assert [(item.file, item.started, item.head, item.ended) for item in strategy.stretches] == [
        (name, 0.5, 0.75, 1.0) for name in FILES
    ]
    assert (peer.traced, peer.stretches, len(peer.runs)) == (0.0, [], 1)
    assert "--trace" in stage.commands[-1]


def test_wrong_byte_and_missing_file_are_failures(stage: Stage) -> None:
    stage.files = {"a": {"0.bin": b"content 0", "1.bin": b"content ?"}}
    found = compare(WORK, rows("a", "b"), ONCE, None, None, quiet)
    bad, good = (row.runs[0] for row in found.rows)
    assert (bad.files, bad.bytes, bad.failures, bad.errors) == (
        2,
        18,
        2,
        ("the run ended early: 2 of 3 results", "1.bin: the bytes differ"),
    )
    assert (good.files, good.failures, good.errors) == (3, 0, ())
    assert found.quickest is found.rows[1]


def test_run_that_reports_nothing_is_a_failure(stage: Stage) -> None:
    stage.files, stage.codes = {"a": {}}, {"a": -9}
    (run,) = compare(WORK, rows("a"), ONCE, None, None, quiet).rows[0].runs
    assert run.failures == 3
    assert run.errors[0] == "ended by signal 9"
    assert "failed at its start" in run.errors[1]


def test_own_list_is_compared_among_the_strategies(stage: Stage) -> None:
    stage.files = {"b": {**FILES, "1.bin": b"content ?"}}
    stage.failed = {"a": ["gone"], "b": ["gone"]}
    found = compare(OWN, rows("a", "b"), Plan(COMMAND, 1, 0.0, traced=False), None, ServerCountingResets(), quiet)
    first, second = (row.runs[0] for row in found.rows)
    assert (first.files, first.failures, first.errors) == (3, 1, ("gone",))
    assert (second.files, second.failures, second.errors) == (3, 2, ("gone", "1.bin: the bytes differ"))
    assert (found.own, found.bound) == (True, None)


def test_peers_come_after_strategies_in_the_first_round(stage: Stage) -> None:
    found = compare(OWN, rows("!p", "a", "!q", "b"), Plan(COMMAND, 2, 0.0, traced=False), None, None, quiet)
    assert {limit for limit in stage.limits if limit is not None} == {30.0}
    assert set(stage.order[:2]) == {"a", "b"}
    assert set(stage.order[4:6]) != {"a", "b"}
    assert sum(row.failures for row in found.rows) == 0


@pytest.mark.parametrize(
    ("files", "failures", "errors"),
    [
        ({f"{name}?delay=1": data for name, data in FILES.items()}, 0, ()),
        ({**FILES, "0.bin.st": b"state", "more.bin": b"more"}, 0, ()),
        ({"0.bin": b"content 0", "1.bin": b"content ?"}, 2, ("1.bin: the bytes differ",)),
        ({"0.bin": b"content 0", "2.bin": b"content 2"}, 1, ("1 of 3 files missing, exit code 7",)),
    ],
)
def test_peer_is_known_by_the_files_it_leaves(
    stage: Stage, files: Mapping[str, bytes], failures: int, errors: tuple[str, ...]
) -> None:
    stage.files, stage.codes = {"peer p": files}, {"peer p": 7}
    (run,) = compare(WORK, rows("!p"), ONCE, None, None, quiet).rows[0].runs
    assert (run.failures, run.errors) == (failures, errors)
    assert run.files == len([name for name in files if name.partition("?")[0] in SUMS])


def test_peer_that_takes_too_long_is_given_up(stage: Stage) -> None:
    stage.seconds = {"a": iter([5.0] * 4), "peer p": iter([2.0, 91.0])}
    found = compare(WORK, rows("a", "!p"), Plan(COMMAND, 4, 0.0, traced=False), None, None, quiet)
    assert [len(row.runs) for row in found.rows] == [4, 2]
    assert {limit for limit in stage.limits if limit is not None} == {50.0}
    assert found.rows[1].runs[-1].errors == ("killed after 50 s",)
    assert found.rows[1].failures == 1


def test_command_says_what_the_scenario_needs(stage: Stage) -> None:
    scenario = Scenario("all", "nothing", "nothing", files=3, size=10, fail="stall", tls=True, process="m:f")
    compare(MeasuredList(scenario, LISTING, SUMS), [ResultRow("a", 4), ResultRow("b", 0)], ONCE, None, None, quiet, "ca.pem")
    first, second = stage.commands
    for flag, value in (
        ("--process", "m:f"),
        ("--cacert", "ca.pem"),
        ("--low-speed-time", "2"),
        ("--jobs", "4"),
        ("--per-host", "4"),
    ):
        assert first[first.index(flag) + 1] == value
    assert "--jobs" not in second
    assert first[:1] == ["dl-under-test"]


def test_folder_is_removed_whatever_happens(stage: Stage, tmp_path: Path) -> None:
    def interrupted(step: StudyStep) -> None:
        if stage.commands:
            raise KeyboardInterrupt

    left = tmp_path / f"{runner.PREFIX}4194305-abc"  # no process has such a number
    running = tmp_path / f"{runner.PREFIX}{os.getppid()}-abc"
    for folder in (left, running):
        folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        compare(WORK, rows("a", "b"), ONCE, str(tmp_path), None, interrupted)
    assert list(tmp_path.iterdir()) == [running]
    assert stage.folders
    assert all(folder.is_relative_to(tmp_path) for folder in stage.folders)


def test_warm_up_is_one_plain_file_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(runner, "run_measured", lambda command, errors: commands.append(command))
    runner.warm_up(ONCE, ["a", "b"], "http://127.0.0.1:1/file/10/0.bin?delay=30", None, "ca.pem")
    assert [command[1:4] for command in commands] == [["http://127.0.0.1:1/file/10/0.bin", "--strategy", name] for name in "ab"]
    assert all(command[-2:] == ["--cacert", "ca.pem"] for command in commands)


def test_work_is_as_the_server_says() -> None:
    work = runner.work_for(TINY, ServerCountingResets())
    assert (work.scenario, work.listing, work.digests, work.own) == (TINY, LISTING, SUMS, False)
