"""What `dl compare` was asked to do: the parsed options, checked and completed before anything is measured."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downloader.compare import peers, scenarios
from downloader.compare.output_files import Outputs
from downloader.compare.runner import MeasuredList
from downloader.compare.servers import BUILT_IN
from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.extras import require
from downloader.runs.plan import jobs_for
from downloader.settings.definitions import Settings
from downloader.sources.lists import ListReader
from downloader.sources.text import format_download
from downloader.storage.folder import Folder
from downloader.strategies.registry import find, listing
from downloader.testserver.queries import list_options
from downloader.testserver.server_errors import WrongQuery

HOW_TO_START = "dl cluster up starts one on this machine"
MIN_FREE_MEMORY = 1 << 30
"""Bytes that must be free in the in-memory file system; with less, the files go to the temporary folder."""

Sweeps = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """The values of the options of `dl compare`, one field for each click parameter; None or empty where not given.

    ``names``: strategies. ``chosen``: scenarios. ``latency`` and ``budget`` in seconds, ``size`` in bytes, ``rate`` in
    bytes per second. ``fail``: the kinds of faults, and the share of the requests that fail. ``where``: the folder for the
    downloaded files.
    """

    lists: tuple[str, ...]
    names: tuple[str, ...]
    chosen: tuple[str, ...]
    files: int | None
    size: int | None
    latency: float | None
    rate: int | None
    fail: tuple[str, float] | None
    peers: bool
    sweeps: Sweeps
    jobs: int | None
    cluster: str | None
    repeat: int | None
    budget: float
    server: str
    where: str | None
    timeline: bool
    html: str | None
    png: str | None
    json: str | None
    csv: str | None

    @property
    def outputs(self) -> Outputs:
        """The files to write."""
        return Outputs(self.json or "", self.csv or "", self.html or "", self.png or "")

    @property
    def scenario_changes(self) -> dict[str, Any]:
        """The fields of `Scenario` that the options replace; None: unchanged."""
        kinds, share = self.fail or (None, None)
        return {
            "files": self.files,
            "size": self.size,
            "delay": self.latency,
            "rate": self.rate,
            "fail": kinds,
            "share": share,
        }

    @property
    def changes_scenario(self) -> bool:
        """Whether an option replaces at least one field of a scenario."""
        return any(value is not None for value in self.scenario_changes.values())


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """A checked request.

    ``strategies``: the concurrency of each strategy, by name; 0: the strategy chooses. ``jobs``: the concurrency that the
    user gave for all strategies, or 0. ``missing``: why a strategy cannot run on this machine, one text for each.
    ``own_list``: the user's list, None where scenarios are compared. ``peers``: versions of other programs, by name.
    ``where``: the folder for the downloaded files; None: the temporary folder.
    """

    strategies: dict[str, int]
    jobs: int
    missing: tuple[str, ...]
    scenarios: tuple[scenarios.Scenario, ...]
    own_list: MeasuredList | None
    sweeps: Sweeps
    peers: dict[str, str]
    where: str | None


def check(options: CompareOptions) -> CompareRequest:
    """Check the options and look up what they name.

    Makes the folder of ``--dir`` if it is missing. Raises UsageError, and StorageError where that folder cannot be made.
    """
    if options.lists and (options.chosen or options.changes_scenario):
        raise UsageError("a LIST and a scenario cannot be combined")
    require("dl compare", *_needed_modules(options), extra="compare")
    options.outputs.check()
    if options.where is not None:
        Folder(options.where).close()
    names, missing = (options.names, ()) if options.names else runnable_strategies(bool(options.cluster))
    if not options.cluster and (lost := clustered_strategies().intersection(names)):
        raise UsageError(f"the strategy {min(lost)} needs a cluster: --cluster ADDRESS", hint=HOW_TO_START)
    return CompareRequest(
        strategies={name: _concurrency(name, options.jobs) for name in names},
        jobs=options.jobs or 0,
        missing=missing,
        scenarios=() if options.lists else _scenarios(options),
        own_list=_own_list(options.lists, with_peers=options.peers) if options.lists else None,
        sweeps=options.sweeps,
        peers=_installed_peers() if options.peers else {},
        where=options.where or _memory_folder(),
    )


def runnable_strategies(with_cluster: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the strategies that can run on this machine, plug-ins included; and why the others cannot.

    ``with_cluster``: whether there is a cluster, for strategies that need one.
    """
    strategies = [item for item in listing() if with_cluster or not item.cluster]
    return (
        tuple(item.name for item in strategies if not item.problem),
        tuple(item.problem for item in strategies if item.problem),
    )


def clustered_strategies() -> frozenset[str]:
    """The names of the strategies whose workers are those of a cluster."""
    return frozenset(item.name for item in listing() if item.cluster)


def _chosen(options: CompareOptions) -> tuple[scenarios.Scenario, ...]:
    """The scenarios that the options name, or the default ones; none if the options define their own scenario."""
    return scenarios.choose(options.chosen) if options.chosen or not options.changes_scenario else ()


def _needed_modules(options: CompareOptions) -> Iterator[str]:
    """The modules of the extra ``compare`` that this comparison needs."""
    yield "rich"
    served = () if options.lists else _chosen(options) or (scenarios.CUSTOM,)
    if served and options.server == BUILT_IN:
        yield "granian"
    if any(scenario.tls for scenario in served):
        yield "trustme"


def _scenarios(options: CompareOptions) -> tuple[scenarios.Scenario, ...]:
    """The chosen scenarios with the changes of the options. Raises UsageError for a list that the test server cannot serve."""
    changed = scenarios.changed(_chosen(options), **options.scenario_changes)
    for scenario in changed:
        try:
            list_options(scenario.query)
        except WrongQuery as error:
            raise UsageError(f"{scenario.name}: {error}") from None
    return changed


def _installed_peers() -> dict[str, str]:
    versions = peers.installed()
    if not versions:
        raise UsageError("no peer is installed", hint=f"install one of {', '.join(peers.PEERS)}")
    return versions


def _concurrency(name: str, jobs: int | None) -> int:
    """The given number of jobs, or the strategy's default; 0 where the strategy adapts the number itself."""
    capabilities = find(name).capabilities
    if jobs is None and capabilities.most_jobs is not None:
        return 0
    return jobs_for(Settings(strategy=name, jobs=jobs or 0), capabilities)[0]


def _memory_folder() -> str | None:
    """The in-memory file system, where it exists and has enough space: the disk is not what is compared."""
    memory = Path("/dev/shm")  # noqa: S108 - files go into a new folder of our own below it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MIN_FREE_MEMORY:
        return str(memory)
    return None


def _own_list(lists: tuple[str, ...], with_peers: bool) -> MeasuredList:
    """The user's lists, joined into one. Raises UsageError.

    ``with_peers``: peers take part. Peers understand URLs only, so a list with options or mirrors is refused.
    """
    source = ListReader(list(lists))
    source.check()
    if source.bad_lines:
        raise source.bad_lines[0]
    downloads = [download for download in source.source() if download is not None]
    if not downloads:
        raise UsageError("nothing to compare: the list is empty")
    if with_peers and any(item != Download(item.url, origin=item.origin) for item in downloads):
        raise UsageError("peers do not understand names, headers, checksums or mirrors", hint="give a list of URLs alone")
    text = "".join(format_download(download) for download in downloads)
    scenario = scenarios.Scenario("your list", ", ".join(lists), "", len(downloads), 0)
    return MeasuredList(scenario, text, None, own=True)
