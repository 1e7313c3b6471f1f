"""A list of very many hosts, in simulated time: the limit of each host holds, and no host waits for the end of others."""

import heapq
import random
from collections import Counter

import pytest

from downloader.core.limits.slots import Slots
from downloader.core.model import Download, End, Outcome
from downloader.core.names.urls import host_of
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler

HOSTS, FILES = 2000, 10
JOBS, PER_HOST = 64, 2
FAST, SLOW = 0.01, 5.0
"""Seconds for one answer."""


def is_slow(host: str) -> bool:
    """One host in 250: together they cannot fill the slots."""
    return int(host.partition(".")[0].removeprefix("h")) % 250 == 0


def ends_of_hosts(urls: list[str]) -> dict[str, float]:
    """Run the list; when the last file of each host was complete."""
    scheduler = Scheduler(iter([Download(url) for url in urls]), Slots(JOBS, PER_HOST), RetryPolicy())
    now, busy, last = 0.0, Counter[str](), {}
    running: list[tuple[float, int, str]] = []
    results = 0
    while not scheduler.finished:
        while attempts := scheduler.take(now):
            for attempt in attempts:
                host = host_of(attempt.url)
                busy[host] += 1
                assert busy[host] <= PER_HOST
                heapq.heappush(running, (now + (SLOW if is_slow(host) else FAST), attempt.key, host))
        assert sum(busy.values()) <= JOBS
        if not running:  # the end of the list was read just now
            break
        now, key, host = heapq.heappop(running)
        busy[host] -= 1
        last[host] = now
        scheduler.settle(Outcome(key, End.COMPLETE, status=200), now, 0.0)
        results += len(scheduler.results())
    assert scheduler.finished
    assert results == len(urls)
    return last


@pytest.mark.parametrize("order", ["by host", "by file", "shuffled"])
def test_fast_hosts_do_not_wait_for_slow_ones(order: str) -> None:
    urls = [f"http://h{host}.test/{file}" for host in range(HOSTS) for file in range(FILES)]
    if order == "by file":
        urls.sort(key=lambda url: url.rpartition("/")[2])
    elif order == "shuffled":
        random.Random(1).shuffle(urls)
    last = ends_of_hosts(urls)
    fast = [end for host, end in last.items() if not is_slow(host)]
    slow = [end for host, end in last.items() if is_slow(host)]
    assert len(fast) + len(slow) == HOSTS
    for_fast = JOBS - PER_HOST * len(slow)
    assert min(slow) >= SLOW * FILES / PER_HOST
    assert max(fast) < 1.5 * len(fast) * FILES * FAST / for_fast  # the time that the slots need which no slow host can take
