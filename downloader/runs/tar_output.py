"""``--dir tar://…``: what such a run does differently from one that writes to a folder.

The run fetches into a staging folder, as any other run into its folder. `ShardWriter` moves each file from there to a tar file.
There is no journal: the tables of the complete shards say what was done.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from downloader.core.model import Download, Result
from downloader.core.names.earlier_files import EarlierFiles
from downloader.core.names.exists_policy import ON_EXISTS
from downloader.core.names.locations import Location, LocationKind, parse_location
from downloader.core.names.shard_names import PARQUET, complete_shards, shard_name
from downloader.core.report import Report
from downloader.engine.run import LocalRun
from downloader.errors import DownloadError, UsageError
from downloader.extras import require
from downloader.reports.stored_samples import SampleRow, StoredSamples, sample_rows
from downloader.settings.definitions import Settings
from downloader.storage.base import StoreOptions
from downloader.storage.folder import Folder
from downloader.storage.shard_folder import ShardFolder, ShardStorage

if TYPE_CHECKING:
    from downloader.runs.shard_writer import ShardWriter

_MASK = "=***"
"""Stands for a secret in a URL; see `downloader.core.names.urls.public_url`."""

_REFUSED: tuple[tuple[str, Callable[[Settings], bool], str], ...] = (
    ("--on-exists", lambda settings: not ON_EXISTS[settings.on_exists].keeps, "a file that is in a tar file stays there"),
    ("--on-complete", lambda settings: bool(settings.on_complete), "the file is moved to a tar file; see --process"),
    ("--on-busy", lambda settings: settings.on_busy == "wait", "a second run on the same tar files is refused"),
    ("--on-full", lambda settings: settings.on_full == "wait", "run the same command again when there is space"),
    (
        "--journal",
        lambda settings: settings.journal not in ("auto", "", "none"),
        "the tables beside the tar files say what is done",
    ),
    ("--content-disposition", lambda settings: settings.content_disposition, "the names in a tar file are numbers"),
)
"""Options that cannot be used: when they are set, and why."""


def tar_location(settings: Settings) -> Location | None:
    """Where the tar files of a run go; None if it writes none. Raises UsageError."""
    if "://" not in settings.dir:
        return None
    location = parse_location(settings.dir)
    return parse_location(location.target) if location.kind is LocationKind.TAR else None


def check_tar_settings(settings: Settings) -> None:
    """Raises UsageError for settings that a run with tar files cannot follow, and without the package for Parquet."""
    require("--dir tar://", "pyarrow", extra="parquet")
    for option, is_set, hint in _REFUSED:
        if is_set(settings):
            raise UsageError(f"{option} cannot be used with --dir tar://", hint=hint)


def shard_storage(settings: Settings, location: Location) -> ShardStorage:
    """The place of tar files; nothing is made. Raises UsageError."""
    if location.kind is LocationKind.FOLDER:
        return ShardFolder(location.target)
    require(f"--dir tar://{location.target.partition(':')[0]}://", "obstore", extra="s3")
    from downloader.storage.object_shards import ShardObjects  # here: `require` says first how obstore is installed

    return ShardObjects(StoreOptions(location.target, settings.endpoint_url, settings.connect_timeout))


class TarOutput:
    """The tar files of one run: `open`, `earlier`, `begin`, `add` for each Result, then `close`.

    ``settings``: those of the run, with the staging folder as its folder.

    Args:
        settings: what the user asked for.
        location: see `tar_location`.

    Raises:
        UsageError: a setting cannot be followed.
    """

    def __init__(self, settings: Settings, location: Location) -> None:
        check_tar_settings(settings)
        self._asked = settings
        self._storage = shard_storage(settings, location)
        self._writer: ShardWriter | None = None
        self.settings = replace(settings, dir=self._storage.staging, journal="none")

    def open(self) -> None:
        """Make what is missing, and exclude other runs; not to be called for a dry run. Raises StorageError."""
        self._storage.begin()

    def earlier(self, report: Report, is_stopped: Callable[[], bool]) -> EarlierFiles | None:
        """What the complete shards say; None if there are none. Notes in the report if there is nothing to retry.

        ``is_stopped``: whether the user gives up meanwhile: 10 million rows take half a minute. Raises StorageError.
        """
        only_failed = self._asked.retry_failed
        samples = StoredSamples(only_failed)
        samples.load(itertools.takewhile(lambda _: not is_stopped(), _rows(self._storage)))
        if only_failed and not samples.failed:
            report.notices.append(f"nothing to retry: no URL failed, as the tables in {self._asked.dir} say")
        return samples if len(samples) or samples.failed or only_failed else None

    def begin(
        self, folder: Folder, run: LocalRun, tell: Callable[[Result], object], tell_recorded: Callable[[int], object]
    ) -> None:
        """Start to write tar files. ``tell`` and ``tell_recorded``: see `ShardWriter`."""
        from downloader.runs.shard_writer import ShardWriter  # here: a dry run does not need it

        def fail(error: BaseException) -> None:
            if isinstance(error, DownloadError) and error.ends_run:
                run.scheduler.ended_by = error
                run.stop()
            else:
                run.fail(error)

        limits = self._asked.shard_files, self._asked.shard_size
        block = run.scheduler.space.block
        self._writer = ShardWriter(self._storage, folder, limits, self._asked.process, tell, tell_recorded, block, fail)

    def add(self, result: Result) -> None:
        """See `ShardWriter.add`."""
        assert self._writer is not None  # noqa: S101 - `begin` comes first
        self._writer.add(result)

    def add_recorded(self, count: int) -> None:
        """See `ShardWriter.add_recorded`."""
        assert self._writer is not None  # noqa: S101 - as above
        self._writer.add_recorded(count)

    def close(self) -> None:
        """Store the last tar file, remove what is in none, and release the lock."""
        if self._writer is not None:
            self._writer.close()
        self._storage.close()


def failed_samples(settings: Settings, location: Location) -> tuple[list[Download], int]:
    """The URLs that failed, and are in no tar file: what ``--retry-failed`` fetches without a list.

    Returns them, and how many are left out because a secret of the URL is not in the tables. Raises UsageError, StorageError.
    """
    check_tar_settings(settings)
    storage = shard_storage(settings, location)
    samples = StoredSamples(only_failed=True)
    samples.load(_rows(storage))
    failed = {(url, path): None for url, path, _, _ in _rows(storage) if samples.is_failed(url, path)}
    downloads = [Download(url, out=path, origin=settings.dir) for url, path in failed if _MASK not in url]
    return downloads, len(failed) - len(downloads)


def _rows(storage: ShardStorage) -> Iterator[SampleRow]:
    for number in complete_shards(storage.names()):
        name = shard_name(number) + PARQUET
        with storage.open(name) as table:
            yield from sample_rows(table, f"{storage.root}/{name}")
