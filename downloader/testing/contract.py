"""The contract suite: what every strategy must do, whichever package it comes from.

A package that adds a strategy runs the suite by a subclass, which pytest collects::

    from downloader.testing.contract import StrategyContract

    class TestMyStrategy(StrategyContract):
        strategy = "mine"

The name must be installed under the entry point group ``downloader.strategies``. The rules are those of
`downloader.engine.contract`. Each test needs a folder of its own (pytest's ``tmp_path``), and reaches loopback only. No test
depends on how fast the machine is; `DEADLINE` only ends a test that hangs."""

import hashlib
import locale
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from downloader.api.downloader import Downloader
from downloader.core.facts import Checksum
from downloader.core.model import Download, Result, Status
from downloader.core.report import Report
from downloader.engine.contract import Capabilities
from downloader.errors import IntegrityError, Interrupted, NetworkError, UsageError
from downloader.runs.download_run import DownloadRun
from downloader.strategies.registry import find
from downloader.testing.scripted_server import Connection, InFlight, RecordedRequest, ScriptedServer, reply, serve

BODY = bytes(number * 7 % 251 for number in range(1000)) * 3000  # each byte depends on its position

DEADLINE = 60.0
"""Seconds after which a test that waits for the strategy fails."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds. Raises AssertionError after `DEADLINE` seconds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE:g} s for {what}"
        time.sleep(0.005)


def numbered(connection: Connection, request: RecordedRequest) -> None:
    """Answer with a body that names the path of the request; 404 for paths that begin with ``/missing``."""
    missing = request.path.startswith("/missing")
    connection.send(reply("404 Not Found") if missing else reply("200 OK", request.path.encode()))


ranges = serve(BODY, ETag='"1"')
"""Answers with `BODY`, or with the range of it that is requested (RFC 9110 section 14)."""


class StrategyContract:
    """The tests, for the strategy that a subclass names."""

    strategy: ClassVar[str] = ""
    """The word after ``--strategy``."""

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy states that it supports."""
        return find(self.strategy).capabilities

    def downloader(self, folder: Path, **settings: Any) -> Downloader:
        """A Downloader with this strategy, two Attempts in flight, hardly any waiting between tries, and no journal."""
        quick = {"jobs": 2, "retries": 2, "retry_wait": 0.001, "journal": "none"}
        return Downloader(folder, **{"strategy": self.strategy, **quick, **settings})

    def fetch(self, folder: Path, urls: Any, **settings: Any) -> Report:
        """Download into a folder."""
        return self.downloader(folder, **settings).run(urls)

    def finished(self, run: DownloadRun) -> Report:
        """The Report of a run that was started. Raises AssertionError where the run does not end."""
        assert run.wait(DEADLINE), "the run does not end"
        return run.join()

    def test_the_strategy_describes_itself(self) -> None:
        """Rule 10."""
        cls = find(self.strategy)
        assert cls.name == self.strategy
        assert cls.about
        assert cls.library
        assert isinstance(cls.capabilities, Capabilities)
        assert cls.capabilities.default_jobs >= 1
        assert cls.capabilities.default_jobs <= (cls.capabilities.most_jobs or cls.capabilities.default_jobs)

    def test_each_download_has_exactly_one_result(self, tmp_path: Path) -> None:
        """Rule 1: failures are Results, and duplicates too."""
        with ScriptedServer([numbered]) as server:
            good = [f"{server.url}/{number}" for number in range(20)]
            bad = [f"{server.url}/missing/{number}" for number in range(5)]
            urls = [*good, *bad, *bad]
            report = self.fetch(tmp_path, urls, jobs=4)
        assert (report.done, report.failures, report.skipped) == (20, 5, 5)
        assert sorted(result.url for result in report.results) == sorted(urls)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {str(n): f"/{n}".encode() for n in range(20)}

    def test_an_empty_list_ends_at_once(self, tmp_path: Path) -> None:
        """Rule 1, for no Download at all."""
        report = self.finished(self.downloader(tmp_path).session([]).start())
        assert (report.done, report.failures, report.results) == (0, 0, [])

    def test_the_list_is_read_lazily(self, tmp_path: Path) -> None:
        """Rule 2: no more entries than the strategy states are read before their Results."""
        ended, ahead, bound = [0], [0], self.capabilities.read_ahead + 1500  # 1500: in flight, or in a queue

        def urls(url: str) -> Iterator[str]:
            for number in range(2 * bound):
                ahead[0] = max(ahead[0], number - ended[0])
                yield f"{url}/{number % 3}"

        def count(result: Result) -> None:
            ended[0] += 1

        with ScriptedServer([numbered]) as server:
            report = self.finished(self.downloader(tmp_path).session(urls(server.url), count).start())
        assert report.done + report.skipped == 2 * bound
        assert ahead[0] <= bound

    def test_the_final_name_appears_when_the_file_is_complete(self, tmp_path: Path) -> None:
        """Rule 3."""
        seen: list[list[str]] = []

        def in_two_pieces(connection: Connection, request: RecordedRequest) -> None:
            data = reply("200 OK", BODY, ETag='"1"')
            connection.send(data[:-1])
            seen.append([path.name for path in tmp_path.iterdir()])
            connection.send(data[-1:])

        with ScriptedServer([in_two_pieces]) as server:
            assert self.fetch(tmp_path, [f"{server.url}/a"]).done == 1
        assert "a" not in seen[0]
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": BODY}

    def test_a_wrong_checksum_leaves_no_file(self, tmp_path: Path) -> None:
        """Rule 3: complete is not enough, the bytes must be verified."""
        wrong = Checksum("sha256", hashlib.sha256(b"other").hexdigest())
        with ScriptedServer([reply("200 OK", b"body")]) as server:
            report = self.fetch(tmp_path, [Download(f"{server.url}/a", checksums=(wrong,))])
        assert [type(result.error) for result in report.results] == [IntegrityError]
        assert list(tmp_path.iterdir()) == []

    def test_a_body_that_breaks_off_is_resumed(self, tmp_path: Path) -> None:
        """Rule 3: the bytes that came first are kept, and only the rest is asked for."""
        half = len(BODY) // 2

        def breaks_off(connection: Connection, request: RecordedRequest) -> None:
            connection.send(reply("200 OK", BODY[:half], length=len(BODY), ETag='"1"'))
            connection.reset()

        with ScriptedServer([breaks_off, ranges]) as server:
            report = self.fetch(tmp_path, [f"{server.url}/a"], segments=1)
        assert report.done == 1
        assert (tmp_path / "a").read_bytes() == BODY
        assert "range" not in server.requests[0].headers
        assert report.received <= len(BODY) + half

    def test_a_stop_starts_nothing_more_and_keeps_what_can_be_resumed(self, tmp_path: Path) -> None:
        """Rule 4."""

        def hangs(connection: Connection, request: RecordedRequest) -> None:
            connection.send(reply("200 OK", BODY[:2_000_000], length=len(BODY), ETag='"1"'))
            connection.hang()

        with ScriptedServer([hangs]) as server:
            downloads = self.downloader(tmp_path, grace=0.2)
            run = downloads.session([f"{server.url}/{name}" for name in "abcdefgh"]).start()
            wait_until(lambda: run.stats.received > 1_500_000, "bytes")
            run.stop()
            report = self.finished(run)
            begun = len(server.requests)
        assert begun <= 2
        assert len(report.results) == begun
        assert all(isinstance(result.error, Interrupted) for result in report.results)
        assert any(path.name.endswith(".part.meta") for path in tmp_path.iterdir())

    def test_what_can_end_within_the_grace_time_does(self, tmp_path: Path) -> None:
        """Rule 4."""
        requested, stopped = threading.Event(), threading.Event()

        def in_time(connection: Connection, request: RecordedRequest) -> None:
            requested.set()
            stopped.wait(DEADLINE)
            connection.send(reply("200 OK", b"body"))

        with ScriptedServer([in_time]) as server:
            run = self.downloader(tmp_path, jobs=1, grace=DEADLINE).session([f"{server.url}/a", f"{server.url}/b"]).start()
            assert requested.wait(DEADLINE)
            run.stop()
            stopped.set()
            report = self.finished(run)
        assert [result.status for result in report.results] == [Status.DONE]

    def test_a_retry_waits_without_a_slot(self, tmp_path: Path) -> None:
        """Rule 5."""
        with ScriptedServer([reply("503 Service Unavailable", Retry_After="1"), reply("200 OK", b"body")]) as server:
            report = self.fetch(tmp_path, [f"{server.url}/{name}" for name in "abc"], jobs=1)
        assert [result.path for result in report.results] == ["b", "c", "a"]

    def test_the_statistics_add_up(self, tmp_path: Path) -> None:
        """Rule 7."""
        with ScriptedServer([lambda connection, request: connection.send(reply("200 OK", BODY[:50_000]))]) as server:
            run = self.downloader(tmp_path).session([f"{server.url}/{number}" for number in range(10)]).start()
            self.finished(run)
        assert (run.stats.total, run.stats.done, run.stats.received) == (10, 10, 500_000)
        assert run.stats.files() == []

    def test_a_run_leaves_nothing_behind_in_the_process(self, tmp_path: Path) -> None:
        """Rule 8: no thread, signal handler, umask, locale, working directory or open file."""

        def state() -> tuple[object, ...]:
            handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
            mask = os.umask(0o22)
            os.umask(mask)
            threads = sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("Thread-"))
            return handlers, mask, locale.getlocale(), threads, signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getcwd()

        with ScriptedServer([numbered]) as server:
            self.fetch(tmp_path, [f"{server.url}/first"])  # what is only ever made once is made now
            before = state()
            self.fetch(tmp_path, [f"{server.url}/second"])
            assert state() == before

    def test_errors_can_cross_a_process_boundary(self, tmp_path: Path) -> None:
        """Rule 9."""
        with ScriptedServer([numbered]) as server:
            report = self.fetch(tmp_path, [f"{server.url}/missing"])
        (result,) = report.failed
        again = pickle.loads(pickle.dumps(result.error))  # noqa: S301 - our own
        assert (type(again), str(again)) == (type(result.error), str(result.error))

    def test_as_many_attempts_run_at_once_as_there_are_jobs(self, tmp_path: Path) -> None:
        """Rule 10: the number of jobs is kept, and reached."""
        jobs = min(3, self.capabilities.max_jobs or 3)
        together, in_flight = threading.Barrier(jobs), InFlight()

        def count(connection: Connection, request: RecordedRequest) -> None:
            with in_flight:
                together.wait(DEADLINE)  # passes only when so many requests wait here
            connection.send(reply("200 OK", b"body"))

        with ScriptedServer([count]) as server:
            urls = [f"{server.url}/{number}" for number in range(4 * jobs)]
            assert self.fetch(tmp_path, urls, jobs=3, retries=0).done == 4 * jobs
        assert in_flight.highest == jobs

    def test_segments_are_fetched_or_refused_as_stated(self, tmp_path: Path) -> None:
        """Rule 10."""
        if not self.capabilities.segments:
            self._refused(tmp_path, segments=4)
            return
        second = threading.Event()

        def half_until_asked_again(connection: Connection, request: RecordedRequest) -> None:
            data = reply("200 OK", BODY, ETag='"1"', Accept_Ranges="bytes")
            connection.send(data[: len(data) // 2])
            assert second.wait(DEADLINE), "nobody asks for another part of the file"
            connection.send(data[len(data) // 2 :])

        def part(connection: Connection, request: RecordedRequest) -> None:
            second.set()
            ranges(connection, request)

        with ScriptedServer([half_until_asked_again, part]) as server:
            run = self.downloader(tmp_path, segments=4, min_segment_size=100_000, jobs=4).session([f"{server.url}/a"])
            report = self.finished(run.start())
        assert report.done == 1
        assert (tmp_path / "a").read_bytes() == BODY
        assert ["range" in request.headers for request in server.requests] == [False] + [True] * (len(server.requests) - 1)

    def test_the_rate_limit_is_kept_or_refused_as_stated(self, tmp_path: Path) -> None:
        """Rule 10: the run takes at least the time that its bytes need at that rate."""
        if not self.capabilities.limit_rate:
            self._refused(tmp_path, limit_rate=1000)
            return
        with ScriptedServer([lambda connection, request: connection.send(reply("200 OK", BODY[:400_000]))]) as server:
            started = time.monotonic()
            assert self.fetch(tmp_path, [f"{server.url}/a"], limit_rate=400_000).done == 1
            assert time.monotonic() - started >= 0.8

    def test_a_server_that_refuses_connections_fails_the_file(self, tmp_path: Path) -> None:
        """Rule 1: no exception reaches the caller."""
        with ScriptedServer([numbered]) as server:
            url = f"{server.url}/a"
        report = self.fetch(tmp_path, [url], retries=0)
        assert [type(result.error) for result in report.results] == [NetworkError]

    def test_a_silent_server_is_given_up(self, tmp_path: Path) -> None:
        """The deadlines of `downloader.engine.deadlines` are obeyed."""
        with ScriptedServer([lambda connection, request: connection.hang()]) as server:
            downloads = self.downloader(tmp_path, retries=0, low_speed_time=0.5, connect_timeout=0.5)
            (failed,) = self.finished(downloads.session([f"{server.url}/a"]).start()).failed
        assert isinstance(failed.error, NetworkError)

    def test_an_attempt_that_lasts_too_long_is_ended(self, tmp_path: Path) -> None:
        """The setting ``timeout``, for a server that sends a byte now and then."""

        def drips(connection: Connection, request: RecordedRequest) -> None:
            connection.send(reply("200 OK", b"", length=1_000_000))
            while connection.send(b"x"):
                time.sleep(0.05)

        with ScriptedServer([drips]) as server:
            downloads = self.downloader(tmp_path, retries=0, timeout=0.5, low_speed_limit=0)
            (failed,) = self.finished(downloads.session([f"{server.url}/a"]).start()).failed
        assert "the attempt exceeded its time limit" in str(failed.error)

    def _refused(self, folder: Path, **settings: Any) -> None:
        try:
            self.fetch(folder, ["http://127.0.0.1:9/a"], **settings)
        except UsageError:
            return
        raise AssertionError(f"not refused, though the capabilities say so: {settings}")
