"""Which Attempt starts next, what each Outcome leads to, and what holds for every run whatever happens in it."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from downloader.core.facts import Checksum, Pieces
from downloader.core.limits.adaptive import AdaptiveSlots
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Result, Status
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.source_reader import MAX_SETTLED, SOURCE_POLL
from downloader.core.scheduling.space_wait import FIRST_SPACE_CHECK
from downloader.errors import (
    AuthError,
    DownloadError,
    FolderFull,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NameNotFound,
    NetworkError,
    PolicyError,
    ProtocolError,
    StorageError,
    TLSError,
    WorkerError,
    WrongPieces,
)
from tests.support.limits import level
from tests.support.scheduling import take_all

URL = "https://a.example/file"
MIRRORS = ("https://b.example/file", "https://c.example/file")


def scheduler(
    downloads: Iterable[Download | None], max_in_flight: int = 4, per_host: int = 4, retries: int = 2, **options: Any
) -> Scheduler:
    """A Scheduler of these, whose first backoff is at most 8 seconds."""
    policy = RetryPolicy(retries=retries, wait=8.0, longest_wait=1000.0, max_retry_after=100.0)
    return Scheduler(iter(downloads), Slots(max_in_flight, per_host), policy, **options)


def files(host: str, count: int, **values: Any) -> list[Download]:
    """So many Downloads from one host, all different."""
    return [Download(f"https://{host}.example/{number}", **values) for number in range(count)]


def take_one(run: Scheduler, now: float = 0.0) -> Attempt:
    """The one Attempt that may start now."""
    (attempt,) = run.take(now)
    return attempt


def ended(attempt: Attempt, end: End = End.COMPLETE, error: DownloadError | None = None, **values: Any) -> Outcome:
    """An Outcome of this Attempt."""
    return Outcome(attempt.key, end, error=error, **values)


def settle(
    run: Scheduler, attempt: Attempt, end: End = End.COMPLETE, error: DownloadError | None = None, **values: Any
) -> None:
    """Settle it at time 0, with a chance of one half."""
    run.settle(ended(attempt, end, error, **values), 0.0, 0.5)


# --- what each Outcome leads to


@pytest.mark.parametrize(
    ("end", "error", "status", "reason"),
    [
        (End.COMPLETE, None, Status.DONE, ""),
        (End.EXISTS, None, Status.SKIPPED, "exists"),
        (End.NOT_MODIFIED, None, Status.SKIPPED, "not modified"),
        (End.INTERRUPTED, Interrupted("stopped"), Status.FAILED, ""),
        (End.FAILED, NameNotFound("no such host"), Status.FAILED, ""),
        (End.FAILED, HTTPStatusError(404), Status.FAILED, ""),
        (End.FAILED, AuthError(401), Status.FAILED, ""),
        (End.FAILED, TLSError("bad certificate"), Status.FAILED, ""),
        (End.FAILED, ProtocolError("nonsense"), Status.FAILED, ""),
        (End.FAILED, PolicyError("refused"), Status.FAILED, ""),
        (End.FAILED, StorageError("disk full"), Status.FAILED, ""),
    ],
)
def test_these_outcomes_end_the_download(end: End, error: DownloadError | None, status: Status, reason: str) -> None:
    run = scheduler([Download(URL)])
    settle(run, take_one(run), end, error)
    (result,) = run.results()
    attempts = 0 if end is End.EXISTS else 1  # nothing was asked
    assert (result.status, result.reason, result.error, result.attempts) == (status, reason, error, attempts)
    assert run.take(0.0) == []
    assert run.finished
    assert run.complete is (end is not End.INTERRUPTED)


@pytest.mark.parametrize(
    ("end", "error", "wait", "changes"),
    [
        (End.FAILED, NetworkError("reset"), 4.0, {"number": 2}),
        (End.FAILED, HTTPStatusError(503), 4.0, {"number": 2}),
        (End.FAILED, HTTPStatusError(503, retry_after=17.0), 17.0, {"number": 2}),
        (End.FAILED, HTTPStatusError(429, retry_after=1e9), 100.0, {"number": 2}),
        (End.FAILED, IntegrityError("wrong"), 0.0, {"number": 2, "from_scratch": True}),
        (End.FAILED, WrongPieces("some"), 0.0, {"number": 2}),
        (End.FAILED, WorkerError("died"), 0.0, {"number": 2, "may_exist_already": True}),
        (End.WORKER_LOST, None, 0.0, {"number": 2, "may_exist_already": True}),
        (End.UNREPORTED, None, 0.0, {"number": 2, "may_exist_already": True}),
        (End.MAYBE_STARTED, None, 0.0, {"may_exist_already": True}),
        (End.MUST_RESTART, None, 0.0, {"number": 2, "from_scratch": True}),
        (End.UNSTARTED, None, 0.0, {}),
    ],
)
def test_these_outcomes_lead_to_another_attempt(
    end: End, error: DownloadError | None, wait: float, changes: dict[str, Any]
) -> None:
    run = scheduler([Download(URL, headers=(("A", "b"),), checksums=(Checksum("md5", "0" * 32),), size=3)])
    first = take_one(run)
    settle(run, first, end, error)
    assert run.results() == []
    assert not run.finished
    if wait:
        assert run.wake_at == wait
        assert not run._running  # it waits without a slot
        assert run.take(wait - 0.001) == []
    assert take_one(run, wait) == replace(first, **changes)


def test_only_a_failure_uses_up_a_try() -> None:
    run = scheduler([Download(URL)], retries=2)
    for end in (End.MAYBE_STARTED, End.UNREPORTED, End.UNSTARTED, End.FAILED, End.MUST_RESTART, End.FAILED, End.UNSTARTED):
        settle(run, take_one(run, 1000.0), end, NetworkError("reset") if end is End.FAILED else None)
    settle(run, take_one(run, 1000.0), End.FAILED, NetworkError("reset again"))
    (result,) = run.results()
    assert (result.status, str(result.error), result.attempts) == (Status.FAILED, "reset again", 5)


def test_a_lost_worker_counts_as_a_try() -> None:
    run = scheduler([Download(URL)], retries=1)
    settle(run, take_one(run), End.WORKER_LOST)
    settle(run, take_one(run), End.FAILED, NetworkError("reset"))
    assert [str(result.error) for result in run.results()] == ["reset"]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_the_number_of_retries_and_their_doubling_delays(retries: int) -> None:
    run = scheduler([Download(URL)], retries=retries)
    now, waits = 0.0, []
    for number in range(1, retries + 2):
        attempt = take_one(run, now)
        assert attempt.number == number
        run.settle(ended(attempt, End.FAILED, NetworkError("reset")), now, 0.5)
        if run.wake_at is not None:
            waits.append(run.wake_at - now)
            now = run.wake_at
    assert waits == [4.0 * 2**n for n in range(retries)]
    assert [result.attempts for result in run.results()] == [retries + 1]


def test_a_second_wrong_checksum_fails_the_download() -> None:
    run = scheduler([Download(URL)], retries=5)
    settle(run, take_one(run), End.FAILED, IntegrityError("wrong"))
    settle(run, take_one(run), End.FAILED, NetworkError("reset"))
    last = take_one(run, 1000.0)
    assert not last.from_scratch  # what came since is good to go on from
    settle(run, last, End.FAILED, IntegrityError("wrong again"))
    assert [str(result.error) for result in run.results()] == ["wrong again"]


def test_wrong_pieces_are_asked_for_at_the_mirrors_in_turn_and_bound_to_the_first_url() -> None:
    pieces = Pieces("md5", 10, ("0" * 32,))
    run = scheduler([Download(URL, mirrors=MIRRORS, pieces=pieces)], retries=4)
    asked = []
    for _ in range(5):
        attempt = take_one(run)
        assert attempt.pieces == pieces
        asked.append((attempt.url, attempt.is_alternate_url, attempt.from_scratch))
        settle(run, attempt, End.FAILED, WrongPieces("some"))
    assert asked == [
        (URL, False, False),
        (MIRRORS[0], True, False),
        (MIRRORS[1], True, False),
        (URL, False, False),
        (MIRRORS[0], True, False),
    ]
    assert [type(result.error) for result in run.results()] == [WrongPieces]


@pytest.mark.parametrize("end", [End.MUST_RESTART, End.FAILED])
def test_a_file_that_begins_again_at_a_mirror_is_bound_to_it(end: End) -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS, pieces=Pieces("md5", 10, ("0" * 32,)))], retries=9)
    settle(run, take_one(run), End.FAILED, WrongPieces("some"))
    mirror = take_one(run)
    settle(run, mirror, end, None if end is End.MUST_RESTART else IntegrityError("wrong"))
    again = take_one(run)
    assert (again.from_scratch, again.is_alternate_url) == (True, False)


def test_after_a_restart_that_fails_the_next_try_may_resume() -> None:
    run = scheduler([Download(URL)])
    settle(run, take_one(run), End.MUST_RESTART)
    fresh = take_one(run)
    assert fresh.from_scratch
    settle(run, fresh, End.FAILED, NetworkError("reset"))
    assert not take_one(run, 1000.0).from_scratch


@pytest.mark.parametrize("retries", [0, 1])
def test_a_worker_that_is_lost_again_is_an_error_that_names_the_url(retries: int) -> None:
    run = scheduler([Download("https://u:secret@a.example/file")], retries=retries)
    settle(run, take_one(run), End.WORKER_LOST)  # on the house: it may have been done
    settle(run, take_one(run), End.WORKER_LOST)
    (result,) = run.results()
    assert isinstance(result.error, WorkerError)
    assert result.error.url == URL


def test_a_result_adds_up_what_its_attempts_cost() -> None:
    run = scheduler([Download("https://u:secret@a.example/file", out="dir/name", origin="list:1")])
    settle(run, take_one(run), End.FAILED, NetworkError("reset"), received=10, elapsed=1.5, size=10, status=200)
    attempt = take_one(run, 1000.0)
    settle(
        run,
        attempt,
        received=5,
        elapsed=0.25,
        size=15,
        status=206,
        final_url="https://a.example/other",
        etag='"e"',
        path="dir/name.1",
    )
    assert run.results() == [
        Result(
            url=URL,
            path="dir/name.1",
            status=Status.DONE,
            bytes=15,
            received=15,
            http_status=206,
            attempts=2,
            elapsed=1.75,
            final_url="https://a.example/other",
            etag='"e"',
        )
    ]
    assert run.results() == []


def test_a_failed_result_has_received_but_no_bytes() -> None:
    run = scheduler([Download(URL)], retries=0)
    settle(run, take_one(run), End.FAILED, NetworkError("reset"), received=10, size=15)
    assert [(result.bytes, result.received) for result in run.results()] == [(0, 10)]


def test_results_come_in_order_of_completion() -> None:
    run = scheduler(files("a", 3))
    for attempt in reversed(take_all(run)):
        settle(run, attempt)
    assert [result.path for result in run.results()] == ["2", "1", "0"]


def test_an_outcome_is_settled_once() -> None:
    run = scheduler([Download(URL)])
    attempt = take_one(run)
    settle(run, attempt)
    with pytest.raises(KeyError):
        settle(run, attempt)
    assert len(run.results()) == 1


# --- mirrors


def test_a_mirror_is_asked_in_turn_after_the_wait() -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS)], retries=3)
    asked = []
    for _ in range(4):
        attempt = take_one(run, 1000.0)
        assert attempt.primary_url == URL
        asked.append(attempt.url)
        settle(run, attempt, End.FAILED, NetworkError("reset"))
        assert not run._running
    assert asked == [URL, *MIRRORS, URL]


@pytest.mark.parametrize(
    "error", [HTTPStatusError(404), AuthError(403), TLSError("bad"), ProtocolError("nonsense"), NameNotFound("no such host")]
)
def test_a_mirror_that_fails_for_good_is_dropped_at_once(error: DownloadError) -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS)], retries=0)
    asked = []
    for _ in range(3):
        asked.append(take_one(run).url)
        settle(run, replace(ATTEMPT, key=0), End.FAILED, error)
    assert sorted(asked) == sorted((URL, *MIRRORS))
    assert [result.error for result in run.results()] == [error]
    assert run.finished


ATTEMPT = Attempt(0, 1, URL, URL, "file")


@pytest.mark.parametrize("error", [StorageError("disk full"), PolicyError("refused")])
def test_local_errors_do_not_lead_to_a_mirror(error: DownloadError) -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS)])
    settle(run, take_one(run), End.FAILED, error)
    assert [result.error for result in run.results()] == [error]


def test_the_remaining_mirrors_have_all_their_tries() -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS[:1])], retries=2)
    settle(run, take_one(run), End.FAILED, HTTPStatusError(404))
    for _ in range(2):
        settle(run, take_one(run, 1000.0), End.FAILED, NetworkError("reset"))
    settle(run, take_one(run, 1000.0))
    assert [result.status for result in run.results()] == [Status.DONE]


def test_a_mirror_that_is_listed_twice_ends_too() -> None:
    run = scheduler([Download(URL, mirrors=(URL, URL))], retries=0)
    for _ in range(3):
        settle(run, take_one(run), End.FAILED, HTTPStatusError(404))
    assert len(run.results()) == 1


def test_an_attempt_at_a_mirror_takes_a_slot_at_the_mirrors_host() -> None:
    run = scheduler([Download(URL, mirrors=MIRRORS[:1]), *files("b", 3)], per_host=1)
    first = {attempt.url: attempt for attempt in take_all(run)}
    assert set(first) == {URL, "https://b.example/0"}
    settle(run, first[URL], End.FAILED, HTTPStatusError(404))
    assert run.take(0.0) == []  # the only slot at b.example is taken
    settle(run, first["https://b.example/0"])
    assert host_of(take_one(run).url) == "b.example"
    assert run.take(0.0) == []


# --- names


def test_the_same_url_twice_is_skipped_as_a_duplicate() -> None:
    run = scheduler([Download(URL), Download(URL), Download(URL, out="file")])
    assert len(take_all(run)) == 1
    assert [(result.status, result.reason, result.attempts) for result in run.results()] == [
        (Status.SKIPPED, "duplicate", 0),
        (Status.SKIPPED, "duplicate", 0),
    ]


def test_the_same_url_under_another_name_is_another_file() -> None:
    run = scheduler([Download(URL), Download(URL, out="other"), Download(URL, dir="d")])
    assert [attempt.path for attempt in take_all(run)] == ["file", "other", "d/file"]


def test_a_second_url_of_the_same_name_gets_a_stable_digest() -> None:
    listed = [
        Download(URL),
        *(Download(f"https://{host}.example/x/file") for host in "bcd"),
        Download("https://b.example/x/file"),
    ]
    paths = [attempt.path for attempt in take_all(scheduler(listed, 10, 10))]
    assert paths[0] == "file"
    assert len(set(paths)) == 4
    assert all(path.startswith("file-") for path in paths[1:])
    other_order = [attempt.path for attempt in take_all(scheduler([listed[0], *reversed(listed[1:4])], 10, 10))]
    assert set(other_order) == set(paths)


def test_a_name_that_looks_like_one_with_a_digest_is_not_given_twice() -> None:
    second = Download("https://b.example/file")
    digested = take_all(scheduler([Download(URL), second]))[1].path
    run = scheduler([Download(URL), Download("https://c.example/z", out=digested), second])
    assert len({attempt.path for attempt in take_all(run)}) == 3


def test_the_download_fails_if_even_long_digests_are_taken() -> None:
    second = "https://b.example/file"
    taken_by_others = [Download(URL)]
    for number in range(3):
        paths = {attempt.url: attempt.path for attempt in take_all(scheduler([*taken_by_others, Download(second)], 10, 10))}
        taken_by_others.append(Download(f"https://c.example/{number}", out=paths[second]))
    run = scheduler([*taken_by_others, Download(second), Download("https://d.example/last")], 10, 10)
    assert len(take_all(run)) == 5
    (result,) = run.results()
    assert isinstance(result.error, PolicyError)
    assert result.url == second


@pytest.mark.parametrize(("folder", "out"), [("", "../x"), ("", "/x"), ("..", "x")])
def test_a_path_outside_the_folder_fails_that_file_alone(folder: str, out: str) -> None:
    run = scheduler([Download("https://u:secret@a.example/bad", dir=folder, out=out), Download(URL)])
    assert [attempt.url for attempt in take_all(run)] == [URL]
    (result,) = run.results()
    assert isinstance(result.error, PolicyError)
    assert (result.status, result.path, result.attempts) == (Status.FAILED, "", 0)
    assert "secret" not in str(result.error)
    assert result.error.url == "https://a.example/bad"


@pytest.mark.parametrize("folder", ["..", "/tmp", "a/../..", "~"])
def test_a_dir_that_leaves_the_folder_fails_the_download(folder: str) -> None:
    run = scheduler([Download("https://a.example/bad", dir=folder), Download(URL)])
    assert [attempt.url for attempt in take_all(run)] == [URL]
    assert [type(result.error) for result in run.results()] == [PolicyError]


@pytest.mark.parametrize(
    ("listed", "again"),
    [
        (Download(URL), Download(URL)),
        (Download(URL, dir="d"), Download(URL, dir="d")),
        (Download(URL, out="o", dir="d"), Download(URL, out="o", dir="d")),
    ],
)
def test_a_failed_result_has_the_download_as_it_was_listed(listed: Download, again: Download) -> None:
    run = scheduler([listed])
    settle(run, take_one(run), End.FAILED, HTTPStatusError(404))
    assert [result.download for result in run.results()] == [again]


def test_a_failed_result_has_the_name_that_depends_on_the_rest_of_the_list() -> None:
    run = scheduler([Download(URL, dir="d"), Download("https://b.example/file", dir="d")])
    first, second = take_all(run)
    settle(run, first)
    settle(run, second, End.FAILED, HTTPStatusError(404))
    done, failed = run.results()
    assert done.download is None
    assert failed.download == Download("https://b.example/file", out=second.path)
    again = scheduler([failed.download])
    assert take_one(again).path == second.path


# --- checksums from a file, and names from the server

SUM, OTHER_SUM = Checksum("sha256", "1" * 64), Checksum("sha256", "2" * 64)


@pytest.mark.parametrize(
    ("sums", "listed", "expected"),
    [
        ({"file": SUM}, Download(URL), (SUM,)),
        ({"file": SUM}, Download(URL, dir="d"), (SUM,)),
        ({"d/file": SUM, "file": OTHER_SUM}, Download(URL, dir="d"), (SUM,)),
        ({"d/file": SUM}, Download(URL), (SUM,)),
        ({"d/file": SUM}, Download(URL, dir="e"), ()),
        ({"d/file": SUM, "e/file": OTHER_SUM}, Download(URL), ()),
        ({"file": SUM}, Download(URL, out="other"), ()),
        ({"file": SUM}, Download(URL, checksums=(SUM,)), (SUM,)),
        ({"file": SUM}, Download(URL, checksums=(OTHER_SUM,)), (OTHER_SUM, SUM)),
    ],
)
def test_a_checksum_is_found_by_path_else_by_name(
    sums: dict[str, Checksum], listed: Download, expected: tuple[Checksum, ...]
) -> None:
    assert take_one(scheduler([listed], checksum_list=ChecksumList(sums))).checksums == expected


@pytest.mark.parametrize(
    ("told", "folder", "path"),
    [
        ("name.bin", "", "name.bin"),
        ("name.bin", "d/e", "d/e/name.bin"),
        ("../../etc/passwd", "d", "d/passwd"),
        ("C:\\dir\\x.txt", "", "x.txt"),
        ("", "d", "d/file"),
        ("..", "", "file"),
        (". .", "", "file"),
        ("dir/", "", "file"),
        ("CON", "", "_CON"),
        ("x.part", "", "x.part_"),
        ("a\x1b\u202eb", "", "a__b"),
    ],
)
def test_a_probe_comes_first_and_names_the_file_safely(told: str, folder: str, path: str) -> None:
    run = scheduler([Download(URL, dir=folder)], probe=True, checksum_list=ChecksumList({path.rpartition("/")[2]: SUM}))
    probe = take_one(run)
    assert probe.is_probe
    settle(run, probe, End.NAME_LEARNED, proposed_name=told)
    attempt = take_one(run)
    assert (attempt.is_probe, attempt.path, attempt.number, attempt.checksums) == (False, path, 2, (SUM,))
    settle(run, attempt)
    (result,) = run.results()
    assert (result.path, result.status) == (path, Status.DONE)


def test_a_download_with_out_is_not_probed() -> None:
    assert not take_one(scheduler([Download(URL, out="name")], probe=True)).is_probe


def test_a_probe_is_not_counted_as_a_try() -> None:
    run = scheduler([Download(URL)], probe=True, retries=1)
    settle(run, take_one(run), End.NAME_LEARNED, proposed_name="x")
    settle(run, take_one(run), End.FAILED, NetworkError("reset"))
    settle(run, take_one(run, 1000.0))
    assert [result.status for result in run.results()] == [Status.DONE]


def test_a_probe_that_fails_is_tried_again_as_a_probe() -> None:
    run = scheduler([Download(URL)], probe=True)
    settle(run, take_one(run), End.FAILED, NetworkError("reset"))
    assert take_one(run, 1000.0).is_probe


def test_probes_of_one_url_end_in_one_file() -> None:
    run = scheduler([Download(URL), Download(URL), Download("https://b.example/x")], probe=True)
    for probe in take_all(run):
        settle(run, probe, End.NAME_LEARNED, proposed_name="same.bin")
    first, other = take_all(run)
    assert first.path == "same.bin"
    assert other.path.startswith("same-")
    assert other.path.endswith(".bin")
    assert [(result.status, result.reason) for result in run.results()] == [(Status.SKIPPED, "duplicate")]


@pytest.mark.parametrize(
    ("error", "status", "fewer"),
    [
        (HTTPStatusError(429), 429, True),
        (HTTPStatusError(503), 503, True),
        (NetworkError("connection refused"), 0, True),
        (HTTPStatusError(404), 404, False),
        (HTTPStatusError(500), 500, False),
    ],
)
def test_a_refusal_lowers_the_limit_of_its_host(error: DownloadError, status: int, fewer: bool) -> None:
    slots = AdaptiveSlots(ceiling=64, host_ceiling=64, start=8)
    run = Scheduler(iter(files("a", 100)), slots, RetryPolicy())
    attempts = take_all(run)
    assert level(slots, "a.example") == len(attempts) == 8
    run.settle(ended(attempts[0], End.FAILED, error, status=status, head_latency=0.1), 0.1, 0.5)
    assert (level(slots, "a.example") < 8) is fewer


def test_after_a_full_folder_downloads_are_tried_again_when_there_is_space() -> None:
    run = scheduler(files("a", 2), max_in_flight=1, retries=0, wait_for_space=True)
    settle(run, take_one(run), End.FAILED, FolderFull("not enough space", needed=5000))
    assert (run.results(), run.take(0.5), run.finished) == ([], [], False)
    assert run.wake_at == FIRST_SPACE_CHECK
    run.space.check(1 << 30, FIRST_SPACE_CHECK)
    for _ in range(2):
        settle(run, take_one(run, FIRST_SPACE_CHECK))
    assert [result.status for result in run.results()] == [Status.DONE] * 2
    assert run.complete


# --- order


def test_a_higher_priority_starts_earlier_at_its_host() -> None:
    listed = [Download(f"https://a.example/{n}", priority=priority) for n, priority in enumerate([0, 5, -1, 5, 0])]
    assert [attempt.path for attempt in take_all(scheduler(listed, 9, 9))] == ["1", "3", "0", "4", "2"]


def test_hosts_take_turns() -> None:
    order = [host_of(attempt.url)[0] for attempt in take_all(scheduler(files("a", 4) + files("b", 2) + files("c", 1), 9, 9))]
    assert order == list("abcabaa")


def test_one_busy_host_does_not_hide_the_others_behind_it() -> None:
    run = scheduler([*files("a", 500), Download("https://b.example/x")], max_in_flight=4, per_host=2)
    hosts = Counter(host_of(attempt.url) for attempt in take_all(run))
    assert hosts == {"a.example": 2, "b.example": 1}


def test_one_busy_host_does_not_hide_the_others_behind_it_for_long() -> None:
    run = scheduler([*files("a", 500), Download("https://b.example/x")], max_in_flight=4, per_host=2)
    hosts = Counter(host_of(attempt.url) for _ in range(20) for attempt in take_all(run))
    assert hosts == {"a.example": 2, "b.example": 1}


def test_downloads_beyond_the_window_are_not_read() -> None:
    run = scheduler([*files("a", 500), Download("https://b.example/x")], max_in_flight=4, per_host=2, window=100)
    assert {host_of(attempt.url) for _ in range(20) for attempt in take_all(run)} == {"a.example"}


def test_a_released_slot_goes_to_the_host_that_waited() -> None:
    run = scheduler(files("a", 3), max_in_flight=4, per_host=1)
    for number in range(3):
        attempt = take_one(run)
        assert attempt.path == str(number)
        assert run.take(0.0) == []
        settle(run, attempt)


def test_a_batch_shares_one_slot_until_its_last_is_settled() -> None:
    run = scheduler(files("a", 10), max_in_flight=1)
    batch = run.take(0.0, max_attempts=3)
    assert [attempt.path for attempt in batch] == ["0", "1", "2"]
    for attempt in reversed(batch):
        assert run.take(0.0, max_attempts=3) == []
        settle(run, attempt)
    assert [attempt.path for attempt in run.take(0.0, max_attempts=99)] == ["3", "4", "5", "6", "7", "8", "9"]


def test_a_batch_is_of_one_host() -> None:
    run = scheduler(files("a", 2) + files("b", 2))
    assert [[host_of(attempt.url) for attempt in run.take(0.0, max_attempts=9)] for _ in range(3)] == [
        ["a.example"] * 2,
        ["b.example"] * 2,
        [],
    ]


# --- the Source


def test_an_empty_source_is_finished_once_it_was_asked() -> None:
    run = scheduler([])
    assert not run.finished
    assert run.take(0.0) == []
    assert run.finished
    assert run.complete
    assert run.wake_at is None


def test_a_source_without_an_item_is_asked_again_later() -> None:
    run = scheduler([None, Download(URL), None, None])
    assert run.take(10.0) == []
    assert not run.finished
    assert run.wake_at == 10.0 + SOURCE_POLL
    assert run.take(10.0 + SOURCE_POLL / 2) == []
    attempt = take_one(run, 10.0 + SOURCE_POLL)
    settle(run, attempt)
    assert not run.finished  # there may be more
    assert run.take(11.0) == []
    assert run.take(12.0) == []
    assert run.finished


def test_wake_at_is_the_earliest_time() -> None:
    run = scheduler([Download(URL), None, None, None])
    attempt = take_one(run, 0.0)
    run.settle(ended(attempt, End.FAILED, HTTPStatusError(503, retry_after=SOURCE_POLL / 2)), 0.0, 0.5)
    assert run.wake_at == SOURCE_POLL / 2
    take_one(run, SOURCE_POLL / 2)
    assert run.wake_at == SOURCE_POLL


@dataclass
class CountingSource:
    """A Source that counts how far it was read."""

    downloads: Iterator[Download]
    read: int = 0

    def __iter__(self) -> "CountingSource":
        return self

    def __next__(self) -> Download:
        download = next(self.downloads)
        self.read += 1
        return download


def test_a_source_that_has_ended_is_not_asked_again() -> None:
    def once() -> Iterator[Download]:
        yield Download(URL)
        source.asked += 1

    @dataclass
    class Source:
        inner: Iterator[Download]
        asked: int = 0

        def __iter__(self) -> "Source":
            return self

        def __next__(self) -> Download:
            assert not self.asked, "it had said that it was over"
            return next(self.inner)

    source = Source(once())
    run = Scheduler(source, Slots(2, 2), RetryPolicy())
    attempt = take_one(run)
    assert run.take(0.0) == []
    settle(run, attempt)
    assert run.take(0.0) == []
    assert (run.finished, source.asked) == (True, 1)


def test_the_window_is_never_too_small_for_the_slots() -> None:
    run = scheduler(files("a", 8) + files("b", 1), max_in_flight=4, per_host=1, window=1)
    assert {host_of(attempt.url) for _ in range(20) for attempt in take_all(run)} == {"a.example", "b.example"}


@pytest.mark.parametrize("hosts", [1, 7])
def test_the_source_is_read_no_further_than_the_window_ahead(hosts: int) -> None:
    source = CountingSource(Download(f"https://h{number % hosts}.example/{number}") for number in itertools.count())
    run = Scheduler(source, Slots(4, 2), RetryPolicy(), window=50)
    started, results = 0, []
    for _ in range(500):
        batch = run.take(0.0, 2)
        results += run.results()
        started += len(batch)
        assert run.waiting <= 50
        assert source.read - started <= 50
        for attempt in batch:
            settle(run, attempt)
    assert started >= 500
    assert len(results + run.results()) == started


def test_results_of_many_duplicates_are_taken_before_more_is_read() -> None:
    source = CountingSource(Download(URL) for _ in range(5000))
    run = Scheduler(source, Slots(4, 2), RetryPolicy(), window=50)
    settle(run, take_one(run))
    found = run.results()
    for _ in range(5000 // MAX_SETTLED + 1):
        assert run.take(0.0) == []
        results = run.results()
        assert len(results) <= MAX_SETTLED
        found += results
        assert run.wake_at is None or run.wake_at <= 0.0  # go on at once
    assert run.finished
    assert len(found) == 5000


def test_the_first_attempt_does_not_wait_for_the_window_to_fill() -> None:
    source = CountingSource(iter(files("a", 10_000)))
    run = Scheduler(source, Slots(4, 4), RetryPolicy(), window=5000)
    assert len(run.take(0.0)) == 1
    assert source.read <= 5000 // 10


def test_the_source_is_read_no_further_while_a_dead_host_blocks() -> None:
    source = CountingSource(Download(f"https://a.example/{number}") for number in itertools.count())
    run = Scheduler(source, Slots(4, 4), RetryPolicy(), window=8)
    for _ in range(3000):
        for attempt in run.take(0.0):
            run.settle(ended(attempt, End.FAILED, NetworkError("refused")), 0.0, 0.9)
    assert source.read <= 17 * 8 + 4
    assert run.take(0.0) == []
    assert run.wake_at is not None


# --- stopping


def test_after_a_stop_nothing_starts_and_what_runs_is_settled() -> None:
    source = CountingSource(iter(files("a", 10_000)))
    run = Scheduler(source, Slots(2, 2), RetryPolicy())
    first, second = take_one(run), take_one(run)
    read = source.read
    run.stop()
    assert run.take(1e9, 99) == []
    assert not run.finished
    settle(run, first)
    assert run.take(1e9) == []
    settle(run, second, End.INTERRUPTED, Interrupted("stopped"))
    assert run.finished
    assert not run.complete
    assert [result.status for result in run.results()] == [Status.DONE, Status.FAILED]
    assert source.read == read


@pytest.mark.parametrize("fail_fast", [True, False])
def test_a_stop_at_the_very_end_leaves_the_run_complete(fail_fast: bool) -> None:
    run = scheduler([Download(URL)], fail_fast=fail_fast)
    attempt = take_one(run)
    if not fail_fast:
        run.stop()
    settle(run, attempt, End.FAILED, HTTPStatusError(404))
    assert run.stopped
    assert run.finished
    assert len(run.results()) == 1
    assert run.complete


@pytest.mark.parametrize("error", [HTTPStatusError(404), Interrupted("stopped")])
def test_fail_fast_stops_at_the_first_failure(error: DownloadError) -> None:
    run = scheduler(files("a", 10), max_in_flight=2, fail_fast=True)
    first, second = take_all(run)
    settle(run, first, End.FAILED, error)
    assert run.stopped
    assert run.take(0.0) == []
    assert not run.finished
    settle(run, second)
    assert run.finished
    assert not run.complete
    assert [result.status for result in run.results()] == [Status.FAILED, Status.DONE]


def test_fail_fast_goes_on_while_there_are_only_retries_and_skips() -> None:
    run = scheduler(files("a", 3), fail_fast=True)
    first, second, third = take_all(run)
    settle(run, first, End.FAILED, NetworkError("reset"))
    settle(run, second, End.EXISTS)
    settle(run, third)
    assert not run.stopped
    assert take_one(run, 1000.0).number == 2


def test_fail_fast_stops_reading_at_a_refused_path() -> None:
    source = CountingSource(iter([Download(URL, out="../x"), *files("a", 10)]))
    run = Scheduler(source, Slots(2, 2), RetryPolicy(), fail_fast=True)
    assert run.take(0.0) == []
    assert run.take(0.0) == []
    assert source.read == 1
    assert run.finished
    assert len(run.results()) == 1


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_started_download_has_a_result_after_a_stop(stop_first: bool) -> None:
    run = scheduler([Download(URL)])
    attempt = take_one(run)
    if stop_first:
        run.stop()
    settle(run, attempt, End.FAILED, NetworkError("reset"))
    run.stop()
    assert run.take(1e9) == []
    assert run.finished
    assert run.wake_at is None
    (result,) = run.results()
    assert (result.status, result.attempts) == (Status.FAILED, 1)
    assert result.error is not None
    assert result.download == Download(URL)


@pytest.mark.parametrize(
    ("end", "error", "expected"),
    [
        (End.COMPLETE, None, None),
        (End.EXISTS, None, None),
        (End.FAILED, NetworkError("reset"), NetworkError),
        (End.FAILED, IntegrityError("wrong"), IntegrityError),
        (End.FAILED, HTTPStatusError(404), HTTPStatusError),
        (End.INTERRUPTED, Interrupted("stopped"), Interrupted),
        (End.WORKER_LOST, None, WorkerError),
        (End.MUST_RESTART, None, Interrupted),
        (End.UNREPORTED, None, Interrupted),
    ],
)
@pytest.mark.parametrize("mirrors", [(), MIRRORS])
def test_an_attempt_that_ends_after_a_stop_is_not_tried_again(
    end: End, error: DownloadError | None, expected: type[DownloadError] | None, mirrors: tuple[str, ...]
) -> None:
    run = scheduler([Download(URL, mirrors=mirrors), *files("b", 3)])
    attempt = take_one(run)
    run.stop()
    settle(run, attempt, end, error)
    assert run.take(1e9) == []
    assert run.finished
    (result,) = run.results()
    assert (None if result.error is None else type(result.error)) is expected


def test_a_download_that_was_not_taken_before_a_stop_has_no_result() -> None:
    run = scheduler(files("a", 3), max_in_flight=1)
    settle(run, take_one(run))
    run.stop()
    assert [result.path for result in run.results()] == ["0"]
    assert (run.finished, run.complete, run.waiting) == (True, False, 0)


def test_a_download_that_was_taken_but_not_started_before_a_stop_has_no_result() -> None:
    run = scheduler([Download(URL)])
    attempt = take_one(run)
    run.stop()
    settle(run, attempt, End.UNSTARTED)
    assert run.finished
    assert not run.complete
    assert run.results() == []


def test_a_download_that_was_only_probed_before_a_stop_is_interrupted() -> None:
    run = scheduler([Download(URL)], probe=True)
    probe = take_one(run)
    run.stop()
    settle(run, probe, End.NAME_LEARNED, proposed_name="x")
    assert [type(result.error) for result in run.results()] == [Interrupted]


def test_a_second_stop_adds_no_results() -> None:
    run = scheduler([Download(URL)])
    settle(run, take_one(run), End.FAILED, NetworkError("reset"))
    run.stop()
    run.stop()
    assert len(run.results()) == 1


# --- any run at all

GOOD_ENDS = (End.COMPLETE, End.EXISTS, End.NOT_MODIFIED)
TROUBLES: tuple[tuple[End, DownloadError | None], ...] = (
    (End.FAILED, NetworkError("reset")),
    (End.FAILED, HTTPStatusError(503, retry_after=3.0)),
    (End.FAILED, HTTPStatusError(404)),
    (End.FAILED, IntegrityError("wrong")),
    (End.FAILED, StorageError("disk full")),
    (End.WORKER_LOST, None),
    (End.UNREPORTED, None),
    (End.MAYBE_STARTED, None),
    (End.MUST_RESTART, None),
    (End.UNSTARTED, None),
    (End.INTERRUPTED, Interrupted("stopped")),
)
EVENTS: tuple[tuple[End, DownloadError | None], ...] = (*((end, None) for end in GOOD_ENDS), *TROUBLES)
ONE = st.builds(
    lambda host, name, mirrors, priority, out: Download(
        f"https://{host}.example/{name}",
        out=out,
        mirrors=tuple(f"https://{mirror}.example/{name}" for mirror in mirrors),
        priority=priority,
    ),
    st.sampled_from("abc"),
    st.sampled_from(["x", "y", "z", "d/x", ""]),
    st.lists(st.sampled_from("abcm"), max_size=2),
    st.integers(-1, 1),
    st.sampled_from(["", "", "", "x", "e/y", "../bad"]),
)


@dataclass
class Simulation:
    """Drives a Scheduler by a clock of its own, and looks at every step whether its rules hold."""

    run: Scheduler
    downloads: list[Download]
    max_in_flight: int
    per_host: int
    max_attempts: int
    retries: int
    events: Iterator[tuple[int, int, int]]
    now: float = 100.0
    running: list[tuple[Attempt, int]] = field(default_factory=list)
    leases: dict[int, str] = field(default_factory=dict)
    earliest: dict[int, float] = field(default_factory=dict)
    numbers: Counter[int] = field(default_factory=Counter)
    failures: Counter[int] = field(default_factory=Counter)
    results: list[Result] = field(default_factory=list)
    steps: int = 0
    told: bool = False
    interrupted: bool = False

    def drive(self, most_steps: int, stop_after: int | None = None) -> None:
        """Take and settle in the order that the events say until the run is finished."""
        while not self.run.finished:
            self.steps += 1
            assert self.steps < most_steps, "the run does not end"
            if self.steps == stop_after:
                self.run.stop()
            what, which, pause = next(self.events, (0, 0, 0))
            self.now += pause / 10
            if (which % 2 == 0 or not self.running) and self.take():
                continue
            if self.running:
                self.settle(*EVENTS[what % len(EVENTS)], which)
            elif not self.run.finished:
                wake = self.run.wake_at
                assert wake is not None, "nothing runs, nothing waits, and yet it is not finished"
                assert wake > self.now or self.told, "what is due was not handed out"
                self.now = max(self.now, wake)
        assert not self.running
        assert not self.run._running

    def take(self) -> bool:
        batch = self.run.take(self.now, self.max_attempts)
        results = self.run.results()
        self.told = bool(results)
        self.results += results
        if not batch:
            return False
        assert not self.run.stopped
        assert len(batch) <= self.max_attempts
        (host,) = {host_of(attempt.url) for attempt in batch}
        self.leases[self.steps] = host
        assert len(self.leases) <= self.max_in_flight
        assert list(self.leases.values()).count(host) <= self.per_host
        for attempt in batch:
            assert self.now >= self.earliest.get(attempt.key, 0.0), "before its time"
            assert attempt.key not in {other.key for other, _ in self.running}
            self.numbers[attempt.key] += 1
            assert attempt.number == self.numbers[attempt.key]
            assert attempt.primary_url == self.downloads[attempt.key].url
            assert attempt.url in (attempt.primary_url, *self.downloads[attempt.key].mirrors)
            self.running.append((attempt, self.steps))
        assert len(self.running) == len(self.run._running)
        return True

    def settle(self, end: End, error: DownloadError | None, which: int) -> None:
        attempt, lease = self.running.pop(which % len(self.running))
        if (attempt.is_probe and end in GOOD_ENDS) or (end is End.MUST_RESTART and (attempt.from_scratch or attempt.is_probe)):
            end = End.NAME_LEARNED if attempt.is_probe else End.COMPLETE
        name = ("x", "named", "", "../y")[which % 4]
        jitter = (which % 10) / 10
        self.run.settle(
            ended(attempt, end, error, proposed_name=name, path=attempt.path, received=1, elapsed=1.0), self.now, jitter
        )
        if lease not in {other for _, other in self.running}:
            del self.leases[lease]
        self.interrupted |= end is End.INTERRUPTED
        if end in (End.UNSTARTED, End.MAYBE_STARTED):
            self.numbers[attempt.key] -= 1
        if end in (End.FAILED, End.WORKER_LOST) and not self.downloads[attempt.key].mirrors:
            self.failures[attempt.key] += 1
            tries = self.failures[attempt.key]
            assert tries <= self.retries + max(1, self.retries) + 1, "tried too often"
            if isinstance(error, NetworkError | HTTPStatusError):
                asked_for = getattr(error, "retry_after", None)
                wait = jitter * min(1000.0, 8.0 * 2 ** (tries - 1)) if asked_for is None else asked_for
                self.earliest[attempt.key] = self.now + wait
        self.results += self.run.results()


@st.composite
def simulations(draw: st.DrawFn, listed: list[Download | None]) -> Simulation:
    """A Simulation of this list."""
    max_in_flight = draw(st.integers(1, 5))
    per_host, max_attempts, retries = draw(st.integers(1, max_in_flight)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    events = draw(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=120))
    run = scheduler(listed, max_in_flight, per_host, retries, probe=draw(st.booleans()), window=draw(st.integers(1, 12)))
    downloads = [download for download in listed if download is not None]
    return Simulation(run, downloads, max_in_flight, per_host, max_attempts, retries, iter(events))


LISTS = st.lists(ONE | st.none(), max_size=30)


def handed_out(result: Result) -> int:
    """How often it was handed out: to find that its file exists is no attempt."""
    return result.attempts + (result.reason == "exists")


@settings(max_examples=400)
@given(st.data(), LISTS)
def test_every_run_ends_with_one_result_for_each_download(data: st.DataObject, listed: list[Download | None]) -> None:
    simulation = data.draw(simulations(listed))
    simulation.drive(2000)
    downloads, results = simulation.downloads, simulation.results
    assert simulation.run.complete is not simulation.interrupted
    assert Counter(result.url for result in results) == Counter(public_url(download.url) for download in downloads)
    done = [result.path for result in results if result.status is Status.DONE]
    assert len(done) == len(set(done)), "two files under one name"
    never_started = [result for result in results if handed_out(result) == 0]
    assert all(result.reason in ("duplicate", "exists") or isinstance(result.error, PolicyError) for result in never_started)
    assert sum(handed_out(result) for result in results) == simulation.numbers.total()
    for result in results:
        assert (result.status is Status.FAILED) == (result.error is not None) == (result.download is not None)
        assert (result.status is Status.SKIPPED) == bool(result.reason)
        assert result.path or result.error


@given(st.data(), LISTS, st.integers(1, 60))
def test_a_stopped_run_has_at_most_one_result_for_each_download(
    data: st.DataObject, listed: list[Download | None], stop_after: int
) -> None:
    simulation = data.draw(simulations(listed))
    simulation.drive(2000, stop_after)
    begun = [result for result in simulation.results if handed_out(result)]
    assert len(begun) == len(+simulation.numbers), "contract rule 1: one Result for each Download that was started"
    assert sum(handed_out(result) for result in begun) == simulation.numbers.total()
    counted = Counter(result.url for result in simulation.results)
    assert counted <= Counter(public_url(download.url) for download in listed if download is not None)


@given(st.lists(ONE, min_size=1, max_size=30, unique_by=lambda download: download.url), st.integers(1, 5), st.integers(1, 4))
def test_without_failures_each_file_is_asked_for_once(listed: list[Download], max_in_flight: int, max_attempts: int) -> None:
    run = scheduler(listed, max_in_flight, max_in_flight)
    asked: Counter[int] = Counter()
    while not run.finished:
        for attempt in run.take(0.0, max_attempts):
            asked[attempt.key] += 1
            settle(run, attempt, path=attempt.path)
    assert set(asked.values()) <= {1}
    assert len(run.results()) == len(listed)
