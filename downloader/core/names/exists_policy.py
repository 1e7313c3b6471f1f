"""What a file that is there already leads to, before anything is asked of a server."""

from msgspec.structs import replace

from downloader.core.model import Attempt, End, Existing, Outcome
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, StorageError


def admit(attempt: Attempt, existing: Existing | None, on_exists: str) -> Attempt | Outcome:
    """The Attempt to make, if one is to be made; else its Outcome.

    ``existing``: what stands under its path; ``on_exists``: the setting of that name. A final name is a complete file,
    unless a checksum that is known says otherwise.
    """
    if attempt.is_probe or existing is None:
        return attempt
    if existing.is_folder:
        return _failed(attempt, "a folder stands where the file should go", "give out=")
    if on_exists == "skip" and attempt.checksums:
        return replace(attempt, verify_existing=True)
    if attempt.may_exist_already and on_exists in (
        "skip",
        "fail",
    ):  # it was not there when it began: a lost worker had finished it
        return Outcome(attempt.key, End.COMPLETE, path=attempt.path, size=existing.size)
    if on_exists == "skip":
        return Outcome(attempt.key, End.EXISTS, path=attempt.path, size=existing.size)
    if on_exists == "fail":
        return _failed(attempt, "the file exists", "see --on-exists")
    if on_exists == "refresh":
        return replace(attempt, modified_since=existing.modified)
    return attempt


def _failed(attempt: Attempt, reason: str, hint: str) -> Outcome:
    error: DownloadError = StorageError(reason, public_url(attempt.url), hint)
    return Outcome(attempt.key, End.FAILED, path=attempt.path, error=error)
