"""Adaptive limits against simulated servers: events on a heap, no sleeping, and chance only from a seed.

Every server is first tried with fixed limits of 1, 2, 4, ... 256; what adapts has to reach nine tenths of the best of these.
"""

import gc
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.limits.adaptive import REMEMBERED_HOSTS, AdaptiveSlots
from downloader.core.limits.adaptive_limit import AdaptiveLimit, Flow, Phase
from downloader.core.limits.slots import Slots
from tests.support.limits import level, taken

FIXED = [1, 2, 4, 8, 16, 32, 64, 128, 256]


@dataclass
class Latency:
    """Answers after ``seconds``, however many there are."""

    seconds: float = 0.1
    jitter: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def answer(self, now: float, _held: int) -> tuple[float, bool]:
        return now + self.seconds * (1 + self.jitter * self.chance.random()), False


@dataclass
class Capacity:
    """Answers ``rate(now, held)`` requests a second, one after the other, and each ``base`` seconds later."""

    rate: Callable[[float, int], float]
    base: float = 0.001
    jitter: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(2))
    idle_at: float = 0.0

    def answer(self, now: float, held: int) -> tuple[float, bool]:
        service = (1 + self.jitter * (2 * self.chance.random() - 1)) / self.rate(now, held)
        self.idle_at = max(now, self.idle_at) + service
        return self.idle_at + self.base, False


@dataclass
class Refuses:
    """Answers after ``seconds``, and refuses in a fifth of that what is more than ``most(now)`` at a time."""

    most: Callable[[float], int]
    seconds: float = 0.1

    def answer(self, now: float, held: int) -> tuple[float, bool]:
        return (now + self.seconds / 5, True) if held > self.most(now) else (now + self.seconds, False)


@dataclass
class Then:
    """One server until ``at``, another one from then on."""

    at: float
    first: Refuses
    second: Capacity

    def answer(self, now: float, held: int) -> tuple[float, bool]:
        return (self.first if now < self.at else self.second).answer(now, held)


Server = Latency | Capacity | Refuses | Then


@dataclass
class Seen:
    """What happened from ``since`` on: answers and refusals by host, and what was in flight, by time."""

    since: float = 0.0
    until: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    area: float = 0.0
    peak: int = 0
    ends: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answers.total() / (self.until - self.since)

    @property
    def in_flight(self) -> float:
        return self.area / (self.until - self.since)


def small_files(
    slots: Slots | AdaptiveSlots,
    servers: Mapping[str, Server],
    until: float,
    since: float = 0.0,
    files: float = float("inf"),
    batch: float = 0.0,
) -> Seen:
    """Files of 10 kB without end, or so many; hosts take turns, as in the scheduler. What is refused is asked for again.

    ``batch``: what ends within so many seconds is settled before anything new is begun.
    """
    seen, left = Seen(since, until), files
    accepted: Counter[str] = Counter()
    heap: list[tuple[float, int, str, float, bool]] = []
    hosts, turn, number, received, sampled, last = list(servers), 0, 0, 0, -1.0, 0.0
    now, began = 0.0, -1.0
    if isinstance(slots, AdaptiveSlots):
        slots.sample(0.0, 0)
    while True:
        denied = 0
        while left and denied < len(hosts) and not (heap and heap[0][0] <= began + batch > began):
            host = hosts[turn % len(hosts)]
            turn += 1
            if not slots.acquire(host):
                denied += 1
                continue
            denied = 0
            left -= 1
            number += 1
            at, refused = servers[host].answer(now, accepted[host] + 1)
            accepted[host] += not refused
            heapq.heappush(heap, (at, number, host, now, refused))
        began = heap[0][0] if heap and heap[0][0] > began + batch else began
        if not heap:
            break
        at, _, host, asked, refused = heapq.heappop(heap)
        if at > until:
            break
        seen.area += taken(slots) * max(0.0, at - max(last, since))
        now = last = at
        accepted[host] -= not refused
        if now >= since:
            (seen.refusals if refused else seen.answers)[host] += 1
            seen.peak = max(seen.peak, taken(slots))
        seen.ends.append(now)
        received += 0 if refused else 10_000
        if isinstance(slots, AdaptiveSlots):
            slots.settled(host, now, now - asked, refused)
            if now - sampled >= 0.005:
                sampled = now
                slots.sample(now, received)
        slots.release(host)
        left += refused
    return seen


