"""Bodies without an end, and runs that may receive only so many bytes: under every strategy, neither fills a disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from downloader import TotalReached, Unwanted
from tests.support.fetching import Fetch, only_error
from tests.support.files import files_below
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

MEBIBYTE = 1 << 20
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

IN_MEMORY_OR_ON_THE_WAY = 4 * MEBIBYTE
"""More than a block: what one Attempt has collected when it is ended."""


def endless(connection: Connection, request: RecordedRequest) -> None:
    """A chunked body that goes on for as long as somebody reads it."""
    connection.send(reply("200 OK", length=None, ETag='"v"', Transfer_Encoding="chunked"))
    while connection.send(CHUNK):
        pass


def endless_until_closed(connection: Connection, request: RecordedRequest) -> None:
    """The same, delimited by the end of the connection, as in HTTP/1.0."""
    connection.send(reply("200 OK", length=None, Connection="close"))
    while connection.send(CHUNK):
        pass


class Largest:
    """Looks all the time how many bytes the part files of a folder have."""

    def __init__(self, folder: Path) -> None:
        self.bytes = 0
        self._folder = folder
        self._ended = threading.Event()

    def look(self) -> None:
        """Until `end` is called."""
        while not self._ended.wait(0.002):
            self.bytes = max(self.bytes, self._present())

    def _present(self) -> int:
        present = 0
        for path in self._folder.glob("*.part"):
            with suppress(FileNotFoundError):  # it was removed at this moment
                present += path.stat().st_size
        return present

    def end(self) -> None:
        """Look no more."""
        self._ended.set()


@contextmanager
def watched(folder: Path) -> Iterator[Largest]:
    """The most bytes that the part files of a folder have while this runs."""
    largest = Largest(folder)
    thread = threading.Thread(target=largest.look)
    thread.start()
    try:
        yield largest
    finally:
        largest.end()
        thread.join()


@pytest.mark.parametrize("script", [endless, endless_until_closed])
def test_body_without_an_end_is_refused_at_the_largest_size(fetch: Fetch, scripted: MakeServer, script: object) -> None:
    server = scripted(script)
    with watched(fetch.folder) as largest:
        error = only_error(report := fetch([f"{server.url}/a"], max_size=3 * MEBIBYTE))
    assert isinstance(error, Unwanted)
    assert "larger than --max-size" in str(error)
    assert report.exit_code == 10
    assert len(server.requests) == 1
    assert files_below(fetch.folder) == []
    assert largest.bytes <= 3 * MEBIBYTE


def test_body_without_an_end_ends_the_run_at_the_largest_total(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(endless)
    with watched(fetch.folder) as largest:
        report = fetch([f"{server.url}/{name}" for name in "abcdef"], max_total=5 * MEBIBYTE, jobs=2, grace=600.0)
    assert isinstance(report.ended_by, TotalReached)
    assert f"more than {5 * MEBIBYTE} bytes: --max-total" in str(report.ended_by)
    assert (report.exit_code, report.interrupted, report.done) == (10, True, 0)
    assert len(server.requests) <= 2
    assert report.failures == len(server.requests)
    assert largest.bytes <= 2 * (5 * MEBIBYTE + IN_MEMORY_OR_ON_THE_WAY)
    assert all(name.endswith((".part", ".part.meta")) for name in files_below(fetch.folder))


def test_files_of_a_list_that_fit_are_done(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * MEBIBYTE))
    urls = [f"{server.url}/{number}" for number in range(9)]
    report = fetch(urls, max_total=3 * MEBIBYTE, jobs=1)
    assert report.exit_code == 10
    if fetch.strategy in ("serial", "threads", "async", "multiplex"):
        assert (report.done, report.failures) == (3, 1)
    else:  # the last batch of a worker is counted when it is over; the worker itself has received no more than the limit
        assert 1 <= report.done <= 6
    assert report.done + report.failures < len(urls)
    assert f"more than {3 * MEBIBYTE} bytes: --max-total" in str(report.ended_by)
    again = fetch(urls[: report.done + 3], max_total=3 * MEBIBYTE, jobs=1)  # counts from 0; files that exist cost nothing
    assert (again.exit_code, again.done, again.ended_by) == (0, 3, None)


def test_retries_count(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * MEBIBYTE, length=2 * MEBIBYTE))
    report = fetch([f"{server.url}/a"], max_total=3 * MEBIBYTE, retries=1000)
    assert isinstance(report.ended_by, TotalReached)
    assert len(server.requests) >= 4
