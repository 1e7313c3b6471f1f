"""The rules of `downloader.engine.contract`, by number, for every strategy in the registry."""

import ast
import locale
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import downloader
from downloader import Download, Downloader, Interrupted, Status
from downloader.core.model import Attempt, End, Outcome, Result
from downloader.runs.plan import worker_config
from downloader.settings.definitions import Settings
from downloader.strategies.registry import find
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.conftest import Fetch
from tests.scripted import Asked, Connection, ScriptedServer, reply

Make = Callable[..., ScriptedServer]
BODY = content.body(1, 0, 3_000_000)


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

    def urls() -> Iterator[str]:
        for number in range(6000):
            ahead.append(number - done[0])
            yield server.file(number % 3, 1) + f"?n={number % 3}"

    session = Downloader(fetch.folder, strategy=fetch.strategy, jobs=2).session(  # type: ignore[attr-defined]
        urls(), lambda result: done.__setitem__(0, done[0] + 1)
    )
    report = session.start().join()
    assert report.done + report.skipped == 6000
    assert max(ahead) <= 1024 + 1024 + 300  # the reader's queue, the scheduler's window, and what is under way


def test_rule_3_the_final_name_appears_only_when_complete(fetch: Fetch, scripted: Make) -> None:
    seen: list[list[str]] = []

    def slowly(connection: Connection, asked: Asked) -> None:
        data = reply("200 OK", BODY, ETag='"v1"')
        connection.send(data[:-1])
        seen.append([path.name for path in fetch.folder.iterdir()])
        connection.send(data[-1:])

    server = scripted(slowly)
    assert fetch([f"{server.url}/a"]).done == 1
    assert "a" not in seen[0]
    assert [path.name for path in fetch.folder.iterdir()] == ["a"]


def hangs_after(count: int, reached: threading.Event) -> Callable[[Connection, Asked], None]:
    """Sends so many bytes of body and then nothing more."""

    def script(connection: Connection, asked: Asked) -> None:
        connection.send(reply("200 OK", BODY[:count], length=len(BODY), ETag='"v1"'))
        reached.set()
        connection.hang()

    return script


def test_rule_4_a_stopped_run_keeps_what_can_be_resumed(strategy: str, tmp_path: Path, scripted: Make) -> None:
    reached = threading.Event()
    server = scripted(hangs_after(2_000_000, reached))
    downloads = Downloader(tmp_path, strategy=strategy, jobs=2, grace=0.2, per_host=2)
    urls = [f"{server.url}/{name}" for name in "abcdefgh"]
    session = downloads.session(urls).start()
    assert reached.wait(20)
    while session.stats.received < 1_500_000:
        time.sleep(0.01)
    session.stop()
    report = session.join()
    begun = len(server.asked)
    assert begun <= 2  # no new Attempt started
    assert len(report.results) == begun
    assert all(isinstance(result.error, Interrupted) for result in report.results)
    assert report.interrupted
    parts = sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".part") and path.stat().st_size)
    assert parts
    assert all((tmp_path / f"{name}.meta").exists() for name in parts)


def test_rule_4_what_can_end_within_the_grace_time_does(strategy: str, tmp_path: Path, scripted: Make) -> None:
    asked_for = threading.Event()
    stopped = threading.Event()

    def in_time(connection: Connection, asked: Asked) -> None:
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
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_rule_5_a_retry_waits_without_a_slot(fetch: Fetch, scripted: Make) -> None:
    server = scripted(reply("503 Later", Retry_After="1"), reply("200 OK", b"x"))
    report = fetch([f"{server.url}/{name}" for name in "abcde"], jobs=1)
    assert report.done == 5
    assert [result.path for result in report.results][-1] == "a"  # the others did not wait for it
    assert [asked.path for asked in server.asked][-1] == "/a"


def test_rule_6_strategies_know_no_status_header_or_file_name() -> None:
    folder = Path(downloader.__file__).parent / "strategies"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
                assert not 300 <= node.value <= 599, f"{path.name}:{node.lineno}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.lower()
                assert text not in ("range", "etag", "content-range", "retry-after", "location", ".part"), (
                    f"{path.name}:{node.lineno}"
                )


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
    for value in (config, attempt, result):
        assert pickle.loads(pickle.dumps(value)) == value or value is result
    again = pickle.loads(pickle.dumps(outcome)).error
    assert (type(again), str(again), again.retry_after, again.retryable) == (
        downloader.HTTPStatusError,
        str(outcome.error),
        3.0,
        True,
    )


def test_rule_10_capabilities_are_stated_and_true(strategy: str, tmp_path: Path, scripted: Make) -> None:
    stated = find(strategy).capabilities
    assert stated.default_jobs >= 1
    jobs = min(3, stated.max_jobs or 3)
    together = threading.Barrier(jobs)
    now, most = [0], [0]
    lock = threading.Lock()

    def counted(connection: Connection, asked: Asked) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(20)  # passes only when so many are in flight at once
        with lock:
            now[0] -= 1
        connection.send(reply("200 OK", b"x"))

    server = scripted(counted)
    urls = [f"{server.url}/{number}" for number in range(4 * jobs)]
    report = Downloader(tmp_path, strategy=strategy, jobs=3, retries=0).run(urls)
    assert report.done == len(urls)
    assert most[0] == jobs
    assert all("range" not in asked.headers for asked in server.asked)  # too small to be split


def test_limit_for_each_host_holds(strategy: str, tmp_path: Path, scripted: Make) -> None:
    now, most = [0], [0]
    lock = threading.Lock()

    def counted(connection: Connection, asked: Asked) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        connection.send(reply("200 OK", b"x"))

    server = scripted(counted)
    urls = [f"{server.url}/{number}" for number in range(20)]
    assert Downloader(tmp_path, strategy=strategy, jobs=4, per_host=2).run(urls).done == 20
    assert most[0] <= 2


def test_connections_are_used_again(strategy: str, tmp_path: Path, scripted: Make) -> None:
    connections: set[int] = set()

    def noted(connection: Connection, asked: Asked) -> None:
        connections.add(connection.sock.getpeername()[1])
        status = "404 Not Found" if asked.path == "/3" else "302 Found" if asked.path == "/5" else "200 OK"
        fields = {"Location": "/there"} if asked.path == "/5" else {}
        connection.send(reply(status, b"some body", **fields))

    server = scripted(noted)
    report = Downloader(tmp_path, strategy=strategy, jobs=1).run([f"{server.url}/{number}" for number in range(10)])
    assert (report.done, report.failures) == (9, 1)
    assert len(connections) == 1


def test_mirror_serves_where_the_first_fails(fetch: Fetch, scripted: Make) -> None:
    broken, good = scripted(reply("404 Not Found")), scripted(reply("200 OK", BODY))
    report = fetch([Download(f"{broken.url}/a", mirrors=(f"{good.url}/b",))])
    assert report.done == 1
    assert (fetch.folder / "a").read_bytes() == BODY


def test_fail_fast_stops_at_the_first_failure(strategy: str, tmp_path: Path, server: TestServer) -> None:
    urls = [f"{server.url}/missing", *(server.file(number, 10) for number in range(2000))]
    report = Downloader(tmp_path, strategy=strategy, jobs=1, fail_fast=True).run(urls)
    assert report.failures == 1
    assert report.interrupted
    assert report.done < 2000


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc")
def test_failures_keep_no_sockets_and_no_buffers(strategy: str, tmp_path: Path, scripted: Make) -> None:
    def cut(connection: Connection, asked: Asked) -> None:
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
