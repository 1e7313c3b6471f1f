"""How the cost of a file grows with the length of the list: 1,000 files, 10,000, 100,000, a million.

How to run, from the project's root, with the package installed and nginx at hand (Debian: ``apt-get install nginx-light``)::

    python benchmarks/growth.py [--up-to 1000000] [--strategies multiplex,hybrid] [--rounds 1] [--dir DIR]

Each file is tiny: its body is its own path, which nginx makes without reading anything. The list is in aria2's format, a
thousand files to a folder (``dir=``). After each run every file is read and compared. Printed are the time and the CPU for
each file, and the peak memory of the process that was started and of all its processes together. Where neither grows with
the list, the numbers below each other stay alike; for short lists the start of the interpreter is most of the time.

Caveats: as in against_peers.py. Files go to memory unless ``--dir`` names another place: a million of them take 5 GB there,
whatever they hold, since each has a block of its own; a size for which there is no room is left out. A million files
take minutes with a strategy that takes a tenth of a millisecond for each.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import peers
from contest import Contender, Contest, columns, good, median, say, scratch
from origin import Origin

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FOLDER_HOLDS = 1_000
TAKES = 5_000
"""Bytes of memory for a file that holds next to nothing, its name and its inode included."""


def entries(count: int) -> Iterator[tuple[str, str]]:
    """Folder and name of each file."""
    return ((f"{number // FOLDER_HOLDS:05d}", f"{number:08d}") for number in range(count))


def verify(folder: Path, count: int) -> str:
    """Whether each file is there, with its own path as its body."""
    wrong = 0
    for part, name in entries(count):
        try:
            with (folder / part / name).open("rb", buffering=0) as file:
                wrong += file.read() != f"/tiny/{name}".encode()
        except FileNotFoundError:
            wrong += 1
    return f"{wrong} of {count} files are missing or have other bytes" if wrong else ""


def line(count: int, contest: Contest, contender: Contender) -> list[str]:
    """What one contender took for one size."""
    runs = contest.runs[contender]
    right = good(runs)
    if not right:
        return [f"{count:,}", contender.settings, *["-"] * 6, f"0/{len(runs)}  {runs[0].problem}"]
    time, cpu = median(run.elapsed for run in right), median(run.cpu for run in right)
    row = [
        f"{count:,}",
        contender.settings,
        f"{time:.2f}",
        f"{count / time:.0f}",
        f"{time / count * 1e6:.0f}",
        f"{cpu / count * 1e6:.0f}",
    ]
    row += [f"{median(run.leader_peak for run in right) / 1e6:.0f}", f"{median(run.peak for run in right) / 1e6:.0f}"]
    return [*row, f"{len(right)}/{len(runs)}"]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="how the cost of a file grows with the length of the list")
    parser.add_argument("--up-to", type=int, default=SIZES[-1], help="the longest list")
    parser.add_argument("--strategies", default="", help="strategies to name to dl, besides no flags")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="write below this folder, and not to memory")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one run")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    dl = peers.dl_command(options.dl)
    strategies, cannot = peers.strategies(dl, [name for name in options.strategies.split(",") if name])
    for why in cannot:
        say(f"left out: {why}")
    rows = [["files", "settings", "time s", "files/s", "µs/file", "CPU µs/file", "peak MB", "with children", "verified"]]
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as memory, scratch(options.dir) as target:
            for part in ("content", "home"):
                (memory / part).mkdir()
            with Origin(memory / "content") as server:
                for count in (size for size in SIZES if size <= options.up_to):
                    if shutil.disk_usage(target).free < count * TAKES or 0 < os.statvfs(target).f_favail < count * 1.1:
                        say(f"left out: {count:,}: there is no room for so many files in {target.parent}")
                        continue
                    say(f"{count:,} files")
                    list_file = memory / "list.txt"
                    with list_file.open("w") as lines:
                        lines.writelines(f"{server.url(f'tiny/{name}')}\n  dir={part}\n" for part, name in entries(count))
                    contest = Contest(target / "files", memory / "home", partial(verify, count=count), options.timeout)
                    ours = [peers.ours(dl, list_file, target / "files", strategy=name) for name in ("", *strategies)]
                    contest.play(options.rounds, ours)
                    rows += [line(count, contest, contender) for contender in ours]
    except KeyboardInterrupt:
        say("interrupted; nginx is ended and the folders are removed")
        raise SystemExit(130) from None
    finally:
        if rows[1:]:
            print(columns(rows), flush=True)


if __name__ == "__main__":
    main()
