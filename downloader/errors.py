"""Every error of the package, as one tree. The numbers are the exit codes of the command.

::

    DownloadError
    ├── UsageError            2   a bad flag, config value or list line: nothing was started
    ├── StorageError          3   disk full, permission, name too long, target is a directory
    │   ├── FileInUse             another run is writing the file                        (retryable)
    │   ├── StoreUnavailable      an object store does not answer, or asks for patience  (retryable)
    │   ├── FolderError           no file can be written to the folder: it ends the run
    │   │   └── FolderFull            the disk is full
    │   ├── JournalUnavailable    the journal cannot be opened or written
    │   └── JournalDamaged        the journal is no database, or a damaged one
    ├── NetworkError          4   DNS, refused, reset, time-out, stall, truncated      (retryable)
    │   ├── NameNotFound          the host name does not exist
    │   └── NoAnswer              the host did not answer within the time-out            (retryable)
    ├── TLSError              5   certificate does not verify, handshake
    ├── AuthError             6   401, 403, 407
    ├── ProtocolError         7   malformed answer, redirect loop, bad range
    ├── HTTPStatusError       8   other status >= 400                               (some retryable)
    ├── IntegrityError        9   checksum or size mismatch
    │   └── WrongPieces           some pieces are wrong, the others are kept               (retryable)
    ├── PolicyError          10   refused by a rule: path, address, scheme, no checksum
    │   ├── Unwanted              the server's file is too large, too small, or of another type
    │   └── TotalReached          the run has received more than --max-total: it ends the run
    ├── ProcessError         11   a --process function raised, or an --on-complete command failed
    ├── WorkerError           1   a worker process died during the download            (retryable)
    └── Interrupted         130   the run was stopped before this download ended

Errors contain plain values, pass all constructor arguments to ``Exception`` (so that they can be pickled), and compose their
text in ``__str__``. This module imports nothing of the package.
"""

from collections.abc import Iterable
from typing import ClassVar

RETRYABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 530)})
"""The statuses that are retried (RFC 9110 section 15, RFC 6585, RFC 8470; 52x: proxies)."""


class DownloadError(Exception):
    """The base class: why one Download, or the whole run, failed.

    ``reason``: what happened. ``url``: where, without credentials. ``hint``: what the user can do. ``kind``: the reason without
    the details of the file (sizes, digests, names); failures are counted by their kind.
    """

    exit_code: ClassVar[int] = 1
    ends_run: ClassVar[bool] = False
    retryable: bool = False

    def __init__(self, reason: str, url: str = "", hint: str = "", kind: str = "") -> None:
        super().__init__(reason, url, hint, kind)
        self.reason = reason
        self.url = url
        self.hint = hint
        self.kind = kind or reason

    def __str__(self) -> str:
        where = f"{self.url}: " if self.url else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.reason}{advice}"


class UsageError(DownloadError):
    """An invalid option, configuration value or list line. Nothing was started."""

    exit_code = 2


class StorageError(DownloadError):
    """The file could not be written: disk full, permission, name too long, a folder with its name."""

    exit_code = 3


class FileInUse(StorageError):
    """Another run is writing the same file. That run may end in a moment, for example if it was killed."""

    retryable = True


class StoreUnavailable(StorageError):
    """An object store does not answer, or cannot take the file now (503). The file is tried again as after a network error."""

    retryable = True


class FolderError(StorageError):
    """No file can be written to the folder of the run: it is read-only, belongs to another user, or was removed."""

    ends_run = True


class FolderFull(FolderError):
    """The disk is full, or has not enough space for a file of known length. ``needed``: the missing bytes of the file."""

    def __init__(self, reason: str, url: str = "", hint: str = "", needed: int = 0) -> None:
        super().__init__(reason, url, hint)
        self.args = (reason, url, hint, needed)
        self.needed = needed


class JournalUnavailable(StorageError):
    """The journal cannot be opened or written here. A run can go on without."""


class JournalDamaged(StorageError):
    """The file of the journal is no database, or a damaged one."""


class NetworkError(DownloadError):
    """The connection failed: DNS, refused, reset, time-out, stall, or the body ended too early."""

    exit_code = 4
    retryable = True


class NameNotFound(NetworkError):
    """The host name does not exist. (If the name server did not answer, the error is a NetworkError.)"""

    retryable = False


class NoAnswer(NetworkError):
    """No connection, or no byte of an answer, within the time-out: the host may be down."""


class TLSError(DownloadError):
    """The certificate does not verify, or the handshake failed."""

    exit_code = 5


class _StatusError(DownloadError):
    """An HTTP status that is an error. ``retry_after``: the wait in seconds that the server requested, or None."""

    def __init__(self, status: int, url: str = "", hint: str = "", retry_after: float | None = None) -> None:
        from http import HTTPStatus  # here: few runs need it

        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "unknown status"
        super().__init__(f"HTTP {status} {phrase}", url, hint)
        self.args = (status, url, hint, retry_after)
        self.status = status
        self.retry_after = retry_after


class AuthError(_StatusError):
    """401, 403 or 407: the server requires other credentials."""

    exit_code = 6
    HINTS: ClassVar[dict[int, str]] = {
        401: "the server requires credentials: --user, --netrc or -H",
        403: "the server refuses this request: it may require credentials (--user, --netrc, -H)",
        407: "the proxy requires a user name and a password: --proxy http://user:password@host:port",
    }


class ProtocolError(DownloadError):
    """The answer violates HTTP: it is malformed, a redirect loop, or a range that was not requested."""

    exit_code = 7


class HTTPStatusError(_StatusError):
    """Any other HTTP status of 400 or more. ``status``: the number."""

    exit_code = 8

    def __init__(self, status: int, url: str = "", hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(status, url, hint, retry_after)
        self.retryable = status in RETRYABLE_STATUS


class IntegrityError(DownloadError):
    """The checksum or the size of the file is wrong."""

    exit_code = 9


class WrongPieces(IntegrityError):
    """Some pieces of the file have wrong checksums. The others are kept, and the next try fetches the wrong ones only."""

    retryable = True


class PolicyError(DownloadError):
    """Refused by a rule: a path outside the folder, a scheme, a redirect from https to http."""

    exit_code = 10


class Unwanted(PolicyError):
    """The file on the server is refused: it is too large, too small, or of another type. No part of it is kept."""


class TotalReached(PolicyError):
    """The run has received more bytes than ``--max-total`` allows. What can be resumed is kept."""

    ends_run = True

    @classmethod
    def after(cls, max_total: int) -> "TotalReached":
        """The error of a run that may receive ``max_total`` bytes."""
        reason = f"the run has received more than {max_total} bytes: --max-total"
        hint = "run the same command again to go on: each run counts from 0"
        return cls(reason, hint=hint, kind="the run has received more than --max-total")


class ProcessError(DownloadError):
    """A ``--process`` function raised an exception, or an ``--on-complete`` command failed.

    Where the function raised, the file is kept as a part file; where the command failed, it is complete.
    """

    exit_code = 11


class WorkerError(DownloadError):
    """The worker process of this download died (killed, out of memory)."""

    retryable = True


class Interrupted(DownloadError):
    """The run was stopped before this download ended. The next run resumes it."""

    exit_code = 130


def exit_code(classes: Iterable[type[DownloadError]]) -> int:
    """The exit code of a run with failures of these classes: 0 without failures, the class's code for one, 1 for several
    codes."""
    codes = {cls.exit_code for cls in classes}
    if not codes:
        return 0
    return codes.pop() if len(codes) == 1 else 1
