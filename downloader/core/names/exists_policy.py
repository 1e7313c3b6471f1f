"""What the setting ``on_exists`` means: one row of `ON_EXISTS` for each of its values, and nobody else compares the word.

The setting matters twice: before anything is asked of a server (`apply_exists_policy`), and when a complete file gets its name
and a file has appeared there in the meantime.
"""

from enum import Enum
from typing import NamedTuple

from msgspec.structs import replace

from downloader.core.facts import Existing
from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, StorageError


class Before(Enum):
    """What is done about a file that exists before anything is asked of a server."""

    KEEP = "keep it"
    FAIL = "fail"
    FETCH = "fetch the file all the same"
    REFRESH = "ask whether it has changed"


class ExistsPolicy(NamedTuple):
    """One value of ``on_exists``.

    ``replaces``: a complete file takes the name from a file that has it; ``numbers``: it gets another name, with a number;
    ``fails``: a file that has appeared in the meantime is an error.
    """

    before: Before
    replaces: bool = False
    numbers: bool = False
    fails: bool = False

    @property
    def keeps(self) -> bool:
        """Whether a file that exists stays as it is, and is no error."""
        return self.before is Before.KEEP


ON_EXISTS = {
    "skip": ExistsPolicy(Before.KEEP),
    "fail": ExistsPolicy(Before.FAIL, fails=True),
    "overwrite": ExistsPolicy(Before.FETCH, replaces=True),
    "rename": ExistsPolicy(Before.FETCH, replaces=True, numbers=True),
    "refresh": ExistsPolicy(Before.REFRESH, replaces=True),
}


def apply_exists_policy(attempt: Attempt, existing: Existing | None, on_exists: str) -> Attempt | Outcome:
    """The Attempt to make, if one is to be made; else its Outcome.

    ``existing``: what stands under its path; ``on_exists``: the setting of that name. A final name is a complete file,
    unless a known checksum says otherwise.
    """
    if attempt.is_probe or existing is None:
        return replace(attempt, etag="", modified_since=None) if attempt.etag or attempt.modified_since else attempt
    before = ON_EXISTS[on_exists].before
    if existing.is_special and before is not Before.FETCH:
        return _failed(attempt, "a named pipe, a socket or a device has the name of the file", "remove it, or give out=")
    if attempt.replaces_existing and attempt.pieces is None and not existing.is_folder:
        return attempt  # with pieces, only what is wrong is fetched
    if existing.is_folder:
        return _failed(attempt, "a folder has the name of the file", "give out=")
    if before is Before.KEEP and (attempt.checksums or attempt.pieces is not None):
        return replace(attempt, verify_existing=True)
    if attempt.may_exist_already and before in (Before.KEEP, Before.FAIL):
        # The file was not there when its first Attempt began: a worker that is lost had finished it.
        return Outcome(attempt.key, End.COMPLETE, path=attempt.path, size=existing.size)
    if before is Before.KEEP:
        return Outcome(attempt.key, End.EXISTS, path=attempt.path, size=existing.size)
    if before is Before.FAIL:
        return _failed(attempt, "the file exists", "see --on-exists")
    if before is Before.REFRESH:
        return attempt if attempt.etag or attempt.modified_since else replace(attempt, modified_since=existing.modified)
    return attempt


def _failed(attempt: Attempt, reason: str, hint: str) -> Outcome:
    error: DownloadError = StorageError(reason, public_url(attempt.url), hint)
    return Outcome(attempt.key, End.FAILED, path=attempt.path, error=error)
