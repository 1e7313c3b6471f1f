"""Limits to the rate: kept by every strategy, in all and for each host, and in nobody's way when the run must end."""

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from downloader import Downloader, Interrupted, NetworkError
from downloader.core.limits.rate import BURST
from downloader.engine.rate_limiter import MIN_WAIT
from downloader.settings.fields import convert
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.fetching import Fetch
from tests.support.processes import wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply, serve
from tests.support.strategies import quick_for_each_transport, supports_segments

pytestmark = quick_for_each_transport

RATE = 2_000_000
CHUNK = RATE // 200
"""What is read at a time at this rate."""


def test_run_is_no_faster_than_the_limit(strategy: str, tmp_path: Path, server: TestServer) -> None:
    """At its end, and at no moment before: what is ahead is a burst, and a piece for each that reads."""
    jobs, count, size = 3, 4, 200_000
    urls = [server.file(number, size) for number in range(count)]
    session = Downloader(tmp_path, strategy=strategy, jobs=jobs, limit_rate=RATE).session(urls)
    started = time.monotonic()
    session.start()
    over = False
    while not over:
        over = session.wait(0.005)
        received = session.stats.received
        passed = time.monotonic() - started
        assert received <= RATE * (passed + BURST + MIN_WAIT) + jobs * CHUNK
    assert session.join().done == count
    assert time.monotonic() - started >= 0.95 * count * size / RATE
    for number in range(count):
        assert (tmp_path / f"{number}.bin").read_bytes() == content.body(number, 0, size)


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[list[str]]:
    """URLs at two addresses of loopback."""
    try:
        servers = [HTTPServer(host, 0) for host in ("127.0.0.1", "127.0.0.2")]
        for server in servers:
            server.start()
    except OSError:
        pytest.skip("there is one address of loopback here")
    for server in servers:
        server.expect_request("/a").respond_with_data(b"a" * 400_000)
    yield [server.url_for("/a") for server in servers]
    for server in servers:
        server.stop()  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_limit_for_each_host_holds_at_each(strategy: str, tmp_path: Path, two_hosts: list[str]) -> None:
    started = time.monotonic()
    urls = [f"{url}?{number}" for number in range(2) for url in two_hosts]
    report = Downloader(tmp_path, strategy=strategy, jobs=4, limit_rate_per_host=RATE).run(urls)
    assert report.done == 4
    assert time.monotonic() - started >= 0.95 * 800_000 / RATE


@pytest.mark.slow
def test_segments_keep_to_the_limit_together(strategy: str, tmp_path: Path, server: TestServer) -> None:
    if not supports_segments(strategy):
        pytest.skip("does not split files")
    rate, size = 8_000_000, 4_000_000
    settings = {"segments": 4, "min_segment_size": 200_000, "limit_rate": rate}
    started = time.monotonic()
    report = Downloader(tmp_path, strategy=strategy, **settings).run([server.file(1, size)])
    assert time.monotonic() - started >= 0.95 * size / rate
    assert report.done == 1
    assert hashlib.sha256((tmp_path / "1.bin").read_bytes()).hexdigest() == content.sha256(1, size)


CRAWL = 20
"""Bytes a second: one piece is followed by a pause of a minute and more."""


def test_stop_ends_a_pause(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * 100_000, ETag='"v1"'))
    session = Downloader(tmp_path, strategy=strategy, jobs=2, grace=0.1, limit_rate=CRAWL).session([f"{server.url}/a"]).start()
    wait_until(lambda: session.stats.received, "nothing came", timeout=20)
    session.stop()
    assert session.wait(10)
    report = session.join()
    assert [type(result.error) for result in report.results] == [Interrupted]


@pytest.mark.slow
def test_time_for_an_attempt_ends_a_pause(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * 100_000))
    report = fetch([f"{server.url}/a"], retries=0, timeout=0.5, limit_rate=CRAWL)
    assert isinstance(report.failed[0].error, NetworkError)
    assert "exceeded its time limit" in report.failed[0].error.reason


@pytest.mark.slow
def test_pauses_of_ours_are_no_silence_of_the_servers(fetch: Fetch, scripted: MakeServer) -> None:
    """Each pause is longer than the server may be silent."""
    server = scripted(reply("200 OK", b"x" * 4096))
    assert fetch([f"{server.url}/a"], retries=0, low_speed_time=0.2, limit_rate=2048).done == 1


@pytest.mark.slow
def test_pauses_of_ours_are_no_low_speed_of_the_servers(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * 40_000))
    settings = {"low_speed_time": 0.3, "low_speed_limit": 100_000, "limit_rate": 40_000}
    assert fetch([f"{server.url}/a"], retries=0, **settings).done == 1


@pytest.mark.slow
def test_silence_of_the_servers_is_still_noticed(fetch: Fetch, scripted: MakeServer) -> None:
    def stall(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", b"x" * 5000, length=9000))
        connection.hang()

    server = scripted(stall)
    report = fetch([f"{server.url}/a"], retries=0, low_speed_time=0.3, limit_rate=50_000)
    assert isinstance(report.failed[0].error, NetworkError)


@pytest.mark.slow
def test_small_files_count_too(strategy: str, tmp_path: Path, server: TestServer) -> None:
    urls = [server.file(number, 5000) for number in range(300)]
    started = time.monotonic()
    report = Downloader(tmp_path, strategy=strategy, limit_rate=1_000_000).run(urls)
    assert report.done == 300
    assert time.monotonic() - started >= 0.95 * 300 * 5000 / 1_000_000


def test_sizes_may_have_a_unit() -> None:
    assert convert({"limit-rate": "2M", "limit-rate-per-host": "1.5Ki"}).limit_rate == 2_000_000


def test_our_own_limit_is_no_slow_server(fetch: Fetch, scripted: MakeServer) -> None:
    """A file is not split because of it: each byte is asked for once."""
    body = bytes(range(256)) * 24_000
    server = scripted(serve(body, ETag='"v"'))
    segments = {"segments": 0} if supports_segments(fetch.strategy) else {}
    report = fetch([f"{server.url}/big.bin"], limit_rate=RATE, min_segment_size=65536, jobs=8, **segments)
    assert report.done == 1
    assert len(server.requests) == 1
    assert report.received == len(body)
    assert (fetch.folder / "big.bin").read_bytes() == body


def test_the_rate_holds_on_the_wire(fetch: Fetch, scripted: MakeServer) -> None:
    """What the server has sent is never far ahead of what the limit allows: it is not the buffers of the system that fill."""
    rate, size = 4_000_000, 8_000_000
    sent: list[tuple[float, int]] = []

    def slow(connection: Connection, request: RecordedRequest) -> None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        count = 0
        while count < size and connection.send(b"x" * 20_000):
            count += 20_000
            sent.append((time.monotonic(), count))

    server = scripted(slow)
    report = fetch([f"{server.url}/big.bin"], limit_rate=rate)
    assert report.done == 1
    began = sent[0][0]
    ahead = max(count - rate * (when - began) for when, count in sent)
    assert ahead < 1_000_000
