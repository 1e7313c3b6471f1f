"""The rules of `downloader.engine.contract`, by number, for every strategy in the registry."""

import ast
import locale
import os
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path

import pytest
from msgspec.structs import replace

import downloader
from downloader import Download, Downloader, Interrupted, Status
from downloader.core.model import Attempt, End, Outcome, Result
from downloader.runs.plan import worker_config
from downloader.settings.definitions import Settings
from downloader.sources.background import BackgroundSource
from downloader.strategies.registry import find
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.fetching import Fetch
from tests.support.files import names_in
from tests.support.processes import wait_until
from tests.support.scripted import Connection, InFlight, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_but_for_processes

pytestmark = quick_but_for_processes

BODY = content.body(1, 0, 3_000_000)

FIELDS = """accept accept-encoding accept-ranges authorization connection content-digest content-disposition content-encoding
content-length content-range content-type cookie date digest etag host if-match if-modified-since if-none-match if-range
if-unmodified-since last-modified location proxy-authenticate proxy-authorization range referer repr-digest retry-after
set-cookie te trailer transfer-encoding user-agent want-content-digest want-repr-digest www-authenticate"""
FIELD_NAMES = frozenset(FIELDS.split())
FILE_NAME = re.compile(r"\.(part|meta|crdownload|tmp)\b")
"""The endings of files that are no modules."""


def test_rule_1_exactly_one_result_for_each_download(fetch: Fetch, server: TestServer) -> None:
    good = [server.file(number, 1000) for number in range(40)]
    bad = [f"{server.url}/missing/{number}" for number in range(10)]
    urls = [url for pair in zip(good, bad * 4, strict=True) for url in pair]  # each bad one four times
    report = fetch(urls, jobs=4)
    assert (report.done, report.skipped, report.failures) == (40, 30, 10)
    assert sorted(result.url for result in report.results) == sorted(urls)
    assert report.reasons["skipped: duplicate"] == 30


def test_rule_2_the_source_is_read_lazily(fetch: Fetch, server: TestServer) -> None:
    ahead: list[int] = []
    done = [0]
    queue = signature(BackgroundSource).parameters["read_ahead"].default
    bound = queue + find(fetch.strategy).capabilities.read_ahead + 300
    count = 2 * bound

    def urls() -> Iterator[str]:
        for number in range(count):
            ahead.append(number - done[0])
            yield server.file(number % 3, 1) + f"?n={number % 3}"

    session = Downloader(fetch.folder, strategy=fetch.strategy, jobs=2).session(
        urls(), lambda result: done.__setitem__(0, done[0] + 1)
    )
    report = session.start().join()
    assert report.done + report.skipped == count
    assert max(ahead) <= bound  # 300: what is in flight, and what has ended and was not counted yet


def test_rule_3_the_final_name_appears_only_when_complete(fetch: Fetch, scripted: MakeServer) -> None:
    seen: list[list[str]] = []

    def slowly(connection: Connection, request: RecordedRequest) -> None:
        data = reply("200 OK", BODY, ETag='"v1"')
        connection.send(data[:-1])
        seen.append(names_in(fetch.folder))
        connection.send(data[-1:])

    server = scripted(slowly)
    assert fetch([f"{server.url}/a"]).done == 1
    assert "a" not in seen[0]
    assert names_in(fetch.folder) == ["a"]


