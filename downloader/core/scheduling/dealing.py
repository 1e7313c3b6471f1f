"""Which worker has which Attempts, and what follows when a worker dies. Pure: a driver starts workers and sends messages.

A *seat* is a worker that gets Attempts: a process of this machine, or of a cluster. A seat has slots. Each slot runs one
*parcel* at a time: a few Attempts, one after the other. The driver gives Attempts to `Dealing.place`, sends to each worker what
`Dealing.to_send` returns, and calls `Dealing.reported` and `Dealing.gone` for what it hears of the workers.

When a worker dies, all Attempts that ran there are lost at once. The usual cause is outside: a user or the machine has killed
the worker. But a file can be the cause, too: a function of ``--process`` crashes with it, or a library has a defect. Then the
worker dies each time that this file is tried, and nobody knows which of the lost files was the cause. So:

1. Files that were lost together are tried again. This does not count as a failure of any of them.
2. A file that is lost a second time is a *suspect*. Suspects run in one seat, the *quarantine*, in small groups, and no other
   file runs in that seat. A file is no suspect any more when it is complete.
3. When a group kills its worker, its files run in smaller groups, and in the end each of them runs alone.
4. A file that was lost alone is the cause. Only then `End.WORKER_LOST` is its Outcome, and `RetryPolicy` limits how often.
"""

import sys
from collections.abc import Callable

from downloader.core.limits.batches import MedianDuration, batch_size
from downloader.core.model import Attempt, End, Outcome
from downloader.core.scheduling.lost_batch import ends_of_lost_batch, unstarted

Parcel = tuple[int, list[Attempt]]
"""The number of a slot, and the Attempts that run there one after the other."""

SUSPECT_AFTER = 2
"""A file that was lost so often is a suspect."""

GROUP_DIVISOR = 8
"""Suspects that were lost together run in groups that are smaller by this factor."""

_WORKER_LOST, _UNREPORTED, _MAYBE_STARTED = End.WORKER_LOST, End.UNREPORTED, End.MAYBE_STARTED

_FILE_IS_THERE = (End.COMPLETE, End.EXISTS, End.NOT_MODIFIED)
"""Ends that show that a file does not kill its worker. After the others, the most dangerous step may still be to come."""

_File = tuple[str, str]
"""What identifies a file in all its Attempts: the first URL and the path."""


