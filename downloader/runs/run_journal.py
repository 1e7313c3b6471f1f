"""The journal and the lock of one run: what earlier runs did, what this run does, and which other runs work on the folder.

With ``auto``, a run keeps a journal if it has a list. A run of single URLs only does if the folder has a journal already, so
that ``dl URL`` leaves nothing but the file.
"""

import os
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import json

from downloader.core.model import Download
from downloader.core.names.earlier_files import EarlierFiles
from downloader.core.names.exists_policy import ON_EXISTS, Before
from downloader.errors import JournalDamaged, JournalUnavailable, StorageError, UsageError
from downloader.settings.definitions import Settings
from downloader.storage.base import Storage
from downloader.storage.folder_lock import FolderLock
from downloader.storage.journal import (
    default_path,
    failure,
    open_journal,
    open_to_read,
    set_aside,
)
from downloader.storage.journal_writer import JournalWriter
from downloader.storage.known_files import KnownFiles

if TYPE_CHECKING:
    from downloader.core.report import Report

AUTO = ("auto", "")
"""Values of the setting ``journal`` that name no file: an empty text means that a setting is unset."""

_NAMING = ("name", "flatten", "fanout", "keep_paths", "cut_dirs", "content_disposition")
"""The settings that the names of files depend on."""

_ROWS = "SELECT url, path, status, size FROM files ORDER BY id"
_VERSIONS = "SELECT url, id FROM files ORDER BY id"
_FAILED = "SELECT max(id), url, path, status FROM files GROUP BY url HAVING status = 2 ORDER BY 1"
_MAX_EXPECTED = 1_000_000
"""URLs that space is reserved for at most, before the rows are read: a URL may have many rows."""

_WITHOUT_RETRY = "run without --retry-failed"

_MASK = "=***"
"""Stands for a secret in a URL; see `downloader.core.names.urls.public_url`."""


class EarlierRuns:
    """A journal, to read what earlier runs did. Raises StorageError, as `files` does. ``is_in_use``: this run writes to it."""

    def __init__(self, settings: Settings, folder: Storage, is_in_use: bool = False) -> None:
        self._settings = settings
        self._folder = folder
        self._path = path_of(settings, folder.root)
        self._connection = open_to_read(self._path, is_in_use)

    def files(self, report: "Report") -> EarlierFiles | None:
        """The files of earlier runs; None: nothing that this run needs. Notes in the report if there is nothing to retry."""
        settings, before = self._settings, ON_EXISTS[self._settings.on_exists].before
        try:
            if settings.retry_failed or before is Before.KEEP:
                (last,) = self._connection.execute("SELECT max(id) FROM files").fetchone()
                known = KnownFiles(self._folder, min(last or 0, _MAX_EXPECTED), settings.retry_failed, before is Before.KEEP)
                known.load(self._connection.execute(_ROWS))
                if settings.retry_failed and not known.failed:
                    report.notices.append(f"nothing to retry: no URL failed in its last run, as {self._path} says")
                return known if len(known) or settings.retry_failed else None
            if before is Before.REFRESH:
                from downloader.storage.recorded_versions import RecordedVersions  # here: few runs need it

                versions = RecordedVersions(self._folder, self._connection)
                versions.load(self._connection.execute(_VERSIONS))
                return versions
        except sqlite3.Error as error:
            raise failure(self._path, error) from None
        return None

    def close(self) -> None:
        """Close the connection: `files` is not used any more."""
        self._connection.close()


