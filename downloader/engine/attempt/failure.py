"""A failed Attempt: its error as a value, and whether the bytes of its part file are kept."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import State
from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.urls import public_url
from downloader.errors import (
    DownloadError,
    IntegrityError,
    Interrupted,
    NetworkError,
    NoAnswer,
    ProtocolError,
    StorageError,
    Unwanted,
    WorkerError,
)
from downloader.storage.part import PartFile

if TYPE_CHECKING:
    from downloader.storage.base import Storage


def failed(transfer: Transfer, part: PartFile, folder: "Storage", failure: DownloadError | OSError) -> DownloadError:
    """The error that the Outcome carries. The part file is removed if its bytes must not be used again."""
    if isinstance(failure, OSError):
        still_to_write = max(part.buffered, (transfer.total or transfer.size) - part.written)
        failure = folder.error(failure, transfer.attempt.path, transfer.public_url, still_to_write)
    elif isinstance(failure, NoAnswer) and transfer.status:  # there was an answer: it stalled
        failure = NetworkError(failure.reason, failure.url, failure.hint)
    error = _detached(failure, transfer.public_url)
    if transfer.existing_is_corrupt and not isinstance(error, Interrupted):
        _add_hint(error, "the existing file has a wrong checksum, too; it was not changed")
    if part.may_have_gaps and transfer.state is not State.COMPLETE and isinstance(failure, ProtocolError):
        part.take()  # what this Attempt has collected is dropped; the bytes of the other Segments are not affected
    elif isinstance(failure, IntegrityError | ProtocolError | Unwanted):
        if isinstance(failure, Unwanted) and not part.is_open and transfer.earlier.size:
            with suppress(DownloadError, OSError):  # a part file that another run is writing is not removed
                part.open(transfer.earlier.size)
        part.discard()
    return error


def internal_error(attempt: Attempt, error: BaseException) -> Outcome:
    """The Outcome of an Attempt that a defect of this program has ended: the file fails, and not the run."""
    failure = WorkerError(f"internal error: {error!r}", public_url(attempt.url), "please report it", "internal error")
    return Outcome(attempt.key, End.FAILED, path=attempt.path, error=failure)


def _detached(error: DownloadError, url: str) -> DownloadError:
    """The error with the URL in it, and without the frames that it came through, which hold sockets and buffers."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if error.url:
        return error
    error.args = tuple(public_url(url) if index == 1 else value for index, value in enumerate(error.args))
    error.url = url
    return error


def _add_hint(error: DownloadError, hint: str) -> None:
    """Add a sentence to the hint of the error."""
    error.hint = f"{error.hint}; {hint}" if error.hint else hint
    error.args = tuple(error.hint if index == 2 else value for index, value in enumerate(error.args))


def unwritable_name(attempt: Attempt) -> Outcome | None:
    """The Outcome of an Attempt whose file name the locale cannot encode; None where it can."""
    try:
        os.fsencode(attempt.path)
    except UnicodeEncodeError as error:
        what = f"the locale ({error.encoding}) has no such file name: {attempt.path!a}"
        failure = StorageError(what, public_url(attempt.url), "use a UTF-8 locale (LC_ALL=C.UTF-8), or give a name with out=")
        return Outcome(attempt.key, End.FAILED, error=failure)
    return None
