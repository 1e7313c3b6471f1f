"""`dl compare`: see `downloader.compare`."""

import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from downloader._version import __version__
from downloader.compare import runner, scenarios, table
from downloader.errors import StorageError, UsageError
from downloader.session import jobs_for
from downloader.settings import Settings
from downloader.sources.lists import Lists
from downloader.sources.text import format_download
from downloader.storage.folder import Folder
from downloader.strategies.registry import BUILT_IN, find, listing
from downloader.testserver.launch import TestServer


@click.command("compare", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("lists", metavar="[LIST]...", nargs=-1)
@click.option("--scenario", "chosen", metavar="NAME", multiple=True, help="small, latency, large; may be repeated  [all]")
@click.option("-s", "--strategy", "names", metavar="NAME", multiple=True, help="only this strategy; may be repeated")
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(1), help="in flight at most, for all  [each strategy's own]")
@click.option("--repeat", metavar="N", type=click.IntRange(1), default=3, help="runs of each strategy, interleaved  [3]")
@click.option("--json", "json_file", metavar="FILE", help="write every single run to this file; -: standard output")
@click.option("-d", "--dir", "where", metavar="DIR", help="put the files below this folder  [memory, else temporary]")
def command(
    lists: tuple[str, ...],
    chosen: tuple[str, ...],
    names: tuple[str, ...],
    jobs: int | None,
    repeat: int,
    json_file: str | None,
    where: str | None,
) -> int:
    """Run the same list under each strategy and print what each one cost.

    Without a LIST, the lists are of the local test server, one for each scenario, and every byte is verified. With LISTs,
    your own URLs are fetched, once for each strategy and repeat; the strategies must agree on every byte.
    """
    if lists and chosen:
        raise UsageError("a LIST and --scenario cannot go together")
    if json_file not in (None, "-") and not Path(json_file or "").absolute().parent.is_dir():
        raise StorageError(f"cannot write {json_file}: its folder is not there")
    if where is not None:
        Folder(where).close()  # made if missing
    where = where or _memory()
    strategies = tuple(names) or tuple(item.name for item in listing() if item.name in BUILT_IN and not item.problem)
    at_once = {name: _at_once(name, jobs) for name in strategies}
    with _terminated_like_interrupted():
        if lists:
            works = [_own_work(lists)]
            comparisons = _run(works, at_once, repeat, where)
        else:
            wanted = scenarios.choose(chosen)
            with TestServer() as server:
                runner.warm_up(strategies, server.file(0, 1024), where)
                comparisons = _run([runner.work_for(item, server) for item in wanted], at_once, repeat, where)
    _print(comparisons, json_file, where, verified=not lists)
    return 1 if any(row.failures for comparison in comparisons for row in comparison.rows) else 0


def _at_once(name: str, jobs: int | None) -> int:
    """How many in flight: what was asked for, or the strategy's own number; 0 where it finds out itself."""
    able = find(name).capabilities
    if jobs is None and able.most_jobs is not None:
        return 0
    return jobs_for(Settings(strategy=name, jobs=jobs or 0), able)[0]


def _memory() -> str | None:
    """A folder in memory with room for any scenario, where the system has one: what is compared is not the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - files go into a new folder of our own below it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30:
        return str(memory)
    return None


def _own_work(lists: tuple[str, ...]) -> runner.Work:
    source = Lists(list(lists))
    source.check()
    if source.bad_lines:
        raise source.bad_lines[0]
    downloads = [download for download in source.source() if download is not None]
    if not downloads:
        raise UsageError("nothing to compare: the list is empty")
    text = "".join(format_download(download) for download in downloads)
    return runner.Work("your list", ", ".join(lists), len(downloads), text, None)


def _run(works: list[runner.Work], at_once: dict[str, int], repeat: int, where: str | None) -> list[runner.Comparison]:
    from tqdm import tqdm  # here: only a comparison that runs draws

    total = len(works) * repeat * len(at_once)
    comparisons = []
    with tqdm(total=total, unit="run", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False) as bar:

        def tick() -> None:
            bar.update()

        for work in works:
            bar.set_description(work.name)
            rows = [runner.Row(name, jobs) for name, jobs in at_once.items()]
            comparisons.append(runner.compare(work, rows, repeat, where, tick))
    return comparisons


def _print(comparisons: list[runner.Comparison], json_file: str | None, where: str | None, verified: bool) -> None:
    from rich.console import Console

    if json_file != "-":
        console = Console()
        table.show(comparisons, console if console.is_terminal else Console(width=100))
        against = "against the server's digests" if verified else "against each other"
        console.print(
            f"elapsed: the whole command, from its start to its exit; CPU: with its workers. Files in "
            f"{where or tempfile.gettempdir()}, compared byte for byte {against}"
        )
        if any(row.failures for comparison in comparisons for row in comparison.rows):
            console.print("Files failed: elapsed times hold pauses and tries that are no strategy's cost.", style="red")
    if json_file is None:
        return
    machine = {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
    data = runner.as_json(comparisons, machine)
    if json_file == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        Path(json_file).write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {json_file}: {error.strerror}") from None


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the comparison as Ctrl-C does: servers stopped, folders removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
