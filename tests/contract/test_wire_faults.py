"""What happens to connections while a list is fetched: each file ends as it should, under every strategy."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.fetching import Fetch
from tests.support.scripted import Connection, MakeServer, RecordedRequest, answer, reply, reset
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BODY = content.body(5, 0, 3000)


def test_server_that_closes_after_each_answer(fetch: Fetch, scripted: MakeServer) -> None:
    """It does not say so before: a request may meet a connection that is closing, and is sent again."""
    server = scripted(answer(reply("200 OK", BODY)))
    report = fetch([f"{server.url}/{number}" for number in range(40)], retries=10)
    assert (report.done, report.failures) == (40, 0)
    assert all((fetch.folder / str(number)).read_bytes() == BODY for number in range(40))


def test_address_of_ipv6(fetch: Fetch, scripted: MakeServer) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = scripted(reply("302 Found", Location="/b"), reply("200 OK", BODY), host="::1")
    assert fetch([f"{server.url}/a"]).done == 1
    assert [request.headers["host"] for request in server.requests] == [f"[::1]:{server.port}"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["threads", "async", "multiplex", "hybrid", "gevent"])
def test_three_hundred_slow_connections_at_a_time(fetch: Fetch, scripted: MakeServer) -> None:
    """A byte a second on each: none is taken for silent."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", length=5))
        for _ in range(5):
            time.sleep(1)
            connection.send(b"x")

    server = scripted(script)
    report = fetch([f"{server.url}/{number}" for number in range(300)], jobs=300, low_speed_time=30.0)
    assert (report.done, report.failures) == (300, 0)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["serial", "async", "multiplex", "hybrid"])
def test_server_that_is_stopped_for_a_while(fetch: Fetch) -> None:
    """It accepts connections and says nothing: transfers stall, are given up, and end well once it runs again."""
    if not Path("/proc/self/task").exists():
        pytest.skip("children are found by /proc")
    with TestServer() as server:
        urls = [server.file(number, 200_000) for number in range(60)]
        pid = server.process.pid
        workers = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

        def tell(number: int) -> None:
            for process in (pid, *workers):
                os.kill(process, number)

        tell(signal.SIGSTOP)
        later = threading.Timer(1.5, tell, (signal.SIGCONT,))
        later.start()
        try:
            report = fetch(urls, retries=20, host_failures=0, low_speed_time=0.5, connect_timeout=1.0, retry_wait=0.1)
        finally:
            later.join()
    assert (report.done, report.failures) == (60, 0)
    for number in range(60):
        assert (fetch.folder / f"{number}.bin").read_bytes() == content.body(number, 0, 200_000)


def test_a_proxy_that_dies_in_the_middle_and_comes_back(fetch: Fetch, scripted: MakeServer) -> None:
    body = b"x" * 300_000

    def die_in_the_body(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", body[:100_000], length=len(body)))
        connection.reset()

    proxy = scripted(reset, die_in_the_body, reset, reply("200 OK", body))
    report = fetch(["http://files.example/one.bin", "http://files.example/two.bin"], proxy=proxy.url, retries=5)
    assert (report.done, report.failures) == (2, 0)
    assert all(request.path.startswith("http://files.example/") for request in proxy.requests)
    for name in ("one.bin", "two.bin"):
        assert (fetch.folder / name).read_bytes() == body


def test_a_proxy_that_has_gone_is_told_as_such(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = fetch(["http://files.example/one.bin"], proxy=f"http://127.0.0.1:{port}", retries=2)
    (failed,) = report.failed
    assert failed.attempts == 3
    assert str(failed.error).partition(": ")[2].startswith("through the proxy: ")