class RunJournal:
    """The journal of one run, open. `wait`, then `earlier`, then `record` for each Result, then `close`.

    ``notice``: a sentence for the user, or empty.

    Raises:
        StorageError: the journal cannot be used, or another run works on the folder and ``--on-busy`` is ``fail``.
    """

    def __init__(self, settings: Settings, folder: Storage) -> None:
        self._settings = settings
        self._folder = folder
        self._is_named = settings.journal not in AUTO
        self._path = path_of(settings, folder.root)
        self.notice = ""
        self._waits = False
        self._earlier: EarlierRuns | None = None
        connection = self._open()
        self._lock = self._locked()
        try:
            self._writer = self._begun(connection)
        except BaseException:
            self._lock.close()
            raise
        self.record = self._writer.add

    def _begun(self, connection: sqlite3.Connection) -> JournalWriter:
        """A writer, with the row of this run; where only this shows that the journal is damaged, of a new journal."""
        naming = _naming(self._settings)
        try:
            return JournalWriter(connection, self._path, self._folder.root, naming)
        except JournalDamaged as error:
            connection.close()
            return JournalWriter(self._replaced(error), self._path, self._folder.root, naming)
        except BaseException:
            connection.close()
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            return open_journal(self._path)
        except JournalDamaged as error:
            return self._replaced(error)

    def _replaced(self, error: StorageError) -> sqlite3.Connection:
        """A new journal instead of a damaged one. Raises the error where the user named that file, for it may be anything, and
        where the run needs what the journal says."""
        if self._settings.retry_failed:
            raise JournalDamaged(error.reason, hint=_WITHOUT_RETRY)
        if self._is_named:
            raise error
        kept = set_aside(self._path)
        self.notice = f"{error.reason}: kept as {kept}; a new journal begins"
        return open_journal(self._path)

    def _locked(self) -> FolderLock:
        path = f"{self._path}.lock"
        try:
            lock = FolderLock(path)
        except OSError as error:
            raise JournalUnavailable(f"cannot open the lock {path}: {error.strerror}") from None
        policy = self._settings.on_busy
        if policy == "share" or lock.is_free():
            lock.share()
            return lock
        busy = f"another run works in {self._folder.root} ({lock.holder()})"
        if policy == "fail":
            lock.close()
            raise StorageError(busy, hint="see --on-busy")
        self._waits = True
        self.notice = "; ".join(filter(None, (self.notice, f"{busy}: waiting for its end")))
        return lock

    def wait(self, pause: Callable[[], bool]) -> None:
        """Wait until the folder is free, if the setting ``on_busy`` says so; ``pause`` sleeps, and returns False to give up."""
        if not self._waits:
            return
        while not self._lock.is_free():
            if not pause():
                return
        self._lock.share()
        self._folder.set_was_empty(False)

    def earlier(self, report: "Report") -> EarlierFiles | None:
        """What the journal says of earlier runs; None: nothing that this run needs. Problems are noted in the report."""
        try:
            self._earlier = EarlierRuns(self._settings, self._folder, is_in_use=True)
            return self._earlier.files(report)
        except StorageError as error:
            report.errors.append(error)
            return None

    def close(self, report: "Report") -> None:
        """Write what is not written yet, and release the lock."""
        if self._earlier is not None:
            self._earlier.close()
        self._writer.close()
        self._lock.close()
        if self._writer.error is not None and self._writer.lost:
            if self._is_named:
                report.errors.append(self._writer.error)
            else:
                report.notices.append(f"{self._writer.lost} files are not recorded: {self._writer.error.reason}")


def path_of(settings: Settings, root: str) -> str:
    """The path of the journal that these settings mean. ``root``: the folder of the run."""
    return default_path(root) if settings.journal in AUTO else os.path.expanduser(settings.journal)


def _naming(settings: Settings) -> str:
    return json.encode({name.replace("_", "-"): getattr(settings, name) for name in _NAMING}).decode()


def failed_downloads(settings: Settings) -> tuple[list[Download], int]:
    """The URLs that failed in their last run, with their recorded paths: what ``--retry-failed`` fetches without a list.

    Returns them, and how many are left out because the journal does not have their secrets.

    Raises:
        UsageError: there is no journal.
        StorageError: the journal cannot be read.
    """
    path = path_of(settings, os.path.realpath(os.path.expanduser(settings.dir)))
    if not has_journal(settings, path):
        raise no_journal(settings)
    try:
        connection = open_to_read(path)
    except JournalDamaged as error:
        raise JournalDamaged(error.reason, hint=_WITHOUT_RETRY) from None
    try:
        rows = connection.execute(_FAILED).fetchall()
    except sqlite3.Error as error:
        raise failure(path, error) from None
    finally:
        connection.close()
    downloads = [Download(url, out=path, origin="journal") for _, url, path, _ in rows if _MASK not in url]
    return downloads, len(rows) - len(downloads)


def has_journal(settings: Settings, path: str) -> bool:
    """Whether there is a journal at ``path``. With ``--retry-failed``, raises JournalUnavailable where nobody can tell."""
    if settings.journal == "none":
        return False
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        if settings.retry_failed:
            raise JournalUnavailable(f"cannot read the journal {path}: {error.strerror}", hint=_WITHOUT_RETRY) from None
        return False
    return True


def no_journal(settings: Settings) -> UsageError:
    """The error of ``--retry-failed`` where nothing is known of earlier runs."""
    what = "--journal none" if settings.journal == "none" else f"there is no journal in {settings.dir}"
    hint = f"{_WITHOUT_RETRY}; --journal FILE keeps one on this machine" if "://" in settings.dir else _WITHOUT_RETRY
    return UsageError(f"nothing is known of earlier runs: {what}", hint=hint)
