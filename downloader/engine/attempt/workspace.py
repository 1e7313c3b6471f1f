"""What the steps of one Attempt share, beside its Transfer."""

import math
from typing import TYPE_CHECKING

from downloader.core.model import Attempt
from downloader.engine.contract import AttemptContext, Slot
from downloader.storage.part import PartFile

if TYPE_CHECKING:  # few runs hash
    from downloader.storage.checksum import ChecksumVerifier


class Workspace:
    """One Attempt at work: its part file, the slot that it runs in, and what it has in common with other Attempts.

    ``verifier``: the digest of the bytes that this Attempt has written, in order; None: nothing is hashed yet.
    ``flushed_at``: when bytes were last written (monotonic seconds).
    """

    __slots__ = ("attempt", "context", "flushed_at", "part", "slot", "verifier")

    def __init__(self, attempt: Attempt, part: PartFile, slot: Slot, context: AttemptContext) -> None:
        self.attempt = attempt
        self.part = part
        self.slot = slot
        self.context = context
        self.verifier: ChecksumVerifier | None = None
        self.flushed_at = 0.0

    @property
    def stop(self) -> float:
        """The offset where the Attempt must end, by order of the run or by its Segment; infinite: at the end of the file."""
        cut = self.slot.cut
        ordered = None if cut.order is None else cut.stop_of(self.attempt.key)
        stop = self.attempt.segment.stop if ordered is None else ordered
        return math.inf if stop is None else stop
