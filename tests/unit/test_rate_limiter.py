"""The limit to the rate: what may have passed by when, how long who waits, in one process and among several."""

import fcntl
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.limits.rate import BURST, pay
from downloader.core.limits.stall import StallDetector
from downloader.engine import rate_limiter as rate_limiter
from downloader.engine.rate_limiter import MIN_WAIT, RateLimiter, SharedRateLimiter, shared_file

RATES = st.floats(1, 1e10)
CALLS = st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10**7)), max_size=60)
SLACK = 1e-6  # of a double's arithmetic, as a part


@given(RATES, st.floats(0, 1e7), CALLS)
def test_what_is_due_never_falls_behind_what_has_passed(rate: float, start: float, calls: list[tuple[float, int]]) -> None:
    """Whoever pays, and waits until it is due, is at no time ahead of rate * t + burst, but for what was just paid."""
    now, due, passed = start, 0.0, 0
    for wait, count in calls:
        now += wait
        before = due
        due = pay(due, now, count, rate)
        passed += count
        assert due >= before
        assert passed <= (due - start + BURST) * rate * (1 + SLACK) + rate * SLACK * (1 + abs(due)) + 1
        assert due - now <= max(0.0, before - now) + count / rate + SLACK * (1 + abs(now))  # no longer than owed


@given(RATES, st.integers(1, 6), st.data())
def test_readers_that_wait_pass_no_more_than_the_rate_and_a_piece_each(rate: float, readers: int, data: st.DataObject) -> None:
    """Readers in any order, each with pieces of any size, at any speed of its own; each waits as it is told."""
    free_at, due, passed, largest = [0.0] * readers, 0.0, 0, 0
    for _ in range(data.draw(st.integers(0, 60))):
        reader = min(range(readers), key=free_at.__getitem__)
        now = free_at[reader] + data.draw(st.floats(0, 2))
        free_at[reader] = now
        if any(at < now for at in free_at):
            continue  # time goes forward: another is first
        count = data.draw(st.integers(1, 10**6))
        largest = max(largest, count)
        due = pay(due, now, count, rate)
        passed += count
        free_at[reader] = max(now, due)
        assert passed <= (now + BURST) * rate * (1 + SLACK) + readers * largest + 1


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 2000))
def test_nothing_drifts(rate: int, count: int, times: int) -> None:
    """Whoever comes exactly when told passes exactly the rate, after any number of pieces."""
    due = now = 100.0
    for _ in range(times):
        now = due = pay(due, now, count, rate)
    assert due - 100.0 == pytest.approx(times * count / rate, rel=1e-6, abs=1e-6)


def test_waking_late_is_made_up_for_within_the_burst() -> None:
    due = now = 100.0
    for _ in range(100):
        now = due + BURST / 2  # each time somewhat later than told
        due = pay(due, now, 1000, 1_000_000)
    assert due == pytest.approx(100.0 + 100 * 0.001 + BURST / 2 - 0.001, abs=BURST)


def test_nothing_is_saved_up_for_longer_than_the_burst() -> None:
    due = pay(0.0, 100.0, 1000, 1000)
    assert due == pytest.approx(101 - BURST)
    assert pay(due, 200.0, 1000, 1000) == pytest.approx(201 - BURST)


def test_meter_limits_all_and_each_host() -> None:
    both = RateLimiter(1000, 100)
    assert both.pay("http://a/x", 100, 50.0) == pytest.approx(1 - BURST)
    assert both.pay("http://A/y", 100, 50.0) == pytest.approx(2 - BURST)
    assert both.pay("http://b/x", 100, 50.0) == pytest.approx(1 - BURST)
    assert both.pay("http://b:81/x", 10_000, 50.0) == pytest.approx(100 - BURST)
    assert RateLimiter(0, 100).pay("http://a/x", 100, 50.0) == pytest.approx(1 - BURST)
    assert RateLimiter(1000, 0).pay("http://a/x", 100, 50.0) == pytest.approx(0.1 - BURST)
    assert RateLimiter(0, 0).pay("http://a/x", 10**9, 50.0) == 0


