"""A worker's half of the dealing: the parcels that it was sent, which Attempt of them is next, and what is to be reported."""

from collections import deque
from collections.abc import Iterable

from downloader.core.model import Attempt, Outcome
from downloader.core.scheduling.lost_batch import unstarted

Ended = tuple[int, list[Outcome]]
"""The number of a parcel, and how some or all of its Attempts ended. No Attempt is reported twice."""


class Parcels:
    """The parcels of one worker. Each runs its Attempts one after the other.

    ``whole``: report the Attempts of a parcel together, when the last of them has ended; else each as soon as it has ended.
    """

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self._left: dict[int, deque[Attempt]] = {}
        self._ended: dict[int, list[Outcome]] = {}  # not reported yet
        self._received_at: dict[int, float] = {}
        self._idle: deque[int] = deque()  # parcels of which nothing runs now
        self._running: dict[int, int] = {}  # the number of the parcel by the key of the Attempt
        self._reports: list[Ended] = []

    @property
    def running(self) -> int:
        """Attempts that were taken and are not settled."""
        return len(self._running)

    @property
    def can_start(self) -> bool:
        """Whether `take` returns an Attempt."""
        return bool(self._idle)

    @property
    def waiting(self) -> int:
        """Attempts that were not taken."""
        return sum([len(parcel) for parcel in self._left.values()])

    def add(self, number: int, attempts: Iterable[Attempt], now: float) -> None:
        """A parcel has come. ``now``: monotonic seconds."""
        self._left[number] = deque(attempts)
        self._ended[number] = []
        self._received_at[number] = now
        self._idle.append(number)

    def take(self) -> tuple[int, Attempt]:
        """The number of a parcel of which nothing runs, and its next Attempt. Raises IndexError where there is none."""
        number = self._idle.popleft()
        attempt = self._left[number].popleft()
        self._running[attempt.key] = number
        return number, attempt

    def ended_of(self, number: int) -> int:
        """How many Attempts of this parcel have ended that are not reported."""
        return len(self._ended[number])

    def settle(self, outcome: Outcome) -> None:
        """An Attempt has ended. If that shows that no file can be written, everything that was not started is returned."""
        number = self._running.pop(outcome.key)
        self._ended[number].append(outcome)
        left = self._left[number]
        if left and outcome.error is not None and outcome.error.ends_run:
            self._ended[number] += unstarted(left)
            left.clear()
        if not left:
            self._end(number)
        else:
            self._idle.append(number)
            if not self._whole:
                self._report(number)
        if outcome.error is not None and outcome.error.ends_run:
            self.return_idle()
            self.return_late(float("inf"), 0.0)

    def return_idle(self) -> None:
        """The run stops: return what was not started of the parcels of which nothing runs."""
        for number in self._idle:
            self._ended[number] += unstarted(self._left[number])
            self._end(number)
        self._idle.clear()

    def return_late(self, now: float, seconds: float) -> None:
        """Return what waits behind a running Attempt, of parcels that came more than ``seconds`` ago."""
        for number in self._running.values():
            left = self._left[number]
            if left and now - self._received_at[number] > seconds:
                self._reports.append((number, unstarted(left)))
                left.clear()

    def reports(self) -> list[Ended]:
        """What is to be reported since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def _report(self, number: int) -> None:
        ended = self._ended[number]
        self._reports.append((number, ended))
        self._ended[number] = []

    def _end(self, number: int) -> None:
        self._report(number)
        del self._left[number], self._ended[number], self._received_at[number]
