"""Other programs that fetch a list: how each is called for the same work, and what it cannot do.

Each is called twice: as it comes, and with as many connections as our strategies had. All are quiet, read no settings of
the user, follow nothing that the list does not name (no torrents, Metalinks, OCSP servers), and trust only the given
authority. Where the scenario has faults, each is told to try again as far as it can.

What they cannot do, as found with the versions of Debian 12:

======  ==================================================================================================================
aria2c  takes 503 for final unless it is to wait between tries, a whole second at least; 16 connections for a file at most
curl    does not split a file; 300 connections at most
wget2   does not try again after a 503 (unless it knows ``--retry-on-http-error``); takes what was cut off for complete; splits
        a file only one part after the other, and may then hang; keeps the URL's query in the file's name
axel    takes one URL: a list is a loop in ``sh``, one file after the other, so it is called only for a few files; does not
        find ``localhost`` or an address in a certificate, so never for https
======  ==================================================================================================================

Nothing is run here but ``--version`` and ``--help``: running and measuring is the runner's.
"""

import functools
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from downloader.compare.results import Row
from downloader.compare.scenarios import MIB, Scenario
from downloader.errors import UsageError

DEFAULTS = "defaults"
USUAL_JOBS = 40
"""For peers, where our strategies find out how many themselves: it is what these begin with."""
TRIES = 10
PATIENCE = 2
"""Seconds without a byte that are a stall, in a scenario with faults; for curl, which takes averages, with less than `SLOW`."""
SLOW = 10_000
"""Bytes a second, or half of the rate that each connection is kept to: its average still holds what came before the stall."""
MOST_FILES_IN_TURN = 16
"""A program that takes one URL is started for each file: with more files, its start would be all that is measured."""


def _aria2c(jobs: int, scenario: Scenario) -> list[str]:
    each = _connections_a_file(jobs, scenario, 16)
    return [f"-j {jobs}", *([f"-x {each}", f"-s {each}", "-k 1M"] if each > 1 else [])]


def _curl(jobs: int, scenario: Scenario) -> list[str]:
    return [f"--parallel-max {min(jobs, 300)}", "--parallel-immediate"]


def _wget2(jobs: int, scenario: Scenario) -> list[str]:
    return [f"--max-threads={jobs}"]


def _axel(jobs: int, scenario: Scenario) -> list[str]:
    return [f"-n {jobs}"]


PEERS: dict[str, Callable[[int, Scenario], list[str]]] = {"aria2c": _aria2c, "curl": _curl, "wget2": _wget2, "axel": _axel}
"""By name: the options that give it so many connections."""
OWN_JOBS = {"aria2c": 5, "curl": 50, "wget2": 5, "axel": 4}
"""How many connections each makes by default: aria2c, curl and wget2 files at once, axel for one file."""


def installed() -> dict[str, str]:
    """The peers that are here, and their versions."""
    return {name: version(name) for name in PEERS if shutil.which(name)}


def rows(scenario: Scenario, jobs: int, names: Sequence[str] | None = None) -> list[Row]:
    """Two rows for each peer that is installed and able to do this scenario: as it comes, and with ``jobs`` connections.

    ``jobs``: 0 where our strategies find out themselves. ``names``: only these. Raises UsageError for an unknown name.
    """
    unknown = [name for name in names or () if name not in PEERS]
    if unknown:
        raise UsageError(f"unknown peer: {unknown[0]!r}", hint=f"one of {', '.join(PEERS)}")
    wanted = [name for name in installed() if names is None or name in names]
    found = []
    for name in wanted:
        if _able(name, scenario):
            found.append(Row(name, OWN_JOBS[name], peer=True, how=DEFAULTS))
            found.append(Row(name, jobs or USUAL_JOBS, peer=True, how=" ".join(PEERS[name](jobs or USUAL_JOBS, scenario))))
    return found


def command(row: Row, scenario: Scenario, listing: Path, folder: Path, cacert: str) -> list[str]:
    """What fetches the list into ``folder``, started there, each file under the last component of its URL's path.

    ``listing``: one URL a line, or aria2's input format, of which only aria2c knows more than each first URL. What the others
    need is written beside it. ``cacert``: a file, or empty. wget2's names end in the URL's query, if it has one: its option
    to cut that makes folders of the URL's path instead.
    """
    extra = [] if row.how == DEFAULTS else row.how.split()
    return _COMMANDS[row.strategy](scenario, listing, folder, cacert, extra)