def test_short_waits_are_not_made_but_stay_owed() -> None:
    small = RateLimiter(1_000_000, 0)
    waits = [small.pay("http://a/", 1000, 10.0) for _ in range(30)]
    assert all(wait == 0 or wait >= MIN_WAIT for wait in waits)
    assert waits[-1] == pytest.approx(0.030 - BURST)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**5), st.floats(0, 0.5)), max_size=50))
def test_shared_meter_says_what_a_meter_says(calls: list[tuple[str, int, float]]) -> None:
    with shared_file(True) as path:
        alone, shared, now = RateLimiter(100_000, 50_000), SharedRateLimiter(100_000, 50_000, path), 10.0
        for host, count, passed in calls:
            now += passed
            assert shared.pay(f"http://{host}/", count, now) == alone.pay(f"http://{host}/", count, now)
        shared.close()


def test_the_debt_of_one_process_moves_into_the_shared_file() -> None:
    one = RateLimiter(1000, 100)
    one.pay("http://a/", 100, 50.0)
    with shared_file(True) as path:
        one.share(path)
        other = SharedRateLimiter(1000, 100, path)
        assert other.pay("http://a/", 100, 50.0) == pytest.approx(2 - BURST)
        assert one.pay("http://a/", 100, 50.0) == pytest.approx(3 - BURST)
        one.close()
        other.close()
        one.close()  # nothing to do
    assert one.pay("http://a/", 100, 90.0) == pytest.approx(1 - BURST)
    assert not os.path.exists(path)


def test_no_file_where_none_is_wanted() -> None:
    with shared_file(False) as path:
        assert path == ""
    with pytest.raises(OSError, match="nowhere"):
        SharedRateLimiter(1, 1, "/nowhere/at/all")


def test_threads_lose_nothing() -> None:
    with shared_file(True) as path:
        for one in (RateLimiter(1000, 0), SharedRateLimiter(1000, 0, path)):

            def work(one: RateLimiter = one) -> None:
                for _ in range(500):
                    one.pay("http://a/", 1, 50.0)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert one.pay("http://a/", 0, 50.0) == pytest.approx(2.0 - BURST)
            one.close()


def test_memory_does_not_grow_with_the_hosts() -> None:
    one, now, sizes = RateLimiter(0, 1000), 10.0, []
    tracemalloc.start()
    try:
        for number in range(50_000):
            now += 0.001
            one.pay(f"http://host-{number}/", 100, now)
            if number % 1000 == 999:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(sizes) <= 1.5 * max(sizes[:10])
    assert one.pay("http://host-49999/", 100, now) == pytest.approx(0.2 - BURST)  # the last are not forgotten


# The table


@pytest.fixture
def table() -> rate_limiter._Table:
    """An empty one."""
    return rate_limiter._Table(mmap.mmap(-1, rate_limiter._SIZE))


class _Digest:
    def __init__(self, value: int) -> None:
        self._value = value

    def digest(self) -> bytes:
        return self._value.to_bytes(8, "little")


def test_names_that_collide_have_buckets_of_their_own(table: rate_limiter._Table, monkeypatch: pytest.MonkeyPatch) -> None:
    size = rate_limiter._HOSTS
    monkeypatch.setattr(rate_limiter.hashlib, "blake2b", lambda name, digest_size: _Digest(int(name) * size + size - 3))
    for number in range(rate_limiter._PROBES):  # all at one place, and over the end of the table
        assert table.pay(str(number), 50.0, number, 1.0) == pytest.approx(50 + number - BURST)
    for number in range(1, rate_limiter._PROBES):
        assert table.pay(str(number), 50.0, 0, 1.0) == pytest.approx(50 + number - BURST)
    assert table.pay("", 50.0, 1, 1.0) == pytest.approx(51 - BURST)  # untouched by the hosts beside it


