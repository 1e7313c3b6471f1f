"""A Segment with a running Attempt, and the measurement of its speed. Pure: times come in as arguments."""

import math

from msgspec import Struct

MIN_SPEED_SAMPLE = 0.1
"""Seconds over which the speed of a Segment is measured, at least."""

MAX_STEADY_CHANGE = 1.5
"""A speed is steady if it grows and falls by less than this factor from one half of a measurement to the next. TCP doubles the
speed of a new connection with each round trip (slow start, RFC 5681), so the speed of such a connection is not steady."""

SLOW_SEGMENT_GRACE = 2.0
"""Seconds that a Segment runs before it may count as too slow; twice as many each time that its rest is taken over."""

MAX_PAUSED_SHARE = 0.1
"""A speed says nothing about the server if the rate limit paused the transfer for a larger share of the time than this."""


class RunningSegment(Struct):
    """A Segment with a running Attempt: where that is, and how fast it was lately.

    ``start``, ``stop``: the Segment, as cut by now. ``position``: the next byte of the file that was not received when the
    speed was last measured, at ``sampled_at``. ``url``: which is asked. ``tries``: number of the present try. ``grace``: see
    `SLOW_SEGMENT_GRACE`. ``speed``: bytes a second; None: not known yet. ``paused``: seconds that the rate limit had paused
    the Attempt by ``sampled_at``. ``bytes_ahead``: bytes behind ``position`` that an earlier run left in the part file.
    ``measurements``: of the speed so far. ``is_steady``: whether the speed stayed the same during the last one; see
    `MAX_STEADY_CHANGE`. ``middle``: position and time in the middle of the present one; None: not reached. ``began``: when the
    Attempt started. Times are monotonic seconds.
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
    measurements: int = 0
    is_steady: bool = False
    middle: tuple[int, float] | None = None
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.sampled_at

    def sample(self, position: int, now: float, paused: float = 0.0, received_at: float = 0.0) -> None:
        """Measure the speed. Before the first byte the speed stays unknown, until the grace time has passed.

        Args:
            position: the next byte of the file.
            now: monotonic seconds.
            paused: seconds that the rate limit has paused this Attempt so far. Where this is a large share of the time,
                the speed is that of the rate limit and not of the server, and counts as unknown.
            received_at: when the byte before ``position`` came (monotonic seconds); 0: not known. Bytes come in large blocks,
                so the speed is exact only if it is measured from the end of one block to the end of another.
        """
        gained = max(0, position - self.position)
        at = received_at if gained and max(self.sampled_at, now - MIN_SPEED_SAMPLE) < received_at < now else now
        passed = at - self.sampled_at
        if passed >= MIN_SPEED_SAMPLE and paused - self.paused > MAX_PAUSED_SHARE * passed:
            self.speed, self.is_steady = None, False
            self._begin_measurement(position, at, paused)
            return
        if passed < MIN_SPEED_SAMPLE or (self.speed is None and not gained and passed < self.grace):
            if self.middle is None and gained and passed >= MIN_SPEED_SAMPLE / 3:
                self.middle = position, at
            return
        current = gained / passed
        self.is_steady = self._is_unchanged(position, at, current)
        self.measurements += 1
        self.speed = current if self.speed is None else (self.speed + current) / 2
        self._begin_measurement(position, at, paused)

    def _begin_measurement(self, position: int, at: float, paused: float) -> None:
        self.position, self.sampled_at, self.paused, self.middle = max(self.position, position), at, paused, None

    def _is_unchanged(self, position: int, at: float, speed: float) -> bool:
        """Whether the two halves of a measurement agree; without a middle, whether the measurement agrees with the last one."""
        earlier, later = self.speed or 0.0, speed
        if self.middle is not None:
            middle, middle_at = self.middle
            earlier, later = (middle - self.position) / (middle_at - self.sampled_at), (position - middle) / (at - middle_at)
        return earlier < later * MAX_STEADY_CHANGE and later < earlier * MAX_STEADY_CHANGE

    @property
    def bytes_left(self) -> int:
        """Bytes from the position to the end of the Segment."""
        return max(0, self.stop - self.position)

    @property
    def seconds_left(self) -> float:
        """Seconds until the end of the Segment at the present speed; 0 where the speed is not known."""
        if self.speed is None or not self.bytes_left:
            return 0.0
        return self.bytes_left / self.speed if self.speed else math.inf
