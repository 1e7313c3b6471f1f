"""How many Attempts a worker process is given at a time, and how long the usual Attempt takes."""


def batch_size(seconds_each: float, waiting: int, workers: int, target: float = 0.05, max_size: int = 64) -> int:
    """How many Attempts to hand to one worker together, where handing over is costly.

    A batch takes about ``target`` seconds, but is never larger than one worker's share of what is left, so that at the end
    of the list no worker is idle while another has a long batch.

    Args:
        seconds_each: usual duration of an Attempt, for example `MedianDuration.value`.
        waiting: Downloads that are ready to start.
        workers: places that batches are handed to.
        target: seconds.
        max_size: upper bound of the result.

    Returns:
        At least 1.
    """
    by_time = max_size if seconds_each * max_size <= target else int(target / seconds_each)
    share = -(-waiting // max(workers, 1))
    return max(1, min(by_time, share, max_size))


class MedianDuration:
    """The median of the last durations, which a few very long ones do not change."""

    SAMPLES = 31

    def __init__(self, first: float = 1.0) -> None:
        """``first``: the value in seconds as long as nothing was measured."""
        self._value = first
        self._last: list[float] = []
        self._next = 0
        self._changed = False

    def add(self, seconds: float) -> None:
        """Count one more."""
        if len(self._last) < self.SAMPLES:
            self._last.append(seconds)
        else:
            self._last[self._next] = seconds
            self._next = (self._next + 1) % self.SAMPLES
        self._changed = True

    @property
    def value(self) -> float:
        """Seconds."""
        if self._changed:
            self._changed = False
            self._value = sorted(self._last)[len(self._last) // 2]
        return self._value
