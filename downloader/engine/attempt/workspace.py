"""What the steps of one Attempt share, beside its Transfer."""

from collections.abc import Callable
from dataclasses import dataclass

from downloader.engine.contract import WorkerConfig
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import Lane
from downloader.storage.checksum import Verifier
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile


@dataclass(slots=True)
class Workspace:
    """The part file and its folder, the place for the numbers of this Attempt, the clock (monotonic seconds), the settings.

    ``verifier``: the digest of the bytes that this Attempt has written, in order; ``flushed_at``: when the last were written.
    """

    part: PartFile
    folder: Folder
    lane: Lane
    clock: Callable[[], float]
    config: WorkerConfig
    rate_limiter: RateLimiter | None
    verifier: Verifier | None = None
    flushed_at: float = 0.0