def large_files(
    slots: Slots | AdaptiveSlots, cap: Callable[[float], float], total: float, size: float, until: float, since: float
) -> float:
    """MB/s of files of ``size`` MB without end: ``cap(now)`` MB/s for each connection, ``total`` in all, 0.1 s to open one."""
    opening: list[float] = []  # when the bytes of a connection begin
    flowing: list[float] = []  # where it ends, as all that flow get the same: what one from the start would have by then
    each = received = measured = now = 0.0
    while now < until:
        if isinstance(slots, AdaptiveSlots):
            slots.sample(now, int(received * 1e6))
        while slots.acquire("a"):
            opening.append(now + 0.1)
        while opening and opening[0] <= now:
            heapq.heappush(flowing, each + size)
            opening.pop(0)
        rate = min(cap(now), total / max(1, len(flowing)))
        step = min(0.02, max(1e-6, (flowing[0] - each) / rate)) if flowing else 0.02
        now += step
        each += rate * step
        received += rate * step * len(flowing)
        measured += rate * step * len(flowing) * (now > since)
        while flowing and flowing[0] <= each + 1e-9:
            heapq.heappop(flowing)
            if isinstance(slots, AdaptiveSlots):
                slots.settled("a", now, 0.1, False)
            slots.release("a")
    return measured / (until - since)


def adaptive(ceiling: int = 256, host_ceiling: int = 256, start: int = 40) -> AdaptiveSlots:
    return AdaptiveSlots(ceiling=ceiling, host_ceiling=host_ceiling, start=start)


def rising(_now: float, held: int) -> float:
    """A fast server beside its client: brings most with 40 to 64 in flight, and less with more."""
    return 10_000.0 * min(1.0, (held / 40) ** 0.3) / (1 + max(0, held - 64) / 200)


def worsening(_now: float, held: int) -> float:
    """A server that more than 8 at a time get in each other's way."""
    return 1000 / (1 + max(0, held - 8) / 20)


# name: the server, the warm-up in seconds (a round trip takes 0.1 s where nothing else is said), and how long is measured
SERVERS: dict[str, tuple[Callable[[], Server], float, float]] = {
    "latency: 4 round trips": (lambda: Latency(), 0.4, 2.0),
    "latency with jitter: 4": (lambda: Latency(jitter=0.5), 0.5, 2.0),
    "latency of a second: 4": (lambda: Latency(seconds=1.0), 4.0, 8.0),
    "capacity: 10 rounds of 20 ms": (lambda: Capacity(lambda now, held: 500), 0.2, 2.0),
    "capacity with jitter: 10 rounds of 20 ms": (lambda: Capacity(lambda now, held: 500, jitter=0.9), 0.2, 3.0),
    "capacity at a distance: 4": (lambda: Capacity(lambda now, held: 1000, base=0.1, jitter=0.5), 0.4, 2.0),
    "fast, beside its client: 10 rounds of 20 ms": (lambda: Capacity(rising, base=0.0001, jitter=0.5), 0.2, 0.6),
    "worse with every request, from 40 to 8: 3 s": (lambda: Capacity(worsening, base=0.005), 3.0, 2.0),
    "refuses more than 2: 25": (lambda: Refuses(lambda now: 2), 2.5, 3.0),
    "refuses more than 8: 25": (lambda: Refuses(lambda now: 8), 2.5, 3.0),
    "refuses more than 50: 25": (lambda: Refuses(lambda now: 50), 2.5, 3.0),
    "refuses more than 200: 25": (lambda: Refuses(lambda now: 200), 2.5, 3.0),
}


