"""At which settings each peer is tried for a cell, and how `dl` is called. Shared by the benchmarks; not to be run.

The commands are those of `dl compare --peers` (`downloader.compare.peers`): the shortest that fetches a whole list, quiet,
without settings of the user, with the certificate authority for https, and where the server refuses some requests with
what makes that peer try again. "Defaults" are these; the other settings are added to them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from cells import Cell
from contest import Contender

from downloader.compare import peers
from downloader.compare.measurements import ResultRow

PEERS = ("aria2c", "curl", "wget2")
JOBS = (16, 64, 128)
PROXY = {"aria2c": "--http-proxy=", "curl": "--proxy ", "wget2": "--http-proxy="}


def settings(peer: str, cell: Cell) -> list[str]:
    """What is worth a try besides the defaults, for the kind of files that the cell has."""
    single, by_bytes = len(cell.urls) == 1, cell.spec.by_bytes
    if peer == "aria2c":  # `-j` files at once, `-x` connections for each, in `-s` pieces of at least `-k`
        if single:
            tried = ["-x4 -s4", "-x16 -s16", "-x16 -s16 -k1M"]
        elif by_bytes:
            tried = ["-j2 -x1 -s1", "-j8 -x1 -s1", "-j8 -x4 -s4", "-j16 -x16 -s16", "-x16 -s16 -k1M"]
        else:
            tried = [f"-j{jobs}" for jobs in JOBS]
        return [f"{words} --file-allocation=none" for words in tried]
    if peer == "curl":  # 300 is the most that it takes; it does not split a file
        tried = [f"--parallel-max {jobs}" for jobs in (4, 16, 128, 300)]
        tried += [f"--parallel-max {jobs} --parallel-immediate" for jobs in (16, 50, 300)]
        tried += ["--parallel-max 50 --retry-delay 1"] if cell.spec.faults else []
        return [] if single else tried
    if single:  # wget2 has a thread for each connection
        return ["--max-threads=16 --chunk-size=10M"]
    if by_bytes:
        tried = [f"--max-threads={threads}" for threads in (2, 8, 16)]
        return tried + [f"--max-threads=16 --chunk-size={size}" for size in ("1M", "10M")]
    return [f"--max-threads={threads}" for threads in (*JOBS, 300)]


def candidates(peer: str, cell: Cell, folder: Path) -> list[Contender]:
    """A peer's commands for a cell, its defaults first."""
    proxy = PROXY[peer] + cell.proxy if cell.proxy else ""
    contenders = []
    for words in ("", *settings(peer, cell)):
        row = ResultRow(peer, 0, peer=True, how=f"{proxy} {words}".strip() or peers.DEFAULTS)
        command = peers.command(row, cell.scenario, cell.list_file, folder, str(cell.cacert or ""))
        contenders.append(Contender(peer, words or peers.DEFAULTS, tuple(command)))
    return contenders


def ours(
    dl: str,
    list_file: Path,
    folder: Path,
    *,
    cacert: Path | None = None,
    strategy: str = "",
    proxy: str = "",
    flags: tuple[str, ...] = (),
) -> Contender:
    """`dl LIST -d DIR -q`, with no flags, with the name of a strategy, or with ``flags``."""
    command = [dl, str(list_file), "-d", str(folder), "-q"]
    if cacert:
        command += ["--cacert", str(cacert)]
    if proxy:
        command += ["--proxy", proxy]
    flags += ("-s", strategy) if strategy else ()
    return Contender("dl", " ".join(flags) or "no flags", (*command, *flags))


def dl_command(path: str | None = None) -> str:
    """Our own command: the one that was asked for, else the one beside this Python, else the one on PATH."""
    beside = Path(sys.executable).with_name("dl")
    found = path or (str(beside) if beside.exists() else shutil.which("dl"))
    if not found:
        raise SystemExit("`dl` is not installed here: pip install . (or name it by --dl)")
    return str(Path(found).absolute())


def strategies(dl: str, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Which of these run here, and why the others do not."""
    said = subprocess.run([dl, "strategies"], capture_output=True, text=True, check=True).stdout
    lines = {line.split()[0]: line.strip() for line in said.splitlines() if line and not line[0].isspace()}
    known = [name for name in wanted if "cannot run here" not in lines.get(name, "cannot run here")]
    return known, [lines.get(name, f"{name}: not known to `dl strategies`") for name in wanted if name not in known]


def installed() -> dict[str, str]:
    """The peers that are here, and their versions."""
    return {name: version for name, version in peers.installed().items() if name in PEERS}