def _aria2c_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    words = ["aria2c", "--no-conf", "--no-netrc", "--follow-torrent=false", "--follow-metalink=false", "-q"]
    words += [f"--ca-certificate={cacert}"] if cacert else []
    words += [f"--max-tries={TRIES}", "--retry-wait=1", f"--timeout={PATIENCE}"] if scenario.fail else []
    return [*words, *extra, "-i", str(listing), "-d", str(folder)]


def _curl_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    entries = (f"url = {_quoted(url)}\noutput = {_quoted(_name(url))}\n" for url in _urls(listing))
    config = _beside(listing, "curl", "".join(entries))
    words = ["curl", "-q", "-sSf", "--no-progress-meter", "--globoff"]
    words += ["--cacert", cacert] if cacert else []
    if scenario.fail:
        slow = min(SLOW, scenario.rate // 2) if scenario.rate else SLOW
        words += ["--retry", str(TRIES), "--retry-all-errors", "--speed-limit", str(slow), "--speed-time", str(PATIENCE)]
    return [*words, *extra, "-Z", "-K", str(config)]


def _wget2_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    words = ["wget2", "--no-config", "--no-netrc", "--no-hsts", "--no-ocsp", "--no-metalink", "-q"]
    words += [f"--ca-certificate={cacert}"] if cacert else []
    if scenario.fail:
        words += [f"--tries={TRIES}", "--waitretry=1", f"--read-timeout={PATIENCE}"]
        words += ["--retry-on-http-error=503"] if "--retry-on-http-error" in _help("wget2") else []
    return [*words, *extra, "-i", str(_plain(listing)), "-P", str(folder)]


_IN_TURN = """
while IFS= read -r url; do
    path=${url%%\\?*}; left=$TRIES
    until axel "$@" -o "${path##*/}" "$url" </dev/null; do
        left=$((left - 1)); [ "$left" -gt 0 ] || { failed=1; break; }
    done
done <"$0"
exit ${failed:-0}
"""


def _axel_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    tries, patience = (TRIES, ["-T", str(PATIENCE)]) if scenario.fail else (1, [])
    return ["env", "HOME=/dev/null", f"TRIES={tries}", "sh", "-c", _IN_TURN, str(_plain(listing)), "-q", *patience, *extra]


_COMMANDS = {"aria2c": _aria2c_command, "curl": _curl_command, "wget2": _wget2_command, "axel": _axel_command}


def _able(name: str, scenario: Scenario) -> bool:
    if name == "axel" and (scenario.tls or scenario.files > MOST_FILES_IN_TURN):
        return False
    return not scenario.process


def _connections_a_file(jobs: int, scenario: Scenario, most: int) -> int:
    """How many of all connections each file may have, where there are fewer files than connections and a file is worth it."""
    return max(1, min(most, jobs // scenario.files)) if scenario.files and scenario.size >= 2 * MIB else 1


def _urls(listing: Path) -> list[str]:
    """The first URL of each line; comments, and the options in indented lines, are left out."""
    lines = listing.read_text("utf-8").splitlines()
    return [line.split("\t")[0] for line in lines if line and line[0] not in "# \t"]


def _plain(listing: Path) -> Path:
    """The list, or where it holds more than URLs, a copy that does not."""
    text = "".join(f"{url}\n" for url in _urls(listing))
    return listing if text == listing.read_text("utf-8") else _beside(listing, "plain", text)


def _beside(listing: Path, kind: str, text: str) -> Path:
    """A file for its owner only, as lists may hold secrets."""
    path = listing.with_name(f"{listing.name}.{kind}")
    path.touch(0o600)
    path.write_text(text, "utf-8")
    return path


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def version(program: str) -> str:
    """The first number that a program says of itself; empty if it says none."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - one of ours
    return next((word for word in said.stdout.split() if word[:1].isdigit()), "")


@functools.cache
def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - one of ours
