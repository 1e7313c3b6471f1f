"""What a public host is asked to bear: which hosts are public, how many connections they get, and how often they are asked."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.pacing import REMEMBERED_STARTS, PacedSlots
from downloader.core.limits.public_hosts import MAX_AT_PUBLIC_HOST, MAX_SEGMENTS_AT_PUBLIC_HOST, START_AT_PUBLIC_HOST, is_public
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.segment_layout import SplitPolicy
from downloader.errors import HTTPStatusError, StorageError
from downloader.runs.download_run import DownloadRun
from downloader.runs.plan import limits_for, split_policy
from downloader.settings.definitions import Settings
from downloader.settings.fields import convert
from downloader.strategies.registry import find
from tests.support.limits import level
from tests.support.scheduling import take_all

PUBLIC = "archive.example"


PUBLIC_HOSTS = """
archive.example ARCHIVE.example:8080 8.8.8.8 8.8.8.8:80 [2001:4860::8]:443 a.b. 172.32.0.1 192.169.0.1 lan.example notlocal.com
[::ffff:8.8.8.8] 100.64.0.1 999.1.1.1 localhost.example"""

OWN_HOSTS = """
localhost LOCALHOST:80 a.localhost 127.0.0.1:8080 127.8.9.1 [::1] [::1]:80 10.1.2.3 172.31.255.1 192.168.0.1 169.254.1.1
[fe80::1] [fd00::1]:8080 [fc12::] nas nas:80 nas.local db.internal. tv.lan x.home.arpa 0.0.0.0 [::] [::ffff:10.0.0.1] [ :"""


@pytest.mark.parametrize("host", PUBLIC_HOSTS.split())
def test_a_public_host(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize("host", OWN_HOSTS.split())
def test_a_host_of_our_own(host: str) -> None:
    assert not is_public(host)


@given(st.text("0123456789abcdefx.:[]%-é", max_size=30))
def test_any_text_is_judged_without_an_error_whatever_its_case(host: str) -> None:
    assert is_public(host) is is_public(host.swapcase())


def at_once(slots: AdaptiveSlots | Slots, host: str) -> int:
    count = 0
    while slots.acquire(host):
        count += 1
    return count


@pytest.mark.parametrize(
    ("given_", "public", "own"),
    [
        ({}, START_AT_PUBLIC_HOST, 40),
        ({"per_host": 100}, 40, 40),
        ({"aggressive": True}, 40, 40),
        ({"per_host": 3}, 3, 3),
        ({"jobs": 100}, START_AT_PUBLIC_HOST, 100),
        ({"jobs": 5}, START_AT_PUBLIC_HOST, 5),
        ({"jobs": 2}, 2, 2),
        ({"jobs": 300}, START_AT_PUBLIC_HOST, 256),
        ({"jobs": 300, "per_host": 300}, 300, 300),
        ({"jobs": 100, "per_host": 20}, 20, 20),
        ({"jobs": 100, "aggressive": True}, 100, 100),
    ],
)
def test_how_many_a_host_gets_at_first(given_: dict[str, int], public: int, own: int) -> None:
    settings, able = Settings(**given_), find("multiplex").capabilities
    for host, expected in ((PUBLIC, public), ("127.0.0.1:80", own)):
        slots = limits_for(settings, able, settings.jobs or 256)
        assert isinstance(slots, AdaptiveSlots | Slots)
        assert at_once(slots, host) == expected


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 0.5)), max_size=300))
def test_a_public_host_never_has_more_than_16(events: list[tuple[bool, bool, float]]) -> None:
    slots = AdaptiveSlots(ceiling=256, host_ceiling=256, public_ceiling=MAX_AT_PUBLIC_HOST)
    now, held = 0.0, 0
    for ended, refused, passed in events:
        now += passed
        held += at_once(slots, PUBLIC)
        assert held <= MAX_AT_PUBLIC_HOST
        assert level(slots, PUBLIC) <= MAX_AT_PUBLIC_HOST
        for _ in range(held if ended else 1):
            slots.settled(PUBLIC, now, 0.05, refused)
            slots.release(PUBLIC)
            held -= 1
        slots.sample(now, int(1e6 * now))


def answers(slots: AdaptiveSlots | Slots, now: float, seconds: float, width: int) -> float:
    """A server that has answers for ``width`` at a time, each after 0.1 s; for so long. The time then."""
    until = now + seconds
    while now < until:
        held = at_once(slots, PUBLIC)
        now += 0.1 * max(1.0, held / width)
        for _ in range(held):
            slots.settled(PUBLIC, now, 0.1, False)
            slots.release(PUBLIC)
        slots.sample(now, 0)
    return now


def test_the_limit_of_a_public_host_rises_only_while_that_helps() -> None:
    slots = AdaptiveSlots(ceiling=256, host_ceiling=256, public_ceiling=MAX_AT_PUBLIC_HOST)
    now = answers(slots, 0.0, 2.0, width=1000)
    assert level(slots, PUBLIC) == MAX_AT_PUBLIC_HOST
    held = at_once(slots, PUBLIC)
    slots.settled(PUBLIC, now + 0.1, 0.05, True)
    assert level(slots, PUBLIC) == MAX_AT_PUBLIC_HOST // 2
    for _ in range(held):
        slots.release(PUBLIC)
    slots = AdaptiveSlots(ceiling=256, host_ceiling=256, public_ceiling=MAX_AT_PUBLIC_HOST)
    answers(slots, 0.0, 2.0, width=4)
    assert level(slots, PUBLIC) < 8


def test_a_public_host_starts_with_few_even_if_jobs_is_given() -> None:
    slots = limits_for(Settings(jobs=100), find("multiplex").capabilities, 100)
    assert isinstance(slots, Slots)
    now = answers(slots, 0.0, 2.0, width=1000)
    assert at_once(slots, PUBLIC) == MAX_AT_PUBLIC_HOST
    slots.settled(PUBLIC, now + 0.1, 0.05, True)
    for _ in range(MAX_AT_PUBLIC_HOST):
        slots.release(PUBLIC)
    assert at_once(slots, PUBLIC) == MAX_AT_PUBLIC_HOST // 2
    assert sum(at_once(slots, f"{number}.example") for number in range(40)) == 100 - MAX_AT_PUBLIC_HOST // 2
    assert at_once(slots, "localhost") == 0


def test_how_many_segments_a_file_has() -> None:
    assert split_policy(Settings()).max_at_public_hosts == MAX_SEGMENTS_AT_PUBLIC_HOST
    assert split_policy(Settings(segments=12)) == SplitPolicy(12, 1_048_576)
    assert split_policy(Settings(aggressive=True)).max_at_public_hosts == 0
    for url, most in (("https://archive.example/a", 6), ("http://127.0.0.1/a", 40)):
        run = Scheduler(
            iter([Download(url)]), Slots(40, 40), RetryPolicy(), split=SplitPolicy(0, 1, MAX_SEGMENTS_AT_PUBLIC_HOST)
        )
        (first,) = run.take(0.0)
        run.segments.progress(first.key, 0, 10**9, 0.0)
        run.segments.progress(first.key, 1000, 10**9, 1.0)
        assert 1 + len(take_all(run, 1.0)) == most


@pytest.mark.parametrize(
    ("given_", "splits"),
    [
        ({}, True),
        ({"wait": 1.0}, False),
        ({"obey_robots": True}, False),
        ({"obey_robots": True, "segments": 4}, True),
    ],
)
def test_files_are_not_split_where_the_requests_to_a_host_are_spaced(
    tmp_path: Path, given_: dict[str, Any], splits: bool
) -> None:
    session = DownloadRun(Settings(dir=str(tmp_path), strategy="multiplex", **given_), iter(()))
    assert session.run.context.config.policy.may_split is splits
    session.start().join()


def test_a_pending_segment_without_a_slot_causes_no_wake_up() -> None:
    run = Scheduler(
        iter([Download("https://archive.example/a")]),
        Slots(40, 40, AdaptiveSlots(ceiling=80, host_ceiling=2, start=80, public_ceiling=2)),
        RetryPolicy(),
        split=SplitPolicy(0, 1, 6),
    )
    (first,) = run.take(0.0)
    run.segments.progress(first.key, 0, 10**9, 0.0)
    run.segments.progress(first.key, 1000, 10**9, 1.0)
    assert len(take_all(run, 1.0)) == 1
    assert run.wake_at is None


def done(attempt: Attempt) -> Outcome:
    return Outcome(attempt.key, End.COMPLETE, status=200, head_latency=0.01, size=1)


def test_a_paced_host_waits_and_others_go_on() -> None:
    urls = [f"https://{host}.example/{number}" for number in range(3) for host in "ab"]
    run = Scheduler(iter([Download(url) for url in urls]), Slots(9, 9), RetryPolicy(), gap=2.0)
    first = take_all(run, 10.0)
    assert [attempt.url for attempt in first] == ["https://a.example/0", "https://b.example/0"]
    assert run.wake_at == 12.0
    for attempt in first:
        run.settle(done(attempt), 10.5, 0.0)
    assert take_all(run, 11.9) == []
    assert run.wake_at == 12.0
    assert len(take_all(run, 12.0)) == 2
    assert len(take_all(run, 20.0)) == 2
    assert take_all(run, 30.0) == []


def test_retries_wait_for_the_pace_too() -> None:
    run = Scheduler(iter([Download("https://a.example/0")]), Slots(9, 9), RetryPolicy(wait=0.0), gap=5.0)
    (attempt,) = take_all(run, 0.0)
    run.settle(Outcome(attempt.key, End.FAILED, status=500, error=HTTPStatusError(500), head_latency=0.1), 1.0, 0.0)
    assert take_all(run, 1.0) == []
    assert run.wake_at == 5.0
    assert len(take_all(run, 5.0)) == 1


def test_an_existing_file_does_not_delay_the_next_request() -> None:
    run = Scheduler(iter([Download(f"https://a.example/{number}") for number in range(4)]), Slots(9, 9), RetryPolicy(), gap=5.0)
    for outcome in ({"end": End.EXISTS}, {"end": End.FAILED, "error": StorageError("the file exists")}, {"end": End.COMPLETE}):
        (attempt,) = take_all(run, 0.0)
        run.settle(Outcome(attempt.key, **outcome), 0.0, 0.0)  # type: ignore[arg-type]
    assert len(take_all(run, 0.0)) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3), st.booleans()), max_size=100))
def test_no_two_starts_are_closer_than_the_gap(tries: list[tuple[str, float, bool]]) -> None:
    slots, now = PacedSlots(Slots(100, 100), 1.0), 0.0
    last: dict[str, float] = {}
    for host, passed, unasked in tries:
        now += passed
        slots.begin(now)
        got = slots.acquire(host)
        assert got == (host not in last or now >= last[host] + 1.0)
        if got and unasked:
            slots.take_back(host, now)
            last.pop(host, None)
        elif got:
            last[host] = now
        else:
            assert slots.next_due > now


def test_hosts_whose_time_has_passed_are_forgotten() -> None:
    slots = PacedSlots(Slots(10**6, 10**6), 1.0)
    sizes = []
    for number in range(1000, 1000 + 5 * REMEMBERED_STARTS):
        slots.begin(float(number))
        assert slots.acquire(f"{number}.example")
        slots.release(f"{number}.example")
        if number % 100 == 0:
            sizes.append(len(pickle.dumps(slots)))
    assert max(sizes) <= 1.1 * max(sizes[: REMEMBERED_STARTS // 100 + 1])


@pytest.mark.parametrize(
    ("wait", "rate", "gap"), [(0.0, 0.0, 0.0), (2.0, 0.0, 2.0), (0.0, 4.0, 0.25), (1.0, 4.0, 1.0), (1.0, 0.5, 2.0)]
)
def test_the_longer_gap_holds(wait: float, rate: float, gap: float) -> None:
    assert convert({"wait": wait, "max-requests-per-second": rate}).gap == gap


def test_per_host_may_be_called_auto() -> None:
    assert (convert({"per-host": "auto"}).per_host, Settings().per_host) == (0, 0)


def test_the_help_says_it() -> None:
    environment = {**os.environ, "COLUMNS": "300"}
    command = [sys.executable, "-m", "downloader", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=Path.cwd()).stdout
    for flag in ("--aggressive", "--wait", "--max-requests-per-second", "16 for a public host"):
        assert flag in said
