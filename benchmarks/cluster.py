"""Measures the strategy `dask`: how the speed grows with the workers, waiting, stragglers, the cost of a file, and memory.

How to run, from the project's root, with the extra `dask` and nginx installed (Debian: ``apt-get install nginx-light
libnginx-mod-http-echo``)::

    python benchmarks/cluster.py [--rounds 3] [--only scale,waiting,stragglers,cost,parcels,memory] [--count 20000]

==============  =======================================================================================================
part            what is measured
==============  =======================================================================================================
``scale``       20,000 files of 10 KiB with 1, 2 and 4 workers. Each worker is a small machine: a control group of a
                quarter of a core (Linux, root; otherwise, the workers are as they are, and 4 are left out).
``waiting``     5,000 files that begin after 100 ms, 128 at once: `dask` with 2 workers, and `multiplex`
``stragglers``  the same, but 2 % of the files begin after 5 s
``cost``        CPU time a file of the client, the scheduler and the workers, and of `multiplex`. The cost of a run of one file
                is subtracted.
``parcels``     the time and the CPU time of one message with 8 to 4,096 requests to a worker and its answer
``memory``      the memory of the client and of the scheduler after 20,000 and after 200,000 files
==============  =======================================================================================================

Caveats: nginx, the client, Dask's scheduler and the workers share one machine, so only `scale` (with control groups) shows how
workers add up, and only as long as the machine has cores left. There is no network between them. What is compared runs in
turns, in ``--rounds`` rounds; a ratio is that of one round, and the median of the ratios is printed. The load average of the
machine is printed before and after each part: do not trust times from a busy machine. Every file is read and compared.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import peers
from contest import columns, say, scratch
from growth import entries
from growth import verify as verify_tiny
from long_lists import TABLE, TINY, measured
from origin import version

from downloader.cli.cluster_processes import ClusterProcesses
from downloader.compare.measure import Usage
from downloader.testserver import content
from downloader.testserver.nginx import Nginx, module
from downloader.testserver.nginx_config import Additions
from downloader.testserver.server_errors import ServerError

PARTS = ("scale", "waiting", "stragglers", "cost", "parcels", "memory")
SIZE = 10 * 1024
WAITING_FILES, WAITING_SECONDS, WAITING_JOBS = 5_000, 0.1, 128
STRAGGLER_EVERY, STRAGGLER_SECONDS = 50, 5.0
MEMORY_FILES = (20_000, 200_000)
PARCELS = (8, 64, 512, 1_024, 4_096)
PARCEL_CALLS = 50
CONTROL_GROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds: a worker may run for a quarter of each period."""
SHARE = 0.25


class Cost(NamedTuple):
    """CPU seconds, and seconds, of one run."""

    elapsed: float
    client: float
    scheduler: float
    workers: float
    own_peak: int = 0


class Bench(NamedTuple):
    """What every part needs. ``home``: the home folder of the commands. ``target``: the folder below which they write."""

    dl: str
    server: Nginx
    home: Path
    target: Path
    rounds: int
    count: int


