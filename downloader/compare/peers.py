"""Peers: other programs that fetch a list. The command of each for the same work, and its limitations.

Each peer is run twice: with its defaults, and with as many connections as the strategies. The options make every peer print
nothing, ignore the settings of the user, fetch nothing that is not in the list (no torrents, Metalinks, OCSP servers), and
trust only the given authority. If the scenario has faults, the options enable retries as far as the peer supports them.

Limitations of the versions of Debian 12:

======  ==================================================================================================================
aria2c  retries a 503 only with a wait between the attempts, of at least a second; at most 16 connections per file
curl    does not split a file; at most 300 connections
wget2   does not retry a 503 (unless it has ``--retry-on-http-error``); treats a truncated file as complete; fetches the parts
        of a file one by one, and may hang then; keeps the query of the URL in the name of the file
axel    accepts one URL: for a list, ``sh`` calls it for one file after the other, so it is used only for a few files; does not
        match ``localhost`` or an address in a certificate, so it is never used for https
======  ==================================================================================================================

This module runs the peers only with ``--version`` and ``--help``; `downloader.compare.runner` runs and measures them.
"""

import functools
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from downloader.compare.measurements import ResultRow
from downloader.compare.scenarios import MIB, Scenario
from downloader.errors import UsageError

DEFAULTS = "defaults"
DEFAULT_JOBS = 40
"""The number of connections of peers, if the strategies adapt theirs: the number that the strategies start with."""
MAX_TRIES = 10
STALL_TIMEOUT = 2
"""Seconds without a byte after which a transfer is stalled, in a scenario with faults. curl measures an average speed: for
curl, the seconds with less than `STALL_SPEED`."""
STALL_SPEED = 10_000
"""Bytes per second. With a rate limit, half of that rate is used if it is lower, because curl's average includes the bytes
from before the stall."""
MAX_FILES_ONE_BY_ONE = 16
"""A program that accepts only one URL is started for each file; with more files, only its start would be measured."""


def _aria2c(jobs: int, scenario: Scenario) -> list[str]:
    each = _connections_per_file(jobs, scenario, 16)
    return [f"-j {jobs}", *([f"-x {each}", f"-s {each}", "-k 1M"] if each > 1 else [])]


def _curl(jobs: int, scenario: Scenario) -> list[str]:
    return [f"--parallel-max {min(jobs, 300)}", "--parallel-immediate"]


def _wget2(jobs: int, scenario: Scenario) -> list[str]:
    return [f"--max-threads={jobs}"]


def _axel(jobs: int, scenario: Scenario) -> list[str]:
    return [f"-n {jobs}"]


PEERS: dict[str, Callable[[int, Scenario], list[str]]] = {"aria2c": _aria2c, "curl": _curl, "wget2": _wget2, "axel": _axel}
"""By name of the peer: a function that returns the options for a number of connections."""
OWN_JOBS = {"aria2c": 5, "curl": 50, "wget2": 5, "axel": 4}
"""The default number of connections: of aria2c, curl and wget2 for different files, of axel for one file."""


def installed() -> dict[str, str]:
    """The versions of the installed peers, by name."""
    return {name: version(name) for name in PEERS if shutil.which(name)}


def rows(scenario: Scenario, jobs: int, names: Sequence[str] | None = None) -> list[ResultRow]:
    """Two rows for each installed peer that supports this scenario: with its defaults, and with ``jobs`` connections.

    ``jobs``: 0 if the strategies adapt the number. ``names``: only these peers. Raises UsageError for an unknown name.
    """
    unknown = [name for name in names or () if name not in PEERS]
    if unknown:
        raise UsageError(f"unknown peer: {unknown[0]!r}", hint=f"one of {', '.join(PEERS)}")
    wanted = [name for name in installed() if names is None or name in names]
    result = []
    for name in wanted:
        if _supports(name, scenario):
            result.append(ResultRow(name, OWN_JOBS[name], peer=True, how=DEFAULTS))
            result.append(
                ResultRow(name, jobs or DEFAULT_JOBS, peer=True, how=" ".join(PEERS[name](jobs or DEFAULT_JOBS, scenario)))
            )
    return result


def command(row: ResultRow, scenario: Scenario, listing: Path, folder: Path, cacert: str) -> list[str]:
    """The command that fetches the list into ``folder``, to be run there. Each file is named after the end of its URL's path.

    ``listing``: a list with one URL per line, or in aria2's format; only aria2c uses the options and mirrors of that format.
    Further input files of a peer are written beside the list. ``cacert``: the file of the trusted authority, or empty. The
    names of wget2 include the query of the URL: its option to remove the query would create folders from the path.
    """
    extra = [] if row.how == DEFAULTS else row.how.split()
    return _COMMANDS[row.strategy](scenario, listing, folder, cacert, extra)


