"""Is this worth another try, and after how long."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from downloader.core.model import End, Outcome
from downloader.errors import (
    AuthError,
    DownloadError,
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


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``retries``: tries after the first. ``wait``: the first backoff; ``longest_wait`` caps it; seconds.

    ``max_retry_after`` caps what a server may ask for with Retry-After, seconds. ``retry_on``: statuses that are tried again
    besides those that are by themselves.
    """

    retries: int = 5
    wait: float = 0.5
    longest_wait: float = 60.0
    max_retry_after: float = 120.0
    retry_on: frozenset[int] = frozenset()

    def backoff(self, tries: int, chance: float, retry_after: float | None = None) -> float:
        """Seconds until the next try, after ``tries`` of them: exponential with full jitter, or what the server asked for.

        ``chance`` is uniform in [0, 1). Full jitter: Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
        """
        if retry_after is not None:
            return min(retry_after, self.max_retry_after)
        return chance * min(self.longest_wait, self.wait * 2.0 ** min(tries - 1, 30))

    def wait_for(self, error: DownloadError, tries: int, chance: float) -> float:
        """Seconds until the next try after this error; none where bytes were wrong, or a worker of ours died."""
        if isinstance(error, IntegrityError | WorkerError):
            return 0.0
        return self.backoff(tries, chance, getattr(error, "retry_after", None))

    def allows(self, error: DownloadError, tries: int, mismatches: int, losses: int = 0) -> bool:
        """May there be another try? ``mismatches``: how often the finished file had the wrong checksum; once is forgiven.

        ``losses``: how often a worker died with it. The first is forgiven: the file may be complete, and only be unreported.
        """
        if losses and isinstance(error, WorkerError):
            return losses <= max(1, self.retries)
        if tries > self.retries:
            return False
        if isinstance(error, IntegrityError):
            return mismatches <= 1
        return error.retryable or getattr(error, "status", 0) in self.retry_on


def parse_statuses(texts: Iterable[str]) -> frozenset[int]:
    """``404,403`` as numbers. Raises UsageError for what is no status from 400 to 599."""
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    for word in words:
        if not re.fullmatch(r"[45][0-9]{2}", word):
            raise UsageError(f"--retry-on: expected statuses from 400 to 599, got {word!r}", hint="as in 403,404")
    return frozenset(map(int, words))


def another_server_may_help(error: DownloadError) -> bool:
    """Whether a mirror may do better where this server failed for good; not with a full disk, or a refused path."""
    return isinstance(error, NetworkError | TLSError | AuthError | ProtocolError | HTTPStatusError | Unwanted)


_DECIDED = (End.EXISTS, End.UNSTARTED, End.COMPLETE, End.NOT_MODIFIED)


def was_asked(outcome: Outcome) -> bool:
    """Whether a request may have been sent: not where what was there already decided."""
    decided = outcome.end in _DECIDED or (outcome.end is End.FAILED and isinstance(outcome.error, StorageError))
    return not (decided and outcome.status == 0 and outcome.head_latency == 0)


def is_refusal(outcome: Outcome) -> bool:
    """Whether the server, or the way to it, said that this was too much: 429, 503, or no answer at all."""
    error = outcome.error
    if isinstance(error, NetworkError):
        return outcome.status == 0 and error.retryable
    return isinstance(error, HTTPStatusError) and error.status in (429, 503)
