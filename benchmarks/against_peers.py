"""`dl` against aria2c, curl and wget2: the same lists, from nginx on this machine, each byte verified.

How to run, from the project's root, with the package installed with its extra `compare` and nginx, aria2c, curl and wget2 at
hand (Debian: ``apt-get install nginx-light libnginx-mod-http-echo libnginx-mod-stream aria2 curl wget2``; a peer that is
missing is left out, and so is a cell whose module of nginx is)::

    python benchmarks/against_peers.py [--cells small,latency] [--rounds 5] [--strategies multiplex,hybrid] [--quick]

It starts nginx and ends it. For each cell it first tries each peer at several settings, once each, and keeps the best; then
come the rounds: `dl` with no flags (and with each of ``--strategies``), each peer with its defaults and at its best, in
another order each time. It prints medians, and how many times as fast `dl` with no flags was as the best of the peers, from the
pairs of each round. ``--json FILE`` keeps every number. All cells take an hour or two; ``--quick`` ten minutes, with
smaller cells in which the start of an interpreter weighs more: good for seeing that everything works, not for conclusions.

Caveats, before anything is concluded from this:

- It is loopback. There is no distance and no loss, and nginx takes a share of the same cores: with two cores, what costs
  less CPU wins twice. Between machines, over a real network, most of these differences vanish behind the line.
- Look at the ratios and their spread, not at the rates; on a machine that others use too, only at large ratios.
- Files go to memory (``/dev/shm``) unless ``--dir`` names another place; the small cells need about 1 GB there, the large
  ones 2 GB. On a disk, what is measured is mostly the disk.
- "public" is "latency" from a host that is not our own: `dl` opens 16 connections at most there, and is run with
  ``--aggressive``, too. The requests go to nginx as a proxy, for the host's name is not to be looked up.
- The best settings are chosen by one try each; close ones may change places. `dl` is not tuned at all.
- Peers do less by default: they neither lock nor rename, nor account for each file; wget2 and `dl` set the time of the
  file, curl and aria2c do not.
- nginx's caps let through a whole second's worth at once: with ``--quick`` the pieces of "capped" are hardly held back.
- Which requests are refused in "faults" is chance, and with it whether somebody has to wait twice.
- Peak memory is that of all processes of a command, sampled; see `downloader.compare.measure`.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from functools import partial
from pathlib import Path

import origin
import peers
from cells import CELLS, HOSTS, MB, Cell, serve
from contest import Contest, say, scratch

from downloader.compare.peers import version


def words(text: str) -> list[str]:
    """A list, separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def workers(text: str) -> int:
    """A number of processes; 0 for ``auto``."""
    return 0 if text == "auto" else int(text)


def arguments() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description="dl against aria2c, curl and wget2, on nginx")
    parser.add_argument("--cells", type=words, default=list(CELLS), help=f"some of {','.join(CELLS)}")
    parser.add_argument("--peers", type=words, default=list(peers.PEERS), help=f"some of {','.join(peers.PEERS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--strategies", type=words, default=[], help="strategies to name to dl, besides no flags")
    parser.add_argument("--quick", action="store_true", help="smaller cells")
    parser.add_argument("--dir", type=Path, help="write below this folder, and not to memory")
    parser.add_argument("--workers", type=workers, default=0, help="nginx's worker_processes [auto: one for each core]")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    parser.add_argument("--json", type=Path, help="write all raw numbers to this file")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    for wanted, known in ((options.cells, CELLS), (options.peers, peers.PEERS)):
        if unknown := set(wanted) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def compare(
    cell: Cell, options: argparse.Namespace, folder: Path, home: Path, names: list[str], strategies: list[str]
) -> Contest:
    """Tune, play, print."""
    contest = Contest(folder, home, cell.verify, options.timeout)
    for peer in names:
        say(f"  tuning {peer}")
        contest.tune(peers.candidates(peer, cell, folder))
    call = partial(peers.ours, options.dl, cell.list_file, folder, cacert=cell.cacert, proxy=cell.proxy)
    ours = [call(strategy=name) for name in ("", *strategies)]
    if cell.proxy:
        ours.append(call(flags=("--aggressive",)))
    contest.play(options.rounds, ours)
    size = f"{len(cell.urls)} files, {cell.total / MB:.0f} MB"
    print(f"\n{cell.name}: {cell.spec.about}{f' (quick: {size})' if options.quick else f' ({size})'}")
    print(contest.table(len(cell.urls), cell.total, by_bytes=cell.spec.by_bytes))
    print(contest.verdict(ours[0]), flush=True)
    return contest


def too_little_room(cell: Cell, folder: Path) -> bool:
    """Whether the copy of a cell would not fit; blocks of 4 KiB, and a tenth more."""
    return shutil.disk_usage(folder).free < 1.1 * (cell.total + 4096 * len(cell.urls))


def main() -> None:
    """Run and print."""
    options = arguments()
    options.dl = peers.dl_command(options.dl)
    installed = peers.installed()
    names = [peer for peer in options.peers if peer in installed]
    strategies, cannot = peers.strategies(options.dl, options.strategies)
    for line in (
        *(f"left out: {peer} is not installed" for peer in options.peers if peer not in installed),
        *(f"left out: {why}" for why in cannot),
    ):
        say(line)
    wanted = []
    for name in options.cells:
        if problem := CELLS[name].problem:
            say(f"left out: {name}: {problem}")
        else:
            wanted.append(name)
    versions = {"dl": version(options.dl), "nginx": origin.version()} | {peer: installed[peer] for peer in names}
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "python": sys.version.split()[0], "versions": versions}
    print(
        f"{machine['cores']} cores, {machine['system']}",
        *(f"{program} {number}" for program, number in versions.items()),
        sep=" · ",
    )
    results: dict[str, object] = {}
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as memory, scratch(options.dir) as target:
            for part in ("content", "home"):
                (memory / part).mkdir()
            content = memory / "content"
            hosts = HOSTS if any(CELLS[name].hosts for name in wanted) else 0
            tls = any(CELLS[name].tls for name in wanted)
            with origin.Origin(content, workers=options.workers, hosts=hosts, tls=tls) as server:
                for name in wanted:
                    say(f"{name}: {CELLS[name].about}")
                    cell = serve(name, options.quick, content, server)
                    if too_little_room(cell, target):
                        say(f"left out: {name}: there is no room for it in {target.parent}")
                        continue
                    contest = compare(cell, options, target / "files", memory / "home", names, strategies)
                    results[name] = {"files": len(cell.urls), "bytes": cell.total} | contest.as_json()
    except KeyboardInterrupt:
        say("interrupted; nginx is ended and the folders are removed")
        raise SystemExit(130) from None
    finally:
        if options.json and results:
            options.json.write_text(json.dumps({"machine": machine, "quick": options.quick, "cells": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
