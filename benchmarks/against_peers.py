"""Compares `dl` with aria2c, curl and wget2: the same lists, from nginx on this machine; each byte is verified.

How to run, from the project's root, with the package installed with its extra `compare`, and with nginx, aria2c, curl and wget2
(Debian: ``apt-get install nginx-light libnginx-mod-http-echo libnginx-mod-stream aria2 curl wget2``; a peer that is not
installed is omitted, and so is a cell whose module of nginx is not installed)::

    python benchmarks/against_peers.py [--cells small,latency] [--rounds 5] [--strategies multiplex,hybrid] [--quick]

It starts nginx, and stops it at the end. In each cell it first runs each peer once with each of several settings, and keeps the
fastest (the tuning). Then follow the rounds: `dl` without flags (and with each of ``--strategies``), and each peer with its
defaults and with its best settings, in a different order in each round. It prints the medians of each cell, and the time of
`dl` divided by the time of the best peer, computed from the pairs of each round: less than 1 means that `dl` is faster. At the
end it prints one table of all cells in Markdown (``--markdown FILE`` also writes it to a file). ``--json FILE`` writes all
figures. The default cells take up to 25 minutes on two cores; ``--quick`` takes a few minutes, with smaller cells, in which the
start of the interpreter is a larger part of the time: it shows that everything works, and no more.

Caveats:

- This is loopback, without network latency and without losses, and nginx uses the same cores: with two cores, a program with
  less CPU time gains twice. Between machines, over a real network, most of these differences are hidden by the network.
- Compare the ratios and their ranges, not the rates; on a machine that others use too, only large ratios.
- Files are written to memory (``/dev/shm``), or below ``--dir``. "small-disk" writes below ``--disk``, by default to the
  temporary folder of the system, or beside the project if that is in memory. Data is written to the disk before each run
  (``sync``), but no program waits for its own data: this measures the file system, not the disk.
  Some file systems need longer to create files after others were removed; on ext4, each run writes to another part of the disk.
- "start" runs eight times in each round, because one run is short. It also measures `dl --version`.
- "public" is "latency" from a host that is not this machine: `dl` opens 16 connections at most, and runs with ``--aggressive``,
  too. The requests go to nginx as a proxy, because no DNS server knows the name of the host.
- The best settings are chosen from one run each, so similar settings may change places. `dl` is not tuned.
- A contender that takes more than four times as long as the best in the tuning, and more than two seconds, takes part in the
  first two rounds only: "verified" is 2/2 then. Defaults that take more than six times as long as
  the best, and more than 15 seconds, are not measured.
- Peers do less by default: they do not lock, rename or record files. wget2 and `dl` set the modification time of the file,
  curl and aria2c do not.
- nginx counts a maximum rate in whole seconds: with ``--quick``, most of "capped" is not limited.
- Which requests are refused in "faults" is random, and so is whether a file is refused twice.
- Peak memory is sampled, for all processes of a command; see `downloader.compare.measure`.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import origin
import peers
import summary
from cells import CELLS, DEFAULT_CELLS, HOSTS, MB, Cell, serve
from contest import Contender, Contest, in_memory, say, scratch


def words(text: str) -> list[str]:
    """A list whose items are separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def workers(text: str) -> int:
    """A number of processes; 0 means ``auto``."""
    return 0 if text == "auto" else int(text)