@pytest.mark.parametrize("name", SERVERS)
def test_it_reaches_the_best_fixed_setting_within_a_few_round_trips(name: str) -> None:
    server, since, lasts = SERVERS[name]
    best = max(small_files(Slots(n, n), {"a": server()}, since + lasts, since).rate for n in FIXED)
    assert small_files(adaptive(), {"a": server()}, since + lasts, since).rate >= 0.9 * best


def test_500_files_from_one_host_are_done_in_four_round_trips() -> None:
    seen = small_files(adaptive(), {"a": Latency()}, until=10, files=500)
    assert len(seen.ends) == 500
    assert max(seen.ends) <= 0.4 + 1e-6
    by_round = sorted(Counter(round(end, 6) for end in seen.ends).items())
    assert by_round[0][1] == 40  # what it starts with
    assert all(later <= 2 * earlier for (_, earlier), (_, later) in pairwise(by_round))  # never more than doubled


@pytest.mark.parametrize("most", [1, 2, 8, 50, 200])
def test_it_does_not_stay_above_what_a_server_refuses(most: int) -> None:
    seen = small_files(adaptive(), {"a": Refuses(lambda now: most)}, until=14, since=2.5)
    assert seen.refusals["a"] < 0.02 * (seen.answers["a"] + seen.refusals["a"])
    assert seen.in_flight <= most + (most == 1) * 0.1  # one more now and then, to see whether that is still so
    assert seen.peak <= most + 1


def test_settling_many_at_once_does_not_lower_the_measured_level() -> None:
    seen = small_files(adaptive(), {"a": Refuses(lambda now: 50, seconds=0.1)}, until=6, since=2.5, batch=0.09)
    assert seen.rate >= 0.9 * small_files(Slots(50, 50), {"a": Latency()}, until=6, since=2.5, batch=0.09).rate
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    answer(slots, 0.1, 1)
    fill(slots)
    answer(slots, 0.2, 39)  # a round ends here, and the burst does not
    answer(slots, 0.2, 1, refused=True)
    assert 0.5 * 40 <= level(slots, "a") < 40  # a part of the whole burst, not of the one answer that was left of it
    assert slots.max_in_flight >= 40


def test_a_limit_that_the_server_has_lifted_is_forgotten() -> None:
    slots = adaptive()
    small_files(slots, {"a": Then(2.0, Refuses(lambda now: 20), Capacity(lambda now, held: 300, base=0.1))}, until=10)
    assert 30 <= level(slots, "a") <= 100


def test_small_losses_of_downward_probes_do_not_add_up() -> None:
    def server() -> Capacity:
        return Capacity(lambda now, held: 1000 * min(1.0, (held / 40) ** 0.1), base=0.001)

    best = max(small_files(Slots(n, n), {"a": server()}, 20, 18).rate for n in FIXED)
    assert small_files(adaptive(), {"a": server()}, 20, 18).rate >= 0.93 * best


def test_the_pause_between_tries_of_a_refused_level_grows() -> None:
    early = small_files(adaptive(), {"a": Refuses(lambda now: 20)}, until=20, since=3).refusals["a"]
    late = small_files(adaptive(), {"a": Refuses(lambda now: 20)}, until=60, since=43).refusals["a"]
    assert late <= 1 < early <= 4


@pytest.mark.parametrize(
    ("server", "change"),
    [
        (lambda: Capacity(lambda now, held: 400 if now < 2 else 2000, base=0.1), "five times faster"),
        (lambda: Capacity(lambda now, held: 2000 if now < 2 else 400, base=0.1), "five times slower"),
        (lambda: Capacity(lambda now, held: 1000, base=0.01), "none"),
        (lambda: Refuses(lambda now: 20 if now < 2 else 200), "ten times the limit"),
        (lambda: Refuses(lambda now: 200 if now < 2 else 20), "a tenth of the limit"),
    ],
)
def test_a_server_that_changes_is_found_again_within_six_seconds(server: Callable[[], Server], change: str) -> None:
    since, until = 8.0, 11.0
    best = max(small_files(Slots(n, n), {"a": server()}, until, since).rate for n in FIXED)
    seen = small_files(adaptive(), {"a": server()}, until, since)
    assert seen.rate >= 0.9 * best, change
    assert seen.refusals["a"] < 0.02 * seen.answers["a"]


