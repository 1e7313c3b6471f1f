"""One limit of how many Attempts may be in flight, learned during the run. Pure: times come in as arguments.

There is one limit for the whole run and one for each host (see `adaptive`). Each learns independently: it moves only after
a round in which it was reached at least once (as in RFC 7661), so the tighter limit decides and the other waits.
A **round** is the time in which as many responses came as may be in flight (about one round trip), but at least
`SHORTEST_ROUND`. Where responses are few and long, a round ends by time, and the bytes of unfinished transfers count too.

=======  ==========================================================================  ====================================
phase    what the limit does                                                         taken from
=======  ==========================================================================  ====================================
GROWS    double from round to round while the throughput grows by `DOUBLING_GAIN`;   slow start of TCP (RFC 5681), and the
         after two rounds in which it did not, back to where the gain ended          end of BBR's startup ("full pipe")
HOLDS    stay, and measure the throughput of this level                              BBR's cruising
UP       a quarter more for some rounds: if the throughput grows, GROWS again        BBR's bandwidth probing
DOWN     where requests wait much longer than they need to, a quarter less: if       the latency gradient of Netflix'
         the throughput stays the same, the lower level is kept                      concurrency-limits (gradient2)
RETURNS  refused (429, 503, time-out): half of it, once for each burst; then each    AIMD; halving the distance is BIC's,
         round half of the way to just under that level                              the forerunner of CUBIC
BEYOND   rarely, by 1, 2, 4, ...: is that level still refused? If so, the pause      CUBIC's convex part (RFC 9438), with
         until the next try is twice as long                                         exponential backoff
=======  ==========================================================================  ====================================

A lowered limit is reached by waiting, never by breaking off what runs: `AdaptiveSlots.free` is negative until then.
Not here: retries with their delays (`downloader.core.scheduling.retry`), and which host comes next
(`downloader.core.scheduling.host_queues`).
"""

import math
from enum import StrEnum
from typing import NamedTuple

SHORTEST_ROUND = 0.02
"""Seconds of a round at least: too little happens in less."""

LONGEST_ROUND = 0.5
"""Seconds (or four latencies, if that is more) after which a round ends by time; new connections need as long to get going."""

DOUBLING_GAIN = 1.25
"""So many times the throughput is what doubling the limit must bring, as in BBR."""

PROBE_GAIN = 1.07
"""So many times the throughput is what a probe upward must bring."""

DOWNWARD_GAIN = 0.97
"""So many times the throughput is what a probe downward must keep."""

CHANGED_GAIN = 0.9
"""Below this share of the throughput that a level once had, the server or the network is another one now."""

QUEUE_LATENCY = 1.5
"""So many times the least latency is the sign of a queue at the server."""

LATENCY_MEMORY = 10.0
"""Seconds in which the least latency seen counts as doubled, so that a change of the path is noticed."""

MIN_RESPONSES = 16
"""Fewer responses than this say little where bytes can be compared instead."""

DOUBLING_ROUNDS = 2
"""Rounds for which a doubled limit may take to show its gain."""

GAIN_MARGIN = 1.1
"""So many times the level that would bring the measured gain is kept where a doubling brought less than it must."""

FLOW_MEMORY = 0.8
"""The weight that the earlier rounds of a level keep with each new round."""

PROBE_ROUNDS = 3
"""Rounds for which a level, and a probe, are measured."""

PROBE_PAUSE, LONGEST_PROBE_PAUSE = 0.2, 6.4
"""Seconds between probes: at first, and at most. Each probe that finds nothing doubles them."""

REFUSAL_PAUSE, LONGEST_REFUSAL_PAUSE = 2.0, 120.0
"""Seconds until a refused level is tried again: at first, and at most. Each new refusal of it doubles them."""


class Phase(StrEnum):
    """What a limit is doing: see the module."""

    GROWS = "grows"
    HOLDS = "holds"
    UP = "probes upward"
    DOWN = "probes downward"
    RETURNS = "recovers after a refusal"
    BEYOND = "retries the refused number"


