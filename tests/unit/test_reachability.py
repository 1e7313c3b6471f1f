"""Hosts that never answer are given up for the whole list, and do not hold up those that do."""

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Status
from downloader.core.names.urls import host_of
from downloader.core.scheduling.reachability import REMEMBERED, Reachability
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.errors import HTTPStatusError, NetworkError, NoAnswer

SILENT = NoAnswer("no connection within 15 s")


def scheduler(downloads: list[Download], slots: int = 4, most: int = 3, retries: int = 5) -> Scheduler:
    """A Scheduler of these, with backoffs of a second at most."""
    return Scheduler(iter(downloads), Slots(slots, slots), RetryPolicy(retries, 1.0, 1.0), host_failures=most)


def files(host: str, count: int) -> list[Download]:
    """So many Downloads there."""
    return [Download(f"https://{host}.example/{number}") for number in range(count)]


def silent(attempt: Attempt) -> Outcome:
    """It ended in a time-out, without a word."""
    return Outcome(attempt.key, End.FAILED, error=SILENT, elapsed=15.0)


def test_a_host_that_never_answers_is_given_up_by_the_whole_list() -> None:
    run = scheduler(files("dead", 1000))
    now, attempts, results = 0.0, 0, []
    while not run.finished:
        now += 15.0
        batch = [attempt for _ in range(4) for attempt in run.take(now)]
        attempts += len(batch)
        for attempt in batch:
            run.settle(silent(attempt), now, 0.5)
        results += run.results()
    assert [result.status for result in results] == [Status.FAILED] * 1000
    assert attempts <= 4  # what was in flight when the first proof came
    assert now <= 15.0 * 4


def test_each_file_of_a_host_that_is_given_up_says_so() -> None:
    run = scheduler(files("dead", 5), slots=1)
    for _ in range(3):
        (attempt,) = run.take(100.0 * _)
        run.settle(silent(attempt), 100.0 * _, 0.0)
    results = run.results()
    assert run.finished
    assert len(results) == 5
    assert {str(result.error).partition(": ")[2] for result in results} == {
        "the host never answered: given up after 3 attempts (see --host-failures)"
    }


def test_a_host_that_has_answered_is_not_given_up() -> None:
    run = scheduler(files("a", 2), slots=1, retries=9)
    (attempt,) = run.take(0.0)
    run.settle(Outcome(attempt.key, End.COMPLETE, status=200), 0.0, 0.0)
    for number in range(10):
        (attempt,) = run.take(10.0 * number)
        run.settle(silent(attempt), 10.0 * number, 0.0)
    *_, last = run.results()
    assert (last.attempts, str(last.error)) == (10, "no connection within 15 s")


@pytest.mark.parametrize("error", [NetworkError("connection refused"), HTTPStatusError(503)])
def test_an_immediate_error_does_not_count_as_silence(error: Exception) -> None:
    run = scheduler(files("a", 1), slots=1, retries=9)
    status = 503 if isinstance(error, HTTPStatusError) else 0
    count = 0
    for number in itertools.count():
        if run.finished:
            break
        for attempt in run.take(10.0 * number):
            count += 1
            run.settle(Outcome(attempt.key, End.FAILED, error=error, status=status), 10.0 * number, 0.0)  # type: ignore[arg-type]
    assert count == 10


def test_zero_gives_no_host_up() -> None:
    run = scheduler(files("dead", 1), slots=1, most=0, retries=9)
    for number in range(10):
        (attempt,) = run.take(10.0 * number)
        run.settle(silent(attempt), 10.0 * number, 0.0)
    assert run.finished


def test_a_mirror_elsewhere_takes_over_when_a_host_is_given_up() -> None:
    download = Download("https://dead.example/x", mirrors=("https://alive.example/x",))
    run = scheduler([*files("dead", 3), download], slots=1)
    now, asked = 0.0, []
    while not run.finished:
        now += 100.0
        for attempt in run.take(now):
            asked.append(host_of(attempt.url))
            dead = asked[-1] == "dead.example"
            run.settle(silent(attempt) if dead else Outcome(attempt.key, End.COMPLETE, status=200), now, 0.0)
    results = {result.path: result for result in run.results()}
    assert results["x"].status is Status.DONE
    assert asked.count("dead.example") == 3


def test_a_mirror_has_all_its_tries_when_the_first_host_is_given_up() -> None:
    download = Download("https://dead.example/x", mirrors=("https://alive.example/x",))
    run = scheduler([download], slots=1, most=1, retries=2)
    (attempt,) = run.take(0.0)
    run.settle(silent(attempt), 0.0, 0.0)
    for number in range(1, 3):
        (attempt,) = run.take(100.0 * number)
        run.settle(Outcome(attempt.key, End.FAILED, error=NetworkError("reset")), 100.0 * number, 0.0)
    (attempt,) = run.take(300.0)
    run.settle(Outcome(attempt.key, End.COMPLETE, status=200), 300.0, 0.0)
    assert [result.status for result in run.results()] == [Status.DONE]


def test_those_that_answer_do_not_wait_for_those_that_do_not() -> None:
    dead = [item for number in range(250) for item in files(f"dead{number}", 2)]
    alive = files("alive", 2000)
    mixed = [item for number, one in enumerate(dead) for item in (one, *alive[4 * number : 4 * number + 4])]
    run = scheduler(mixed, slots=64)
    now, done, ends = 0.0, 0, {}
    flying: dict[int, tuple[float, Attempt]] = {}
    while done < 2000:
        now = round(now + 0.1, 1)
        assert now < 2 * 15.0, "what answers waits for what does not"
        while batch := run.take(now):
            for attempt in batch:
                alive = host_of(attempt.url) == "alive.example"
                flying[attempt.key] = (now + (0.1 if alive else 15.0), attempt)
        for key, (due, attempt) in list(flying.items()):
            if due <= now:
                del flying[key]
                alive = host_of(attempt.url) == "alive.example"
                run.settle(Outcome(key, End.COMPLETE, status=200) if alive else silent(attempt), now, 0.5)
        for result in run.results():
            done += result.status is Status.DONE
            ends[result.url] = now
    assert sum(1 for url in ends if "dead" in url) == 0


def test_memory_does_not_grow_with_the_number_of_hosts() -> None:
    reach, sizes = Reachability(3), []
    for number in range(10_000, 10_000 + 3 * REMEMBERED):
        host = f"h{number}"
        reach.began(host)
        reach.ended(host)
        assert reach.answered(host)
        if number % 500 == 0:
            sizes.append(len(pickle.dumps(reach)))
    assert max(sizes) <= 1.1 * max(sizes[: REMEMBERED // 500 + 1])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["began", "ended", "answered", "silent"])), max_size=200))
def test_slots_of_unproven_hosts_are_counted_right_whatever_happens(steps: list[tuple[str, str]]) -> None:
    reach, flying = Reachability(2), dict.fromkeys("abc", 0)
    for host, step in steps:
        if step == "ended" and not flying[host]:
            continue
        getattr(reach, step)(host)
        flying[host] += {"began": 1, "ended": -1}.get(step, 0)
    for host, count in flying.items():
        for _ in range(count):
            reach.ended(host)
    assert reach._unproven == 0
    assert reach._flying == {}