def test_slow_and_refusing_hosts_leave_the_slots_to_the_others() -> None:
    def servers() -> dict[str, Server]:
        return {"slow": Capacity(lambda now, held: 200), "refuses": Refuses(lambda now: 10), "far": Latency(jitter=0.2)}

    slots = adaptive()
    seen = small_files(slots, servers(), until=6, since=3)
    alone = {host: small_files(Slots(256, 256), {host: server}, 3, 1).rate for host, server in servers().items()}
    best = max(small_files(Slots(n, n), servers(), 6, 3).rate for n in FIXED)  # with fixed ones, the slow host holds all slots
    assert seen.rate >= 0.9 * best
    assert seen.answers["slow"] / 3 >= 0.9 * alone["slow"]
    assert seen.answers["refuses"] / 3 >= 0.9 * 100
    assert seen.answers["far"] / 3 >= 0.85 * alone["far"]
    assert level(slots, "refuses") <= 10
    assert level(slots, "slow") < 64


@pytest.mark.parametrize(
    ("cap", "total", "size", "since", "least"),
    [
        (10, 200, 100, 1.0, 20),  # 20 connections fill the link
        (1, 200, 20, 5.0, 190),  # 200 do
        (2, 150, 50, 5.0, 70),
        (10, 200, 1000, 1.0, 20),  # not one ends
    ],
)
def test_large_files_get_more_connections_while_the_byte_rate_grows(
    cap: float, total: float, size: float, since: float, least: int
) -> None:
    until = since + 10
    best = max(large_files(Slots(n, n), lambda now: cap, total, size, until, since) for n in FIXED)
    slots = adaptive()
    assert large_files(slots, lambda now: cap, total, size, until, since) >= 0.9 * best
    assert slots.max_in_flight >= least
    assert slots.max_in_flight <= max(1.5 * total / cap, 67)  # more would bring nothing


def test_large_files_that_slow_down_get_more_connections() -> None:
    def cap(now: float) -> float:
        return 10 if now < 10 else 1.5

    best = max(large_files(Slots(n, n), cap, 200, 50, 60, 40) for n in FIXED)
    assert large_files(adaptive(), cap, 200, 50, 60, 40) >= 0.9 * best


def fill(slots: AdaptiveSlots, host: str = "a") -> int:
    taken = 0
    while slots.acquire(host):
        taken += 1
    return taken


def answer(
    slots: AdaptiveSlots, now: float, count: int, waited: float = 0.1, host: str = "a", *, refused: bool = False
) -> None:
    for _ in range(count):
        slots.settled(host, now, waited, refused)
        slots.release(host)


def test_the_first_levels_are_within_the_ceilings() -> None:
    for ceiling, host_ceiling, start, max_in_flight, at_host in [
        (256, 256, 40, 40, 40),
        (16, 256, 40, 16, 16),
        (256, 6, 40, 40, 6),
    ]:
        slots = adaptive(ceiling, host_ceiling, start)
        assert (slots.max_in_flight, level(slots, "a")) == (max_in_flight, at_host)
        assert fill(slots) == at_host == taken(slots)
        assert slots.free == max_in_flight - at_host


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    for _ in range(30):
        assert slots.acquire("a")
    for turn in range(1, 3000):
        answer(slots, turn / 100, 1)
        assert slots.acquire("a")
        slots.sample(turn / 100, 10_000 * turn)
    assert (slots.max_in_flight, level(slots, "a")) == (40, 40)


