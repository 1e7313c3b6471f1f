"""`dl` against what Python has for lists of URLs: pypdl, parfive, and pooch with a pool of threads.

How to run, from the project's root, with the package installed and nginx at hand (Debian: ``apt-get install nginx-light``)::

    pip install -r benchmarks/requirements.txt
    python benchmarks/python_peers.py [--rounds 5] [--files 2000] [--big 4] [--strategies multiplex] [--dir DIR]

(In an environment of their own: then name ours by ``--dl PATH``.) Two cells: 2,000 files of 10 KiB, and four of 100 MB. As in
against_peers.py, each peer is first tried at several settings, the best is kept, and then come interleaved rounds with every
byte verified. Each peer runs in a process of its own, by the few lines that its documentation shows, its progress bars off:
they are in this file.

Caveats: as in against_peers.py. All are measured with the start of Python and their own imports, which is a good part of
the time for the small cell.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peers
from cells import MB, Cell, serve
from contest import Contender, Contest, say, scratch
from origin import Origin


def with_pypdl(urls: list[str], folder: str, jobs: int, splits: int, _block: int) -> None:
    """`jobs` files at once, each in `splits` segments."""
    from pypdl import Pypdl

    tasks = [{"url": url, "file_path": f"{folder}/{url.rpartition('/')[2]}"} for url in urls]
    Pypdl(max_concurrent=jobs).start(tasks=tasks, multisegment=splits > 1, segments=splits, display=False)


def with_parfive(urls: list[str], folder: str, jobs: int, splits: int, _block: int) -> None:
    """`jobs` files at once, each in `splits` ranges; its setting for the size of a block has no effect (2.3)."""
    from parfive import Downloader

    downloader = Downloader(max_conn=jobs, max_splits=splits, progress=False)
    for url in urls:
        downloader.enqueue_file(url, path=folder)
    downloader.download()


def with_pooch(urls: list[str], folder: str, jobs: int, _splits: int, block: int) -> None:
    """One file a call; the pool is what its users add. It does not split files."""
    import pooch

    pooch.get_logger().setLevel("WARNING")

    def fetch(url: str) -> None:
        by = pooch.HTTPDownloader(chunk_size=block)
        pooch.retrieve(url, known_hash=None, fname=url.rpartition("/")[2], path=folder, downloader=by)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(fetch, urls))


MIB = 1 << 20
PEERS: dict[str, Callable[[list[str], str, int, int, int], None]] = {
    "pypdl": with_pypdl,
    "parfive": with_parfive,
    "pooch": with_pooch,
}
SETTINGS = {
    "pypdl": ((1, 5, 0), (5, 1, 0), (32, 1, 0), (4, 4, 0), (128, 1, 0)),
    "parfive": ((5, 5, 0), (5, 1, 0), (32, 1, 0), (4, 4, 0), (128, 1, 0)),
    "pooch": ((5, 1, 1024), (16, 1, 1024), (5, 1, MIB), (16, 1, MIB), (32, 1, MIB)),
}
"""Files at once, parts of each, bytes read at a time; the first are a peer's defaults (pooch has no pool of its own: 5)."""


def candidates(peer: str, cell: Cell, folder: Path) -> list[Contender]:
    """A peer's commands for a cell, its defaults first."""
    command = (sys.executable, str(Path(__file__).resolve()), "--child", peer, str(cell.list_file), str(folder))
    return [
        Contender(
            peer,
            f"{jobs} at once, in {splits}{', by MiB' if block == MIB else ''}",
            (*command, str(jobs), str(splits), str(block)),
        )
        for jobs, splits, block in SETTINGS[peer]
    ]


def compare(cell: Cell, options: argparse.Namespace, names: list[str], strategies: list[str], folder: Path, home: Path) -> None:
    """Tune, play, print."""
    contest = Contest(folder, home, cell.verify, options.timeout)
    for peer in names:
        say(f"  tuning {peer}")
        contest.tune(candidates(peer, cell, folder))
    ours = [peers.ours(options.dl, cell.list_file, folder, strategy=name) for name in ("", *strategies)]
    contest.play(options.rounds, ours)
    print(f"\n{cell.name}: {len(cell.urls)} files, {cell.total / MB:.0f} MB")
    print(contest.table(len(cell.urls), cell.total, by_bytes=cell.spec.by_bytes))
    print(contest.verdict(ours[0]), flush=True)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="dl against pypdl, parfive and pooch")
    parser.add_argument("--files", type=int, default=2000, help="of the small cell")
    parser.add_argument("--big", type=int, default=4, help="files of the large cell")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--strategies", default="", help="strategies to name to dl, besides no flags")
    parser.add_argument("--dir", type=Path, help="write below this folder, and not to memory")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    parser.add_argument("--dl", help="our command, if not the one beside this Python")
    options = parser.parse_args()
    options.dl = peers.dl_command(options.dl)
    names = [peer for peer in PEERS if importlib.util.find_spec(peer)]
    strategies, cannot = peers.strategies(options.dl, [name for name in options.strategies.split(",") if name])
    for why in (*(f"{peer}: pip install -r benchmarks/requirements.txt" for peer in PEERS if peer not in names), *cannot):
        say(f"left out: {why}")
    if options.dir:
        options.dir.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(None) as memory, scratch(options.dir) as target:
            for part in ("content", "home"):
                (memory / part).mkdir()
            content = memory / "content"
            with Origin(content) as server:
                for name, count in (("small", options.files), ("large", options.big)):
                    say(name)
                    cell = serve(name, False, content, server, count=count)
                    compare(cell, options, names, strategies, target / "files", memory / "home")
    except KeyboardInterrupt:
        say("interrupted; nginx is ended and the folders are removed")
        raise SystemExit(130) from None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, who, list_name, folder_name, *numbers = sys.argv
        at_once, parts, read_at_a_time = map(int, numbers)
        PEERS[who](Path(list_name).read_text().split(), folder_name, at_once, parts, read_at_a_time)
    else:
        main()
