"""Downloads that wait for their next try. Pure: times come in as arguments."""

import heapq
import math
from typing import NamedTuple

from downloader.core.scheduling.download_state import DownloadState
from downloader.errors import DownloadError


class Waiting(NamedTuple):
    """What a display shows of the Downloads that wait for their next try.

    ``files``: how many there are; ``due``: when the first of them is tried again (monotonic seconds); ``reason``: of that one.
    """

    files: int
    due: float
    reason: str


class RetryQueue:
    """Downloads ordered by the time of their next try. ``next_due``: that of the first (infinity: none waits)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, DownloadState, str]] = []
        self.next_due = math.inf

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, entry: DownloadState, due: float, error: DownloadError | None) -> None:
        """Add a Download that is tried again at ``due``, because of this error."""
        heapq.heappush(self._heap, (due, entry.key, entry, "" if error is None else error.reason))
        self.next_due = self._heap[0][0]

    def pop_due(self, now: float) -> list[DownloadState]:
        """Remove and return those whose time has come."""
        entries = []
        while self._heap and self._heap[0][0] <= now:
            entries.append(heapq.heappop(self._heap)[2])
        self.next_due = self._heap[0][0] if self._heap else math.inf
        return entries

    def summary(self) -> Waiting | None:
        """What a display shows; None where nothing waits."""
        return Waiting(len(self._heap), self._heap[0][0], self._heap[0][3]) if self._heap else None

    def clear(self) -> list[DownloadState]:
        """Remove and return all."""
        entries = [item[2] for item in self._heap]
        self._heap.clear()
        self.next_due = math.inf
        return entries
