"""`LocalRun`, between the scheduler and a strategy: where the Attempts at a file that is split end, and what is logged."""

import logging
from pathlib import Path

import pytest

from downloader import Downloader
from downloader.core.model import End, Outcome
from downloader.errors import HTTPStatusError, TotalReached


def test_a_cut_of_one_attempt_does_not_apply_to_the_next_at_the_same_file(tmp_path: Path) -> None:
    settings = {"strategy": "multiplex", "jobs": 2, "segments": 2, "min_segment_size": 1000}
    run = Downloader(tmp_path, **settings).session(["http://127.0.0.1:9/a"]).run
    now = 0.0
    run._clock = lambda: now
    (first,) = run.take()
    stats, cut = run.new_slot()
    stats.key, stats.since, stats.size, stats.splittable = first.key, 1.0, 10_000, True
    now += 1.0
    (second,) = run.take()
    assert (cut.stop_of(first.key), second.segment) == (5000, (5000, 10_000))
    stats.key = second.key  # the slot has gone on to another Attempt before the run hears of the end of the first
    run.settle([Outcome(first.key, End.SEGMENT_DONE, received=5000)])
    run.settle([Outcome(second.key, End.FAILED, status=403, error=HTTPStatusError(403))])
    (rest,) = run.take()
    assert rest.key == first.key
    stats.key, stats.since = rest.key, 2.0
    now += 1.0
    run.take()
    assert cut.stop_of(rest.key) is None


def test_the_log_says_why_a_file_begins_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Downloader(tmp_path, strategy="serial").session(["http://127.0.0.1:9/a"]).run
    (first,) = run.take()
    with caplog.at_level(logging.INFO, "downloader"):
        run.settle([Outcome(first.key, End.MUST_RESTART, final_url=first.url, reason="the ETag has changed")])
    assert caplog.messages == ["begin again at zero: http://127.0.0.1:9/a: the ETag has changed"]
    assert run.take()[0].from_scratch


def test_bytes_of_all_slots_end_the_run_without_grace_time(tmp_path: Path) -> None:
    now = 0.0
    run = Downloader(tmp_path, strategy="serial", max_total=1000, grace=600.0).session(["http://127.0.0.1:9/a"]).run
    run._clock = lambda: now
    (attempt,) = run.take()
    here, elsewhere = run.new_slot().stats, run.new_slot().stats
    assert run.wait() <= 0.02  # the numbers of other processes are looked at often
    for received, ends in ((400, False), (600, False), (601, True)):
        here.received, elsewhere.received, now = received, 400, now + 1.0
        run.tick()
        assert (run.stopping, run.grace_over) == (ends, ends)
    run.settle([Outcome(attempt.key, End.INTERRUPTED)])
    assert run.finished
    assert isinstance(run.scheduler.ended_by, TotalReached)


def test_bytes_of_ended_attempts_count_before_the_next_sample(tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:9/{number}" for number in range(3)]
    run = Downloader(tmp_path, strategy="processes", max_total=1000).session(urls).run
    run._clock = lambda: 0.0
    run.new_slot()  # its numbers are those of a worker process, and have not arrived yet
    run._sampled_at = 0.0
    for received, ends in ((600, False), (401, True)):
        (attempt,) = run.take()
        run.settle([Outcome(attempt.key, End.COMPLETE, received=received, size=received, path=attempt.path)])
        assert run.stopping is ends
    assert run.take() == []


def test_total_that_is_reached_during_the_grace_time_ends_it(tmp_path: Path) -> None:
    run = Downloader(tmp_path, strategy="serial", max_total=1000, grace=600.0).session(["http://127.0.0.1:9/a"]).run
    now = 0.0
    run._clock = lambda: now
    run.take()
    run.stop()
    assert not run.grace_over
    run.new_slot().stats.received, now = 1001, 1.0
    run.tick()
    assert run.grace_over
    assert run.scheduler.ended_by is None  # it was the user who has ended the run


def test_run_that_is_done_is_not_ended_by_its_total(tmp_path: Path) -> None:
    run = Downloader(tmp_path, strategy="serial", max_total=1000).session(["http://127.0.0.1:9/a"]).run
    now = 0.0
    run._clock = lambda: now
    (attempt,) = run.take()
    assert run.take() == []
    run.new_slot().stats.received = 1001  # sampled only after the file was complete, as those of other processes may be
    now = 0.01
    run.settle([Outcome(attempt.key, End.COMPLETE, received=1001, size=1001, path="a")])
    now = 1.0
    run.tick()
    assert (run.finished, run.stopping, run.scheduler.ended_by) == (True, False, None)
