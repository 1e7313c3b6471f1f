"""What displays claim (how fast, how much, how long still) is true of a run whose end is known."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.scheduling.retry_queue import Waiting
from downloader.engine.stats import LocalStats, RunStats
from downloader.progress.bars import Bars
from downloader.progress.estimate import Estimate, ProgressEstimate, WindowedRate
from downloader.progress.lines import PlainLines, waiting

TICK = 0.1


def test_the_first_sample_of_a_speed_says_nothing_and_the_second_all() -> None:
    speed = WindowedRate()
    assert speed.sample(1000, 10.0) == 0.0
    assert speed.sample(1500, 12.0) == 250.0
    assert speed.value == 250.0


def test_a_speed_is_of_the_last_seconds() -> None:
    speed = WindowedRate(window=5.0)
    for second in range(20):
        speed.sample(min(second, 10) * 100, float(second))
        assert speed.value == pytest.approx({0: 0, **dict.fromkeys(range(1, 11), 100)}.get(second, max(0, 15 - second) * 20))


def test_a_burst_at_the_start_is_no_speed_that_lasts() -> None:
    speed = WindowedRate()
    for tick in range(31):
        speed.sample(8_000_000 + 80_000 * tick if tick else 0, tick * TICK)
    assert speed.value == pytest.approx((8_000_000 + 80_000 * 30) / 3.0)


def test_a_clock_that_stands_still_or_goes_back_does_no_harm() -> None:
    speed = WindowedRate()
    speed.sample(0, 10.0)
    speed.sample(100, 11.0)
    assert speed.sample(500, 11.0) == 100.0
    assert speed.sample(900, 10.5) == 100.0


@given(st.floats(0.1, 1e6), st.lists(st.floats(0.01, 100), min_size=2, max_size=30))
def test_a_steady_growth_is_its_own_speed(rate: float, pauses: list[float]) -> None:
    speed, now = WindowedRate(), 0.0
    speed.sample(0.0, 0.0)
    for pause in pauses:
        now += pause
        assert speed.sample(rate * now, now) == pytest.approx(rate, rel=1e-3)


def sampled(state: Callable[[float], RunStats], end: float) -> list[tuple[float, ProgressEstimate]]:
    """What is claimed of a run that ends after so many seconds, and when."""
    estimate = Estimate()
    times = [number * TICK for number in range(int(end / TICK))]
    return [(end - now, estimate.sample(state(now), now)) for now in times]


def one_file(now: float, size: int = 100_000_000, rate: float = 2e6, there: int = 0) -> RunStats:
    """A file of this size at this rate, ``there`` bytes of which were there before."""
    come = int(rate * now)
    return RunStats(total=1, slots=[LocalStats(received=come, done=there + come, size=size, since=0.001, name="big")])


@pytest.mark.parametrize("there", [0, 50_000_000])
def test_the_time_left_of_one_file_is_right_after_two_seconds(there: int) -> None:
    end = (100_000_000 - there) / 2e6
    for left, progress in sampled(lambda now: one_file(now, there=there), end)[12:]:
        assert progress.seconds_left == pytest.approx(left, rel=0.05, abs=0.2)
        assert progress.speed == pytest.approx(2e6, rel=0.05)
        assert progress.bytes_total == 100_000_000
        assert progress.bytes_done == pytest.approx(100_000_000 - 2e6 * left, abs=1e5)


def test_the_time_left_of_many_files_is_right_once_enough_have_ended() -> None:
    for left, progress in sampled(lambda now: RunStats(total=5000, done=int(100 * now)), 50.0)[20:]:
        assert progress.seconds_left == pytest.approx(left, rel=0.1, abs=0.5)


def test_what_was_there_already_does_not_make_the_rest_look_fast() -> None:
    def state(now: float) -> RunStats:
        return RunStats(total=10_000, skipped=min(9_000, int(now * 90_000)), done=max(0, int(10 * (now - 0.1))))

    claims = sampled(state, 100.1)
    for left, progress in claims[350:]:  # what was skipped is longer ago than what is looked at
        assert progress.seconds_left == pytest.approx(left, rel=0.15, abs=1.0)


def test_a_large_file_at_the_end_of_a_list_is_not_called_done() -> None:
    def state(now: float) -> RunStats:
        come = int(1e6 * now)
        big = LocalStats(received=come, done=come, size=60_000_000, since=0.001, name="big")
        return RunStats(total=101, done=min(100, int(50 * now)), done_bytes=0, slots=[big])

    for left, progress in sampled(state, 60.0)[30:]:
        assert progress.seconds_left is not None
        assert progress.seconds_left >= 0.9 * left - 0.5


def test_the_total_is_known_in_bytes_only_where_every_length_is() -> None:
    told = LocalStats(done=1, size=10, since=1.0, name="a")
    untold = LocalStats(done=1, size=0, since=1.0, name="b")
    assert Estimate().sample(RunStats(total=2, slots=[told, untold]), 2.0).bytes_total is None
    assert Estimate().sample(RunStats(total=3, done=1, slots=[told]), 2.0).bytes_total is None
    assert Estimate().sample(RunStats(total=None, slots=[told]), 2.0).bytes_total is None
    known = Estimate().sample(RunStats(total=2, done=1, done_bytes=90, slots=[told]), 2.0)
    assert (known.bytes_done, known.bytes_total) == (91, 100)


def test_nothing_is_claimed_of_a_run_in_which_nothing_comes() -> None:
    estimate = Estimate()
    for number in range(100):
        progress = estimate.sample(RunStats(total=5, slots=[LocalStats(since=0.001, name="silent")]), number * TICK)
    assert (progress.seconds_left, progress.bytes_total, progress.speed) == (None, None, 0.0)


def test_a_run_that_is_done_has_nothing_left() -> None:
    assert Estimate().sample(RunStats(total=3, done=3), 1.0).seconds_left == 0.0


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Waiting(1, 12.4, "HTTP 503 Service Unavailable"), "1 file waits: HTTP 503 Service Unavailable, again in 2 s"),
        (Waiting(3, 100.0, "connection reset"), "3 files wait: connection reset, the first again in 1:30 min"),
        (Waiting(1, 9.0, "x\x1b[2J"), "1 file waits: x\\x1b[2J, again in 1 s"),
        (None, ""),
    ],
)
def test_what_a_run_waits_for_is_said(found: Waiting | None, text: str) -> None:
    assert waiting(RunStats(waiting=found), 10.0) == text


def test_a_full_disk_is_said_before_all_else() -> None:
    assert waiting(RunStats(full=True, waiting=Waiting(1, 1.0, "no space")), 1.0) == "the disk is full: waiting for space"


def test_the_wait_is_on_the_terminal_and_in_the_lines() -> None:
    stream, lines = io.StringIO(), io.StringIO()
    counters = RunStats(total=1, waiting=Waiting(1, 14.0, "HTTP 503 Service Unavailable"))
    bars, plain = Bars(stream, 1), PlainLines(lines)
    for now in (1.0, 11.0):
        bars.update(counters, now)
        plain.update(counters, now)
    bars.close()
    assert "1 file waits: HTTP 503 Service Unavailable, again in 3 s" in stream.getvalue()
    assert "again in 3 s" in lines.getvalue()


def test_a_bar_of_a_resumed_file_has_the_speed_of_what_comes_now() -> None:
    stream = io.StringIO()
    bars = Bars(stream, 1)
    for number in range(40):
        bars.update(one_file(2.0 + number * TICK, rate=2e6, there=50_000_000), 2.0 + number * TICK)
    shown = stream.getvalue()
    bars.close()
    assert "2.0 MB/s" in shown
    assert "GB/s" not in shown
    last = shown.rpartition("big")[2]
    assert "of 100.0 MB" in last
    assert "2.0 MB/s" in last
