"""What a failed Attempt leaves: an error as a value, and of its part file what can still be of use."""

from contextlib import suppress

from downloader.core.http.transfer import Transfer
from downloader.core.model import End
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, IntegrityError, Interrupted, NetworkError, NoAnswer, ProtocolError, Unwanted
from downloader.storage.part import PartFile


def failed(transfer: Transfer, part: PartFile, failure: DownloadError) -> DownloadError:
    """The error as it is told; the part file goes where its bytes are of no use."""
    if isinstance(failure, NoAnswer) and transfer.status:  # there was an answer: it stalled
        failure = NetworkError(failure.reason, failure.url, failure.hint)
    error = _bare(failure, transfer.public)
    if transfer.bad_before and not isinstance(error, Interrupted):
        _advise(error, "the existing file has a wrong checksum, too; it was not changed")
    if part.split and transfer.decided is not End.COMPLETE and isinstance(failure, ProtocolError):
        part.take()  # the other Segments are none the worse
    elif isinstance(failure, IntegrityError | ProtocolError | Unwanted):
        if isinstance(failure, Unwanted) and not part.is_open and transfer.held.size:
            with suppress(DownloadError, OSError):  # another run's is not ours to remove
                part.open(transfer.held.size)
        part.discard()
    return error


def _bare(error: DownloadError, url: str) -> DownloadError:
    """The error as a value: with the URL in it, and without the frames it came through, which hold sockets and buffers."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if error.url:
        return error
    error.args = tuple(public_url(url) if index == 1 else value for index, value in enumerate(error.args))
    error.url = url
    return error


def _advise(error: DownloadError, hint: str) -> None:
    """Add to what the error says is to be done about it."""
    error.hint = f"{error.hint}; {hint}" if error.hint else hint
    error.args = tuple(error.hint if index == 2 else value for index, value in enumerate(error.args))
