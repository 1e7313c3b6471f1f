"""How one file is split into Segments, and how the slow rest of one is split again. Pure: times come in as arguments.

A file starts as one Segment without an end. While slots are free, the running Segment that would take longest is cut: it
keeps its first piece, and the other pieces become pending Segments, for further Attempts. In this way the whole file is
shared out first; later, whatever is slow is shared out again, so that the end of a file does not hang on one connection.
Where a Segment is too small to be cut, and far slower than the others, another connection takes over all of its rest.

A server that limits the rate of each connection is recognized after a tenth of a second: the speed of the Segment is steady,
and that of the whole run is far below what a machine can receive. There, every further connection adds its full share, so
shorter pieces are worth an Attempt of their own (`MIN_GAIN_IF_CAPPED`), and the first cut uses all free slots.

The end of a Segment moves while it runs: `SegmentLayout.cuts` says where. All Segments of a file are bound to one validator.
"""

import math
from typing import NamedTuple

from msgspec import Struct, field

from downloader.core.facts import Segment
from downloader.core.model import End, Outcome
from downloader.core.scheduling.running_segment import SLOW_SEGMENT_GRACE, RunningSegment

MIN_GAIN = 1.0
"""Seconds. Where the number of Segments is not given, a piece that takes less than this is not worth an Attempt of its own."""

MIN_GAIN_IF_CAPPED = 0.25
"""Replaces `MIN_GAIN` where the server limits the rate of each connection. Connecting takes three or four round trips."""

MAX_CAPPED_SPEED = 100_000_000
"""Bytes a second that a run receives at most if the rate of its connections seems to be limited. A faster run may be limited by
this machine or its network, which no further connection can change."""

TOO_SLOW = 1 / 4
"""A Segment counts as too slow below this share of the median speed of the file's other Segments."""

RECENT_SPEEDS = 16
"""So many of the Segments that ended last count for that median."""


class SplitPolicy(Struct, frozen=True):
    """How the files of a run may be split.

    Args:
        max_segments: Segments of one file that may be in flight; 1: files are not split; 0: as many as help.
        min_size: a Segment is not cut into pieces shorter than this, bytes.
        max_at_public_hosts: replaces ``max_segments`` 0 where one of the file's URLs is at a public host; 0: it does not.
    """

    max_segments: int = 1
    min_size: int = 1 << 20
    max_at_public_hosts: int = 0


class SplitLimit(NamedTuple):
    """How one file may be split.

    ``max_segments``: Segments in flight; None: no limit. ``min_size``: bytes of a piece. ``min_gain``: seconds that a piece
    must take, at the present speed, to be worth an Attempt of its own; 0: any piece is.
    """

    max_segments: int | None
    min_size: int
    min_gain: float

    @property
    def min_gain_if_capped(self) -> float:
        """Replaces ``min_gain`` where the server limits the rate of each connection; but not at a public host.

        The number of Segments is limited there. Shorter pieces would not add connections, but only requests.
        """
        return min(self.min_gain, MIN_GAIN_IF_CAPPED) if self.max_segments is None else self.min_gain


def split_limit(policy: SplitPolicy, *, unsplittable: bool, is_at_public_host: bool) -> SplitLimit | None:
    """Whether a file may be split, and how far; None: it may not. The only place that decides this.

    Args:
        policy: of the run.
        unsplittable: splitting this file has failed before.
        is_at_public_host: one of its URLs is at a public host.
    """
    if unsplittable or policy.max_segments == 1:
        return None
    min_size = max(policy.min_size, 1)
    if policy.max_segments:
        return SplitLimit(policy.max_segments, min_size, 0.0)
    return SplitLimit((policy.max_at_public_hosts if is_at_public_host else 0) or None, min_size, MIN_GAIN)


class PendingSegment(Struct):
    """A Segment that waits for an Attempt.

    ``due``: not to be asked for before (monotonic seconds). ``tries``: number of the next try. ``grace``: see
    `RunningSegment`.
    """

    due: float
    segment: Segment
    tries: int
    grace: float = SLOW_SEGMENT_GRACE


