"""A Segment with a running Attempt, and the measurement of its speed. Pure: times come in as arguments."""

import math

from msgspec import Struct, field

MIN_SPEED_SAMPLE = 0.25
"""Seconds over which the speed of a Segment is measured, at least."""

STEADY_SAMPLE = 0.1
"""Seconds over which it is measured whether the speed of a Segment is steady, at least."""

MAX_STEADY_CHANGE = 1.5
"""A speed is steady if it grows and falls by less than this factor from one half of a measurement to the other. TCP doubles the
speed of a new connection with each round trip (slow start, RFC 5681), so the speed of such a connection is not steady."""

SLOW_SEGMENT_GRACE = 2.0
"""Seconds that a Segment runs before it may count as too slow; twice as many each time that its rest is taken over."""

MAX_PAUSED_SHARE = 0.1
"""A speed says nothing about the server if the rate limit paused the transfer for a larger share of the time than this."""


class SteadySpeed(Struct):
    """Measures whether bytes come at a steady speed, from block to block.

    ``position``: where the present measurement began, at ``sampled_at`` (monotonic seconds). ``middle``: position and time
    in its middle; None: not reached. ``last``: bytes a second by the last measurement. ``value``: the same if the speed was
    steady; else None. ``paused``: seconds that the rate limit had paused the Attempt by ``sampled_at``.
    """

    position: int
    sampled_at: float
    middle: tuple[int, float] | None = None
    last: float = 0.0
    value: float | None = None
    paused: float = 0.0

    def sample(self, position: int, at: float, paused: float) -> None:
        """Record that bytes up to ``position`` have come by the time ``at``; ``paused`` as in `RunningSegment.sample`.

        A body comes in large blocks. Where ``at`` is the time of the last block, and not that of the sample, the speed is
        measured from the end of one block to the end of another, and is exact after a few blocks.
        """
        passed, gained = at - self.sampled_at, position - self.position
        if passed < STEADY_SAMPLE:
            if self.middle is None and gained > 0 and passed >= STEADY_SAMPLE / 3:
                self.middle = position, at
            return
        earlier, later = self.last, gained / passed
        if self.middle is not None:
            middle, middle_at = self.middle
            earlier, later = (middle - self.position) / (middle_at - self.sampled_at), (position - middle) / (at - middle_at)
        is_steady = earlier < later * MAX_STEADY_CHANGE and later < earlier * MAX_STEADY_CHANGE
        self.last = gained / passed
        is_paused = paused - self.paused > MAX_PAUSED_SHARE * passed
        self.value = self.last if is_steady and not is_paused else None
        self.position, self.sampled_at, self.middle, self.paused = position, at, None, paused


class RunningSegment(Struct):
    """A Segment with a running Attempt: where that is, and how fast it was lately.

    ``start``, ``stop``: the Segment, as cut by now. ``position``: the next byte of the file that was not received when the
    speed was last measured, at ``sampled_at``. ``url``: which is asked. ``tries``: number of the present try. ``grace``: see
    `SLOW_SEGMENT_GRACE`. ``speed``: bytes a second; None: not known yet. ``paused``: seconds that the rate limit had paused
    the Attempt by ``sampled_at``. ``bytes_ahead``: bytes behind ``position`` that an earlier run left in the part file.
    ``reached``: the next byte that was not received at the last sample. ``steady``: the speed where it does not change.
    ``began``: when the Attempt started. Times are monotonic seconds.
    """

    start: int
    stop: int
    position: int
    sampled_at: float
    url: str
    tries: int = 1
    grace: float = SLOW_SEGMENT_GRACE
    speed: float | None = None
    paused: float = 0.0
    bytes_ahead: int = 0
    steady: SteadySpeed = field(default_factory=lambda: SteadySpeed(0, 0.0))
    reached: int = 0
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.sampled_at
        self.reached = self.position
        self.steady = SteadySpeed(self.position, self.sampled_at, paused=self.paused)

    def sample(self, position: int, now: float, paused: float = 0.0, received_at: float = 0.0) -> None:
        """Measure the speed. Before the first byte the speed stays unknown, until the grace time has passed.

        Args:
            position: the next byte of the file.
            now: monotonic seconds.
            paused: seconds that the rate limit has paused this Attempt so far. Where this is a large share of the time,
                the speed is that of the rate limit and not of the server, and counts as unknown.
            received_at: when the byte before ``position`` came (monotonic seconds); 0: not known.
        """
        self.reached = max(self.reached, position)
        self.steady.sample(position, received_at if 0.0 < received_at < now else now, paused)
        passed, gained = now - self.sampled_at, max(0, position - self.position)
        if passed >= MIN_SPEED_SAMPLE and paused - self.paused > MAX_PAUSED_SHARE * passed:
            self.speed = None
            self.position, self.sampled_at, self.paused = max(self.position, position), now, paused
            return
        if passed < MIN_SPEED_SAMPLE or (self.speed is None and not gained and passed < self.grace):
            return
        current = gained / passed
        self.speed = current if self.speed is None else (self.speed + current) / 2
        self.position, self.sampled_at, self.paused = max(self.position, position), now, paused

    @property
    def bytes_left(self) -> int:
        """Bytes from the position to the end of the Segment."""
        return max(0, self.stop - self.position)

    @property
    def bytes_unreached(self) -> int:
        """Bytes that were not received at the last sample; `bytes_left` is of the time when the speed was measured."""
        return max(0, self.stop - self.reached)

    @property
    def seconds_left(self) -> float:
        """Seconds until the end of the Segment at the present speed; 0 where the speed is not known."""
        if self.speed is None or not self.bytes_left:
            return 0.0
        return self.bytes_left / self.speed if self.speed else math.inf