def _aria2c_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    words = ["aria2c", "--no-conf", "--no-netrc", "--follow-torrent=false", "--follow-metalink=false", "-q"]
    words += [f"--ca-certificate={cacert}"] if cacert else []
    words += [f"--max-tries={MAX_TRIES}", "--retry-wait=1", f"--timeout={STALL_TIMEOUT}"] if scenario.fail else []
    return [*words, *extra, "-i", str(listing), "-d", str(folder)]


def _curl_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    entries = (f"url = {_quoted(url)}\noutput = {_quoted(_name(url))}\n" for url in _urls(listing))
    config = _write_beside(listing, "curl", "".join(entries))
    words = ["curl", "-q", "-sSf", "--no-progress-meter", "--globoff"]
    words += ["--cacert", cacert] if cacert else []
    if scenario.fail:
        slow = min(STALL_SPEED, scenario.rate // 2) if scenario.rate else STALL_SPEED
        words += [
            "--retry",
            str(MAX_TRIES),
            "--retry-all-errors",
            "--speed-limit",
            str(slow),
            "--speed-time",
            str(STALL_TIMEOUT),
        ]
    return [*words, *extra, "-Z", "-K", str(config)]


def _wget2_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    words = ["wget2", "--no-config", "--no-netrc", "--no-hsts", "--no-ocsp", "--no-metalink", "-q"]
    words += [f"--ca-certificate={cacert}"] if cacert else []
    if scenario.fail:
        words += [f"--tries={MAX_TRIES}", "--waitretry=1", f"--read-timeout={STALL_TIMEOUT}"]
        words += ["--retry-on-http-error=503"] if "--retry-on-http-error" in _help("wget2") else []
    return [*words, *extra, "-i", str(_plain(listing)), "-P", str(folder)]


_ONE_BY_ONE_SCRIPT = """
while IFS= read -r url; do
    path=${url%%\\?*}; left=$TRIES
    until axel "$@" -o "${path##*/}" "$url" </dev/null; do
        left=$((left - 1)); [ "$left" -gt 0 ] || { failed=1; break; }
    done
done <"$0"
exit ${failed:-0}
"""


def _axel_command(scenario: Scenario, listing: Path, folder: Path, cacert: str, extra: list[str]) -> list[str]:
    tries, timeout = (MAX_TRIES, ["-T", str(STALL_TIMEOUT)]) if scenario.fail else (1, [])
    return [
        "env",
        "HOME=/dev/null",
        f"TRIES={tries}",
        "sh",
        "-c",
        _ONE_BY_ONE_SCRIPT,
        str(_plain(listing)),
        "-q",
        *timeout,
        *extra,
    ]


_COMMANDS = {"aria2c": _aria2c_command, "curl": _curl_command, "wget2": _wget2_command, "axel": _axel_command}


def _supports(name: str, scenario: Scenario) -> bool:
    if name == "axel" and (scenario.tls or scenario.files > MAX_FILES_ONE_BY_ONE):
        return False
    return not scenario.process


def _connections_per_file(jobs: int, scenario: Scenario, limit: int) -> int:
    """The number of connections for each file: more than one if there are fewer files than connections, and files are large."""
    return max(1, min(limit, jobs // scenario.files)) if scenario.files and scenario.size >= 2 * MIB else 1


def _urls(listing: Path) -> list[str]:
    """The first URL of each line, without comments and without the options in indented lines."""
    lines = listing.read_text("utf-8").splitlines()
    return [line.split("\t")[0] for line in lines if line and line[0] not in "# \t"]


def _plain(listing: Path) -> Path:
    """The list, or a copy with the URLs alone if the list contains more."""
    text = "".join(f"{url}\n" for url in _urls(listing))
    return listing if text == listing.read_text("utf-8") else _write_beside(listing, "plain", text)


def _write_beside(listing: Path, kind: str, text: str) -> Path:
    """Write a file beside the list, readable by its owner only, because a list may contain secrets."""
    path = listing.with_name(f"{listing.name}.{kind}")
    path.touch(0o600)
    path.write_text(text, "utf-8")
    return path


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def version(program: str) -> str:
    """The first number in the output of ``--version``; empty if there is none."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - one of PEERS
    return next((word for word in done.stdout.split() if word[:1].isdigit()), "")


@functools.cache
def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - one of PEERS
