"""A host that never answers costs the list a few time-outs, under every strategy; one that has answered is not given up."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from downloader import Downloader
from downloader.errors import NetworkError, NoAnswer
from tests.support.fetching import Fetch
from tests.support.scripted import Connection, MakeServer, RecordedRequest, hang, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

ENOUGH = 30.0
"""Seconds in which a run of these tests must have ended; none takes a tenth of it."""


@pytest.fixture
def deaf() -> Iterator[str]:
    """A URL of a port whose queue is full: no connection is ever made there, and none is refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield "http://{}:{}".format(*listener.getsockname())


def test_a_host_to_which_no_connection_can_be_made_is_given_up(fetch: Fetch, deaf: str, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"body"))
    urls = [f"{deaf}/{number}" for number in range(30)] + [f"{server.url}/good"]
    report = fetch(urls, connect_timeout=0.3, retries=9, host_failures=3)
    assert (report.done, report.failures) == (1, 30)
    assert all(isinstance(result.error, NoAnswer) for result in report.failed)
    told = re.search(r"the host never answered: given up after (\d+) attempts", str(report.failed[-1].error))
    assert told is not None
    beyond = 4 if fetch.strategy in ("hybrid", "gevent", "dask") else 0  # their workers may get several Attempts at a time
    assert 3 <= int(told[1]) <= 3 + beyond
    assert sum(result.attempts for result in report.failed) <= 4 + beyond


def test_a_host_that_takes_connections_and_never_answers_is_given_up(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(hang)
    report = fetch([f"{server.url}/{number}" for number in range(30)], low_speed_time=0.3, connect_timeout=0.3, retries=9)
    assert report.failures == 30
    assert all(isinstance(result.error, NoAnswer) for result in report.failed)
    assert len(server.requests) <= 4


def test_the_time_to_connect_does_not_extend_the_wait_for_an_answer(
    strategy: str, tmp_path: Path, scripted: MakeServer
) -> None:
    settings = {"connect_timeout": 3600.0, "low_speed_time": 0.3, "retries": 0}
    session = Downloader(tmp_path, strategy=strategy, **settings).session([f"{scripted(hang).url}/a"])
    session.start()
    ended = session.wait(ENOUGH)
    session.stop()
    assert ended, "it waits for the answer as for a connection"
    assert [type(result.error) for result in session.join().failed] == [NoAnswer]


def test_a_host_that_has_answered_once_gets_all_its_tries(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"body"), hang)
    urls = [f"{server.url}/{number}" for number in range(2)]
    report = fetch(urls, jobs=1, low_speed_time=0.3, connect_timeout=0.3, retries=4)
    assert (report.done, report.failures) == (1, 1)
    assert report.failed[0].attempts == 5


def test_a_body_that_stalls_is_no_host_that_never_answered(fetch: Fetch, scripted: MakeServer) -> None:
    def stall(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", b"some", length=1000))
        connection.hang()

    report = fetch([f"{scripted(stall).url}/a"], low_speed_time=0.3, retries=0)
    (failed,) = report.failed
    assert type(failed.error) is NetworkError
    assert "no data received for 0.3 s" in str(failed.error)
