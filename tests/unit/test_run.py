"""`LocalRun`, between the scheduler and a strategy: where the Attempts at a file that is split end, and what is logged."""

import logging
from pathlib import Path

import pytest

from downloader import Downloader
from downloader.core.model import End, Outcome
from downloader.errors import HTTPStatusError


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