def test_many_refusals_of_one_burst_count_once() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    answer(slots, 0.1, 10, refused=True)
    once = level(slots, "a")
    assert once < 40
    answer(slots, 0.15, 10, 0.15, refused=True)  # sent before the first refusal was known
    assert (level(slots, "a"), slots.max_in_flight) == (once, 40)
    answer(slots, 0.2, 5)
    fill(slots)
    assert taken(slots) == once
    answer(slots, 0.25, 1, 0.05, refused=True)  # sent after the first refusal
    twice = level(slots, "a")
    assert 1 <= twice < once
    answer(slots, 0.26, 1, 0.0, refused=True)  # the time of the request is unknown: within a round of the last refusal
    assert level(slots, "a") == twice
    answer(slots, 0.4, 1, 0.0, refused=True)
    assert 1 <= level(slots, "a") < twice


def test_after_a_refusal_the_limit_returns_to_just_under_that_level() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    answer(slots, 0.1, 20, refused=True)
    answer(slots, 0.15, 20)
    levels, now = [], 0.2
    while now < 1.9:
        levels.append(level(slots, "a"))
        answer(slots, now, fill(slots))
        now += 0.1
    assert levels[0] < 0.75 * 40
    assert levels == sorted(levels)  # it does not oscillate
    assert levels[10] >= 0.9 * 40  # recovered within ten rounds
    assert max(levels) < 40  # the refused level itself is left alone so soon after the refusal


def test_after_a_refusal_responses_to_earlier_requests_are_not_measured() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    answer(slots, 0.1, 30)
    fill(slots)
    answer(slots, 0.11, 1, refused=True)
    halved, in_flight = level(slots, "a"), taken(slots)
    assert halved <= in_flight
    levels = []
    for number in range(3 * in_flight):  # the first of them, as many as are in flight, were sent before the refusal
        slots.settled("a", 0.12 + 0.003 * number, 0.01, False)
        levels.append(level(slots, "a"))
    assert set(levels[:halved]) == {halved}
    assert levels[-1] > halved


def test_refused_at_one_it_stays_at_one() -> None:
    slots = adaptive(start=1)
    for turn in range(1, 50):
        assert fill(slots) == 1
        answer(slots, turn, 1, refused=True)
        assert level(slots, "a") == 1


def test_refusals_of_one_host_do_not_slow_another_one() -> None:
    slots = adaptive()
    assert slots.acquire("a")
    assert slots.acquire("b")
    answer(slots, 0.1, 1, refused=True)
    assert (level(slots, "a"), level(slots, "b"), slots.max_in_flight) == (1, 40, 40)
    assert fill(slots, "a") == 1
    assert fill(slots, "b") == 38


def limits_in_memory() -> int:
    gc.collect()
    return sum(isinstance(item, AdaptiveLimit) for item in gc.get_objects())


def test_only_the_last_hosts_that_taught_something_are_remembered() -> None:
    slots = adaptive()
    before = limits_in_memory()
    for number in range(3 * REMEMBERED_HOSTS):
        assert slots.acquire(f"good{number}")
        answer(slots, 0.1, 1, host=f"good{number}")
    assert limits_in_memory() == before
    for number in range(3 * REMEMBERED_HOSTS):
        assert slots.acquire(f"bad{number}")
        answer(slots, 0.1, 1, host=f"bad{number}", refused=True)
    assert limits_in_memory() == before + REMEMBERED_HOSTS
    assert (level(slots, "bad0"), level(slots, f"bad{3 * REMEMBERED_HOSTS - 1}")) == (40, 1)


def test_sample_returns_hosts_whose_limit_has_risen() -> None:
    slots = adaptive()
    assert list(slots.sample(0.0, 0)) == []
    fill(slots)
    assert list(slots.sample(0.6, 0)) == []  # not one byte yet: nothing to go by
    assert level(slots, "a") == 40
    assert list(slots.sample(0.7, 1_000_000)) == ["a"]
    assert level(slots, "a") == slots.max_in_flight > 40
    assert list(slots.sample(0.701, 1_000_000)) == []


