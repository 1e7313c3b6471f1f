"""How many may be in flight, found while the run goes on (`--jobs auto`). Arithmetic only: `now` comes in as an argument.

There is a limit in all and one for each host. Each is a `Limit` of the same make and learns alone: it moves only after a
round in which it was used up at least once (as RFC 7661 has it), so the tighter of the two decides and the other one waits.
A **round** is the time in which as many answers came as may be in flight (about one round trip), at least `SHORTEST`.
Where answers are few and long it ends by time, and the bytes of unfinished transfers tell, as they do in hf-xet.

=======  =================================================================  ====================================
phase    what is done in it                                                 taken from
=======  =================================================================  ====================================
GROWS    double from round to round while that brings `WORTH` more; after   slow start of TCP (RFC 5681), and the
         two rounds that did not, back to where the gain ended              end of BBR's startup ("full pipe")
HOLDS    stay, and measure the delivery rate of this level                  BBR's cruising
UP       a quarter more for some rounds: if that brings more, GROWS again   BBR's bandwidth probing
DOWN     where requests wait much longer than they need to, a quarter       the latency gradient of Netflix'
         less: if that brings the same, the smaller number is kept          concurrency-limits (gradient2)
RETURNS  refused (429, 503, time-out): half of it, once for each burst;     AIMD; halving the distance is BIC's,
         then each round half of the way to just under that level           the forerunner of CUBIC
BEYOND   rarely, by 1, 2, 4, ...: is that level still refused? If it is,    CUBIC's convex part (RFC 9438), with
         the pause until the next try is twice as long                      exponential backoff
=======  =================================================================  ====================================

A limit that was lowered is reached by waiting, never by breaking off what runs: `free` is negative until then.
Not here: retries and their waiting (`retry`), whose turn it is (`queues`).
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from downloader.core.limits.public_hosts import START, is_public

SHORTEST = 0.02  # seconds of a round at least: in less, too little happens to tell anything
LONGEST = 0.5  # seconds, or four latencies, after which it ends by time: new connections need as much to get going
WORTH, SEEN, SAME = 1.25, 1.07, 0.97  # times the throughput that doubling (as in BBR), a quarter more, or less has to bring
CHANGED = 0.9  # bringing less than this by itself is another server, or another network
QUEUED = 1.5  # waiting this many times the least wait is a sign of a queue
FORGET = 10.0  # seconds in which the least wait that was seen is taken to double, so that another path is noticed
TELLING = 16  # fewer answers than this are a matter of chance, where there are bytes to go by
PATIENCE, TRIAL = 2, 3  # rounds for which a doubling is given time, and for which a level and a probe are measured
PAUSE, LONGEST_PAUSE = 0.2, 6.4  # seconds between probes; each that finds nothing doubles them
RESPECT, LONGEST_RESPECT = 2.0, 120.0  # seconds until a refused level is tried again; each new refusal of it doubles them
REMEMBERED = 1024  # hosts with nothing in flight of which it is remembered what they taught


class Phase(StrEnum):
    """What a limit is doing: see the module."""

    GROWS = "grows"
    HOLDS = "holds"
    UP = "probes upward"
    DOWN = "probes downward"
    RETURNS = "recovers after a refusal"
    BEYOND = "retries the refused number"


class Flow(NamedTuple):
    """What came in which time: answers in ``seconds``, and bytes in those between two samples."""

    answers: float = 0
    seconds: float = 0
    received: float = 0
    sampled: float = 0

    def plus(self, other: "Flow", weight: float = 1.0) -> "Flow":
        """Both together; ``weight`` below 1 lets the older one fade."""
        return Flow(*(weight * mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def over(self, other: "Flow") -> float:
        """How many times the throughput of ``other``: the mean of what tells, answers or bytes a second; 1 if neither does."""
        if not other.seconds:
            return math.inf
        by_answers = self.answers * other.seconds / (self.seconds * other.answers) if other.answers else 1.0
        if not (self.sampled and other.received):
            return by_answers
        by_bytes = self.received * other.sampled / (self.sampled * other.received)
        return (by_answers + by_bytes) / 2 if min(self.answers, other.answers) >= TELLING else by_bytes


class Limit:
    """One limit that adapts. ``held``: in flight under it; ``top``: the highest level not known to be refused."""

    def __init__(self, start: int, ceiling: int) -> None:
        self.ceiling, self.held, self.peak = ceiling, 0, 0
        self.known, self.base = 1, Flow()  # the level last known to be of use, and what it brought
        self.anchor = Flow()  # what it once brought: steps downward that cost a little each must not add up
        self.pause, self.lower = PAUSE, True  # seconds until the next probe, and whether that looks downward first
        self.latency, self.least = 0.0, math.inf
        self.top, self.step, self.respect = ceiling, 1, RESPECT
        self.cut_at = self.due = -math.inf
        self._enter(Phase.GROWS, min(start, ceiling))

    def begin(self, now: float, received: int, sampled: float) -> None:
        """A new round; ``received`` bytes had come when they were last counted, at ``sampled``."""
        self.began, self.received, self.sampled = now, received, sampled
        self.quota, self.answers, self.waits, self.before, self.peak = self.limit, 0, 0.0, self.peak, self.held

    def answered(self, waited: float) -> bool:
        """Count an answer; whether there are enough of them for a round."""
        self.answers += 1
        self.waits += waited
        if 0.0 < waited < self.least:
            self.least = waited
        return self.answers >= self.quota

    def refuse(self, now: float, waited: float) -> bool:
        """Halve what is in flight, unless that request was sent before the last halving. Whether it was done."""
        if (now - waited < self.cut_at) if waited else (now < self.cut_at + max(SHORTEST, self.latency)):
            return False
        level = min(self.limit, max(self.peak, self.before))  # not `held`: others of that burst may have ended already
        if self.phase is Phase.BEYOND:
            self.respect = min(2 * self.respect, LONGEST_RESPECT)
        self.top, self.step = max(1, level - 1), 1
        self.cut_at, self.due = now, now + self.respect
        self._enter(Phase.RETURNS, max(1, level // 2), skip=1)
        return True

    def end_round(self, now: float, flow: Flow, *, timed: bool) -> None:
        """Move the limit according to this round. ``timed``: it ended by time, and new connections may not be at speed yet."""
        if self.waits:
            self.latency = self.waits / self.answers
            self.least = min(self.least * (1 + flow.seconds / FORGET), self.latency)
        if self.held > self.limit and self.phase is not Phase.RETURNS:
            return  # long transfers of a higher level still run: nothing here is of this one
        if self.skip:
            self.skip -= 1
        elif self.peak < self.limit:  # something else held the run back: a raised limit may stay, any other trial is off
            if self.phase in (Phase.UP, Phase.DOWN, Phase.BEYOND):
                self._hold(self.limit if self.phase is Phase.UP else self.known)
        elif self.phase is Phase.HOLDS:
            self._measure(now, flow)
        elif self.phase is Phase.BEYOND:
            self.respect, self.due, self.step = RESPECT, now, 2 * self.step  # no refusal this time: go on soon,
            self.top = self.limit if 4 * self.step <= self.limit else self.ceiling  # and if that goes well, for good
            self._double(flow)
        elif self.phase is not Phase.RETURNS:
            self._judge(flow, skip=int(timed))
        elif self.limit < self.top:
            self.limit += (self.top - self.limit + 1) // 2
        else:
            self._hold(self.limit)

    def _enter(self, phase: Phase, limit: int, skip: int = 0) -> None:
        """``skip``: rounds that are not to be measured, as their answers are those of the level before."""
        self.phase, self.limit, self.skip = phase, limit, skip
        self.rounds, self.lasted, self.trial = 0, 0.0, Flow()

    def _hold(self, limit: int) -> None:
        self.known, self.base = limit, Flow()
        self._enter(Phase.HOLDS, limit, skip=int(limit != self.limit))

    def _double(self, flow: Flow, skip: int = 0) -> None:
        if self.limit < self.top:
            self.known, self.base = self.limit, flow
            self._enter(Phase.GROWS, min(2 * self.limit, self.top), skip)
        else:
            self._hold(self.limit)

    def _measure(self, now: float, flow: Flow) -> None:
        """Hold the level, and now and then try another: upward and downward in turns, as far as there is room or reason."""
        self.base = self.base.plus(flow, weight=0.8)
        self.rounds, self.lasted = self.rounds + 1, self.lasted + flow.seconds
        if self.top == self.limit < self.ceiling and now >= self.due:
            self._enter(Phase.BEYOND, min(self.limit + self.step, self.ceiling), skip=1)
        elif self.rounds >= TRIAL and self.lasted >= self.pause:
            if not CHANGED <= self.base.over(self.anchor) <= 1:
                self.anchor = self.base
            quarter = max(1, self.limit // 4)
            up, down = self.limit < self.top, self.limit > 1 and self.latency > QUEUED * self.least
            if down and (self.lower or not up):
                self._enter(Phase.DOWN, self.limit - quarter, skip=1)
            elif up:
                self._enter(Phase.UP, min(self.limit + quarter, self.top), skip=1)
            self.lower = not self.lower

    def _judge(self, flow: Flow, skip: int) -> None:
        self.trial = self.trial.plus(flow)
        self.rounds += 1
        gain = self.trial.over(self.anchor if self.phase is Phase.DOWN else self.base)
        if self.phase is Phase.GROWS:
            if gain >= WORTH:
                self._double(flow, skip)
            elif self.rounds == PATIENCE:  # not at once: new connections may have been shaking hands
                self._hold(self.known if gain < SEEN else min(math.ceil(1.1 * gain * self.known), self.limit))
        elif self.rounds == TRIAL:
            if gain < (SEEN if self.phase is Phase.UP else SAME):
                self.pause = min(2 * self.pause, LONGEST_PAUSE)
                self._hold(self.known)
            elif self.phase is Phase.UP:
                self.pause = PAUSE
                self._double(self.trial)
            else:
                self.pause, self.lower = PAUSE / 2, True  # and soon further downward
                self._hold(self.limit)


class AdaptiveSlots:
    """Counts what is in flight, as `Slots` does, under limits that adapt.

    ``ceiling``, ``host_ceiling``: what may be in flight at most, in all and at one host. ``start``: at first, for both.
    ``public``: at most at a public host, where `START` is the first level; 0: the same as at any other.
    A host is known while something of it is in flight; the last `REMEMBERED` of those that taught something, longer.
    """

    def __init__(self, *, ceiling: int, host_ceiling: int, start: int = 40, public: int = 0) -> None:
        self._make = max(1, start), max(1, min(host_ceiling, ceiling))
        self._public = min(start, START), min(public, *self._make[1:])
        self._whole = Limit(max(1, start), max(1, ceiling))
        self._hosts: dict[str, Limit] = {}
        self._idle: dict[str, Limit] = {}
        self._received, self._sampled, self._look_at = 0, 0.0, -math.inf

    @property
    def in_all(self) -> int:
        """How many may be in flight at present."""
        return self._whole.limit

    @property
    def in_flight(self) -> int:
        """Slots taken."""
        return self._whole.held

    @property
    def free(self) -> int:
        """Slots left in all; negative after a step back, until enough of what runs has ended."""
        return self._whole.limit - self._whole.held

    def acquire(self, host: str) -> bool:
        """Take a slot for this host, if there is one in all and one there."""
        whole, place = self._whole, self._hosts.get(host)
        if whole.held >= whole.limit or (place is not None and place.held >= place.limit):
            return False
        if place is None:
            place = self._hosts[host] = self._idle.pop(host) if host in self._idle else Limit(*self._bounds(host))
        for limit in (place, whole):
            if not limit.held:
                limit.begin(self._sampled, self._received, self._sampled)
            limit.held += 1
            if limit.held > limit.peak:
                limit.peak = limit.held
        return True

    def release(self, host: str) -> None:
        """Give one back."""
        place = self._hosts[host]
        place.held -= 1
        self._whole.held -= 1
        if not place.held:
            del self._hosts[host]
            if place.phase is not Phase.GROWS or place.base.seconds:
                self._idle[host] = place
                if len(self._idle) > REMEMBERED:
                    del self._idle[next(iter(self._idle))]

    def settled(self, host: str, now: float, waited: float, refused: bool) -> None:
        """An Attempt at this host ended; to be called before its slot is given back.

        ``waited``: seconds from the request to the head of the answer, 0 where unknown. ``refused``: the server pushed
        back (429, 503, time-out, connection refused, reset before an answer). Any other answer is one, be it a 404.
        """
        place, whole = self._hosts[host], self._whole
        if refused:
            if place.refuse(now, waited):
                place.begin(now, self._received, self._sampled)
            return
        if place.answered(waited) and now - place.began >= SHORTEST:
            self._end_round(place, now, together=len(self._hosts) == 1)
        if whole.answered(waited) and now - whole.began >= SHORTEST:
            self._end_round(whole, now, together=True)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """``received``: all body bytes of this run so far, unfinished transfers too. Before the first slot, then every few ms.

        Returns, now and then, the hosts with free slots: a limit may have risen though nothing of that host ended.
        """
        self._received, self._sampled = received, now
        if now < self._look_at:
            return ()
        self._look_at = now + LONGEST / 8
        for limit in (self._whole, *self._hosts.values()):
            due = limit.held and now - limit.began >= max(LONGEST, 4 * limit.latency)
            if due and (limit.answers or received > limit.received):  # else even the first bytes are still under way
                self._end_round(limit, now, together=True, timed=True)
        return [host for host, place in self._hosts.items() if place.held < place.limit]

    def at(self, host: str) -> int:
        """The present limit of this host."""
        place = self._hosts.get(host) or self._idle.get(host)
        return place.limit if place else min(self._bounds(host))

    def _bounds(self, host: str) -> tuple[int, int]:
        """Of a host of which nothing is known yet: the first level, and the highest."""
        return self._public if self._public[1] > 0 and is_public(host) else self._make

    def explain(self) -> str:
        """The limits in one line, for logs: in all, and of up to three hosts that have a lower one."""
        whole = self._whole
        hosts = [f"; {host} {place.limit}: {place.phase}" for host, place in self._hosts.items() if place.limit < whole.limit]
        return f"jobs {whole.limit} of {whole.ceiling}: {whole.phase}" + "".join(hosts[:3])

    def _end_round(self, limit: Limit, now: float, *, together: bool, timed: bool = False) -> None:
        """``together``: bytes, which are known of all hosts together only, tell something about this limit."""
        flow = Flow(limit.answers, now - limit.began, self._received - limit.received, self._sampled - limit.sampled)
        known = together and flow.sampled >= flow.seconds / 2
        limit.end_round(now, flow if known else Flow(flow.answers, flow.seconds), timed=timed)
        limit.begin(now, self._received, self._sampled)