def test_full_neighbourhood_shares_and_what_is_paid_for_is_free_again(
    table: rate_limiter._Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = rate_limiter._HOSTS
    monkeypatch.setattr(rate_limiter.hashlib, "blake2b", lambda name, digest_size: _Digest(int(name) * size + 7))
    for number in range(1, rate_limiter._PROBES + 1):
        table.pay(str(number), 50.0, 10, 1.0)
    assert table.pay("99", 50.0, 10, 1.0) == pytest.approx(70 - BURST)  # the first's, which is never too little
    assert table.pay("1", 50.0, 0, 1.0) == pytest.approx(70 - BURST)
    assert table.pay("2", 50.0, 0, 1.0) == pytest.approx(60 - BURST)
    assert table.pay("99", 65.0, 10, 1.0) == pytest.approx(75 - BURST)  # the second's place is free now
    assert table.pay("1", 65.0, 0, 1.0) == pytest.approx(70 - BURST)


def test_more_hosts_than_places_one_after_the_other(table: rate_limiter._Table) -> None:
    now = 10.0
    for number in range(3 * rate_limiter._HOSTS):
        now += 0.01
        assert table.pay(f"host-{number}", now, 100, 1000.0) == pytest.approx(now + 0.1 - BURST)


def test_name_whose_digest_is_zero_is_a_name(table: rate_limiter._Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limiter.hashlib, "blake2b", lambda name, digest_size: _Digest(0))
    table.pay("a", 50.0, 10, 1.0)
    assert table.pay("a", 50.0, 0, 1.0) == pytest.approx(60 - BURST)


# Among processes

PAYING = """
import sys, time
from downloader.engine.rate_limiter import SharedRateLimiter
path, rate, seconds, piece = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
rate_limiter = SharedRateLimiter(rate, 0, path)
print("ready", flush=True)
sys.stdin.readline()
started, passed = time.monotonic(), 0
while (now := time.monotonic()) - started < seconds:
    passed += piece
    wait = rate_limiter.pay("http://a/", piece, now)
    if wait:
        time.sleep(wait)
print(passed, flush=True)
"""


def paying(path: str, *words: object) -> "subprocess.Popen[str]":
    """A process that pays, once it is told to go."""
    command = [sys.executable, "-c", PAYING, path, *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_together_keep_to_the_rate() -> None:
    rate, seconds, piece, count = 10_000_000, 1.0, 20_000, 3
    with shared_file(True) as path:
        processes = [paying(path, rate, seconds, piece) for _ in range(count)]
        started = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        passed = [int(process.communicate(timeout=30)[0]) for process in processes]
        elapsed = time.monotonic() - started
    assert sum(passed) <= rate * (elapsed + BURST + MIN_WAIT) + count * piece
    assert all(passed)


HOLDING = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_lock_of_a_process_that_is_killed_is_free() -> None:
    with shared_file(True) as path:
        process = subprocess.Popen([sys.executable, "-c", HOLDING, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with open(path, "r+b") as stream, pytest.raises(BlockingIOError):
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        one, said = SharedRateLimiter(1000, 0, path), []
        thread = threading.Thread(target=lambda: said.append(one.pay("http://a/", 1000, 50.0)))
        thread.start()
        thread.join(0.2)
        assert said == []  # it waits for the lock
        os.kill(process.pid, signal.SIGKILL)
        thread.join(20)
        assert said == [pytest.approx(1 - BURST)]
        process.communicate()
        one.close()


def test_killing_those_who_pay_stops_nobody(tmp_path: Path) -> None:
    with shared_file(True) as path:
        one = SharedRateLimiter(0, 1_000_000_000, path)
        for _ in range(3):
            process = paying(path, 1_000_000_000, 60, 100)
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            time.sleep(0.05)
            process.kill()
            process.communicate()
            assert one.pay("http://a/", 1000, time.monotonic()) == 0.0
        one.close()


def test_pause_of_ours_is_no_stall() -> None:
    gate = StallDetector(limit=1000, window=1.0, now=10.0)
    assert not gate.stalled(500, 10.1)
    gate.ignore_pause(5.0)
    assert not gate.stalled(700, 16.1)  # 1.1 s of the server's own
    assert gate.stalled(0, 17.2)
