"""Which worker has which Attempts, and what the death of a worker leads to. Pure: a driver sends, receives and starts workers.

A *seat* is a worker that can be dealt to: a process of this machine, or of a cluster. Each of its slots runs one *shard* at a
time: a few Attempts, one after the other. A driver asks `Dealing.place` for a seat, sends what `Dealing.parcels` returns, and
reports with `Dealing.reported` and `Dealing.gone` what becomes of it.

A worker that dies takes every Attempt with it that runs there. Usually the machine or a user has killed it. But a file may kill
its worker each time (a function of ``--process``, a defect of a library), and then it is not known which of the files did so.
So files that were lost twice, together with others, are *suspects*: they run in small groups in a seat of their own, the
*quarantine*, until each of them has been reported. A group that kills its worker is divided, so in the end each suspect has run
alone, and only a loss of a file that ran alone counts against that file.
"""

from collections.abc import Callable, Sequence

from downloader.core.limits.batches import MedianDuration, batch_size
from downloader.core.model import Attempt, End, Outcome
from downloader.core.scheduling.lost_batch import ends_of_lost_batch, unstarted

Shard = tuple[int, list[Attempt]]
"""The number of a slot, and the Attempts that run there one after the other."""

SUSPECT_AFTER = 2
"""A file that was lost so often together with others is a suspect."""

GROUP_DIVISOR = 8
"""Of so many files that were lost together, one runs in a group: each further loss divides the group again."""

_UNSTARTED, _WORKER_LOST, _UNREPORTED = End.UNSTARTED, End.WORKER_LOST, End.UNREPORTED