def hangs_after(count: int, reached: threading.Event) -> Callable[[Connection, RecordedRequest], None]:
    """Sends so many bytes of body and then nothing more."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BODY[:count], length=len(BODY), ETag='"v1"'))
        reached.set()
        connection.hang()

    return script


def test_rule_4_a_stopped_run_keeps_what_can_be_resumed(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    reached = threading.Event()
    server = scripted(hangs_after(2_000_000, reached))
    downloads = Downloader(tmp_path, strategy=strategy, jobs=2, grace=0.2, per_host=2)
    urls = [f"{server.url}/{name}" for name in "abcdefgh"]
    session = downloads.session(urls).start()
    assert reached.wait(20)
    wait_until(lambda: session.stats.received >= 1_500_000, "too few bytes came")
    session.stop()
    report = session.join()
    begun = len(server.requests)
    assert begun <= 2  # no new Attempt started
    assert len(report.results) == begun
    assert all(isinstance(result.error, Interrupted) for result in report.results)
    assert report.interrupted
    parts = sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".part") and path.stat().st_size)
    assert parts
    assert all((tmp_path / f"{name}.meta").exists() for name in parts)


def test_rule_4_what_can_end_within_the_grace_time_does(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    asked_for = threading.Event()
    stopped = threading.Event()

    def in_time(connection: Connection, request: RecordedRequest) -> None:
        asked_for.set()
        stopped.wait(20)
        connection.send(reply("200 OK", BODY))

    server = scripted(in_time)
    session = Downloader(tmp_path, strategy=strategy, jobs=1, grace=20).session([f"{server.url}/a", f"{server.url}/b"]).start()
    assert asked_for.wait(20)
    session.stop()
    stopped.set()
    report = session.join()
    assert [result.status for result in report.results] == [Status.DONE]
    assert names_in(tmp_path) == ["a"]


def test_rule_5_a_retry_waits_without_a_slot(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("503 Later", Retry_After="1"), reply("200 OK", b"x"))
    report = fetch([f"{server.url}/{name}" for name in "abcde"], jobs=1)
    assert report.done == 5
    assert [result.path for result in report.results][-1] == "a"  # the others did not wait for it
    assert [request.path for request in server.requests][-1] == "/a"


def test_rule_6_strategies_name_no_status_header_or_file_name() -> None:
    package = Path(downloader.__file__).parent
    for path in sorted([*(package / "strategies").rglob("*.py"), *(package / "engine").rglob("*.py")]):
        tree = ast.parse(path.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in docstrings:
                continue
            where = f"{path.relative_to(package)}:{node.lineno}"
            if isinstance(node.value, int) and not isinstance(node.value, bool):
                assert not 300 <= node.value <= 599, where
            if isinstance(node.value, str):
                assert node.value.lower().rstrip(":") not in FIELD_NAMES, where
                assert FILE_NAME.search(node.value) is None, where


def test_rule_7_counters_add_up(strategy: str, tmp_path: Path, server: TestServer) -> None:
    (tmp_path / "0.bin").write_bytes(b"there")
    urls = [*(server.file(number, 50_000) for number in range(20)), f"{server.url}/missing"]
    session = Downloader(tmp_path, strategy=strategy, jobs=2).session(urls).start()
    session.join()
    counters = session.stats
    assert (counters.total, counters.done, counters.skipped, counters.failed) == (21, 19, 1, 1)
    assert counters.received == 19 * 50_000
    assert counters.long_running(time.monotonic() + 10) == []


def test_rule_8_nothing_is_left_behind(strategy: str, tmp_path: Path, server: TestServer) -> None:
    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
        mask = os.umask(0o22)
        os.umask(mask)
        threads = sorted(thread.name for thread in threading.enumerate())
        return handlers, mask, locale.getlocale(), threads, signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getcwd()

    Downloader(tmp_path, strategy=strategy, jobs=2).run([server.file(0, 10)])  # what is only ever made once is made now
    before, files = state(), len(os.listdir("/proc/self/fd"))
    for number in range(1, 4):
        Downloader(tmp_path, strategy=strategy, jobs=2).run([server.file(number, 10)])
    assert state() == before
    assert len(os.listdir("/proc/self/fd")) <= files


def test_rule_9_what_crosses_boundaries_is_picklable() -> None:
    config = worker_config(Settings(header=("A: b",)), find("serial").capabilities, 4)
    attempt = Attempt(1, 2, "http://h/a", "http://h/a", "a", headers=(("A", "b"),))
    outcome = Outcome(1, End.FAILED, error=downloader.HTTPStatusError(503, "http://h/a", "", 3.0))
    result = Result("http://h/a", "a", Status.FAILED, error=outcome.error, download=Download("http://h/a"))
    for value in (config, attempt):
        assert pickle.loads(pickle.dumps(value)) == value
    for holder in (outcome, result):
        copied = pickle.loads(pickle.dumps(holder))
        error = copied.error
        assert (type(error), vars(error), str(error)) == (type(outcome.error), vars(outcome.error), str(outcome.error))
        assert (error.retry_after, error.retryable) == (3.0, True)
        assert replace(copied, error=None) == replace(holder, error=None)  # errors have no equality of their own


def test_rule_10_capabilities_are_stated_and_true(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    stated = find(strategy).capabilities
    assert stated.default_jobs >= 1
    jobs = min(3, stated.max_jobs or 3)
    together = threading.Barrier(jobs)
    in_flight = InFlight()

    def counted(connection: Connection, request: RecordedRequest) -> None:
        with in_flight:
            together.wait(20)  # passes only when so many are in flight at once
        connection.send(reply("200 OK", b"x"))

    server = scripted(counted)
    urls = [f"{server.url}/{number}" for number in range(4 * jobs)]
    report = Downloader(tmp_path, strategy=strategy, jobs=3, retries=0).run(urls)
    assert report.done == len(urls)
    assert in_flight.highest == jobs
    assert all("range" not in request.headers for request in server.requests)  # too small to be split


def test_limit_for_each_host_holds(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    in_flight = InFlight()

    def counted(connection: Connection, request: RecordedRequest) -> None:
        with in_flight:
            time.sleep(0.01)
        connection.send(reply("200 OK", b"x"))

    server = scripted(counted)
    urls = [f"{server.url}/{number}" for number in range(20)]
    assert Downloader(tmp_path, strategy=strategy, jobs=4, per_host=2).run(urls).done == 20
    assert in_flight.highest <= 2


def test_connections_are_used_again(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    connections: set[int] = set()

    def noted(connection: Connection, request: RecordedRequest) -> None:
        connections.add(connection.sock.getpeername()[1])
        status = "404 Not Found" if request.path == "/3" else "302 Found" if request.path == "/5" else "200 OK"
        fields = {"Location": "/there"} if request.path == "/5" else {}
        connection.send(reply(status, b"some body", **fields))

    server = scripted(noted)
    report = Downloader(tmp_path, strategy=strategy, jobs=1).run([f"{server.url}/{number}" for number in range(10)])
    assert (report.done, report.failures) == (9, 1)
    assert len(connections) == 1


def test_mirror_serves_where_the_first_fails(fetch: Fetch, scripted: MakeServer) -> None:
    broken, good = scripted(reply("404 Not Found")), scripted(reply("200 OK", BODY))
    report = fetch([Download(f"{broken.url}/a", mirrors=(f"{good.url}/b",))])
    assert report.done == 1
    assert (fetch.folder / "a").read_bytes() == BODY


def test_fail_fast_stops_at_the_first_failure(strategy: str, tmp_path: Path, server: TestServer) -> None:
    urls = [f"{server.url}/missing", *(server.file(number, 10) for number in range(2000))]
    report = Downloader(tmp_path, strategy=strategy, jobs=1, fail_fast=True).run(urls)
    assert report.failures == 1
    assert report.interrupted
    assert report.done == 0  # with one in flight, nothing is begun between the failure and the stop


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc")
def test_failures_keep_no_sockets_and_no_buffers(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    def cut(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BODY[:500_000], length=len(BODY)))
        connection.reset()

    server = scripted(cut)
    downloads = Downloader(tmp_path, strategy=strategy, jobs=2, retries=1, retry_wait=0)
    reports = [downloads.run([f"{server.url}/{number}" for number in range(3)])]
    before = len(os.listdir("/proc/self/fd"))
    reports += [downloads.run([f"{server.url}/{number}" for number in range(30)])]
    assert reports[1].failures == 30
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert all(result.error is not None and result.error.__traceback__ is None for result in reports[1].failed)
