"""Measures commands that do the same work in interleaved rounds, and compares them in pairs. Shared; not to be run.

Commands are measured, and ordered in each round, as in `dl compare` (`downloader.compare.measure` and `rounds`): each round
runs each contender once, and each contender follows each other one equally often. So a change in the load of the machine
affects all contenders. A ratio is computed within one round; the result is the median of the ratios, because rounds differ
more than contenders. A run with wrong bytes is reported as such, and its figures are not used.
"""

import dataclasses
import os
import shutil
import signal
import site
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from downloader.compare import rounds, runner
from downloader.compare.measure import run_measured

NOT_DONE = "not done after"
"""How the problem of a run begins that exceeded its time limit."""
DEFAULTS_FACTOR, DEFAULTS_SECONDS = 6.0, 15.0
"""The defaults of a peer are killed after so many times the best time of the cell so far, but not before so many seconds."""
SLOW_FACTOR, SLOW_SECONDS, SLOW_ROUNDS = 4.0, 2.0, 2
"""A contender whose tuning run took more than so many times the time of the best, and more than so many seconds, takes part in
the first rounds only."""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run. ``problem``: why the run does not count; empty if all files are right.

    Seconds: ``elapsed``; ``cpu``, of all processes, in user mode and in the kernel; ``kernel``, the part in the kernel. Bytes:
    ``peak``, the sum of the high-water marks of all processes; ``leader_peak``, the mark of the process that was started.
    """

    elapsed: float
    cpu: float
    kernel: float
    peak: int
    leader_peak: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command. ``who``: the program. ``settings``: its options. ``downloads``: whether there are files to verify."""

    who: str
    settings: str
    command: tuple[str, ...]
    downloads: bool = True

    def __str__(self) -> str:
        return f"{self.who} {self.settings}"


