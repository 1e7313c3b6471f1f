"""What follows a failed Attempt: another try, another URL, or the end of the Download. Pure arithmetic and tables."""

import re
from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from downloader.core.model import End, Outcome
from downloader.core.names.urls import public_url
from downloader.errors import (
    AuthError,
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    NetworkError,
    ProtocolError,
    StorageError,
    TLSError,
    Unwanted,
    UsageError,
    WorkerError,
)

IN_USE_WAITS = 6
"""While another run writes the file, a try follows after so many times `RetryPolicy.wait`. By default, five tries last
longer than a worker of a cluster works whose client was killed."""


class NextStep(Enum):
    """What follows a failed Attempt."""

    RETRY = "retry"  # try again after `RetryPolicy.delay`
    OTHER_URL = "other URL"  # do not ask this URL again; the other URLs of the Download get their tries
    FAIL = "fail"


class RetryPolicy(Struct, frozen=True):
    """How often a failed Attempt is repeated, and after which delays.

    Args:
        retries: tries after the first one.
        wait: upper bound of the first backoff, seconds; it doubles with each try.
        longest_wait: upper bound of any backoff, seconds.
        max_retry_after: upper bound of what a server may ask for with Retry-After (RFC 9110 section 10.2.3), seconds.
        retry_on: HTTP statuses that are tried again besides those whose errors are ``retryable``.
    """

    retries: int = 5
    wait: float = 0.5
    longest_wait: float = 60.0
    max_retry_after: float = 120.0
    retry_on: frozenset[int] = frozenset()

    def next_step(
        self,
        error: DownloadError,
        tries: int,
        has_other_urls: bool,
        checksum_mismatches: int = 0,
        worker_losses: int = 0,
    ) -> NextStep:
        """What follows an Attempt that failed with this error. ``has_other_urls``: the Download has mirrors left.

        For the other arguments see `allows`.
        """
        if self.allows(error, tries, checksum_mismatches, worker_losses):
            return NextStep.RETRY
        return NextStep.OTHER_URL if has_other_urls and another_server_may_help(error) else NextStep.FAIL

    def allows(self, error: DownloadError, tries: int, checksum_mismatches: int, worker_losses: int = 0) -> bool:
        """Whether another try may follow this error.

        Args:
            error: the error of the last try.
            tries: tries made so far.
            checksum_mismatches: how often the finished file had the wrong checksum; only the first one allows another try.
                This does not count for WrongPieces, after which little is fetched again.
            worker_losses: how often a worker process died with this Download. At least one loss is allowed, even with
                ``retries`` 0: the file may be complete, with only the Outcome missing.
        """
        if worker_losses and isinstance(error, WorkerError):
            return worker_losses <= max(1, self.retries)
        if tries > self.retries:
            return False
        if isinstance(error, IntegrityError) and not error.retryable:
            return checksum_mismatches <= 1
        return error.retryable or getattr(error, "status", 0) in self.retry_on

    def delay(self, error: DownloadError, tries: int, jitter: float) -> float:
        """Seconds until the next try after this error; 0 where no server is to blame: wrong bytes, or a dead worker.

        For the other arguments see `backoff`.
        """
        if isinstance(error, IntegrityError | WorkerError):
            return 0.0
        delay = self.backoff(tries, jitter, getattr(error, "retry_after", None))
        return max(delay, IN_USE_WAITS * self.wait) if isinstance(error, FileInUse) else delay

    def backoff(self, tries: int, jitter: float, retry_after: float | None = None) -> float:
        """Seconds until the next try: exponential backoff with full jitter, or what the server asked for.

        Full jitter: Brooker, "Exponential Backoff And Jitter" (AWS, 2015).

        Args:
            tries: tries made so far, at least 1.
            jitter: a random number, uniform in [0, 1).
            retry_after: seconds that the server asked for; None: it did not.
        """
        if retry_after is not None:
            return min(retry_after, self.max_retry_after)
        return jitter * min(self.longest_wait, self.wait * 2.0 ** min(tries - 1, 30))


def parse_statuses(texts: Iterable[str]) -> frozenset[int]:
    """The numbers in texts such as ``404,403``. Raises UsageError for anything but statuses from 400 to 599."""
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    for word in words:
        if not re.fullmatch(r"[45][0-9]{2}", word):
            raise UsageError(f"--retry-on: expected statuses from 400 to 599, got {word!r}", hint="as in 403,404")
    return frozenset(map(int, words))


def failure_of(outcome: Outcome, url: str) -> DownloadError:
    """The error of an Outcome that failed; a WorkerError where the worker died before it could report one."""
    return outcome.error or WorkerError("the worker process died", public_url(url))


def another_server_may_help(error: DownloadError) -> bool:
    """Whether a mirror may succeed where this server failed; not so for a full disk or a refused path."""
    return isinstance(error, NetworkError | TLSError | AuthError | ProtocolError | HTTPStatusError | Unwanted)


_DECIDED_LOCALLY = (End.EXISTS, End.UNSTARTED, End.COMPLETE, End.NOT_MODIFIED)
"""Ends that an Attempt may have without a request: the file that exists decided."""


def was_asked(outcome: Outcome) -> bool:
    """Whether the Attempt may have sent a request. False only if the local file or the folder decided it before."""
    local = outcome.end in _DECIDED_LOCALLY or (outcome.end is End.FAILED and isinstance(outcome.error, StorageError))
    return not (local and outcome.status == 0 and outcome.head_latency == 0)


def is_refusal(outcome: Outcome) -> bool:
    """Whether the server, or the network, signalled overload: 429, 503, or a retryable error before any answer."""
    error = outcome.error
    if isinstance(error, NetworkError):
        return outcome.status == 0 and error.retryable
    return isinstance(error, HTTPStatusError) and error.status in (429, 503)
