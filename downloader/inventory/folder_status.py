"""What the journal of a folder says as a whole: counts, hosts, runs, the rate over time, and what to do next."""

import os
import shlex
from typing import Literal

from msgspec import Struct

from downloader.errors import StorageError
from downloader.storage.journal import default_path
from downloader.storage.journal_counts import (
    HostCount,
    RateBucket,
    ReasonCount,
    RunCount,
    UrlCounts,
    count_hosts,
    count_rate,
    count_reasons,
    count_runs,
    count_urls,
)
from downloader.storage.journal_reader import JournalReader

RunState = Literal["ended", "running", "killed", "unknown"]
"""``unknown``: the run has no end in the journal, and whether its process still runs cannot be determined."""

CHECKED_BY_DEFAULT = 100_000
"""Files of which the sizes on the disk are compared unless this is forbidden: that takes less than a second on a local disk."""

MAX_HOSTS = 1000
MAX_BUCKETS = 12
MIN_RUN_SECONDS = 10.0
"""A run that is shorter has no rate over time: the journal knows when a file ended to about a second."""

_PERIODS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
"""Seconds of a part of a run. A run of more than `MAX_BUCKETS` days is divided into whole days."""


class RunStatus(Struct, frozen=True):
    """One run and its state. ``seconds``: its length; for a run that was killed, up to the last file that ended."""

    count: RunCount
    state: RunState
    seconds: float


class DiskStatus(Struct, frozen=True):
    """The complete files of the journal, compared with the disk by size alone. ``examples``: the first paths that differ."""

    checked: int = 0
    missing: int = 0
    changed: int = 0
    examples: tuple[str, ...] = ()


class RateHistory(Struct, frozen=True):
    """The rate of one run over time.

    ``started``: of the run, in seconds since the epoch. ``period``: seconds of each bucket but the last one.
    """

    run: int
    started: float
    period: float
    buckets: list[RateBucket]


class FolderStatus(Struct, frozen=True):
    """All that `dl status` says.

    ``hosts``: those with the most URLs; ``all_hosts``: the number of hosts. ``disk``: None if the disk was not asked. ``rate``:
    of the last run that fetched anything, None if there is none that is long enough.
    """

    folder: str
    journal: str
    urls: UrlCounts
    reasons: list[ReasonCount]
    hosts: list[HostCount]
    all_hosts: int
    runs: list[RunStatus]
    rate: RateHistory | None
    disk: DiskStatus | None
    advice: list[str]


def read_status(journal: JournalReader, folder: str, check: bool | None, running: int | None, now: float) -> FolderStatus:
    """Ask the journal of ``folder``.

    Args:
        journal: the open journal.
        folder: the folder of the run, as given.
        check: compare the sizes of the files on the disk; None: if there are at most `CHECKED_BY_DEFAULT` of them.
        running: how many runs work in the folder now; None: not known.
        now: seconds since the epoch.

    Raises:
        StorageError: the journal or the folder cannot be read.
    """
    urls = count_urls(journal)
    hosts, all_hosts = count_hosts(journal, MAX_HOSTS)
    counts = count_runs(journal)
    runs = _run_statuses(counts, running, now)
    if check is None:
        check = urls.done + urls.skipped <= CHECKED_BY_DEFAULT
    disk = _check_disk(journal, folder) if check else None
    return FolderStatus(
        folder=folder,
        journal=journal.path,
        urls=urls,
        reasons=count_reasons(journal),
        hosts=hosts,
        all_hosts=all_hosts,
        runs=runs,
        rate=_rate(journal, runs),
        disk=disk,
        advice=_advice(journal.path, folder, urls, runs, disk),
    )


def _run_statuses(counts: list[RunCount], running: int | None, now: float) -> list[RunStatus]:
    """Of the runs without an end, the last ``running`` ones go on; None: not known."""
    without_end = [count.id for count in counts if count.ended is None]
    going_on = set(without_end[-running:] if running else ())
    return [_run_status(count, None if running is None else count.id in going_on, now) for count in counts]


def _run_status(count: RunCount, is_running: bool | None, now: float) -> RunStatus:
    """``is_running``: None: not known."""
    if count.ended is not None:
        return RunStatus(count, "ended", max(0.0, count.ended - count.started))
    state: RunState = "unknown" if is_running is None else "running" if is_running else "killed"
    end = now if state == "running" else count.last_row or count.started
    return RunStatus(count, state, max(0.0, end - count.started))


def _check_disk(journal: JournalReader, folder: str) -> DiskStatus:
    """Compare the size of each complete file with that on the disk."""
    checked = missing = changed = 0
    examples: list[str] = []
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot read the folder {folder}: {(error.strerror or str(error)).lower()}") from None
    try:
        for row in journal.complete_files():
            checked += 1
            try:
                size = os.stat(row.path, dir_fd=descriptor).st_size
            except (OSError, ValueError):
                missing += 1
            else:
                if size == row.size:
                    continue
                changed += 1
            examples += [row.path][: 3 - len(examples)]
    finally:
        os.close(descriptor)
    return DiskStatus(checked, missing, changed, tuple(examples))


def _rate(journal: JournalReader, runs: list[RunStatus]) -> RateHistory | None:
    """The rate of the last run that fetched anything and is long enough."""
    for run in reversed(runs):
        if run.count.received and run.seconds >= MIN_RUN_SECONDS:
            days = -(-run.seconds // (86400 * MAX_BUCKETS))
            period = next((item for item in _PERIODS if run.seconds / item <= MAX_BUCKETS), 86400 * days)
            return RateHistory(
                run.count.id, run.count.started, float(period), count_rate(journal, run.count, run.seconds, period)
            )
    return None


def _advice(journal: str, folder: str, urls: UrlCounts, runs: list[RunStatus], disk: DiskStatus | None) -> list[str]:
    """Commands that are useful next, each with its purpose, most urgent first."""
    where = "" if os.path.realpath(folder) == os.path.realpath(".") else f" {shlex.quote(folder)}"
    other = "" if os.path.realpath(journal) == os.path.realpath(default_path(folder)) else f" --journal {shlex.quote(journal)}"
    target = f"{' --dir' if where else ''}{where}{other}"
    advice = []
    if any(run.state == "running" for run in runs):
        advice.append(f"dl status{where}{other}  asks again: a run works in this folder now")
    elif runs and runs[-1].state != "ended":
        advice.append(f"dl LIST{target}  resumes the run that did not end")
    if urls.failed:
        advice.append(f"dl --retry-failed{target}  fetches again what failed")
        advice.append(f"dl export{where}{other} --to urls-failed.txt  writes a list of what failed")
    if disk is not None and (disk.missing or disk.changed):
        advice.append(f"dl LIST{target}  fetches again what is missing or changed")
    if urls.done + urls.skipped:
        advice.append(f"dl verify{where}{other}  verifies the files on the disk")
    if urls.with_digest:
        advice.append(f"dl export{where}{other} --to SHA256SUMS  writes the recorded digests")
    return advice
