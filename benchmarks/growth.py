"""Measures how the cost of a file depends on the length of the list: 1,000, 10,000, 100,000 and 1,000,000 files.

How to run, from the project's root, with the package and nginx installed (Debian: ``apt-get install nginx-light``)::

    python benchmarks/growth.py [--up-to 1000000] [--strategies multiplex,hybrid] [--rounds 1] [--dir DIR]

Each file has 100 bytes, which depend on its path; nginx makes them without reading a file. The list is in the format of
aria2, with a thousand files in each folder (``dir=``). After each run every file is read and compared. It prints the time and
the CPU time for each file, and the peak memory of the process that was started, and of all its processes. If the cost of a
file does not depend on the length of the list, the numbers in a column are equal; for short lists, the start of the interpreter
is most of the time.

Caveats: as in against_peers.py. Files are written to memory, or below ``--dir``. A million of them take 5 GB of memory,
because each file has a block of its own; a size for which there is no room is omitted. A million files take minutes with
a strategy that takes a tenth of a millisecond for each.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import peers
from contest import Contender, Contest, columns, good, median, say, scratch
from origin import Origin, tiny_body, version

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FOLDER_FILES = 1_000
FILE_MEMORY = 5_000
"""Bytes of memory for a small file, with its name and its inode."""


def entries(count: int) -> Iterator[tuple[str, str]]:
    """Folder and name of each file."""
    return ((f"{number // FOLDER_FILES:05d}", f"{number:08d}") for number in range(count))


def verify(folder: Path, count: int) -> str:
    """Compare each file with its body. Return the problem as text; empty if all files are right."""
    wrong = 0
    for part, name in entries(count):
        try:
            with (folder / part / name).open("rb", buffering=0) as file:
                wrong += file.read() != tiny_body(name)
        except FileNotFoundError:
            wrong += 1
    return f"{wrong} of {count} files are missing or have other bytes" if wrong else ""


def line(count: int, contest: Contest, contender: Contender) -> list[str]:
    """The row of one contender for one length of the list."""
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
    parser.add_argument("--up-to", type=int, default=SIZES[-1], help="the length of the longest list")
    parser.add_argument("--strategies", default="", help="strategies, separated by commas: also run dl with each of them")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="write below this folder, not to memory")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one run")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    dl = peers.dl_command(options.dl)
    strategies, cannot = peers.strategies(dl, [name for name in options.strategies.split(",") if name])
    for why in cannot:
        say(f"left out: {why}")
    print(peers.machine_line(peers.machine(dl, {"nginx": version()})), flush=True)
    rows = [["files", "settings", "time s", "files/s", "µs/file", "CPU µs/file", "peak MB", "all processes", "verified"]]
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as memory, scratch(options.dir) as target:
            for part in ("content", "home"):
                (memory / part).mkdir()
            with Origin(memory / "content") as server:
                for count in (size for size in SIZES if size <= options.up_to):
                    if shutil.disk_usage(target).free < count * FILE_MEMORY or 0 < os.statvfs(target).f_favail < count * 1.1:
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
        say("interrupted; nginx is stopped and the folders are removed")
        raise SystemExit(130) from None
    finally:
        if rows[1:]:
            print(columns(rows), flush=True)


if __name__ == "__main__":
    main()
