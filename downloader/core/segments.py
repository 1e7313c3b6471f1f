"""How a file is split among several Attempts, and a slow tail split again.

A file begins as one open-ended Segment. While slots are free, the running Segment that would take longest is cut, and
what it gives away runs beside it: at first the whole file is shared out so, at the end whatever is slow (aria2's and
axel's users wait for the last 1 %). Where a Segment is too small to be cut and crawls while others ran, another
connection takes over all that it has left. It is done only where it helps: a Segment that is over in `WORTH` is let be.

A Segment's end moves while it runs; whoever fetches it looks at its Lane. All of a file's Segments are bound to one
validator. Pure: times and positions come in as arguments.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from downloader.core.model import End, Outcome, Segment, Span

MEASURED = 0.25
"""Seconds that an Attempt must have run before its speed is believed."""

WORTH = 1.0
"""Seconds: what ends sooner than that is not split."""

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
            return start, min(begin, stop)
        if end > start:
            start = end
        if start >= stop:
            return None
    return (start, stop) if start < stop else None


def held(spans: tuple[Span, ...]) -> int:
    """How many bytes these are."""
    return sum(stop - start for start, stop in spans)


@dataclass(frozen=True, slots=True)
class SplitPolicy:
    """``most`` Segments of one file at a time; 0: as many as help. None shorter than ``min_size`` bytes."""

    most: int = 1
    min_size: int = 1 << 20


@dataclass(slots=True)
class Running:
    """One Segment under way: where it is, and how fast it was lately (bytes a second; 0: not known yet)."""

    start: int
    stop: int
    at: int
    since: float
    url: str
    tries: int = 1
    speed: float = 0.0

    def reached(self, at: int, now: float) -> None:
        """It is at this byte now."""
        passed = now - self.since
        if passed >= MEASURED:
            current = max(0, at - self.at) / passed
            self.speed = (self.speed + current) / 2 if self.speed else current
            self.at, self.since = at, now

    @property
    def left(self) -> int:
        """Bytes to go."""
        return self.stop - self.at

    @property
    def seconds_left(self) -> float:
        """At the speed it had; 0 where that is not known."""
        return self.left / self.speed if self.speed else 0.0


@dataclass(slots=True)
class Open:
    """A Segment that waits to be asked for again, from this time on."""

    due: float
    segment: Segment
    tries: int


@dataclass(slots=True)
class Layout:
    """The Segments of one Download. ``url``: whose validator they are bound to; ``over``: how the Download ends."""

    url: str
    total: int
    running: dict[int, Running] = field(default_factory=dict)
    open: list[Open] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    over: Outcome | None = None
    cuts: list[tuple[int, int]] = field(default_factory=list)

    def give_up(self, outcome: Outcome) -> None:
        """The Download ends like this, once every Attempt at it has ended."""
        if self.over is None:
            self.over = outcome
            self.open.clear()
            self.cuts += [(key, ABORT) for key in self.running]

    def split(self, now: float, free: int, policy: SplitPolicy) -> bool:
        """Share out what would take longest among ``free`` more Attempts, if that helps: what it gives away is `open`."""
        room = free if not policy.most else min(free, policy.most - len(self.running) - len(self.open))
        if room <= 0 or self.over is not None or not self.running:
            return False
        key, slowest = max(self.running.items(), key=lambda item: (item[1].seconds_left, item[1].left))
        pieces = min(room + 1, slowest.left // max(policy.min_size, 1))
        if not policy.most:
            pieces = min(pieces, int(slowest.seconds_left / WORTH))
        if pieces < 2 and not self._crawls(slowest):
            return False
        self.open += [Open(now, segment, slowest.tries) for segment in self._cut(key, slowest, max(pieces, 1))]
        return True

    def _crawls(self, slowest: Running) -> bool:
        """Whether another connection would do much better: those of this file did, or do."""
        others = sorted([*self.speeds[-16:], *(item.speed for item in self.running.values() if item is not slowest)])
        if not others or not slowest.speed or slowest.left <= 0:
            return False
        return slowest.speed < others[len(others) // 2] / 4 and slowest.seconds_left > 2 * WORTH

    def _cut(self, key: int, giver: Running, pieces: int) -> list[Segment]:
        """Keep the first piece and give the others away; with one piece, keep nothing."""
        each = giver.left // pieces if pieces > 1 else 0
        marks = [giver.at + each * number for number in range(1, pieces)] or [giver.at]
        given = [Segment(start, end) for start, end in zip(marks, [*marks[1:], giver.stop], strict=True)]
        giver.stop = marks[0]
        self.cuts.append((key, giver.stop))
        return given

    def start(self, key: int, url: str, item: Open, now: float) -> None:
        """An Attempt at a Segment is under way."""
        start, stop = item.segment
        self.running[key] = Running(start, self.total if stop is None else stop, start, now, url, item.tries)

    def settle(self, outcome: Outcome) -> tuple[Running, Outcome | None]:
        """An Attempt has ended: what it was at, and the Outcome of the whole Download where no other Attempt runs.

        A failed Segment of several is not the end: the caller decides about another try (`again`), or gives all up.
        """
        ended = self.running.pop(outcome.key)
        if ended.speed:
            self.speeds.append(ended.speed)
        if outcome.end not in (End.SEGMENT, End.FAILED, End.UNSTARTED, End.LOST, End.UNTOLD):
            self.give_up(outcome)
        return ended, None if self.running else self.over or outcome

    def again(self, ended: Running, due: float) -> None:
        """Ask for this Segment once more, from then on."""
        if ended.stop > ended.start:
            self.open.append(Open(due, Segment(ended.start, ended.stop), ended.tries))
