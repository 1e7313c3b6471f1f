"""Downloads that wait for another try: until when, and for what. Pure: times come in as arguments."""

import heapq
from typing import NamedTuple

from downloader.core.scheduling.download_state import DownloadState
from downloader.errors import DownloadError


class Waiting(NamedTuple):
    """What waits for another try: how many files, until when the first of them (monotonic seconds), and why that one."""

    files: int
    due: float
    reason: str


class RetryQueue:
    """Entries by the time at which they may be tried again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, DownloadState, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, entry: DownloadState, due: float, error: DownloadError | None) -> None:
        """Let this one wait until then, because of that."""
        heapq.heappush(self._heap, (due, entry.key, entry, "" if error is None else error.reason))

    def due(self, now: float) -> list[DownloadState]:
        """Those whose time has come; they wait no longer."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    @property
    def soonest(self) -> float | None:
        """When the first of them is due; None where nothing waits."""
        return self._heap[0][0] if self._heap else None

    def summary(self) -> Waiting | None:
        """What a display says about them; None where nothing waits."""
        return Waiting(len(self._heap), self._heap[0][0], self._heap[0][3]) if self._heap else None

    def clear(self) -> list[DownloadState]:
        """Empty it; all that was in it."""
        entries = [item[2] for item in self._heap]
        self._heap.clear()
        return entries
