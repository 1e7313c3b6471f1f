"""`dl compare`: from what was asked for to a study, and from the study to the terminal and to files."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from downloader.cli.compare_options import options
from downloader.cli.options import GroupedCommand, list_argument
from downloader.compare import pace, peers, scenarios, study
from downloader.compare.machine import machine
from downloader.compare.outputs import Outputs
from downloader.compare.results import Comparison, Row, Study, Sweep
from downloader.compare.runner import Plan, Work, warm_up, work_for
from downloader.compare.servers import BUILT_IN, Servers
from downloader.core.model import Download
from downloader.core.text import printable
from downloader.errors import UsageError
from downloader.extras import require
from downloader.runs.plan import jobs_for
from downloader.settings.definitions import Settings
from downloader.sources.lists import Lists
from downloader.sources.text import format_download
from downloader.storage.folder import Folder
from downloader.strategies.registry import find, listing
from downloader.testserver.errors import WrongQuery
from downloader.testserver.lists import listed

ROOM = 1 << 30
"""Bytes that must be free in memory for files to be put there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, checked. ``at_once``: each strategy, and how many it may have in flight; 0: it finds out.
    ``jobs``: the number that was given for all, or 0. ``peers``: versions by name."""

    at_once: dict[str, int]
    jobs: int
    scenarios: tuple[scenarios.Scenario, ...]
    own: Work | None
    sweeps: tuple[tuple[str, tuple[int, ...]], ...]
    peers: dict[str, str]
    plan: Plan
    where: str | None


def command() -> click.Command:
    """`dl compare [OPTIONS] [LIST]...`."""
    return GroupedCommand(
        "compare",
        callback=_compare,
        params=[list_argument("[LIST]..."), *options()],
        help="Run the same list under each strategy; print what each one cost, and why. Without a LIST, the lists are of the "
        "local test server, one for each scenario, and every byte is verified. With LISTs, your own URLs are fetched, in each "
        "round once for each strategy; the strategies must agree on every byte. A scenario takes about half a minute: one to "
        "three minutes without options, five to twelve for all of them; longer on a slow machine or with --sweep. Close other "
        "programs first: where they use more than a tenth of the machine, no winner is named.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _compare(
    lists: tuple[str, ...],
    names: tuple[str, ...],
    chosen: tuple[str, ...],
    files: int | None,
    size: int | None,
    latency: float | None,
    rate: int | None,
    fail: tuple[str, float] | None,
    peers: bool,
    sweeps: tuple[tuple[str, tuple[int, ...]], ...],
    jobs: int | None,
    repeat: int | None,
    budget: float,
    server: str,
    where: str | None,
    timeline: bool,
    html: str | None,
    png: str | None,
    json: str | None,
    csv: str | None,
) -> int:
    kinds, share = fail or (None, None)
    wishes = {"files": files, "size": size, "delay": latency, "rate": rate, "fail": kinds, "share": share}
    if lists and (chosen or any(value is not None for value in wishes.values())):
        raise UsageError("a LIST and a scenario cannot go together")
    picked = scenarios.choose(chosen) if chosen or all(value is None for value in wishes.values()) else ()
    require("dl compare", *_needed(() if lists else picked or (scenarios.OWN,), server), extra="compare")
    outputs = Outputs(json or "", csv or "", html or "", png or "")
    outputs.check()
    if where is not None:
        Folder(where).close()  # made if missing
    runnable, missing = _runnable() if not names else ((), ())
    asked = Asked(
        at_once={name: _at_once(name, jobs) for name in names or runnable},
        jobs=jobs or 0,
        scenarios=() if lists else _checked(scenarios.wished(picked, **wishes)),
        own=_own_work(lists, plain=peers) if lists else None,
        sweeps=sweeps,
        peers=_peers() if peers else {},
        plan=Plan(repeat, budget),
        where=where or _memory(),
    )
    printer = _Printer(timeline, silent=outputs.takes_stdout)
    for why in missing:
        click.echo(f"dl: left out: {printable(why)}", err=True)
    with _ended_in_good_order(), Servers(server) as servers:
        found = _study(asked, servers, printer)
    printer.conclude(found)
    outputs.write(found)
    return 1 if any(row.failures for comparison in found.comparisons for row in comparison.rows if not row.peer) else 0


def _needed(served: tuple[scenarios.Scenario, ...], server: str) -> Iterator[str]:
    """The modules of the extra ``compare`` without which this comparison cannot run. ``served``: by a server of the kind."""
    yield "rich"
    if served and server == BUILT_IN:
        yield "granian"
    if any(scenario.tls for scenario in served):
        yield "trustme"


def _study(asked: Asked, servers: Servers, printer: "_Printer") -> Study:
    from tqdm import tqdm  # here: only a comparison that runs draws

    tasks = [_task(asked, servers, item) for item in asked.scenarios] if asked.own is None else [_own_task(asked, asked.own)]
    about = machine(servers.kind if asked.own is None else "", asked.where or tempfile.gettempdir(), asked.peers)
    sweeps = [study.Sweeping(over, values, task) for over, values in asked.sweeps for task in tasks]
    with tqdm(file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, bar_format="{desc}") as bar:
        if tasks[0].server is not None:
            bar.set_description_str("one file under each strategy first, to warm up")
            warm_up(tuple(asked.at_once), tasks[0].work.listing.split()[0], asked.where, tasks[0].cacert)
        begun = time.monotonic()

        def tick(step: pace.Step) -> None:
            width = shutil.get_terminal_size().columns - 1
            bar.set_description_str(pace.line(step, time.monotonic() - begun, width))

        return study.run(tasks, sweeps, asked.plan, about, asked.where, tick, printer.above(bar.clear))


def _task(asked: Asked, servers: Servers, scenario: scenarios.Scenario) -> study.Task:
    server = servers.of(scenario)
    rows = _rows(asked)
    others = peers.rows(scenario, asked.jobs, list(asked.peers)) if asked.peers else []
    for name in asked.peers.keys() - {row.strategy for row in others}:
        click.echo(f"dl: {scenario.name} is run without {name}, which cannot do it", err=True)
    return study.Task(work_for(scenario, server), rows + others, server)


def _checked(wanted: tuple[scenarios.Scenario, ...]) -> tuple[scenarios.Scenario, ...]:
    """These, if the test server can have such lists at all. Raises UsageError."""
    for scenario in wanted:
        try:
            listed(scenario.query)
        except WrongQuery as error:
            raise UsageError(f"{scenario.name}: {error}") from None
    return wanted


def _own_task(asked: Asked, work: Work) -> study.Task:
    rows = _rows(asked)
    rows += peers.rows(work.scenario, asked.jobs, list(asked.peers)) if asked.peers else []
    return study.Task(work, rows)


def _rows(asked: Asked) -> list[Row]:
    return [Row(name, jobs) for name, jobs in asked.at_once.items()]


def _runnable() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The strategies that can run here, those of plug-ins too; and of the others, why not."""
    found = listing()
    return tuple(item.name for item in found if not item.problem), tuple(item.problem for item in found if item.problem)


