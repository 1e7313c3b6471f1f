"""How many Attempts may be in flight, learned during the run (``--jobs auto``). Pure: times come in as arguments.

There is one `AdaptiveLimit` for the whole run and one for each host; an Attempt needs a slot under both.
"""

import math
from collections.abc import Sequence

from downloader.core.limits.adaptive_limit import LONGEST_ROUND, SHORTEST_ROUND, AdaptiveLimit, Flow, Phase
from downloader.core.limits.public_hosts import START_AT_PUBLIC_HOST, is_public

REMEMBERED_HOSTS = 1024
"""Hosts with nothing in flight whose learned limits are kept."""


class AdaptiveSlots:
    """`Limits` that adapt to the throughput and to the refusals of the servers.

    The limit of a host is kept while something is in flight there; after that only if it has learned something, and only
    for the last `REMEMBERED_HOSTS` hosts.

    Args:
        ceiling: Attempts in flight, at most.
        host_ceiling: Attempts in flight at one host, at most.
        start: the first level of both.
        public_ceiling: replaces ``host_ceiling`` at public hosts, where `START_AT_PUBLIC_HOST` is the first level; 0: they are
            not treated differently.
    """

    def __init__(self, *, ceiling: int, host_ceiling: int, start: int = 40, public_ceiling: int = 0) -> None:
        self._bounds = max(1, start), max(1, min(host_ceiling, ceiling))
        self._public_bounds = min(start, START_AT_PUBLIC_HOST), min(public_ceiling, self._bounds[1])
        self._total = AdaptiveLimit(max(1, start), max(1, ceiling))
        self._hosts: dict[str, AdaptiveLimit] = {}
        self._idle_hosts: dict[str, AdaptiveLimit] = {}
        self._received, self._sampled, self._next_sample = 0, 0.0, -math.inf

    @property
    def max_in_flight(self) -> int:
        """See `Limits`."""
        return self._total.limit

    @property
    def free(self) -> int:
        """See `Limits`."""
        return self._total.limit - self._total.in_flight

    def acquire(self, host: str) -> bool:
        """See `Limits`."""
        total, at_host = self._total, self._hosts.get(host)
        if total.in_flight >= total.limit or (at_host is not None and at_host.in_flight >= at_host.limit):
            return False
        if at_host is None:
            at_host = self._idle_hosts.pop(host) if host in self._idle_hosts else AdaptiveLimit(*self._bounds_of(host))
            self._hosts[host] = at_host
        for limit in (at_host, total):
            if not limit.in_flight:
                limit.begin(self._sampled, self._received, self._sampled)
            limit.in_flight += 1
            if limit.in_flight > limit.peak:
                limit.peak = limit.in_flight
        return True

    def release(self, host: str) -> None:
        """See `Limits`."""
        at_host = self._hosts[host]
        at_host.in_flight -= 1
        self._total.in_flight -= 1
        if not at_host.in_flight:
            del self._hosts[host]
            if at_host.phase is not Phase.GROWS or at_host.good_flow.seconds:
                self._idle_hosts[host] = at_host
                if len(self._idle_hosts) > REMEMBERED_HOSTS:
                    del self._idle_hosts[next(iter(self._idle_hosts))]

    def settled(self, host: str, now: float, latency: float, refused: bool) -> None:
        """See `Limits`. To be called before the slot is given back.

        Refusals are 429, 503, time-outs, refused connections, and resets before a response. Anything else with a latency
        is a response, be it a 404.
        """
        at_host, total = self._hosts[host], self._total
        if refused:
            if at_host.refuse(now, latency):
                at_host.begin(now, self._received, self._sampled)
            return
        if at_host.answered(latency) and now - at_host.began >= SHORTEST_ROUND:
            self._end_round(at_host, now, together=len(self._hosts) == 1)
        if total.answered(latency) and now - total.began >= SHORTEST_ROUND:
            self._end_round(total, now, together=True)

    def sample(self, now: float, received: int) -> Sequence[str]:
        """See `Limits`. To be called before the first slot is taken, and then every few milliseconds.

        ``received`` includes the bytes of unfinished transfers. The hosts with free slots are returned from time to time
        only: their limits may have risen without the end of an Attempt there.
        """
        self._received, self._sampled = received, now
        if now < self._next_sample:
            return ()
        self._next_sample = now + LONGEST_ROUND / 8
        for limit in (self._total, *self._hosts.values()):
            due = limit.in_flight and now - limit.began >= max(LONGEST_ROUND, 4 * limit.latency)
            if due and (limit.responses or received > limit.received):  # otherwise even the first bytes are still on their way
                self._end_round(limit, now, together=True, timed=True)
        return [host for host, at_host in self._hosts.items() if at_host.in_flight < at_host.limit]

    def _bounds_of(self, host: str) -> tuple[int, int]:
        """The first and the highest level of a host of which nothing is known yet."""
        return self._public_bounds if self._public_bounds[1] > 0 and is_public(host) else self._bounds

    def explain(self) -> str:
        """See `Limits`: the limit of the run, and of up to three hosts that have a lower one."""
        total = self._total
        lower = [(host, limit) for host, limit in self._hosts.items() if limit.limit < total.limit]
        hosts = [f"; {host} {limit.limit}: {limit.phase}" for host, limit in lower]
        return f"jobs {total.limit} of {total.ceiling}: {total.phase}" + "".join(hosts[:3])

    def _end_round(self, limit: AdaptiveLimit, now: float, *, together: bool, timed: bool = False) -> None:
        """End the round of a limit. ``together``: the bytes, which are counted for the whole run, are all under this limit."""
        flow = Flow(limit.responses, now - limit.began, self._received - limit.received, self._sampled - limit.sampled)
        bytes_count = together and flow.sampled >= flow.seconds / 2
        limit.end_round(now, flow if bytes_count else Flow(flow.responses, flow.seconds), timed=timed)
        limit.begin(now, self._received, self._sampled)
