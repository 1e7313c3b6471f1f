"""Commands that do the same work, measured in interleaved rounds and compared in pairs. Shared; not to be run.

How a command is measured, and the order of each round, are those of `dl compare` (`downloader.compare.measure` and `rounds`):
each round runs every contender once, and each follows each other one as often, so that what else the machine does hits all.
A ratio is formed within a round and then the median of the rounds is taken: rounds differ more than contenders. A run whose
bytes are not all right is told as such and counts for nothing.
"""

import dataclasses
import os
import shutil
import signal
import site
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from downloader.compare import rounds, runner
from downloader.compare.measure import run_measured


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took. `problem` is empty where it did all that it should."""

    elapsed: float
    cpu: float
    peak: int
    """Bytes: high-water marks of all its processes, added."""
    leader_peak: int
    """Bytes: that of the process that was started."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command with a name. `who` is the program, `settings` how it is called."""

    who: str
    settings: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.who} {self.settings}"


@dataclass(slots=True)
class Contest:
    """One cell: what is to be fetched, where to, and what each contender took for it."""

    folder: Path
    """Where the files go. Emptied before each run."""
    home: Path
    verify: Callable[[Path], str]
    timeout: float
    runs: dict[Contender, list[Run]] = field(default_factory=dict)
    defaults: dict[str, Contender] = field(default_factory=dict)
    best: dict[str, Contender] = field(default_factory=dict)
    trials: list[tuple[Contender, Run]] = field(default_factory=list)

    def run(self, contender: Contender, timeout: float | None = None) -> Run:
        """Once, into an empty folder, and verified; neither of these is in the time."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if not in_memory(self.folder):
            os.sync()  # what the run before has left to be written is not this one's
        run = self._measure(contender, timeout or self.timeout)
        if not run.problem or not run.problem.startswith("not done"):
            wrong = self.verify(self.folder)
            told = "; ".join(filter(None, (wrong, run.problem)))
            run = dataclasses.replace(run, problem=told)
        shutil.rmtree(self.folder, ignore_errors=True)
        say(f"    {contender}: {run.elapsed:.2f} s{' · ' + run.problem if run.problem else ''}")
        return run

    def _measure(self, contender: Contender, timeout: float) -> Run:
        """Run its command in the folder. What takes longer than ``timeout`` seconds is ended."""
        with tempfile.TemporaryFile() as printed:
            usage = run_measured(
                contender.command,
                folder=str(self.folder),
                limit=timeout,
                group=contender.who != "dl",  # whose workers see that it is gone, and tidy up
                environment=environment(self.home),
                output=printed.fileno(),
            )
            printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4000))
            lines = printed.read().decode(errors="replace").strip().splitlines()
        problem = ""
        if usage.expired:
            problem = f"not done after {timeout:.0f} s"
        elif usage.code:
            problem = " ".join([f"exit code {usage.code}", *lines[-1:]])
        return Run(usage.elapsed, usage.user + usage.system, usage.peak, usage.own_peak, problem)

    def tune(self, candidates: Iterable[Contender]) -> None:
        """Try each setting of one peer once, defaults first, and keep the quickest; one that takes long is given up."""
        quickest = self.timeout
        for contender in candidates:
            self.defaults.setdefault(contender.who, contender)
            is_default = self.defaults[contender.who] is contender
            run = self.run(contender, self.timeout if is_default else min(self.timeout, quickest * 1.3 + 1))
            self.trials.append((contender, run))
            if not run.problem and run.elapsed < quickest:
                quickest, self.best[contender.who] = run.elapsed, contender

    def play(self, count: int, ours: list[Contender]) -> None:
        """The rounds: `ours`, and of each peer its defaults and its best. What never worked is not tried again."""
        failed = {contender for contender, run in self.trials if run.problem}
        everyone = [*ours, *(each for each in (*self.best.values(), *self.defaults.values()) if each not in failed)]
        everyone = list(dict.fromkeys(everyone))
        self.runs = {contender: [] for contender in everyone}
        for number in range(count):
            say(f"  round {number + 1} of {count}")
            for contender in (everyone[index] for index in rounds.order(number, len(everyone))):
                self.runs[contender].append(self.run(contender))

    def ratios(self, ours: Contender, theirs: Contender) -> list[float]:
        """How many times as fast `ours` was, in each round in which both did it."""
        pairs = zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False)
        return [right.elapsed / left.elapsed for left, right in pairs if not left.problem and not right.problem]

    def leader(self, peers: Iterable[Contender]) -> Contender | None:
        """Of these, the one with the lowest median time."""
        medians = {peer: median(run.elapsed for run in good(self.runs.get(peer, []))) for peer in peers}
        return min((peer for peer, value in medians.items() if value), key=lambda peer: medians[peer], default=None)

    def as_json(self) -> dict[str, object]:
        """All the raw numbers. `problem` is empty where a run was verified."""

        def rows(runs: list[tuple[Contender, Run]]) -> list[dict[str, object]]:
            return [
                {"who": who.who, "settings": who.settings, "command": who.command} | dataclasses.asdict(run)
                for who, run in runs
            ]

        return {
            "tuning": rows(self.trials),
            "best": {who: each.settings for who, each in self.best.items()},
            "rounds": [
                rows([(who, runs[number]) for who, runs in self.runs.items()])
                for number in range(max(map(len, self.runs.values()), default=0))
            ],
        }

    def table(self, files: int, size: int, *, by_bytes: bool) -> str:
        """A line for each contender: medians of its verified runs."""
        rows = [["", "settings", "time s", "min-max", "GB/s" if by_bytes else "files/s"]]
        rows[0] += ["CPU s/GB" if by_bytes else "CPU µs/file", "peak MB", "verified"]
        for contender, runs in self.runs.items():
            right = good(runs)
            row = [contender.who, self._label(contender)]
            if right:
                times = [run.elapsed for run in right]
                cpu = median(run.cpu for run in right)
                time = median(times)
                row += [f"{time:.2f}", f"{min(times):.2f}-{max(times):.2f}"]
                row += [f"{size / time / 1e9:.2f}", f"{cpu / size * 1e9:.2f}"] if by_bytes else []
                row += [f"{files / time:.0f}", f"{cpu / files * 1e6:.0f}"] if not by_bytes else []
                row += [f"{median(run.peak for run in right) / 1e6:.0f}"]
            else:
                row += ["-"] * 5
            problem = next((run.problem for run in runs if run.problem), "")
            rows.append([*row, f"{len(right)}/{len(runs)}{'  ' + problem if problem else ''}"])
        for contender, run in self.trials:
            if run.problem and contender not in self.runs and contender in self.defaults.values():
                rows.append([contender.who, self._label(contender), *["-"] * 5, f"0/1  {run.problem}"])
        return columns(rows)

    def verdict(self, ours: Contender) -> str:
        """`ours` against the best peer at its best, and against the best peer as it comes."""
        lines = []
        defaults = list(self.defaults.values())  # one that was better in the tuning may be worse in the rounds
        for words, peers in (("at its best settings", [*self.best.values(), *defaults]), ("with its defaults", defaults)):
            leader = self.leader(peers)
            ratios = self.ratios(ours, leader) if leader else []
            if leader and ratios:
                spread = f"median of {len(ratios)} rounds, {min(ratios):.2f}-{max(ratios):.2f}"
                lines.append(f"{ours} : best peer {words} ({leader}) = {median(ratios):.2f} times as fast ({spread})")
            else:
                lines.append(f"{ours} : best peer {words}: no round in which both did it")
        return "\n".join(lines)

    def _label(self, contender: Contender) -> str:
        is_best = self.best.get(contender.who) is contender
        return contender.settings + (" (best)" if is_best else "")


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A new folder, in memory where `parent` is None and there is such a place; removed at the end, after SIGTERM too."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    memory = Path("/dev/shm")  # where Linux has it
    if parent is None and memory.is_dir() and os.access(memory, os.W_OK):
        parent = memory
    before = signal.signal(signal.SIGTERM, end)
    try:
        with runner.scratch(str(parent) if parent else None) as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, before)


def environment(home: Path) -> dict[str, str]:
    """This one, without proxies and settings, with another home; packages that the user installed for themselves are found."""
    left_out = ("_proxy", "_PROXY")
    kept = {
        key: value for key, value in os.environ.items() if not key.endswith(left_out) and not key.startswith(("DL_", "XDG_"))
    }
    return kept | {"HOME": str(home), "PYTHONUSERBASE": site.getuserbase()}


def in_memory(folder: Path) -> bool:
    """Whether what is written below `folder` stays in memory."""
    with suppress(OSError):
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        inside = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
        return max(inside)[1] in ("tmpfs", "ramfs")
    return False


def columns(rows: list[list[str]]) -> str:
    """A table: words to the left, numbers to the right, what comes last as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([*cells[:-1], row[-1]]).rstrip())
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def good(runs: Iterable[Run]) -> list[Run]:
    """Those that were verified."""
    return [run for run in runs if not run.problem]


def median(values: Iterable[float]) -> float:
    """0 where there is none."""
    listed = list(values)
    return statistics.median(listed) if listed else 0.0


def say(words: str) -> None:
    """How far it is: on standard error, so that the tables can be kept."""
    print(words, file=sys.stderr, flush=True)