class SegmentLayout(Struct):
    """The Segments of one Download that are running or pending.

    ``url``: the one whose validator they are bound to. ``total``: bytes of the file. ``limit``: how far it may be split;
    None: no further. ``running``: by the key of their Attempt. ``pending``: those that wait for one. ``ended_speeds``: of the
    Segments that have ended, bytes a second. ``final_outcome``: the Download ends like this once nothing runs; None: open.
    ``cuts``: see `SegmentScheduler.cuts`.
    """

    url: str
    total: int
    limit: SplitLimit | None = None
    running: dict[int, RunningSegment] = field(default_factory=dict)
    pending: list[PendingSegment] = field(default_factory=list)
    ended_speeds: list[float] = field(default_factory=list)
    final_outcome: Outcome | None = None
    cuts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_split(self) -> bool:
        """Whether there is more than one Segment, or was."""
        return bool(self.pending) or any(item.start or item.stop < self.total for item in self.running.values())

    @property
    def bytes_present(self) -> int:
        """Bytes of the file that are there, as far as is known."""
        missing = sum(max(0, item.bytes_left - item.bytes_ahead) for item in self.running.values())
        for item in self.pending:
            start, stop = item.segment
            missing += (self.total if stop is None else stop) - start
        return max(0, self.total - missing)

    def finish_with(self, outcome: Outcome) -> None:
        """Let the Download end with this Outcome once its running Attempts have ended; they are aborted.

        The first call counts, but a file that is complete stays complete.
        """
        if self.final_outcome is None or outcome.end is End.COMPLETE:
            self.final_outcome = outcome
            self.pending.clear()
            self.cuts += [(key, 0) for key in self.running]

    def split(self, now: float, free_slots: int, run_speed: float = math.inf) -> bool:
        """Cut one running Segment, if that helps, so that there are pending ones for up to ``free_slots`` more Attempts.

        The Segment that would take longest is cut, or taken over whole if it is too slow; where neither helps, the next one.

        Args:
            now: monotonic seconds.
            free_slots: Attempts that may start now.
            run_speed: bytes a second that the run receives; infinity: not known. See `MAX_CAPPED_SPEED`.

        Returns:
            Whether one was cut.
        """
        limit = self.limit
        if limit is None or self.final_outcome is not None:
            return False
        room = free_slots
        if limit.max_segments is not None:
            room = min(room, limit.max_segments - len(self.running) - len(self.pending))
        if room <= 0:
            return False
        running = self.running.values()
        known = [item.seconds_left for item in running if item.speed]
        equal_seconds = sum(known) / (len(known) + room)
        equal_bytes = sum(item.bytes_unreached for item in running) / (len(running) + room)
        for key, item in sorted(self.running.items(), key=lambda pair: (-pair[1].seconds_left, -pair[1].bytes_left)):
            pieces = _pieces(item, room, limit, equal_seconds)
            if run_speed < MAX_CAPPED_SPEED:
                pieces = max(pieces, _pieces_if_capped(item, room, limit, equal_bytes))
            if pieces > 1:
                self.pending += [PendingSegment(now, segment, item.tries) for segment in self._cut(key, item, pieces)]
                return True
            if self._is_too_slow(item, now):
                (rest,) = self._cut(key, item, 1)
                self.pending.append(PendingSegment(now, rest, item.tries, 2 * item.grace))
                return True
        return False

    def _is_too_slow(self, item: RunningSegment, now: float) -> bool:
        """Whether another connection would probably be much faster, as those of this file's other Segments are or were."""
        running = [other.speed for other in self.running.values() if other is not item and other.speed is not None]
        others = sorted([*self.ended_speeds[-RECENT_SPEEDS:], *running])
        if not others or item.speed is None or now - item.began < item.grace:
            return False
        return (
            item.speed < others[len(others) // 2] * TOO_SLOW and item.seconds_left > 2 * MIN_GAIN and item.bytes_unreached > 0
        )

    def _cut(self, key: int, item: RunningSegment, pieces: int) -> list[Segment]:
        """Cut a running Segment into equal pieces. It keeps the first, the others are returned; of one piece it keeps none."""
        start = item.reached
        each = item.bytes_unreached // pieces if pieces > 1 else 0
        marks = [start + each * number for number in range(1, pieces)] or [start]
        others = [Segment(start, end) for start, end in zip(marks, [*marks[1:], item.stop], strict=True)]
        item.stop = marks[0]
        self.cuts.append((key, item.stop))
        return others

    def start(self, key: int, url: str, item: PendingSegment, now: float) -> None:
        """Record that the Attempt with this key asks ``url`` for a pending Segment now."""
        self.pending.remove(item)
        start, stop = item.segment
        stop = self.total if stop is None else stop
        self.running[key] = RunningSegment(start, stop, start, now, url, item.tries, item.grace)

    def ended(self, outcome: Outcome) -> RunningSegment:
        """Record that an Attempt has ended; returns its Segment."""
        item = self.running.pop(outcome.key)
        speed = item.speed
        if speed is None and outcome.end is End.SEGMENT_DONE and outcome.elapsed:  # it ended before its speed was measured
            speed = outcome.received / outcome.elapsed
        if speed:
            self.ended_speeds.append(speed)
        return item

    def requeue(self, item: RunningSegment, due: float, tries: int | None = None) -> None:
        """Ask for a Segment that has ended once more, unless all of it was given to others.

        Args:
            item: the Segment.
            due: not before this time (monotonic seconds).
            tries: number of the next try; None: that of the last one, which does not count.
        """
        if item.stop > item.start and self.final_outcome is None:
            tries = item.tries if tries is None else tries
            self.pending.append(PendingSegment(due, Segment(item.start, item.stop), tries, item.grace))


def _pieces(item: RunningSegment, room: int, limit: SplitLimit, equal_seconds: float) -> int:
    """Into how many pieces a Segment is to be cut, at most ``room`` more than it is now.

    ``equal_seconds``: what each Segment would take if the Segments of the file, and ``room`` further ones, took equally long.
    Where several are long, each gets so many pieces as this asks for, so that the first one does not use all of the room.
    """
    if item.speed == 0:  # nothing came so far: the other pieces would wait for the same server
        return 1
    pieces = min(room + 1, item.bytes_unreached // limit.min_size)
    if limit.min_gain:
        pieces = min(pieces, int(item.seconds_left / limit.min_gain))
        if equal_seconds:
            pieces = min(pieces, max(2, round(item.seconds_left / equal_seconds)))
    return pieces


def _pieces_if_capped(item: RunningSegment, room: int, limit: SplitLimit, equal_bytes: float) -> int:
    """The same where the server seems to limit the rate of each connection, so that all of them have the same speed."""
    min_gain, left, speed = limit.min_gain_if_capped, item.bytes_unreached, item.steady.value
    if not speed or not min_gain or not left:
        return 1
    pieces = min(room + 1, left // limit.min_size, int(left / speed / min_gain))
    return min(pieces, max(2, round(left / equal_bytes)))