def cpu_of(process: int) -> float:
    """The CPU seconds of a process so far."""
    numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> int:
    """The memory of a process, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@contextlib.contextmanager
def cluster_of(workers: int) -> Iterator[ClusterProcesses]:
    """A cluster with so many workers."""
    with ClusterProcesses(workers) as cluster:
        cluster.start(lambda: False)
        yield cluster


@contextlib.contextmanager
def small_machines() -> Iterator[Callable[[int], None] | None]:
    """A function that gives a process a quarter of a core; None where that is not permitted."""
    groups: list[Path] = []
    modern = (CONTROL_GROUPS / "cgroup.controllers").exists()
    parent = CONTROL_GROUPS if modern else CONTROL_GROUPS / "cpu"

    def limit(process: int) -> None:
        group = parent / f"dl-benchmark-{process}"
        group.mkdir()
        groups.append(group)
        quota = int(PERIOD * SHARE)
        if modern:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(process))

    try:
        probe = parent / f"dl-benchmark-probe-{os.getpid()}"
        probe.mkdir()
        permitted = (probe / ("cpu.max" if modern else "cpu.cfs_quota_us")).exists()
        probe.rmdir()
    except OSError:
        permitted = False
    try:
        yield limit if permitted else None
    finally:
        for group in groups:
            for _ in range(100):  # its process may not have ended yet
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.05)


def write_list(bench: Bench, name: str, urls: list[str]) -> Path:
    """A list with these URLs."""
    path = bench.home / name
    path.write_text("".join(f"{url}\n" for url in urls))
    return path


def run_dl(
    bench: Bench, listed: Path, count: int, cluster: ClusterProcesses | None, *flags: str, size: int = SIZE
) -> tuple[Usage, Cost]:
    """Fetch a list, with `dask` if there is a cluster, else with `multiplex`.

    ``size``: of each file; 0: the files are not compared. Ends the program if a file is missing or wrong.
    """
    folder = bench.target / "files"
    shutil.rmtree(folder, ignore_errors=True)
    how = ["-s", "dask", "--cluster", cluster.address] if cluster else ["-s", "multiplex"]
    before = processes_cpu(cluster)
    usage = measured([bench.dl, str(listed), "-d", str(folder), "-q", "--journal", "none", *how, *flags], bench.home)
    after = processes_cpu(cluster)
    if size:
        check(folder, count, size)
    spent = {name: after[name] - before[name] for name in after}
    scheduler = spent.pop("scheduler", 0.0)
    cost = Cost(usage.elapsed, usage.user + usage.system, scheduler, sum(spent.values()), usage.own_peak)
    return usage, cost


def processes_cpu(cluster: ClusterProcesses | None) -> dict[str, float]:
    """The CPU seconds of each process of the cluster so far."""
    return {name: cpu_of(process) for name, process in cluster.pids().items()} if cluster else {}


def check(folder: Path, count: int, size: int) -> None:
    """Compare each file with what the server has. Ends the program if one is missing or wrong."""
    wrong = 0
    for number in range(count):
        try:
            wrong += (folder / f"{number}.bin").read_bytes() != content.body(number, 0, size)
        except FileNotFoundError:
            wrong += 1
    if wrong or len(list(folder.glob("*.bin"))) != count:
        raise SystemExit(f"{wrong} of {count} files are missing or have other bytes")


def scale(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    rows = [["workers", "time s", "files/s", "speed-up", "speed-up without the start"]]
    listed = write_list(bench, "small.txt", [bench.server.file(number, SIZE) for number in range(bench.count)])
    one = write_list(bench, "one.txt", [bench.server.file(0, SIZE)])
    with small_machines() as limit, contextlib.ExitStack() as stack:
        numbers = (1, 2, 4) if limit else (1, 2)
        if not limit:
            say("control groups are not permitted here: the workers are as they are")
        clusters = {number: stack.enter_context(cluster_of(number)) for number in numbers}
        for cluster in clusters.values():
            for name, process in cluster.pids().items():
                if limit and name != "scheduler":
                    limit(process)
        seconds: dict[int, list[float]] = {number: [] for number in numbers}
        starts: dict[int, list[float]] = {number: [] for number in numbers}
        for turn in range(bench.rounds):
            for number in (numbers, numbers[::-1])[turn % 2]:
                starts[number].append(run_dl(bench, one, 1, clusters[number])[0].elapsed)
                seconds[number].append(run_dl(bench, listed, bench.count, clusters[number])[0].elapsed)
                say(f"  {number} workers: {seconds[number][-1]:.2f} s, one file {starts[number][-1]:.2f} s")
    for number in numbers:
        whole = statistics.median(first / other for first, other in zip(seconds[1], seconds[number], strict=True))
        pure = statistics.median(
            (first - first_start) / (other - start)
            for first, first_start, other, start in zip(seconds[1], starts[1], seconds[number], starts[number], strict=True)
        )
        time_taken = statistics.median(seconds[number])
        rows.append([f"{number}", f"{time_taken:.2f}", f"{bench.count / time_taken:.0f}", f"{whole:.2f}", f"{pure:.2f}"])
    return rows


def against_multiplex(bench: Bench, urls: list[str], what: str) -> list[list[str]]:
    """The rows of a part that compares `dask` with `multiplex`."""
    listed = write_list(bench, f"{what}.txt", urls)
    one = write_list(bench, "one.txt", [bench.server.file(0, SIZE)])
    flags = ("-j", str(WAITING_JOBS), "--per-host", str(WAITING_JOBS))
    seconds: dict[str, list[tuple[float, float]]] = {"multiplex": [], "dask": []}
    with cluster_of(2) as cluster:
        for turn in range(bench.rounds):
            for name in ("multiplex", "dask")[:: 1 if turn % 2 else -1]:
                used = cluster if name == "dask" else None
                start = run_dl(bench, one, 1, used)[0].elapsed
                whole = run_dl(bench, listed, len(urls), used, *flags)[0].elapsed
                seconds[name].append((whole, whole - start))
                say(f"  {name}: {whole:.2f} s, one file {start:.2f} s")
    rows = [["strategy", "time s", "files/s", "time / multiplex", "without the start"]]
    for name, taken in seconds.items():
        ratios = [
            statistics.median(own[index] / other[index] for own, other in zip(taken, seconds["multiplex"], strict=True))
            for index in (0, 1)
        ]
        median = statistics.median(whole for whole, _ in taken)
        rows.append([name, f"{median:.2f}", f"{len(urls) / median:.0f}", *(f"{ratio:.2f}" for ratio in ratios)])
    return rows


def waiting(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    return against_multiplex(
        bench, [bench.server.file(number, SIZE, WAITING_SECONDS) for number in range(WAITING_FILES)], "waiting"
    )


def stragglers(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    urls = [
        bench.server.file(number, SIZE, STRAGGLER_SECONDS if number % STRAGGLER_EVERY == 0 else WAITING_SECONDS)
        for number in range(WAITING_FILES)
    ]
    return against_multiplex(bench, urls, "stragglers")


def cost(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    rows = [["strategy", "time s", "client µs/file", "scheduler µs/file", "workers µs/file"]]
    listed = write_list(bench, "small.txt", [bench.server.file(number, SIZE) for number in range(bench.count)])
    one = write_list(bench, "one.txt", [bench.server.file(0, SIZE)])
    with cluster_of(2) as cluster:
        spent: dict[str, list[Cost]] = {"multiplex": [], "dask": []}
        for _ in range(bench.rounds):
            for name, costs in spent.items():
                used = cluster if name == "dask" else None
                _, start = run_dl(bench, one, 1, used)
                _, whole = run_dl(bench, listed, bench.count, used)
                costs.append(Cost(whole.elapsed, *(whole[index] - start[index] for index in range(1, 4))))
    for name, costs in spent.items():
        each = [statistics.median(item[index] for item in costs) / bench.count * 1e6 for index in range(1, 4)]
        taken = statistics.median(item.elapsed for item in costs)
        rows.append([name, f"{taken:.2f}", *(f"{value:.1f}" for value in each)])
    return rows


def parcels(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    return asyncio.run(measure_parcels(bench.server.url))


async def measure_parcels(server: str) -> list[list[str]]:
    """Send parcels to a worker, one after the other."""
    from distributed import Client

    from downloader.core.model import Attempt
    from downloader.strategies.dask.messages import pack_shards

    rows = [["requests", "bytes", "ms a message", "client CPU ms", "scheduler CPU ms", "worker CPU ms"]]
    with cluster_of(1) as cluster:
        async with Client(cluster.address, asynchronous=True, set_as_default=False) as client:
            for count in PARCELS:
                urls = [f"{server}/1/file/{SIZE}/{number}.bin" for number in range(count)]
                attempts = [Attempt(number, 1, url, url, f"{number}.bin") for number, url in enumerate(urls)]
                await client.run(len, pack_shards([(0, attempts)]))  # the first one opens connections
                before, started, own = processes_cpu(cluster), time.monotonic(), time.process_time()
                for _ in range(PARCEL_CALLS):
                    data = pack_shards([(0, attempts)])
                    await client.run(len, data)
                spent = time.process_time() - own
                taken = time.monotonic() - started
                after = processes_cpu(cluster)
                each = [after[name] - before[name] for name in ("scheduler", "worker-1")]
                rows.append(
                    [f"{count:,}", f"{len(data):,}", *(f"{value / PARCEL_CALLS * 1e3:.2f}" for value in (taken, spent, *each))]
                )
    return rows


def memory(bench: Bench) -> list[list[str]]:
    """The rows of the part."""
    rows = [["files", "client peak MB", "scheduler MB", "time s"]]
    with cluster_of(2) as cluster:
        scheduler = cluster.pids()["scheduler"]
        for count in MEMORY_FILES:
            listed = bench.home / "tiny.txt"
            with listed.open("w") as lines:
                lines.writelines(f"{bench.server.url}/tiny/{name}\n  dir={part}\n" for part, name in entries(count))
            usage, spent = run_dl(bench, listed, count, cluster, size=0)
            if problem := verify_tiny(bench.target / "files", count):
                raise SystemExit(problem)
            rows.append(
                [f"{count:,}", f"{spent.own_peak / 1e6:.0f}", f"{resident(scheduler) / 1e6:.0f}", f"{usage.elapsed:.1f}"]
            )
    return rows


RUNS: dict[str, Callable[[Bench], list[list[str]]]] = {
    "scale": scale,
    "waiting": waiting,
    "stragglers": stragglers,
    "cost": cost,
    "parcels": parcels,
    "memory": memory,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="the strategy `dask` on a cluster of this machine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000, help="the number of files of `scale` and `cost`")
    parser.add_argument("--only", default=",".join(PARTS), help="the parts to run, separated by commas")
    parser.add_argument("--dir", type=Path, help="write below this folder, not to memory")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    dl = peers.dl_command(options.dl)
    print(peers.machine_line(peers.machine(dl, {"nginx": version()})), flush=True)
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as home, scratch(options.dir) as target, Nginx(added=Additions(TABLE.format(tiny=TINY))) as server:
            bench = Bench(dl, server, home, target, options.rounds, options.count)
            for part in options.only.split(","):
                if part in ("waiting", "stragglers") and not module("http_echo"):
                    say(f"left out: {part}: nginx has no echo module here (Debian: apt-get install libnginx-mod-http-echo)")
                    continue
                before = os.getloadavg()[0]
                rows = RUNS[part](bench)
                print(f"\n{part} (load average {before:.1f} before, {os.getloadavg()[0]:.1f} after)", flush=True)
                print(columns(rows), flush=True)
    except ServerError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        say("interrupted; nginx and the cluster are stopped and the folders are removed")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