def test_it_explains_itself_in_one_line() -> None:
    slots = adaptive()
    assert slots.explain() == "jobs 40 of 256: grows"
    for host in "abcde":
        slots.acquire(host)
        slots.settled(host, 0.1, 0.1, True)
    told = "jobs 40 of 256: grows; a 1: recovers after a refusal; b 1: recovers after a refusal; c 1: recovers after a refusal"
    assert slots.explain() == told


@pytest.mark.parametrize(
    ("flow", "other", "times"),
    [
        (Flow(10, 1), Flow(), float("inf")),
        (Flow(40, 2), Flow(10, 1), 2.0),
        (Flow(40, 1, 100, 1), Flow(20, 1, 100, 1), 1.5),  # both tell
        (Flow(4, 1, 300, 1), Flow(2, 1, 100, 1), 3.0),  # too few answers to tell
        (Flow(40, 1), Flow(20, 1, 100, 1), 2.0),  # bytes of one only
        (Flow(40, 1, 100, 1), Flow(20, 1), 2.0),
        (Flow(0, 1, 100, 1), Flow(0, 1, 50, 1), 2.0),
        (Flow(0, 1, 100, 1), Flow(0, 1), 1.0),  # nothing to compare
    ],
)
def test_throughputs_are_compared_by_responses_bytes_or_both(flow: Flow, other: Flow, times: float) -> None:
    assert flow.ratio_to(other) == times


def test_an_older_flow_counts_less() -> None:
    assert Flow(10, 1, 100, 1).plus(Flow(1, 2, 3, 4), weight=0.5) == Flow(6, 2.5, 53, 4.5)


def rounds(limit: AdaptiveLimit, *rates: float, timed: bool = False, used: bool = True) -> list[int]:
    """The limit after each of these rounds of a second, by the answers that came in it."""
    levels = []
    for rate in rates:
        limit.in_flight = limit.limit if used else limit.limit - 1
        limit.begin(0.0, 0, 0.0)
        limit.end_round(1.0, Flow(rate, 1.0), timed=timed)
        levels.append(limit.limit)
    return levels


def test_it_grows_up_to_the_ceiling_while_that_brings_more() -> None:
    levels = [40, *rounds(AdaptiveLimit(40, 256), 400, 800, 1600, 2560)]
    assert levels[-1] == 256
    assert all(earlier <= later <= 2 * earlier for earlier, later in pairwise(levels))


def test_new_connections_get_a_second_round_before_a_level_is_judged() -> None:
    levels = [40, *rounds(AdaptiveLimit(40, 256), 400, 400, 800, 1600)]  # the first round at the second level brings no more
    assert levels[-1] == 256
    assert levels == sorted(levels)


def test_a_level_that_brings_nothing_is_left_for_the_one_before() -> None:
    levels = rounds(AdaptiveLimit(40, 256), 400, 400, 400)
    assert levels[0] > 40
    assert levels[-1] == 40
    timed = rounds(AdaptiveLimit(40, 256), 400, 400, 400, 400, timed=True)  # the first round at a level is not measured here
    assert timed[:3] == [levels[0]] * 3
    assert timed[-1] == 40


def test_a_level_that_brings_a_little_is_lowered_to_what_brings_as_much() -> None:
    assert 46 <= rounds(AdaptiveLimit(40, 256), 400, 460, 460)[-1] < 60  # 40 brought 400, so 46 bring 460


