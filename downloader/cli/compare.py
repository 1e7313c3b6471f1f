"""`dl compare`: runs the study that the options ask for, prints it, and writes it to files."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from downloader.cli.compare_options import options
from downloader.cli.compare_printer import ComparePrinter
from downloader.cli.compare_request import CompareOptions, CompareRequest, check, clustered_strategies
from downloader.cli.options import GroupedCommand, list_argument
from downloader.compare import pace, peers, scenarios, study
from downloader.compare.machine import machine
from downloader.compare.measurements import ResultRow, Study
from downloader.compare.runner import Plan, warm_up, work_for
from downloader.compare.servers import Servers
from downloader.core.text import printable

MEASURED_COMMAND = (sys.executable, "-P", "-m", "downloader.cli.child")
"""`dl` as `downloader.compare` starts it for each run: see `downloader.cli.child`."""


def command() -> click.Command:
    """`dl compare [OPTIONS] [LIST]...`."""
    return GroupedCommand(
        "compare",
        callback=_compare,
        params=[list_argument("[LIST]..."), *options()],
        help="Run the same list under each strategy; print what each one cost, and why. Without a LIST, the local test server "
        "provides one list for each scenario, and every byte is verified. With LISTs, your own URLs are fetched, once per "
        "strategy in each round; the strategies must agree on every byte. A scenario takes about half a minute: one to "
        "three minutes without options, five to twelve for all scenarios; longer on a slow machine or with --sweep. Close "
        "other programs first: if they use more than a tenth of the machine, no winner is named.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _compare(**values: Any) -> int:
    """Returns the exit code: 1 where a strategy failed to fetch a file."""
    given = CompareOptions(**values)
    request = check(given)
    printer = ComparePrinter(given.timeline, silent=given.outputs.takes_stdout)
    for problem in request.missing:
        click.echo(f"dl: left out: {printable(problem)}", err=True)
    with _exit_on_signals(), Servers(given.server) as servers:
        result = _measure(request, _plan(given), servers, printer)
    printer.conclude(result)
    given.outputs.write(result)
    strategies = (row for comparison in result.comparisons for row in comparison.rows if not row.peer)
    return 1 if any(row.failures for row in strategies) else 0


def _plan(given: CompareOptions) -> Plan:
    return Plan(
        MEASURED_COMMAND,
        given.repeat,
        given.budget,
        cluster=given.cluster or "",
        clustered=clustered_strategies() if given.cluster else frozenset(),
    )


def _measure(request: CompareRequest, plan: Plan, servers: Servers, printer: ComparePrinter) -> Study:
    """Warm up, then measure everything, with a progress line on the terminal."""
    from tqdm import tqdm  # here: only a comparison that runs draws

    tasks = _tasks(request, servers)
    server = servers.kind if request.own_list is None else ""
    machine_facts = machine(server, request.where or tempfile.gettempdir(), request.peers)
    sweeps = [study.SweepTask(over, values, task) for over, values in request.sweeps for task in tasks]
    with tqdm(file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, bar_format="{desc}") as bar:
        if tasks[0].server is not None:
            bar.set_description_str("one file under each strategy first, to warm up")
            warm_up(plan, tuple(request.strategies), tasks[0].work.listing.split()[0], request.where, tasks[0].cacert)
        begun = time.monotonic()

        def show_step(step: pace.StudyStep) -> None:
            width = shutil.get_terminal_size().columns - 1
            bar.set_description_str(pace.line(step, time.monotonic() - begun, width))

        return study.run(tasks, sweeps, plan, machine_facts, request.where, show_step, printer.after(bar.clear))


def _tasks(request: CompareRequest, servers: Servers) -> list[study.Task]:
    """One task for each scenario, or one for the user's own list."""
    if request.own_list is None:
        return [_scenario_task(request, servers, scenario) for scenario in request.scenarios]
    rows = _strategy_rows(request) + _peer_rows(request, request.own_list.scenario)
    return [study.Task(request.own_list, rows)]


def _scenario_task(request: CompareRequest, servers: Servers, scenario: scenarios.Scenario) -> study.Task:
    server = servers.of(scenario)
    peer_rows = _peer_rows(request, scenario)
    for name in request.peers.keys() - {row.strategy for row in peer_rows}:
        click.echo(f"dl: {scenario.name} runs without {name}, which does not support it", err=True)
    return study.Task(work_for(scenario, server), _strategy_rows(request) + peer_rows, server)


def _strategy_rows(request: CompareRequest) -> list[ResultRow]:
    return [ResultRow(name, jobs) for name, jobs in request.strategies.items()]


def _peer_rows(request: CompareRequest, scenario: scenarios.Scenario) -> list[ResultRow]:
    return peers.rows(scenario, request.jobs, list(request.peers)) if request.peers else []


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """While entered, SIGINT and SIGTERM raise an exception in the main thread: servers stop, temporary folders are removed.

    SIGINT is handled also where the process inherited it as ignored, as a background job of a script does.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
