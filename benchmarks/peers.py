"""How each peer is called for a cell: as it comes, and at the settings that are worth a try. Shared; not to be run.

"Defaults" means the shortest command that fetches a whole list: ``aria2c -i``, ``curl -Z -K``, ``wget2 -i``.
What is added to all of a peer's commands: quiet, no settings of the user, the certificate authority for https, and where the
server refuses some requests what makes that peer try again.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cells import Cell
from contest import Contender

JOBS = (16, 64, 128)
Variants = list[tuple[str, ...]]


def aria2c(cell: Cell, folder: Path) -> tuple[list[str], Variants]:
    """`-j` files at once, `-x` connections for each, in `-s` pieces of at least `-k`."""
    command = ["aria2c", "--no-conf", "-q", "-i", str(cell.list_file), "-d", str(folder)]
    if cell.cacert:
        command.append(f"--ca-certificate={cell.cacert}")
    if cell.proxy:
        command.append(f"--http-proxy={cell.proxy}")
    if cell.spec.faults:
        command += ["--max-tries=10", "--retry-wait=1"]  # it takes 503 for final where it need not wait
    quickly = ("--file-allocation=none",)
    variants: Variants = [(f"-j{jobs}", *quickly) for jobs in JOBS]
    if cell.spec.by_bytes:
        variants = [(f"-j{jobs}", f"-x{split}", f"-s{split}", *quickly) for jobs, split in ((2, 1), (8, 1), (8, 4), (16, 16))]
        variants += [("-x16", "-s16", "-k1M", *quickly)]
    if len(cell.urls) == 1:
        variants = [("-x4", "-s4", *quickly), ("-x16", "-s16", *quickly), ("-x16", "-s16", "-k1M", *quickly)]
    return command, variants


def curl(cell: Cell, folder: Path) -> tuple[list[str], Variants]:
    """Several at once is itself an option; 300 is the most that it takes. It does not split a file."""
    config = cell.list_file.with_name("curl.txt")
    config.write_text("".join(f'url = "{url}"\noutput = "{url.rpartition("/")[2]}"\n' for url in cell.urls))
    command = ["curl", "-q", "-sSf", "-Z", "-K", str(config)]  # it writes where it is started, which is `folder`
    if cell.cacert:
        command += ["--cacert", str(cell.cacert)]
    if cell.proxy:
        command += ["--proxy", cell.proxy]
    if cell.spec.faults:
        command += ["--retry", "10"]
    if len(cell.urls) == 1:
        return command, []
    variants: Variants = [("--parallel-max", str(most)) for most in (4, 16, 128, 300)]
    variants += [("--parallel-max", str(most), "--parallel-immediate") for most in (16, 50, 300)]
    if cell.spec.faults:
        variants += [("--parallel-max", "50", "--retry-delay", "1")]
    return command, variants


def wget2(cell: Cell, folder: Path) -> tuple[list[str], Variants]:
    """A thread for each connection."""
    command = ["wget2", "-q", "-i", str(cell.list_file), "-P", str(folder)]
    if cell.cacert:
        command.append(f"--ca-certificate={cell.cacert}")
    if cell.proxy:
        command.append(f"--http-proxy={cell.proxy}")
    if cell.spec.faults:
        command += ["--tries=10", "--waitretry=1"]
        if "--retry-on-http-error" in _help("wget2"):
            command += ["--retry-on-http-error=503"]
    variants: Variants = [(f"--max-threads={threads}",) for threads in (*JOBS, 300)]
    if cell.spec.by_bytes:
        variants = [(f"--max-threads={threads}",) for threads in (2, 8, 16)]
        variants += [("--max-threads=16", f"--chunk-size={size}") for size in ("1M", "10M")]
    if len(cell.urls) == 1:
        variants = [("--max-threads=16", "--chunk-size=10M")]
    return command, variants


PEERS: dict[str, Callable[[Cell, Path], tuple[list[str], Variants]]] = {"aria2c": aria2c, "curl": curl, "wget2": wget2}


def candidates(peer: str, cell: Cell, folder: Path) -> list[Contender]:
    """A peer's commands for a cell, its defaults first."""
    command, variants = PEERS[peer](cell, folder)
    return [Contender(peer, " ".join(extra) or "defaults", (*command, *extra)) for extra in ((), *variants)]


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


def strategies(dl: str, wanted: list[str]) -> tuple[list[str], list[str]]:
    """Which of these run here, and why the others do not."""
    said = subprocess.run([dl, "strategies"], capture_output=True, text=True, check=True).stdout
    lines = {line.split()[0]: line.strip() for line in said.splitlines() if line and not line[0].isspace()}
    known = [name for name in wanted if "cannot run here" not in lines.get(name, "cannot run here")]
    return known, [lines.get(name, f"{name}: not known to `dl strategies`") for name in wanted if name not in known]


def installed() -> tuple[list[str], list[str]]:
    """The peers that are here, and those that are not."""
    return [peer for peer in PEERS if shutil.which(peer)], [peer for peer in PEERS if not shutil.which(peer)]


def version(program: str) -> str:
    """What a program says of itself: the first number in it."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return next((word for word in said.stdout.split() if word[:1].isdigit()), "?")


def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
