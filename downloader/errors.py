"""Everything that can go wrong with a download, as one tree.

::

    DownloadError
    ├── UsageError            2   a bad flag, config value or list line: nothing was started
    ├── StorageError          3   disk full, permission, name too long, target is a directory
    │   ├── FileInUse             another run is writing it                              (retryable)
    │   └── FolderError           the folder cannot be written at all: it ends the run
    │       └── FolderFull            … because it is full
    ├── NetworkError          4   DNS, refused, reset, time-out, stall, truncated      (retryable)
    │   ├── NameNotFound          the name does not exist
    │   └── NoAnswer              a whole time-out passed without a word of the host     (retryable)
    ├── TLSError              5   certificate does not verify, handshake
    ├── AuthError             6   401, 403, 407
    ├── ProtocolError         7   malformed answer, redirect loop, bad range
    ├── HTTPStatusError       8   other status >= 400                                    (some retryable)
    ├── IntegrityError        9   checksum or size mismatch
    ├── PolicyError          10   refused by a rule: path, address, scheme, no checksum
    │   └── Unwanted              the server's file is too large, too small, or of another type
    ├── ProcessError         11   a --process function raised
    ├── WorkerError           1   a worker process died while it held the download     (retryable)
    └── Interrupted         130   the run was stopped before this download ended

Errors hold plain values, hand all constructor arguments to ``Exception`` (so that they pickle), and
compose their text in ``__str__``. This module imports nothing of the package.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar

RETRYABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 530)})
"""Answers that another try may improve on (RFC 9110 section 15, RFC 6585, RFC 8470; 52x: proxies)."""


class DownloadError(Exception):
    """The root of the tree: why one Download, or the whole run, did not succeed.

    ``reason`` says what happened, ``url`` (already free of credentials) where, ``hint`` what to do about it.
    ``kind``: the reason without what differs from file to file (sizes, digests, names): what failures are counted by.
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
    """A bad flag, configuration value or list line. Nothing was started."""

    exit_code = 2


class StorageError(DownloadError):
    """The file could not be written: disk full, permission, name too long, a directory in the way."""

    exit_code = 3


class FileInUse(StorageError):
    """Another run is writing this very file. It may be gone in a moment: a worker whose run was killed, say."""

    retryable = True


class FolderError(StorageError):
    """The folder of the run cannot be written to at all: read-only, not ours, removed. No other file would do better."""

    ends_run = True


class FolderFull(FolderError):
    """No space is left, or not enough for a file whose length was told. ``needed``: bytes that were still to be written."""

    def __init__(self, reason: str, url: str = "", hint: str = "", needed: int = 0) -> None:
        super().__init__(reason, url, hint)
        self.args = (reason, url, hint, needed)
        self.needed = needed


class NetworkError(DownloadError):
    """The connection failed: DNS, refused, reset, time-out, stall, or the body ended too early."""

    exit_code = 4
    retryable = True


class NameNotFound(NetworkError):
    """The host name does not exist (as opposed to a name server that did not answer)."""

    retryable = False


class NoAnswer(NetworkError):
    """A whole time-out passed without a connection, or without a word of an answer: the host may be dead."""


class TLSError(DownloadError):
    """The certificate does not verify, or the handshake failed."""

    exit_code = 5


class _StatusError(DownloadError):
    """An HTTP status that is an error. ``retry_after`` is in seconds, where the server named a time."""

    def __init__(self, status: int, url: str = "", hint: str = "", retry_after: float | None = None) -> None:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "unknown status"
        super().__init__(f"HTTP {status} {phrase}", url, hint)
        self.args = (status, url, hint, retry_after)
        self.status = status
        self.retry_after = retry_after


class AuthError(_StatusError):
    """401, 403 or 407: the server wants other credentials."""

    exit_code = 6
    HINTS: ClassVar[dict[int, str]] = {
        401: "the server wants credentials: --user, --netrc or -H",
        403: "the server refuses this request: it may want credentials (--user, --netrc, -H)",
        407: "the proxy wants a user and password: --proxy http://user:password@host:port",
    }


class ProtocolError(DownloadError):
    """The answer breaks HTTP's rules: malformed, a redirect loop, a range that was not asked for."""

    exit_code = 7


class HTTPStatusError(_StatusError):
    """Any other status of 400 or more."""

    exit_code = 8

    def __init__(self, status: int, url: str = "", hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(status, url, hint, retry_after)
        self.retryable = status in RETRYABLE_STATUS


class IntegrityError(DownloadError):
    """The file is not what it should be: its checksum or its size differs."""

    exit_code = 9


class PolicyError(DownloadError):
    """Refused by a rule of ours: a path outside the folder, a scheme, a downgrade from https."""

    exit_code = 10


class Unwanted(PolicyError):
    """What the server has is refused: it is too large, too small, or of another type. Nothing of it is kept."""


class ProcessError(DownloadError):
    """The function that was to process the finished file raised an exception. The file is kept as a part file."""

    exit_code = 11


class WorkerError(DownloadError):
    """The process that held this download died (killed, out of memory)."""

    retryable = True


class Interrupted(DownloadError):
    """The run was stopped before this download ended. What it had is kept for the next run."""

    exit_code = 130


def exit_code(classes: Iterable[type[DownloadError]]) -> int:
    """The exit code of a run whose failures were of these classes: 0 for none, the class's own for one, 1 for several."""
    codes = {cls.exit_code for cls in classes}
    if not codes:
        return 0
    return codes.pop() if len(codes) == 1 else 1
