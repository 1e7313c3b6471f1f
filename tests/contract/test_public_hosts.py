"""How a public host is treated, for every strategy: connections at once, and time between requests.

The host of the URLs is a public name. The requests go to a proxy, which is a server on loopback: no name is looked up.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from downloader import Download, Downloader, PolicyError
from downloader.core.limits.public_hosts import MAX_AT_PUBLIC_HOST, MAX_SEGMENTS_AT_PUBLIC_HOST
from downloader.core.model import Outcome
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from tests.support.files import names_in
from tests.support.origin import BODY, Origin
from tests.support.scripted import Connection, InFlight, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport, supports_segments

pytestmark = quick_for_each_transport

HOST = "http://archive.example"


@dataclass
class CountingScript:
    """Holds each request a moment, and counts those that are held."""

    seconds: float = 0.02
    in_flight: InFlight = field(default_factory=InFlight)
    times: list[float] = field(default_factory=list)

    def __call__(self, connection: Connection, request: RecordedRequest) -> None:
        """One answer."""
        self.times.append(time.monotonic())
        with self.in_flight:
            time.sleep(self.seconds)
        connection.send(reply("200 OK", b"x"))


@pytest.mark.parametrize("jobs", [0, 24])
def test_many_small_files_never_more_than_16_at_once(strategy: str, jobs: int, tmp_path: Path, scripted: MakeServer) -> None:
    counting = CountingScript()
    server = scripted(counting)
    urls = [f"{HOST}/{number}" for number in range(40)]
    assert Downloader(tmp_path, strategy=strategy, jobs=jobs, proxy=server.url).run(urls).done == 40
    assert 0 < counting.in_flight.highest <= MAX_AT_PUBLIC_HOST


def test_an_explicit_number_always_wins(tmp_path: Path, scripted: MakeServer) -> None:
    gate = threading.Barrier(20)

    def together(connection: Connection, request: RecordedRequest) -> None:
        gate.wait(30)
        connection.send(reply("200 OK", b"x"))

    server = scripted(together)
    urls = [f"{HOST}/{number}" for number in range(20)]
    for number, told in enumerate(({"per_host": 20}, {"aggressive": True})):
        settings: dict[str, Any] = {"jobs": 20, "proxy": server.url, "retries": 0, **told}
        assert Downloader(tmp_path / str(number), strategy="multiplex", **settings).run(urls).done == 20
    assert len(server.requests) == 40


def overlap(spans: list[tuple[float, float]]) -> int:
    """How many of these ran at once, at most."""
    events = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    now, most = 0, 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


@pytest.mark.slow
def test_one_slow_file_never_has_more_than_6_connections(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    server = scripted(Origin(drips=True))
    traced: list[Outcome] = []
    settings = Settings(dir=str(tmp_path), strategy=strategy, proxy=server.url, min_segment_size=10_000)
    if not supports_segments(strategy):
        pytest.skip("does not split files")
    session = DownloadRun(settings, iter([Download(f"{HOST}/a")]), on_attempt=traced.append)
    assert session.start().join().done == 1
    assert (tmp_path / "a").read_bytes() == BODY
    spans = [(outcome.trace.started, outcome.trace.ended) for outcome in traced if outcome.trace is not None]
    assert 1 < overlap(spans) <= MAX_SEGMENTS_AT_PUBLIC_HOST


def test_the_wait_between_two_requests_holds(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    counting, wait = CountingScript(0.0), 0.1
    server = scripted(counting)
    began = time.monotonic()
    urls = [f"{server.url}/{number}" for number in range(5)]
    assert Downloader(tmp_path, strategy=strategy, wait=wait).run(urls).done == 5
    assert len(counting.times) == 5
    for number, came in enumerate(sorted(counting.times)):  # whatever is delayed on its way comes later, never sooner
        assert came >= began + number * wait


def test_the_wait_holds_for_retries_and_beside_the_rate(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    times: list[float] = []

    def refused(connection: Connection, request: RecordedRequest) -> None:
        times.append(time.monotonic())
        connection.send(reply("500 Internal Server Error"))

    server = scripted(refused, refused, reply("200 OK", b"x"))
    began = time.monotonic()
    run = Downloader(tmp_path, strategy=strategy, wait=0.05, max_requests_per_second=4, retry_wait=0.001)
    assert run.run([f"{server.url}/a"]).done == 1
    assert len(server.requests) == 3
    assert times[1] >= began + 0.25
    assert time.monotonic() >= began + 0.5


def test_a_second_run_over_what_is_there_does_not_wait(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    urls = [f"{server.url}/{number}" for number in range(20)]
    assert Downloader(tmp_path, strategy=strategy).run(urls).done == 20
    report = Downloader(tmp_path, strategy=strategy, wait=3600.0).run(urls)
    assert (report.skipped, len(server.requests)) == (20, 20)


def test_hosts_do_not_wait_for_each_other(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    servers = [scripted(reply("200 OK", b"x")) for _ in range(5)]
    urls = [f"{server.url}/{number}" for number, server in enumerate(servers)]
    assert Downloader(tmp_path, strategy=strategy, wait=3600.0).run(urls).done == 5


def test_robots_txt_is_obeyed(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    def answered(connection: Connection, request: RecordedRequest) -> None:
        rules = b"User-agent: downloader\nDisallow: /private\n"
        connection.send(reply("200 OK", rules if request.path == "/robots.txt" else b"x"))

    server = scripted(answered)
    urls = [f"{server.url}/{path}" for path in ("a", "private/b", "c")]
    report = Downloader(tmp_path, strategy=strategy, obey_robots=True).run(urls)
    assert (report.done, report.failures) == (2, 1)
    assert isinstance(report.failed[0].error, PolicyError)
    assert server.requests[0].path == "/robots.txt"
    assert sorted(request.path for request in server.requests) == ["/a", "/c", "/robots.txt"]
    assert names_in(tmp_path) == ["a", "c"]


def test_a_huge_robots_txt_is_not_read_to_its_end(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    def answered(connection: Connection, request: RecordedRequest) -> None:
        if request.path != "/robots.txt":
            connection.send(reply("200 OK", b"x"))
            return
        connection.send(reply("200 OK", length=1 << 40))
        while connection.send(b"#" * 65536):
            pass

    server = scripted(answered)
    assert Downloader(tmp_path, strategy=strategy, obey_robots=True).run([f"{server.url}/a"]).done == 1


def test_a_crawl_delay_is_kept(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    counting = CountingScript(0.0)

    def answered(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/robots.txt":
            connection.send(reply("200 OK", b"User-agent: *\nCrawl-delay: 0.2"))
        else:
            counting(connection, request)

    server = scripted(answered)
    began = time.monotonic()
    assert Downloader(tmp_path, strategy=strategy, obey_robots=True).run([f"{server.url}/{n}" for n in range(3)]).done == 3
    for number, came in enumerate(sorted(counting.times)):
        assert came >= began + 0.2 * (number + 1)