class Flow(NamedTuple):
    """A throughput: ``responses`` in ``seconds``, and ``received`` bytes in the ``sampled`` seconds between two samples."""

    responses: float = 0
    seconds: float = 0
    received: float = 0
    sampled: float = 0

    def plus(self, other: "Flow", weight: float = 1.0) -> "Flow":
        """The sum of both. A ``weight`` below 1 makes this one, the older one, count less."""
        return Flow(*(weight * mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def ratio_to(self, other: "Flow") -> float:
        """How many times the throughput of ``other`` this is.

        Compared are bytes a second if both are known, and responses a second unless they are too few (`MIN_RESPONSES`); the
        mean if both count. 1 if nothing can be compared; infinity if ``other`` is empty.
        """
        if not other.seconds:
            return math.inf
        by_responses = self.responses * other.seconds / (self.seconds * other.responses) if other.responses else 1.0
        if not (self.sampled and other.received):
            return by_responses
        by_bytes = self.received * other.sampled / (self.sampled * other.received)
        return (by_responses + by_bytes) / 2 if min(self.responses, other.responses) >= MIN_RESPONSES else by_bytes


class AdaptiveLimit:
    """One limit that adapts.

    ``limit``: the present level. ``in_flight``: Attempts under it. ``phase``: what it does.

    Args:
        start: the first level.
        ceiling: the highest level.
    """

    def __init__(self, start: int, ceiling: int) -> None:
        self.ceiling, self.in_flight, self.peak = ceiling, 0, 0
        self.good_level, self.good_flow = 1, Flow()  # the last level that brought a gain, and its throughput
        self.anchor_flow = Flow()  # the throughput that probes downward must keep: small losses must not add up
        self.probe_pause, self.downward_next = PROBE_PAUSE, True  # seconds until the next probe, and its direction
        self.latency, self.least_latency = 0.0, math.inf  # mean of the last round, and the least seen lately, seconds
        self.max_allowed = ceiling  # the highest level that is not known to be refused
        self.beyond_step = 1  # how far the next try goes beyond that
        self.refusal_pause = REFUSAL_PAUSE  # seconds until that try, if it is refused again
        self.last_refusal = self.beyond_due = -math.inf  # when the limit was halved last, and when the next try may come
        self._enter(Phase.GROWS, min(start, ceiling))

    def begin(self, now: float, received: int, sampled: float) -> None:
        """Begin a new round. ``received``: bytes that had come by the last sample, at ``sampled``."""
        self.began, self.received, self.sampled = now, received, sampled
        self.round_quota, self.responses, self.latency_sum = self.limit, 0, 0.0
        self.last_peak, self.peak = self.peak, self.in_flight

    def answered(self, latency: float) -> bool:
        """Count a response; returns whether there are enough of them to end the round. ``latency``: seconds; 0: not known."""
        self.responses += 1
        self.latency_sum += latency
        if 0.0 < latency < self.least_latency:
            self.least_latency = latency
        return self.responses >= self.round_quota

    def refuse(self, now: float, latency: float) -> bool:
        """Halve the limit because of a refusal, unless its request was sent before the limit was halved last.

        Args:
            now: monotonic seconds.
            latency: seconds from the request to the refusal; 0: not known.

        Returns:
            Whether the limit was halved.
        """
        if (now - latency < self.last_refusal) if latency else (now < self.last_refusal + max(SHORTEST_ROUND, self.latency)):
            return False
        level = min(self.limit, max(self.peak, self.last_peak))  # not `in_flight`: some of that burst may have ended
        if self.phase is Phase.BEYOND:
            self.refusal_pause = min(2 * self.refusal_pause, LONGEST_REFUSAL_PAUSE)
        self.max_allowed, self.beyond_step = max(1, level - 1), 1
        self.last_refusal, self.beyond_due = now, now + self.refusal_pause
        self._enter(Phase.RETURNS, max(1, level // 2), skip=1)
        return True

    def end_round(self, now: float, flow: Flow, *, timed: bool) -> None:
        """Adapt the limit to the round that ends now.

        Args:
            now: monotonic seconds.
            flow: the throughput of the round.
            timed: it ended by time, so that new connections may not be at full speed yet.
        """
        if self.latency_sum:
            self.latency = self.latency_sum / self.responses
            self.least_latency = min(self.least_latency * (1 + flow.seconds / LATENCY_MEMORY), self.latency)
        if self.in_flight > self.limit and self.phase is not Phase.RETURNS:
            return  # long transfers of a higher level still run: the round says nothing about this level
        if self.skip_rounds:
            self.skip_rounds -= 1
        elif self.peak < self.limit:
            # The limit was not reached, so the round says nothing about it: a raised limit may stay, any other probe ends.
            if self.phase in (Phase.UP, Phase.DOWN, Phase.BEYOND):
                self._hold(self.limit if self.phase is Phase.UP else self.good_level)
        elif self.phase is Phase.HOLDS:
            self._measure(now, flow)
        elif self.phase is Phase.BEYOND:
            # No refusal this time: try the next step soon, and if a large one succeeds, forget the refusal.
            self.refusal_pause, self.beyond_due, self.beyond_step = REFUSAL_PAUSE, now, 2 * self.beyond_step
            self.max_allowed = self.limit if 4 * self.beyond_step <= self.limit else self.ceiling
            self._double(flow)
        elif self.phase is not Phase.RETURNS:
            self._judge(flow, skip=int(timed))
        elif self.limit < self.max_allowed:
            self.limit += (self.max_allowed - self.limit + 1) // 2
        else:
            self._hold(self.limit)

    def _enter(self, phase: Phase, limit: int, skip: int = 0) -> None:
        """Begin a phase. ``skip``: rounds that are not measured, as their responses are to requests of the level before."""
        self.phase, self.limit, self.skip_rounds = phase, limit, skip
        self.trial_rounds, self.trial_seconds, self.trial_flow = 0, 0.0, Flow()

    def _hold(self, limit: int) -> None:
        self.good_level, self.good_flow = limit, Flow()
        self._enter(Phase.HOLDS, limit, skip=int(limit != self.limit))

    def _double(self, flow: Flow, skip: int = 0) -> None:
        if self.limit < self.max_allowed:
            self.good_level, self.good_flow = self.limit, flow
            self._enter(Phase.GROWS, min(2 * self.limit, self.max_allowed), skip)
        else:
            self._hold(self.limit)

    def _measure(self, now: float, flow: Flow) -> None:
        """Measure the level; from time to time begin a probe, upward or downward in turn, where there is room or reason."""
        self.good_flow = self.good_flow.plus(flow, weight=FLOW_MEMORY)
        self.trial_rounds, self.trial_seconds = self.trial_rounds + 1, self.trial_seconds + flow.seconds
        if self.max_allowed == self.limit < self.ceiling and now >= self.beyond_due:
            self._enter(Phase.BEYOND, min(self.limit + self.beyond_step, self.ceiling), skip=1)
        elif self.trial_rounds >= PROBE_ROUNDS and self.trial_seconds >= self.probe_pause:
            if not CHANGED_GAIN <= self.good_flow.ratio_to(self.anchor_flow) <= 1:
                self.anchor_flow = self.good_flow
            quarter = max(1, self.limit // 4)
            up, down = self.limit < self.max_allowed, self.limit > 1 and self.latency > QUEUE_LATENCY * self.least_latency
            if down and (self.downward_next or not up):
                self._enter(Phase.DOWN, self.limit - quarter, skip=1)
            elif up:
                self._enter(Phase.UP, min(self.limit + quarter, self.max_allowed), skip=1)
            self.downward_next = not self.downward_next

    def _judge(self, flow: Flow, skip: int) -> None:
        """Decide whether the level that is being tried is better than the last good one."""
        self.trial_flow = self.trial_flow.plus(flow)
        self.trial_rounds += 1
        gain = self.trial_flow.ratio_to(self.anchor_flow if self.phase is Phase.DOWN else self.good_flow)
        if self.phase is Phase.GROWS:
            if gain >= DOUBLING_GAIN:
                self._double(flow, skip)
            elif self.trial_rounds == DOUBLING_ROUNDS:  # not earlier: new connections may have been in their handshakes
                level = min(math.ceil(GAIN_MARGIN * gain * self.good_level), self.limit)
                self._hold(self.good_level if gain < PROBE_GAIN else level)
        elif self.trial_rounds == PROBE_ROUNDS:
            if gain < (PROBE_GAIN if self.phase is Phase.UP else DOWNWARD_GAIN):
                self.probe_pause = min(2 * self.probe_pause, LONGEST_PROBE_PAUSE)
                self._hold(self.good_level)
            elif self.phase is Phase.UP:
                self.probe_pause = PROBE_PAUSE
                self._double(self.trial_flow)
            else:
                self.probe_pause, self.downward_next = PROBE_PAUSE / 2, True  # probe further downward soon
                self._hold(self.limit)