class Seat:
    """A worker that shards are dealt to.

    ``free``: the numbers of the slots that run nothing. ``shards``: what the others have; an Attempt is removed when its
    Outcome is reported.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.free = list(range(slots))
        self.shards: dict[int, list[Attempt]] = {}

    def room(self) -> int:
        """The number of free slots."""
        return len(self.free)

    def clear(self) -> None:
        """Forget everything that the seat had."""
        self.shards.clear()
        self.free = list(range(self.slots))


class _Losses:
    """How often a file was lost together with others, and how many suspects may run together with it."""

    __slots__ = ("count", "group_size")

    def __init__(self) -> None:
        self.count = 0
        self.group_size = 0  # 0: no suspect


class Dealing:
    """Who has which Attempts. Attempts at the Segments of one file have the same seat, which has the file open."""

    def __init__(self) -> None:
        self.seats: list[Seat] = []
        self._seat_of: dict[int, Seat] = {}  # by the key of the Attempt
        self._parcels: dict[Seat, list[Shard]] = {}
        self._durations = MedianDuration()
        self._losses: dict[str, _Losses] = {}  # by the first URL of the file
        self._suspects: list[Attempt] = []  # that were taken, and wait for the quarantine
        self._quarantine: Seat | None = None

    def join(self, seat: Seat) -> None:
        """A worker is there, or will soon be: shards are dealt to it. ``seat``: has nothing."""
        self.seats.append(seat)

    @property
    def busy(self) -> bool:
        """Whether any Attempt is in a seat, or waits for one."""
        return bool(self._seat_of or self._suspects)

    @property
    def running(self) -> int:
        """Shards in the seats, and suspects that wait for the quarantine."""
        return sum([len(seat.shards) for seat in self.seats]) + len(self._suspects)

    def has(self, key: int | None) -> bool:
        """Whether a seat has the Attempt with this key."""
        return key in self._seat_of

    @property
    def has_room(self) -> bool:
        """Whether `place` finds a seat for an Attempt that is no suspect."""
        seat = self._roomiest()
        return seat is not None and bool(seat.free)

    def batch_size(self, waiting: int, slots: int, target: float = 0.05) -> int:
        """How many Attempts to take for one slot; see `downloader.core.limits.batches.batch_size`."""
        return batch_size(self._durations.value, waiting, slots, target)

    # --- giving

    def place(self, batch: list[Attempt]) -> list[Outcome]:
        """Find a seat for a batch, which `parcels` returns then; a suspect waits for the quarantine.

        Returns:
            Where no seat has a free slot: the Outcomes of these Attempts, which were not started.
        """
        partner = batch[0].same_process_as
        seat = None if partner is None else self._seat_of.get(partner)
        if seat is None:
            if self._losses:
                batch = self._without_suspects(batch)
                if not batch:
                    return []
            seat = self._roomiest()
        if seat is None or not seat.free:
            return unstarted(batch)
        self._assign(seat, batch)
        return []

    def parcels(self) -> dict[Seat, list[Shard]]:
        """What is to be sent to each seat now: the shards that were placed since the last call."""
        self._begin_group()
        parcels, self._parcels = self._parcels, {}
        return parcels

    def withdraw(self) -> list[Outcome]:
        """The run stops: the Outcomes of the suspects that have not begun."""
        suspects, self._suspects = self._suspects, []
        return unstarted(suspects)

    def _assign(self, seat: Seat, batch: list[Attempt]) -> None:
        number = seat.free.pop()
        seat.shards[number] = batch
        for attempt in batch:
            self._seat_of[attempt.key] = seat
        self._parcels.setdefault(seat, []).append((number, batch))

    def _roomiest(self) -> Seat | None:
        """The seat with the most free slots, but for the quarantine."""
        best: Seat | None = None
        for seat in self.seats:
            if seat is not self._quarantine and (best is None or len(seat.free) > len(best.free)):
                best = seat
        return best

    # --- quarantine

    def is_suspect(self, attempt: Attempt) -> bool:
        """Whether the Attempt must not run together with others."""
        losses = self._losses.get(attempt.primary_url)
        return losses is not None and losses.group_size > 0

    def _without_suspects(self, batch: list[Attempt]) -> list[Attempt]:
        rest: list[Attempt] = []
        for attempt in batch:
            (self._suspects if self.is_suspect(attempt) else rest).append(attempt)
        return rest

    def _begin_group(self) -> None:
        """Let the next group of suspects begin, where the quarantine is empty; reserve a seat for the first group."""
        seat = self._quarantine
        if not self._suspects:
            if seat is not None and not seat.shards:
                self._quarantine = None
            return
        if seat is None or seat not in self.seats:
            seat = self._quarantine = self._roomiest_of_all()
        if seat is None or seat.shards:
            return
        size, suspects = seat.slots, self._suspects
        count = 0
        while count < len(suspects) and count < (size := min(size, self._group_size(suspects[count]))):
            count += 1
        for attempt in suspects[:count]:
            self._assign(seat, [attempt])
        del suspects[:count]

    def _roomiest_of_all(self) -> Seat | None:
        self._quarantine = None
        return self._roomiest()

    def _group_size(self, attempt: Attempt) -> int:
        losses = self._losses.get(attempt.primary_url)
        return max(1, losses.group_size) if losses is not None else 1

    # --- what becomes of it

    def reported(self, seat: Seat, number: int, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """A seat has reported how Attempts of the shard ``number`` ended: any of them, in any order.

        Returns:
            The Outcomes that are to be settled: those of Attempts that the seat has. Others come from a seat that is gone, or
            were reported before.
        """
        shard = seat.shards.get(number)
        if shard is None or seat not in self.seats:
            return []
        by_key = {attempt.key: attempt for attempt in shard}
        valid = [outcome for outcome in outcomes if by_key.pop(outcome.key, None) is not None]
        if by_key:
            seat.shards[number] = [attempt for attempt in shard if attempt.key in by_key]
        else:
            del seat.shards[number]
            seat.free.append(number)
        if self._losses:
            self._clear_losses(shard, valid)
        for outcome in valid:
            del self._seat_of[outcome.key]
            if outcome.elapsed:
                self._durations.add(outcome.elapsed)
        return valid

    def _clear_losses(self, shard: list[Attempt], outcomes: list[Outcome]) -> None:
        """A file whose Attempt was reported has not killed its worker."""
        ended = {outcome.key for outcome in outcomes if outcome.end is not _UNSTARTED}
        for attempt in shard:
            if attempt.key in ended:
                self._losses.pop(attempt.primary_url, None)

    def gone(self, seat: Seat, begun: Callable[[int], int], behind: End = _UNSTARTED) -> list[Outcome]:
        """A worker has died, or is given up: its seat is removed.

        Args:
            seat: the worker's; it is empty then, and may join again.
            begun: by the number of a shard, the index in what is left of the shard of the Attempt that was begun last; -1 if
                none was begun.
            behind: see `downloader.core.scheduling.lost_batch.ends_of_lost_batch`.

        Returns:
            The Outcomes that are to be settled, of everything that the seat had.
        """
        self.seats.remove(seat)
        self._parcels.pop(seat, None)
        lost: list[Attempt] = []
        outcomes: list[Outcome] = []
        for number, shard in seat.shards.items():
            for attempt, end in zip(shard, ends_of_lost_batch(len(shard), begun(number), behind), strict=True):
                del self._seat_of[attempt.key]
                if end is _WORKER_LOST:
                    lost.append(attempt)
                else:
                    outcomes.append(Outcome(attempt.key, end))
        seat.clear()
        end = _WORKER_LOST if len(lost) == 1 else _UNREPORTED
        for attempt in lost:
            self._note_loss(attempt, len(lost))
            outcomes.append(Outcome(attempt.key, end))
        return outcomes

    def _note_loss(self, attempt: Attempt, together: int) -> None:
        losses = self._losses.setdefault(attempt.primary_url, _Losses())
        losses.count += 1
        if together == 1 or losses.count >= SUSPECT_AFTER:
            losses.group_size = max(1, together // GROUP_DIVISOR)
