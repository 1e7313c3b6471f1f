"""How a file is split among several Attempts, and a slow tail split again.

A file begins as one open-ended Segment. While slots are free, the running Segment that would take longest is cut, and
what it gives away runs beside it: at first the whole file is shared out so, at the end whatever is slow (aria2's and
axel's users wait for the last 1 %). Where a Segment is too small to be cut and crawls while others ran, another
connection takes over all that it has left. It is done only where it helps: a Segment that is over in `WORTH` is let be.

A Segment's end moves while it runs; whoever fetches it looks at its Lane. All of a file's Segments are bound to one
validator. Pure: times and positions come in as arguments.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from downloader.core.model import End, Outcome, Segment, Span

MEASURED = 0.25
"""Seconds that an Attempt must have run before its speed is believed."""

WORTH = 1.0
"""Seconds: what ends sooner than that is not split."""

PATIENCE = 2.0
"""Seconds that a Segment has until it may be called too slow; twice as many each time that it is taken over."""

OURS = 0.1
"""Of the time, how much of it pauses of ours may take for the rest to tell how fast the server is."""

ABORT = -1
"""The end of a Segment that is to be given up."""


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same bytes as the fewest spans, in order."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        elif stop > start:
            found.append((start, stop))
    return tuple(found)


def missing(spans: tuple[Span, ...], start: int, stop: int) -> Span | None:
    """The first bytes between ``start`` and ``stop`` that are in none of the spans (joined ones); None where all are."""
    for begin, end in spans:
        if begin > start:
            stop = min(stop, begin)
            break
        start = max(start, end)
    return (start, stop) if start < stop else None


def held(spans: tuple[Span, ...]) -> int:
    """How many bytes these are."""
    return sum(stop - start for start, stop in spans)


def held_after(spans: tuple[Span, ...], at: int) -> int:
    """How many of these bytes lie behind one."""
    return sum(stop - max(start, at) for start, stop in spans if stop > at)


@dataclass(frozen=True, slots=True)
class SplitPolicy:
    """``most`` Segments of one file at a time; 0: as many as help. None shorter than ``min_size`` bytes.

    ``public``: with ``most`` 0, at most so many of a file at a public host; 0: as many as help there, too.
    """

    most: int = 1
    min_size: int = 1 << 20
    public: int = 0


@dataclass(slots=True)
class Running:
    """One Segment under way: where it is, and how fast it was lately (bytes a second; None: not known yet)."""

    start: int
    stop: int
    at: int
    since: float
    url: str
    tries: int = 1
    patience: float = PATIENCE
    speed: float | None = None
    paused: float = 0.0
    beyond: int = 0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.since

    def reached(self, at: int, now: float, paused: float = 0.0) -> None:
        """It is at this byte now. Until the first has come nothing is known, unless that takes too long.

        ``paused``: seconds in all that we took nothing, to keep to a rate: what is slow by that is not the server.
        """
        passed, gained = now - self.since, max(0, at - self.at)
        if passed >= MEASURED and paused - self.paused > OURS * passed:
            self.speed = None
            self.at, self.since, self.paused = max(self.at, at), now, paused
            return
        if passed < MEASURED or (self.speed is None and not gained and passed < self.patience):
            return
        current = gained / passed
        self.speed = current if self.speed is None else (self.speed + current) / 2
        self.at, self.since, self.paused = max(self.at, at), now, paused

    @property
    def left(self) -> int:
        """Bytes to go."""
        return max(0, self.stop - self.at)

    @property
    def seconds_left(self) -> float:
        """At the speed it had; 0 where that is not known."""
        if self.speed is None or not self.left:
            return 0.0
        return self.left / self.speed if self.speed else math.inf


@dataclass(slots=True)
class Open:
    """A Segment that waits to be asked for (again), from this time on. ``tries``: the number of the one to come."""

    due: float
    segment: Segment
    tries: int
    patience: float = PATIENCE


@dataclass(slots=True)
class SegmentLayout:
    """The Segments of one Download.

    ``url``: whose validator they are bound to; ``over``: how the Download ends; ``closed``: it is not split any more.
    ``most``: Segments at a time where the policy names no number; 0: as many as help.
    """

    url: str
    total: int
    running: dict[int, Running] = field(default_factory=dict)
    open: list[Open] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    over: Outcome | None = None
    closed: bool = False
    cuts: list[tuple[int, int]] = field(default_factory=list)
    most: int = 0

    @property
    def is_split(self) -> bool:
        """Whether it was ever cut."""
        return bool(self.open) or any(item.start or item.stop < self.total for item in self.running.values())

    @property
    def done(self) -> int:
        """Bytes that are there, as far as is known."""
        left = sum(max(0, item.left - item.beyond) for item in self.running.values())
        for item in self.open:
            start, stop = item.segment
            left += (self.total if stop is None else stop) - start
        return max(0, self.total - left)

    def give_up(self, outcome: Outcome) -> None:
        """The Download ends like this, once every Attempt at it has ended."""
        if self.over is None or outcome.end is End.COMPLETE:
            self.over = outcome
            self.open.clear()
            self.cuts += [(key, ABORT) for key in self.running]

    def split(self, now: float, free: int, policy: SplitPolicy) -> bool:
        """Share out what would take longest among ``free`` more Attempts, if that helps: what it gives away is `open`."""
        most = policy.most or self.most
        room = min(free, most - len(self.running) - len(self.open)) if most else free
        if room <= 0 or self.closed or self.over is not None:
            return False
        longest_first = sorted(self.running.items(), key=lambda item: (-item[1].seconds_left, -item[1].left))
        for key, giver in longest_first:
            pieces = self._pieces(giver, room, policy)
            if pieces > 1:
                self.open += [Open(now, segment, giver.tries) for segment in self._cut(key, giver, pieces)]
                return True
            if self._crawls(giver, now):
                (rest,) = self._cut(key, giver, 1)
                self.open.append(Open(now, rest, giver.tries, 2 * giver.patience))
                return True
        return False

    def _pieces(self, giver: Running, room: int, policy: SplitPolicy) -> int:
        """How many it is worth cutting into. One of which nothing has come yet is let be: its pieces would wait, too."""
        pieces = min(room + 1, giver.left // max(policy.min_size, 1))
        if giver.speed == 0:
            return 1
        return pieces if policy.most else int(min(pieces, giver.seconds_left / WORTH))

    def _crawls(self, giver: Running, now: float) -> bool:
        """Whether another connection would do much better: those of this file did, or do."""
        running = [item.speed for item in self.running.values() if item is not giver and item.speed is not None]
        others = sorted([*self.speeds[-16:], *running])
        if not others or giver.speed is None or now - giver.began < giver.patience:
            return False
        return giver.speed < others[len(others) // 2] / 4 and giver.seconds_left > 2 * WORTH

    def _cut(self, key: int, giver: Running, pieces: int) -> list[Segment]:
        """Keep the first piece and give the others away; with one piece, keep nothing."""
        each = giver.left // pieces if pieces > 1 else 0
        marks = [giver.at + each * number for number in range(1, pieces)] or [giver.at]
        given = [Segment(start, end) for start, end in zip(marks, [*marks[1:], giver.stop], strict=True)]
        giver.stop = marks[0]
        self.cuts.append((key, giver.stop or ABORT))
        return given

    def start(self, key: int, url: str, item: Open, now: float) -> None:
        """An Attempt at a Segment is under way."""
        start, stop = item.segment
        stop = self.total if stop is None else stop
        self.running[key] = Running(start, stop, start, now, url, item.tries, item.patience)

    def ended(self, outcome: Outcome) -> Running:
        """An Attempt has ended: what it was at."""
        ended = self.running.pop(outcome.key)
        speed = ended.speed
        if speed is None and outcome.end is End.SEGMENT_DONE and outcome.elapsed:  # it was too soon over to be looked at
            speed = outcome.received / outcome.elapsed
        if speed:
            self.speeds.append(speed)
        return ended

    def again(self, ended: Running, due: float) -> None:
        """Ask for this Segment once more, from then on, unless it was given away whole."""
        if ended.stop > ended.start and self.over is None:
            self.open.append(Open(due, Segment(ended.start, ended.stop), ended.tries, ended.patience))