def _peers() -> dict[str, str]:
    found = peers.installed()
    if not found:
        raise UsageError("no peer is installed", hint=f"one of {', '.join(peers.PEERS)}")
    return found


def _at_once(name: str, jobs: int | None) -> int:
    """How many in flight: what was asked for, or the strategy's own number; 0 where it finds out itself."""
    able = find(name).capabilities
    if jobs is None and able.most_jobs is not None:
        return 0
    return jobs_for(Settings(strategy=name, jobs=jobs or 0), able)[0]


def _memory() -> str | None:
    """A folder in memory with room for any scenario, where the system has one: what is compared is not the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - files go into a new folder of our own below it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return str(memory)
    return None


def _own_work(lists: tuple[str, ...], plain: bool) -> Work:
    """The user's lists as one. ``plain``: peers take part, who know nothing but URLs. Raises UsageError."""
    source = Lists(list(lists))
    source.check()
    if source.bad_lines:
        raise source.bad_lines[0]
    downloads = [download for download in source.source() if download is not None]
    if not downloads:
        raise UsageError("nothing to compare: the list is empty")
    if plain and any(item != Download(item.url, origin=item.origin) for item in downloads):
        raise UsageError("peers cannot be told of names, headers, checksums or mirrors", hint="give a list of URLs alone")
    text = "".join(format_download(download) for download in downloads)
    scenario = scenarios.Scenario("your list", ", ".join(lists), "", len(downloads), 0)
    return Work(scenario, text, None, own=True)


class _Printer:
    """Prints what was found, as it is found."""

    def __init__(self, timeline: bool, silent: bool) -> None:
        from rich.console import Console

        console = Console(file=sys.stderr if silent else None)
        self._console = console if console.is_terminal else Console(file=console.file, width=100)
        self._timeline = timeline

    def above(self, clear: Callable[[], object]) -> Callable[[Comparison | Sweep], None]:
        """What prints one thing, after ``clear`` has taken the progress line away."""

        def show(found: Comparison | Sweep) -> None:
            from downloader.compare import table, timeline

            clear()
            if isinstance(found, Sweep):
                table.show_sweep(found, self._console)
                return
            table.show(found, self._console)
            if self._timeline:
                timeline.show(found, self._console)

        return show

    def conclude(self, found: Study) -> None:
        """What holds for all of it."""
        from downloader.compare import certainty, screen, table

        table.show_advice(found, self._console)
        if not certainty.is_told(found):
            screen.say(self._console, "This system does not tell how much of the machine other programs used meanwhile.")
        against = "against each other" if any(item.own for item in found.comparisons) else "against the server's digests"
        screen.say(
            self._console,
            f"elapsed: the whole command, from its start to its exit; CPU: with its workers. Files in {found.machine.files}, "
            f"compared byte for byte {against}.",
        )


@contextmanager
def _ended_in_good_order() -> Iterator[None]:
    """SIGINT and SIGTERM end the comparison: servers stopped, folders removed. Also where SIGINT was inherited as ignored,
    as from a script's background: `dl` and `dl serve` take it there too."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
