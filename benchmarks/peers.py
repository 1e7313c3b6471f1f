"""The settings of the peers for each cell, and the commands of `dl`. Shared by the benchmarks; not to be run.

The commands of the peers are those of `dl compare --peers` (`downloader.compare.peers`): the shortest command that downloads a
whole list, without output, without settings of the user, with the certificate authority for https, and with the options for
retries if the server refuses some requests. "Defaults" means this command; other settings are added to it.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cells import MB, Cell
from contest import Contender

from downloader.compare import peers
from downloader.compare.measurements import ResultRow

PEERS = ("curl", "wget2", "aria2c")
"""In the order of the tuning: a setting of a later peer is killed early if an earlier peer is much faster."""
PROXY = {"aria2c": "--http-proxy=", "curl": "--proxy ", "wget2": "--http-proxy="}


def settings(peer: str, cell: Cell) -> list[str]:
    """The settings to try besides the defaults. They depend on the number of files, their size, delays and faults."""
    spec = cell.spec
    if len(cell.urls) == 1:
        return _for_one_file(peer, split=cell.total > MB)
    if peer == "aria2c":  # `-j` files at once; `-x` connections and `-s` pieces of at least `-k` for each of them
        large = ("-j8 -x1 -s1", "-j16 -x16 -s16", "-j16 -x16 -s16 -k1M")
        tried = large if spec.by_bytes else ("-j64", "-j128") if spec.waits else ("-j16", "-j64")
        return [f"{options} --file-allocation=none" for options in tried]
    if peer == "curl":  # its maximum is 300 transfers; it does not split files
        jobs = (4, 16) if spec.by_bytes else (128, 300) if spec.waits else (50, 300) if spec.faults else (16, 128)
        more = " --retry-delay 1" if spec.faults else ""
        return [f"--parallel-max {number}{more}" for number in jobs] + [f"--parallel-max {jobs[-1]} --parallel-immediate{more}"]
    if spec.by_bytes:  # wget2 has a thread for each connection
        return [f"--max-threads={options}" for options in ("2", "8", "16", "16 --chunk-size=1M", "16 --chunk-size=10M")]
    return [f"--max-threads={threads}" for threads in ((64, 128, 300) if spec.waits else (16, 64))]


def _for_one_file(peer: str, *, split: bool) -> list[str]:
    """The settings for a list with one URL. ``split``: whether the file is large enough for several connections."""
    if peer == "aria2c":
        return [f"{options}--file-allocation=none" for options in (("-x16 -s16 ", "-x16 -s16 -k1M ") if split else ("",))]
    return ["--max-threads=1"] if peer == "wget2" and not split else []  # it uses one connection, as curl does


def candidates(peer: str, cell: Cell, folder: Path) -> list[Contender]:
    """The commands of a peer for a cell, its defaults first."""
    proxy = PROXY[peer] + cell.proxy if cell.proxy else ""
    contenders = []
    for options in ("", *settings(peer, cell)):
        row = ResultRow(peer, 0, peer=True, how=f"{proxy} {options}".strip() or peers.DEFAULTS)
        command = peers.command(row, cell.scenario, cell.list_file, folder, str(cell.cacert or ""))
        contenders.append(Contender(peer, options or peers.DEFAULTS, tuple(command)))
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
    """The command `dl LIST -d DIR -q`: without flags, with the name of a strategy, or with ``flags``."""
    command = [dl, str(list_file), "-d", str(folder), "-q"]
    if cacert:
        command += ["--cacert", str(cacert)]
    if proxy:
        command += ["--proxy", proxy]
    flags += ("-s", strategy) if strategy else ()
    return Contender("dl", " ".join(flags) or "no flags", (*command, *flags))


def dl_command(path: str | None = None) -> str:
    """The path of `dl`: the given one, or the one beside this Python, or the one on PATH."""
    own = Path(sys.executable).with_name("dl")
    command = path or (str(own) if own.exists() else shutil.which("dl"))
    if not command:
        raise SystemExit("`dl` is not installed here: pip install . (or name it by --dl)")
    return str(Path(command).absolute())


def build(dl: str) -> str:
    """What `dl --version -v` prints after its first line, as one line; empty if that is nothing."""
    done = subprocess.run([dl, "--version", "-v"], capture_output=True, text=True, check=False)
    return ", ".join(line.strip() for line in done.stdout.splitlines()[1:] if line.strip())


def machine(dl: str, others: Mapping[str, str]) -> dict[str, Any]:
    """The figures that identify this machine and the programs. ``others``: the versions of further programs."""
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "build": build(dl),
        "versions": {"dl": peers.version(dl), **others},
    }


def machine_line(known: Mapping[str, Any]) -> str:
    """The result of `machine` as one line of text."""
    programs = [f"{program} {number}" for program, number in known["versions"].items()]
    if known["build"]:
        programs[0] += f" ({known['build']})"
    return " · ".join([f"{known['cores']} cores", known["system"], f"Python {known['python']}", *programs])


def strategies(dl: str, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Which of these strategies can run on this machine, and for each of the others the reason why it cannot."""
    listing = subprocess.run([dl, "strategies"], capture_output=True, text=True, check=True).stdout
    lines = {line.split()[0]: line.strip() for line in listing.splitlines() if line and not line[0].isspace()}
    known = [name for name in wanted if "cannot run here" not in lines.get(name, "cannot run here")]
    return known, [lines.get(name, f"{name}: not known to `dl strategies`") for name in wanted if name not in known]


def installed() -> dict[str, str]:
    """The peers that are installed, and their versions."""
    return {name: version for name, version in peers.installed().items() if name in PEERS}
