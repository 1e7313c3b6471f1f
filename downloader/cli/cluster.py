"""`dl cluster`: starts a Dask cluster on this machine, to try ``--strategy dask`` without a cluster of one's own."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import click

from downloader.cli.cluster_processes import ClusterProcesses
from downloader.cli.options import read_as
from downloader.engine.processors import cores
from downloader.errors import UsageError
from downloader.extras import require
from downloader.settings.values import Form
from downloader.testserver.server_errors import CannotStart
from downloader.testserver.serving import ListenAddress, reserve

POLL_INTERVAL = 0.2
"""Seconds between two checks of whether the processes still run."""
MAX_WORKERS_PER_CORE = 8
_HELP = {"help_option_names": ["-h", "--help"]}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.group("cluster", context_settings=_HELP)
def command() -> None:
    """Start a Dask cluster on this machine, for `dl --strategy dask`."""


@command.command("up", short_help="start a scheduler and workers on this machine, until Ctrl-C", context_settings=_HELP)
@click.option(
    "--workers",
    metavar="N",
    type=str,
    callback=read_as(Form("whole", minimum=1)),
    help="number of worker processes  [one for each processor]",
)
@click.option(
    "--port",
    metavar="N",
    type=str,
    callback=read_as(Form("whole", minimum=0, maximum=65535)),
    default="0",
    help="port of the scheduler; 0: any free port  [0]",
)
@click.option(
    "--scheduler-file",
    metavar="FILE",
    default="",
    type=str,
    help="where Dask writes the address of the scheduler; --cluster takes this file, too",
)
def _up(workers: int | None, port: int, scheduler_file: str) -> int:
    """Start Dask's scheduler and workers on this machine until Ctrl-C, and print the command that uses them.

    A worker that ends is replaced. The processes listen on the loopback address only, and end when this command ends. Every
    user of this machine can run programs as you through their ports.
    """
    require("dl cluster", "distributed", extra="dask")
    count = workers or cores()
    _check_count(count)
    if port:
        _check_port(port)
    with _Stop() as stop, ClusterProcesses(count, port, scheduler_file) as cluster:
        stop.kill = cluster.kill
        cluster.start(stop.ended.is_set)
        if not stop.ended.is_set():
            click.echo(_greeting(cluster, count))
        while not stop.ended.wait(POLL_INTERVAL):
            for event in cluster.repair():
                click.echo(f"dl cluster: {event}", err=True)
    return 0


def _greeting(cluster: ClusterProcesses, count: int) -> str:
    """The text that is printed when the cluster is complete: the command that uses it."""
    what = "1 worker" if count == 1 else f"{count} workers"
    return "\n".join(
        [
            f"A Dask cluster with {what} runs on this machine until Ctrl-C. In another terminal:",
            f"  dl urls.txt --dir data --strategy dask --cluster {cluster.address}",
            f"The scheduler file, which --cluster takes, too: {cluster.scheduler_file}",
            "Every user of this machine can run programs as you through the ports of the cluster.",
        ]
    )


class _Stop:
    """Handles the signals that end the command: the first ends the cluster in order, the second kills its processes.

    A signal that is ignored stays ignored, as after ``nohup``. ``ended``: set by the first signal. ``kill``: kills the
    processes.
    """

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None
        self._before: dict[int, Any] = {}
        self.ended = threading.Event()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.ended.is_set():
            self.kill()
        self.ended.set()

    def __enter__(self) -> Self:
        heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _check_count(count: int) -> None:
    """Raises UsageError for more workers than this machine could run."""
    most = MAX_WORKERS_PER_CORE * cores()
    if count > most:
        problem = f"--workers {count}: must be at most {most} here, {MAX_WORKERS_PER_CORE} for each processor"
        raise UsageError(problem, hint="each worker takes some 100 MB of memory")


def _check_port(port: int) -> None:
    """Raises UsageError if nobody can listen on the port."""
    try:
        reserve(ListenAddress(port=port)).close()
    except CannotStart as error:
        raise UsageError(str(error), hint="give another --port, or none for any free port") from None
