"""How many bytes of bodies one process may still receive in a run: ``--max-total``.

The budget of a process holds to the block, also where nobody samples the numbers of the run (a single thread that is busy with
one body). Where several processes share a run, `downloader.engine.run.LocalRun` compares the sum of all of them with the limit.
"""

import threading

from downloader.errors import TotalReached


class ByteBudget:
    """Counts down the bytes of all bodies that this process receives. Thread-safe. ``max_total``: bytes, more than 0."""

    def __init__(self, max_total: int) -> None:
        self._max_total = max_total
        self._left = max_total
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Count bytes that have been read. Raises TotalReached where they are more than what was left."""
        with self._lock:
            self._left -= count
            left = self._left
        if left < 0:
            raise TotalReached.after(self._max_total)