@dataclass(slots=True)
class Contest:
    """The runs of one cell. ``folder``: the target of all commands, emptied before each run. ``home``: their home folder.

    ``verify``: returns what is wrong with the files in a folder; empty if all are right. ``timeout``: seconds for one run.
    ``trials``: the runs of the tuning. ``defaults`` and ``best``: the contenders of each peer.
    """

    folder: Path
    home: Path
    verify: Callable[[Path], str]
    timeout: float
    runs: dict[Contender, list[Run]] = field(default_factory=dict)
    defaults: dict[str, Contender] = field(default_factory=dict)
    best: dict[str, Contender] = field(default_factory=dict)
    trials: list[tuple[Contender, Run]] = field(default_factory=list)

    def run(self, contender: Contender, timeout: float | None = None) -> Run:
        """Run a command once, with an empty folder, and verify the files. The time includes neither of these steps."""
        shutil.rmtree(self.folder, ignore_errors=True)
        make_folder(self.folder)
        if not in_memory(self.folder):
            os.sync()  # the run must not wait for data that an earlier run left to be written
        run = self._measure(contender, timeout or self.timeout)
        if contender.downloads and not run.problem.startswith(NOT_DONE):
            problems = filter(None, (self.verify(self.folder), run.problem))
            run = dataclasses.replace(run, problem="; ".join(problems))
        shutil.rmtree(self.folder, ignore_errors=True)
        say(f"    {contender}: {seconds(run.elapsed)} s{' · ' + run.problem if run.problem else ''}")
        return run

    def _measure(self, contender: Contender, timeout: float) -> Run:
        """Run a command in the folder. It is killed after ``timeout`` seconds."""
        with tempfile.TemporaryFile() as printed:
            usage = run_measured(
                contender.command,
                folder=str(self.folder),
                limit=timeout,
                group=contender.who != "dl",  # the workers of `dl` notice its end and clean up
                environment=environment(self.home),
                output=printed.fileno(),
            )
            printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4000))
            lines = printed.read().decode(errors="replace").strip().splitlines()
        problem = ""
        if usage.expired:
            problem = f"{NOT_DONE} {timeout:.0f} s"
        elif usage.code:
            problem = " ".join([f"exit code {usage.code}", *lines[-1:]])
        return Run(usage.elapsed, usage.user + usage.system, usage.system, usage.peak, usage.own_peak, problem)

    def tune(self, candidates: Iterable[Contender]) -> None:
        """Run each setting of one peer once, its defaults first, and keep the fastest.

        A run that cannot become the best one is killed: a setting that takes longer than its peer did so far, or three times
        as long as any peer so far, and defaults that take six times as long and 15 seconds.
        """
        fastest = self.timeout
        for contender in candidates:
            is_default = self.defaults.setdefault(contender.who, contender) is contender
            if is_default:
                limit = min(self.timeout, max(DEFAULTS_SECONDS, DEFAULTS_FACTOR * self._fastest_trial()))
            else:
                limit = min(self.timeout, 1.3 * fastest + 1, 3 * self._fastest_trial() + 1)
            run = self.run(contender, limit)
            self.trials.append((contender, run))
            if not run.problem and run.elapsed < fastest:
                fastest, self.best[contender.who] = run.elapsed, contender

    def _fastest_trial(self) -> float:
        """The shortest time of the tuning in seconds; the time limit if no run was right."""
        return min((run.elapsed for _, run in self.trials if not run.problem), default=self.timeout)

    def _is_slow(self, contender: Contender) -> bool:
        """Whether the contender was so slow in the tuning that further rounds would take time and show nothing."""
        limit = max(SLOW_SECONDS, SLOW_FACTOR * self._fastest_trial())
        return any(who == contender and run.elapsed > limit for who, run in self.trials)

    def play(self, count: int, ours: list[Contender]) -> None:
        """Run so many rounds: the contenders in ``ours``, and each peer with its defaults and with its best settings.

        A contender that failed in the tuning takes part in no round, and one that was slow in the first rounds only.
        """
        failed = {contender for contender, run in self.trials if run.problem}
        peers = [each for each in (*self.best.values(), *self.defaults.values()) if each not in failed]
        everyone = list(dict.fromkeys([*ours, *peers]))
        self.runs = {contender: [] for contender in everyone}
        for number in range(count):
            say(f"  round {number + 1} of {count}")
            if number == SLOW_ROUNDS:
                everyone = [contender for contender in everyone if not self._is_slow(contender)]
            for index in rounds.order(number, len(everyone)):
                self.runs[everyone[index]].append(self.run(everyone[index]))

    def ratios(self, ours: Contender, theirs: Contender) -> list[float]:
        """The time of ``ours`` divided by the time of ``theirs``, for each round in which both were right."""
        pairs = zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False)  # slow ones have fewer rounds
        return [left.elapsed / right.elapsed for left, right in pairs if not left.problem and not right.problem]

    def leader(self, *, defaults_only: bool = False) -> Contender | None:
        """The peer with the lowest median time; None if no run was right. ``defaults_only``: of the peers with defaults."""
        peers = list(self.defaults.values())  # a default that was slower in the tuning may be faster in the rounds
        peers += [] if defaults_only else self.best.values()
        medians = {peer: median(run.elapsed for run in good(self.runs.get(peer, []))) for peer in peers}
        return min((peer for peer, value in medians.items() if value), key=lambda peer: medians[peer], default=None)

    def as_json(self) -> dict[str, object]:
        """All figures of all runs, as JSON values."""

        def rows(runs: list[tuple[Contender, Run]]) -> list[dict[str, object]]:
            return [
                {"who": who.who, "settings": who.settings, "command": who.command} | dataclasses.asdict(run)
                for who, run in runs
            ]

        return {
            "tuning": rows(self.trials),
            "best": {who: each.settings for who, each in self.best.items()},
            "rounds": [
                rows([(who, runs[number]) for who, runs in self.runs.items() if number < len(runs)])
                for number in range(max(map(len, self.runs.values()), default=0))
            ],
        }

    def table(self, files: int, size: int, *, by_bytes: bool) -> str:
        """A table with a line for each contender: the medians of its verified runs."""
        rows = [["", "settings", "time s", "min-max", "GB/s" if by_bytes else "files/s"]]
        rows[0] += ["CPU s/GB" if by_bytes else "CPU µs/file", "in kernel", "peak MB", "verified"]
        for contender, runs in self.runs.items():
            right = good(runs)
            row = [contender.who, self._label(contender)]
            if right:
                times = [run.elapsed for run in right]
                cpu, kernel = median(run.cpu for run in right), median(run.kernel for run in right)
                time = median(times)
                row += [seconds(time), f"{seconds(min(times))}-{seconds(max(times))}"]
                if by_bytes:
                    row += [f"{size / time / 1e9:.2f}", f"{cpu / size * 1e9:.2f}", f"{kernel / size * 1e9:.2f}"]
                else:
                    row += [f"{files / time:.0f}", f"{cpu / files * 1e6:.0f}", f"{kernel / files * 1e6:.0f}"]
                row += [f"{median(run.peak for run in right) / 1e6:.0f}"]
            else:
                row += ["-"] * 6
            problem = next((run.problem for run in runs if run.problem), "")
            rows.append([*row, f"{len(right)}/{len(runs)}{'  ' + problem if problem else ''}"])
        for contender, run in self.trials:
            if run.problem and contender not in self.runs and contender in self.defaults.values():
                rows.append([contender.who, self._label(contender), *["-"] * 6, f"0/1  {run.problem}"])
        return columns(rows)

    def verdict(self, ours: Contender) -> str:
        """Two lines: ``ours`` compared with the best peer, and with the best peer with defaults."""
        lines = []
        for text, leader in (
            ("best peer at its best settings", self.leader()),
            ("best peer with its defaults", self.leader(defaults_only=True)),
        ):
            ratios = self.ratios(ours, leader) if leader else []
            if ratios:
                bounds = f"median of {len(ratios)} rounds, {min(ratios):.2f}-{max(ratios):.2f}"
                lines.append(f"{ours} / {text} ({leader}) = {median(ratios):.2f} times the time ({bounds})")
            else:
                lines.append(f"{ours} / {text}: no round in which both were right")
        return "\n".join(lines)

    def _label(self, contender: Contender) -> str:
        is_best = self.best.get(contender.who) is contender
        return contender.settings + (" (best)" if is_best else "")


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A new folder below ``parent``, removed at the end and on SIGTERM. None: in memory, if the system has such a place."""

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
    """The environment variables of this process, without proxies and settings, and with another home folder.

    Packages in the home folder of the user are still found. ``PYTHONDONTWRITEBYTECODE`` is removed: with it, each start of an
    editable installation would compile all modules again.
    """
    ignored = ("DL_", "XDG_", "PYTHONDONTWRITEBYTECODE")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.endswith(("_proxy", "_PROXY")) and not key.startswith(ignored)
    }
    return kept | {"HOME": str(home), "PYTHONUSERBASE": site.getuserbase()}


def make_folder(folder: Path) -> None:
    """Make an empty folder, on an ext4 in another part of the disk each time.

    An ext4 without a journal does not use the inodes of removed files for some minutes, and each new file searches for an inode
    behind all of them. In the part of the disk where the run before removed its files, the kernel needs ten times as long for
    each new file. With the attribute T of the parent, ext4 chooses the part by the name of the new folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not in_memory(folder.parent):
        with suppress(OSError):  # there is no `chattr`; other file systems refuse the attribute
            subprocess.run(["chattr", "+T", str(folder.parent)], check=False, capture_output=True)
    Path(tempfile.mkdtemp(dir=folder.parent)).rename(folder)


def in_memory(folder: Path) -> bool:
    """Whether the files below a folder are in memory, not on a disk."""
    with suppress(OSError):
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        inside = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
        return max(inside)[1] in ("tmpfs", "ramfs")
    return False


def columns(rows: list[list[str]]) -> str:
    """Rows as text: the first two columns aligned to the left, the others to the right; the last one is not padded."""
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
    """The runs whose files were all right."""
    return [run for run in runs if not run.problem]


def median(values: Iterable[float]) -> float:
    """The median; 0 if there are no values."""
    listed = list(values)
    return statistics.median(listed) if listed else 0.0


def seconds(value: float) -> str:
    """A time as text: with three decimals if it is short."""
    return f"{value:.{2 if value >= 1 else 3}f}"


def say(text: str) -> None:
    """Print a line about the progress on standard error; standard output contains the tables only."""
    print(text, file=sys.stderr, flush=True)