def test_a_probe_that_is_not_reached_is_not_judged() -> None:
    limit = AdaptiveLimit(40, 256)
    rounds(limit, 400, 400, 400, 400)
    (raised,) = set(rounds(limit, 400, 400, 400)) - {40}
    assert raised > 40
    assert limit.phase is Phase.UP
    assert rounds(limit, 400, 400, used=False)[-1] == raised  # a raised limit may stay, as it costs nothing
    assert limit.phase is Phase.HOLDS
    limit = AdaptiveLimit(40, 256)
    limit.least_latency = 0.01
    rounds(limit, 400, 400, 400, 400)
    limit.latency = 0.1
    assert rounds(limit, 400, 400, 400)[-1] < 40
    assert limit.phase is Phase.DOWN
    assert rounds(limit, 400, 400, used=False)[-1] == 40
    assert limit.phase is Phase.HOLDS


def test_probes_go_downward_and_upward_in_turns_where_requests_queue() -> None:
    limit = AdaptiveLimit(40, 256)
    limit.latency, limit.least_latency = 0.1, 0.01
    assert rounds(limit, 400, 400, 400, 400)[-1] == 40
    levels = [40]
    while len(levels) < 40:  # a lower level brings less, and a higher one the same
        levels += rounds(limit, 10.0 * min(limit.limit, 40))
    probes = [level for before, level in pairwise(levels) if level not in (before, 40)]
    assert len(probes) >= 2
    assert [level < 40 for level in probes] == [number % 2 == 0 for number in range(len(probes))]
    assert all(level in (before, 40) or before == 40 for before, level in pairwise(levels))  # each one ends where it began
    assert all(20 <= level <= 60 for level in levels)
    assert levels.count(40) > len(levels) / 3


def long_files(slots: AdaptiveSlots, now: float, until: float, rate: float) -> Iterator[float]:
    """Bytes come, and nothing ends."""
    while now < until:
        now += 0.05
        slots.sample(now, int(rate * now))
        yield now


def test_no_lower_limit_is_judged_while_transfers_of_a_higher_one_run() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    for _ in long_files(slots, 0.0, 10.0, 1e8):
        fill(slots)
    level, in_flight = slots.max_in_flight, taken(slots)
    assert 40 <= level < in_flight
    assert slots.free == level - in_flight
    assert {slots.explain() for _ in long_files(slots, 10.0, 60.0, 1e8)} == {f"jobs {level} of 256: holds"}


def test_long_transfers_do_not_delay_the_return_after_a_refusal() -> None:
    slots = adaptive()
    slots.sample(0.0, 0)
    fill(slots)
    answer(slots, 0.1, 5, refused=True)
    assert level(slots, "a") < taken(slots) == 35
    for _ in long_files(slots, 0.1, 5.0, 1e8):
        pass
    assert 35 <= level(slots, "a") < 40  # 35 are in flight, and 40 were refused


MOVE = st.tuples(
    st.sampled_from(["take", "answer", "refuse", "sample"]),
    st.sampled_from("abc"),
    st.sampled_from([0.0, 0.001, 0.05, 1.0]),
    st.integers(1, 20),
)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.lists(MOVE, max_size=120))
def test_no_limit_leaves_its_bounds_and_every_slot_is_counted(
    ceiling: int, host_ceiling: int, start: int, moves: list[tuple[str, str, float, int]]
) -> None:
    slots = adaptive(ceiling, host_ceiling, start)
    held: Counter[str] = Counter()
    now = received = 0.0
    for move, host, passed, count in moves:
        now += passed
        received += 1000 * count
        for _ in range(count):
            if move == "take":
                room = slots.free > 0 and held[host] < level(slots, host)
                assert slots.acquire(host) is room
                held[host] += room
            elif move == "sample":
                assert all(held[each] < level(slots, each) for each in slots.sample(now, int(received)))
            elif held[host]:
                slots.settled(host, now, passed, move == "refuse")
                slots.release(host)
                held[host] -= 1
        assert taken(slots) == held.total() == slots.max_in_flight - slots.free
        assert 1 <= slots.max_in_flight <= ceiling
        assert held.total() <= ceiling
        assert all(1 <= level(slots, each) <= min(host_ceiling, ceiling) for each in "abc")
        assert all(held[each] <= min(host_ceiling, ceiling) for each in "abc")
