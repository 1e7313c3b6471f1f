"""What follows if a file with the final name exists already (``--on-exists``), decided before any request is sent."""

from msgspec.structs import replace

from downloader.core.model import Attempt, End, Existing, Outcome
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, StorageError


def apply_exists_policy(attempt: Attempt, existing: Existing | None, on_exists: str) -> Attempt | Outcome:
    """Decide whether an Attempt is made.

    A file with the final name counts as complete, unless one of its checksums is known not to match.

    Args:
        attempt: the Attempt that would be made.
        existing: the file or folder under its path; None: there is none.
        on_exists: ``skip``, ``overwrite``, ``rename``, ``fail`` or ``refresh``, as in the setting of that name.

    Returns:
        The Attempt to make, or the Outcome if none is made.
    """
    if attempt.is_probe or existing is None:
        return attempt
    if existing.is_folder:
        return _failed(attempt, "a folder has the name of the file", "give out=")
    if on_exists == "skip" and attempt.checksums:
        return replace(attempt, verify_existing=True)
    if attempt.may_exist_already and on_exists in (
        "skip",
        "fail",
    ):  # the lost worker had finished it
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