class Seat:
    """A worker that gets parcels.

    ``slots``: how many parcels it can run at a time. ``free``: the numbers of the slots that run nothing. ``parcels``: by the
    number of the slot, the Attempts of which no Outcome was reported yet.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.free = list(range(slots))
        self.parcels: dict[int, list[Attempt]] = {}

    def room(self) -> int:
        """How many slots are free."""
        return len(self.free)

    def clear(self) -> None:
        """Forget everything that the seat had."""
        self.parcels.clear()
        self.free = list(range(self.slots))


class _Losses:
    """How often a file was lost, and of how many suspects its next group may consist."""

    __slots__ = ("count", "group_size")

    def __init__(self) -> None:
        self.count = 0
        self.group_size = sys.maxsize


class Dealing:
    """Which seat has which Attempts. All Segments of one file are in the same seat, because that worker has the file open."""

    def __init__(self) -> None:
        self.seats: list[Seat] = []
        self._seat_of: dict[int, Seat] = {}  # by the key of the Attempt
        self._to_send: dict[Seat, list[Parcel]] = {}
        self._durations = MedianDuration()
        self._losses: dict[_File, _Losses] = {}
        self._suspects: list[list[Attempt]] = []  # that wait for the quarantine; a list: those of one batch
        self._quarantine: Seat | None = None

    def join(self, seat: Seat) -> None:
        """A worker is there, or will soon be: it may get parcels.

        A seat that was given up joins again only where no report of the former worker can arrive any more; otherwise the new
        worker gets a new seat.
        """
        self.seats.append(seat)

    @property
    def busy(self) -> bool:
        """Whether any Attempt is in a seat, or waits for one."""
        return bool(self._seat_of or self._suspects)

    @property
    def running(self) -> int:
        """Parcels in the seats, and batches of suspects that wait for the quarantine."""
        return sum([len(seat.parcels) for seat in self.seats]) + len(self._suspects)

    def has(self, key: int | None) -> bool:
        """Whether a seat has the Attempt with this key."""
        return key in self._seat_of

    @property
    def has_room(self) -> bool:
        """Whether `place` finds a seat for an Attempt that is no suspect."""
        seat = self._roomiest()
        return seat is not None and bool(seat.free)

    def batch_size(self, waiting: int, slots: int, target: float = 0.05, max_size: int = 64) -> int:
        """How many Attempts to take for one slot; see `downloader.core.limits.batches.batch_size`."""
        return batch_size(self._durations.value, waiting, slots, target, max_size)

    # --- giving

    def place(self, batch: list[Attempt]) -> list[Outcome]:
        """Find a seat for a batch, which `to_send` returns then; a suspect waits for the quarantine.

        Returns:
            The Outcomes of Attempts that are not started: all, where no seat has a free slot; those that are no suspects, where
            some of the batch are, because the Attempts of a batch never run at the same time.
        """
        partner = batch[0].same_process_as
        seat = None if partner is None else self._seat_of.get(partner)
        if seat is None:
            if self._losses and (suspects := [attempt for attempt in batch if self.is_suspect(attempt)]):
                self._suspects.append(suspects)
                self._reserve_quarantine()  # before other batches get its slots
                return unstarted([attempt for attempt in batch if not self.is_suspect(attempt)])  # one slot, one parcel
            seat = self._roomiest()
        if seat is None or not seat.free:
            return unstarted(batch)
        self._assign(seat, batch)
        return []

    def to_send(self) -> dict[Seat, list[Parcel]]:
        """What is to be sent to each seat now: the parcels that were placed since the last call."""
        if self._suspects:
            self._begin_group()
        to_send, self._to_send = self._to_send, {}
        return to_send

    def withdraw(self) -> list[Outcome]:
        """The run stops: the Outcomes of the suspects that have not begun."""
        suspects, self._suspects = self._suspects, []
        self._end_quarantine()
        return unstarted([attempt for batch in suspects for attempt in batch])

    def _assign(self, seat: Seat, batch: list[Attempt]) -> None:
        number = seat.free.pop()
        seat.parcels[number] = batch
        for attempt in batch:
            self._seat_of[attempt.key] = seat
        self._to_send.setdefault(seat, []).append((number, batch))

    def _roomiest(self) -> Seat | None:
        """The seat with the most free slots, but for the quarantine."""
        best: Seat | None = None
        for seat in self.seats:
            if seat is not self._quarantine and (best is None or len(seat.free) > len(best.free)):
                best = seat
        return best

    # --- quarantine

    def was_lost(self, attempt: Attempt) -> bool:
        """Whether a worker has died with this file, and the file was not completed since."""
        return _file(attempt) in self._losses

    def is_suspect(self, attempt: Attempt) -> bool:
        """Whether the Attempt may run in the quarantine only."""
        losses = self._losses.get(_file(attempt))
        return losses is not None and losses.count >= SUSPECT_AFTER

    def _reserve_quarantine(self) -> None:
        """Choose the seat with the most free slots. It gets nothing but suspects from now on."""
        if self._quarantine is None or self._quarantine not in self.seats:
            self._quarantine = None
            self._quarantine = self._roomiest()

    def _end_quarantine(self) -> None:
        """The seat may get any file again, if it has no suspect and none waits."""
        if self._quarantine is not None and not self._quarantine.parcels and not self._suspects:
            self._quarantine = None

    def _begin_group(self) -> None:
        """Let the next group of suspects begin, if the quarantine runs nothing."""
        suspects = self._suspects
        self._reserve_quarantine()
        seat = self._quarantine
        if seat is None or seat.parcels:
            return
        size, count = seat.slots, 0
        while suspects:
            batch, first = suspects[0], count
            for attempt in batch:
                losses = self._losses.get(_file(attempt))
                size = min(size, 1 if losses is None else losses.group_size)
                if count >= size:
                    break
                count += 1
            if count > first:
                self._assign(seat, batch[: count - first])
            if count - first < len(batch):
                suspects[0] = batch[count - first :]
                break
            del suspects[0]

    # --- what becomes of it

    def reported(self, seat: Seat, number: int, outcomes: list[Outcome]) -> list[Outcome]:
        """A worker has reported how Attempts of its parcel ``number`` ended: any of them, in any order.

        Returns:
            The Outcomes that are to be settled: those of Attempts that this parcel has. The others are of a worker that was
            given up, or were reported before.
        """
        parcel = seat.parcels.get(number)
        if parcel is None:
            return []
        rest: list[Attempt] = []
        if [outcome.key for outcome in outcomes] != [attempt.key for attempt in parcel]:  # most parcels are reported as a whole
            by_key = {attempt.key: attempt for attempt in parcel}
            outcomes = [outcome for outcome in outcomes if by_key.pop(outcome.key, None) is not None]
            rest = list(by_key.values())
        if self._losses:
            self._clear_losses(parcel, outcomes)
        if rest:
            seat.parcels[number] = rest
        else:
            del seat.parcels[number]
            seat.free.append(number)
            if seat is self._quarantine:
                self._end_quarantine()
        for outcome in outcomes:
            del self._seat_of[outcome.key]
            if outcome.elapsed:
                self._durations.add(outcome.elapsed)
        return outcomes

    def _clear_losses(self, parcel: list[Attempt], outcomes: list[Outcome]) -> None:
        complete = {outcome.key for outcome in outcomes if outcome.end in _FILE_IS_THERE}
        for attempt in parcel:
            if attempt.key in complete:
                self._losses.pop(_file(attempt), None)

    def gone(self, seat: Seat, begun: Callable[[int], int | None]) -> list[Outcome]:
        """A worker has died, or is given up: its seat is removed, and is empty then.

        Args:
            seat: the worker's.
            begun: by the number of a parcel: which Attempt was begun last, as an index in what is left of the parcel; -1: none
                was begun; None: it is not known, so each of them may have been begun.

        Returns:
            The Outcomes that are to be settled, of everything that the seat had.
        """
        self.seats.remove(seat)
        self._to_send.pop(seat, None)
        lost: list[tuple[Attempt, End]] = []
        outcomes: list[Outcome] = []
        for number, parcel in seat.parcels.items():
            index = begun(number)
            ends = [_MAYBE_STARTED] * len(parcel) if index is None else ends_of_lost_batch(len(parcel), index)
            for attempt, end in zip(parcel, ends, strict=True):
                del self._seat_of[attempt.key]
                if end in (_WORKER_LOST, _MAYBE_STARTED):
                    lost.append((attempt, end))
                else:
                    outcomes.append(Outcome(attempt.key, end))
        seat.clear()
        self._end_quarantine()
        files = {_file(attempt) for attempt, _ in lost}
        for file in files:
            losses = self._losses.setdefault(file, _Losses())
            losses.count += 1
            losses.group_size = max(1, min(losses.group_size, len(files) // GROUP_DIVISOR))
        for attempt, end in lost:
            if len(files) == 1:
                end = _WORKER_LOST
            elif end is _WORKER_LOST:
                end = _UNREPORTED
            outcomes.append(Outcome(attempt.key, end))
        return outcomes


def _file(attempt: Attempt) -> _File:
    return attempt.primary_url, attempt.path