def arguments() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description="dl against aria2c, curl and wget2, on nginx")
    others = ",".join(name for name in CELLS if name not in DEFAULT_CELLS)
    cells = f"separated by commas [{','.join(DEFAULT_CELLS)}]; further cells: {others}"
    parser.add_argument("--cells", type=words, default=list(DEFAULT_CELLS), help=cells)
    parser.add_argument("--peers", type=words, default=list(peers.PEERS), help=f"[{','.join(peers.PEERS)}]")
    parser.add_argument("--rounds", type=int, default=5, help="[5]")
    parser.add_argument("--strategies", type=words, default=[], help="also run dl with each of these strategies")
    parser.add_argument("--quick", action="store_true", help="smaller cells")
    parser.add_argument("--dir", type=Path, help="write below this folder, not to memory")
    parser.add_argument("--disk", type=Path, help="the folder on a disk for small-disk [the temporary folder of the system]")
    parser.add_argument("--workers", type=workers, default=0, help="nginx's worker_processes [auto: one for each core]")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table of all cells to this file, too")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    for wanted, known in ((options.cells, CELLS), (options.peers, peers.PEERS)):
        if unknown := set(wanted) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def disk_folder(given: Path | None) -> Path | None:
    """The parent folder for files on a disk: the given one, the temporary folder of the system, or the one of the project."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        return given
    places = (Path(tempfile.gettempdir()), Path(__file__).resolve().parents[2])
    return next((place for place in places if os.access(place, os.W_OK) and not in_memory(place)), None)


def compare(cell: Cell, options: argparse.Namespace, folder: Path, home: Path) -> tuple[Contest, list[Contender]]:
    """Tune the peers, run the rounds, and print the table of the cell. Return the contest, and the contenders that are `dl`."""
    contest = Contest(folder, home, cell.verify, options.timeout)
    began = time.monotonic()
    for peer in options.peers:
        say(f"  tuning {peer}")
        contest.tune(peers.candidates(peer, cell, folder))
    tuned = time.monotonic()
    call = partial(peers.ours, options.dl, cell.list_file, folder, cacert=cell.cacert, proxy=cell.proxy)
    ours = [call(strategy=name) for name in ("", *options.strategies)]
    if cell.proxy:
        ours.append(call(flags=("--aggressive",)))
    if cell.name == "start":
        ours.append(Contender("dl", "--version", (options.dl, "--version"), downloads=False))
    contest.play(options.rounds * cell.spec.repeat, ours)
    size = f"{len(cell.urls)} files, {cell.total / MB:.0f} MB"
    print(f"\n{cell.name}: {cell.spec.description}{f' (quick: {size})' if options.quick else f' ({size})'}")
    print(contest.table(len(cell.urls), cell.total, by_bytes=cell.spec.by_bytes))
    print(contest.verdict(ours[0]), flush=True)
    say(f"  {cell.name}: {tuned - began:.0f} s for the tuning, {time.monotonic() - tuned:.0f} s for the rounds")
    return contest, ours


def too_little_room(cell: Cell, folder: Path) -> bool:
    """Whether the copy of a cell does not fit into the file system, with blocks of 4 KiB and a reserve of a tenth."""
    return shutil.disk_usage(folder).free < 1.1 * (cell.total + 4096 * len(cell.urls))


def choose(options: argparse.Namespace) -> dict[str, str]:
    """Remove the cells, peers and strategies that cannot run here from the options. Return the versions of the peers."""
    installed = peers.installed()
    reasons = [f"{peer} is not installed" for peer in options.peers if peer not in installed]
    options.peers = [peer for peer in options.peers if peer in installed]
    options.strategies, unknown = peers.strategies(options.dl, options.strategies)
    reasons += unknown
    options.disk = disk_folder(options.disk)
    problems = {name: CELLS[name].problem for name in options.cells}
    for name in options.cells:
        if CELLS[name].disk and options.disk is None:
            problems[name] = "the temporary folder is in memory: name a folder on a disk by --disk"
    reasons += [f"{name}: {problem}" for name, problem in problems.items() if problem]
    options.cells = [name for name in options.cells if not problems[name]]
    for reason in reasons:
        say(f"left out: {reason}")
    return {peer: installed[peer] for peer in options.peers}


class Results:
    """The results of the cells so far. ``cells``: all figures, for JSON; ``rows``: the rows of the table of all cells."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, object]] = {}
        self.rows: list[list[str]] = []

    def add(self, cell: Cell, contest: Contest, ours: list[Contender], duration: float) -> None:
        """Add a cell. ``duration``: seconds that it took, with the preparation of the files."""
        self.cells[cell.name] = {"files": len(cell.urls), "bytes": cell.total, "seconds": duration} | contest.as_json()
        files, by_bytes = len(cell.urls), cell.spec.by_bytes
        self.rows.append(summary.row(cell.name, files, cell.total, contest, ours[0], by_bytes=by_bytes))
        if cell.name == "start":
            self.rows.append(summary.row_without_peers("`dl --version`", contest, ours[-1]))

    def publish(self, options: argparse.Namespace, machine: dict[str, object]) -> None:
        """Print the table, and write the files that the options name."""
        if not self.rows:
            return
        table = summary.markdown(self.rows)
        print(f"\n{table}", flush=True)
        if options.markdown:
            options.markdown.write_text(f"{table}\n")
        if options.json:
            content = {"machine": machine, "quick": options.quick, "cells": self.cells}
            options.json.write_text(json.dumps(content, indent=1) + "\n")


def run_cells(options: argparse.Namespace, results: Results) -> None:
    """Run all cells, one after the other."""
    with scratch(None) as memory, scratch(options.dir) as target, scratch(options.disk) as disk:
        for part in ("content", "home"):
            (memory / part).mkdir()
        content = memory / "content"
        hosts = HOSTS if any(CELLS[name].hosts for name in options.cells) else 0
        tls = any(CELLS[name].tls for name in options.cells)
        with origin.Origin(content, workers=options.workers, hosts=hosts, tls=tls) as server:
            for name in options.cells:
                say(f"{name}: {CELLS[name].description}")
                began = time.monotonic()
                cell = serve(name, options.quick, content, server)
                parent = disk if cell.spec.disk else target
                if too_little_room(cell, parent):
                    say(f"left out: {name}: there is no room for it in {parent.parent}")
                    continue
                contest, ours = compare(cell, options, parent / "files", memory / "home")
                results.add(cell, contest, ours, time.monotonic() - began)


def main() -> None:
    """Run and print."""
    options = arguments()
    options.dl = peers.dl_command(options.dl)
    versions = choose(options)
    machine = peers.machine(options.dl, {"nginx": origin.version()} | versions)
    print(peers.machine_line(machine), flush=True)
    results = Results()
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        run_cells(options, results)
    except KeyboardInterrupt:
        say("interrupted; nginx is stopped and the folders are removed")
        raise SystemExit(130) from None
    finally:
        say(f"{time.monotonic() - began:.0f} s in all")
        results.publish(options, machine)


if __name__ == "__main__":
    main()
