"""Large files in several Segments, for every strategy: which of them ask for ranges, and that nothing is ever mixed."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from downloader import Download, Downloader, Interrupted
from downloader.core.facts import Checksum
from downloader.core.spans import byte_count
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile
from downloader.testserver import content
from tests.support.fetching import Fetch
from tests.support.files import assert_only_file, names_in
from tests.support.origin import BODY, SIZE, Origin
from tests.support.processes import wait_until
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport, supports_segments

pytestmark = quick_for_each_transport

OTHER = content.body(2, 0, SIZE)
SUM = Checksum("sha256", hashlib.sha256(BODY).hexdigest())


@pytest.fixture(params=["threads", "async", "multiplex", "hybrid", "gevent", "auto"])
def strategy(request: pytest.FixtureRequest) -> str:
    """Each strategy that splits files."""
    name: str = request.param
    return name


@pytest.mark.parametrize("unable", ["serial", "processes"])
def test_strategies_that_do_not_split_ask_for_no_range(unable: str, tmp_path: Path, scripted: MakeServer) -> None:
    assert not supports_segments(unable)
    origin = Origin(holds=False)
    server = scripted(origin)
    assert Downloader(tmp_path, strategy=unable, jobs=4).run([f"{server.url}/a"]).done == 1
    assert origin.spans == []


def test_a_large_file_comes_in_parallel_ranges(fetch: Fetch, scripted: MakeServer) -> None:
    assert supports_segments(fetch.strategy)
    origin = Origin(until=3)
    server = scripted(origin)
    report = fetch([f"{server.url}/a"], jobs=4, segments=4)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)
    assert len(origin.spans) >= 3
    (result,) = report.results
    assert (result.bytes, result.attempts >= 4) == (SIZE, True)


def test_in_one_segment_no_range_is_asked_for(fetch: Fetch, scripted: MakeServer) -> None:
    origin = Origin(holds=False)
    server = scripted(origin)
    assert fetch([f"{server.url}/a"], jobs=4, segments=1).done == 1
    assert_only_file(fetch.folder, "a", BODY)
    assert origin.spans == []


def test_a_slow_file_is_split_unasked(fetch: Fetch, scripted: MakeServer) -> None:
    origin = Origin(drips=True)
    server = scripted(origin)
    report = fetch([f"{server.url}/a"], jobs=4)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)
    assert origin.spans


def reset(connection: Connection, start: int, stop: int, body: bytes = BODY) -> None:
    """Half of it, and a reset."""
    where = f"bytes {start}-{stop - 1}/{SIZE}"
    connection.send(
        reply("206 Partial Content", body[start : (start + stop) // 2], stop - start, ETag='"v1"', Content_Range=where)
    )
    time.sleep(0.05)
    connection.reset()


def unavailable(connection: Connection, start: int, stop: int) -> None:
    """503."""
    connection.send(reply("503 Service Unavailable"))


def short(connection: Connection, start: int, stop: int) -> None:
    """Fewer bytes than were asked for."""
    stop = start + (stop - start) // 2
    where = f"bytes {start}-{stop - 1}/{SIZE}"
    connection.send(reply("206 Partial Content", BODY[start:stop], ETag='"v1"', Content_Range=where))


def once(script: Callable[[Connection, int, int], None]) -> Callable[[Connection, int, int], bool]:
    """For the first range alone."""
    left, lock = [script], threading.Lock()

    def special(connection: Connection, start: int, stop: int) -> bool:
        with lock:
            now = left.pop() if left else None
        if now is not None:
            now(connection, start, stop)
        return now is not None

    return special


@pytest.mark.parametrize("script", [reset, unavailable, short])
def test_trouble_in_one_segment_is_mended_there(
    fetch: Fetch, scripted: MakeServer, script: Callable[[Connection, int, int], None]
) -> None:
    origin = Origin(special=once(script))
    server = scripted(origin)
    report = fetch([f"{server.url}/a"], jobs=3, segments=3)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)


def test_a_server_that_serves_one_connection_alone_is_enough(fetch: Fetch, scripted: MakeServer) -> None:
    def busy(connection: Connection, start: int, stop: int) -> bool:
        refused = not done.wait(0)
        if refused:
            unavailable(connection, start, stop)
        if len(origin.spans) >= 2:
            done.set()
        return refused

    done = threading.Event()  # with the first, which waits until the others have been refused for good
    origin = Origin(special=busy, until=2)
    server = scripted(origin)
    report = fetch([f"{server.url}/a"], jobs=2, segments=2, retries=1)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)


def test_a_file_that_changes_under_way_is_never_mixed(fetch: Fetch, scripted: MakeServer) -> None:
    old, new = Origin(hangs=True), Origin(OTHER, '"v2"', holds=False)

    def script(connection: Connection, request: RecordedRequest) -> None:
        (old if request is server.requests[0] else new)(connection, request)

    server = scripted(script)
    report = fetch([f"{server.url}/a"], jobs=4, segments=4, low_speed_time=600.0)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", OTHER)


def test_the_end_does_not_wait_for_a_connection_that_crawls(fetch: Fetch, scripted: MakeServer) -> None:
    """It never ends while the test runs."""

    def crawl(connection: Connection, start: int, stop: int) -> None:
        where = f"bytes {start}-{stop - 1}/{SIZE}"
        head = reply("206 Partial Content", BODY[start : start + 1000], stop - start, ETag='"v1"', Content_Range=where)
        connection.send(head)
        connection.hang()

    origin = Origin(special=once(crawl))
    server = scripted(origin)
    report = fetch([f"{server.url}/a"], jobs=4, segments=4, low_speed_time=600.0)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)


# --- mirrors


def fetch_from_two(
    fetch: Fetch, scripted: MakeServer, first: Origin, second: Origin, **values: object
) -> tuple[object, list[int]]:
    """A file from two servers: the report, and how many ranges each was asked for."""
    one, two = scripted(first), scripted(second)
    first.second_event = second.ranged
    download = Download(f"{one.url}/a", mirrors=(f"{two.url}/b",), **values)  # type: ignore[arg-type]
    report = fetch([download], jobs=4, segments=4, retries=4)
    assert (report.failed, report.done) == ([], 1)
    assert_only_file(fetch.folder, "a", BODY)
    return report, [len(first.spans), len(second.spans)]


def test_mirrors_serve_different_segments(fetch: Fetch, scripted: MakeServer) -> None:
    _, counts = fetch_from_two(fetch, scripted, Origin(), Origin())
    assert min(counts) >= 1


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error"])
def test_a_mirror_that_fails_is_left_out(fetch: Fetch, scripted: MakeServer, status: str) -> None:
    def refuse(connection: Connection, start: int, stop: int) -> bool:
        connection.send(reply(status))
        return True

    fetch_from_two(fetch, scripted, Origin(), Origin(special=refuse))


@pytest.mark.parametrize(
    ("sums", "etag"),
    [((), '"v2"'), ((SUM,), '"v1"'), ((SUM,), '"v2"')],  # without a checksum, one that lies about its version is believed
    ids=["no checksum", "a checksum, the same version", "a checksum"],
)
def test_a_mirror_with_another_file_spoils_nothing(
    fetch: Fetch, scripted: MakeServer, sums: tuple[Checksum, ...], etag: str
) -> None:
    report, _ = fetch_from_two(fetch, scripted, Origin(), Origin(OTHER, etag, holds=False), checksums=sums)
    assert report.verified == len(sums)  # type: ignore[attr-defined]


def test_a_mirror_with_another_etag_is_used_if_a_checksum_is_known(fetch: Fetch, scripted: MakeServer) -> None:
    _, counts = fetch_from_two(fetch, scripted, Origin(), Origin(etag='"m"'), checksums=(SUM,))
    assert min(counts) >= 1


# --- stopped, and killed


def bytes_kept(folder: Path, source: str) -> int:
    """How many bytes of the file the next run need not request."""
    other = Folder(str(folder))
    found = PartFile(other, "a", source).resume_info()
    other.close()
    return byte_count(found.spans) if found.spans else found.size


def send_half(connection: Connection, start: int, stop: int) -> bool:
    """Half of each range, and then nothing more."""
    where = f"bytes {start}-{stop - 1}/{SIZE}"
    body = BODY[start : (start + stop) // 2]
    connection.send(reply("206 Partial Content", body, stop - start, ETag='"v1"', Content_Range=where))
    connection.hang()
    return True


def test_a_stopped_run_goes_on_at_each_gap(strategy: str, tmp_path: Path, scripted: MakeServer) -> None:
    origin = Origin(special=send_half, hangs=True)
    server = scripted(origin)
    downloads = Downloader(tmp_path, strategy=strategy, jobs=3, segments=3, grace=0.2)
    session = downloads.session([f"{server.url}/a"]).start()
    wait_until(lambda: len(origin.spans) >= 2 and session.stats.received > 3_000_000)
    session.stop()
    report = session.join()
    assert [type(result.error) for result in report.failed] == [Interrupted]
    before = bytes_kept(tmp_path, f"{server.url}/a")
    assert before > 2_000_000
    origin.special = None
    origin.spans.clear()
    again = Downloader(tmp_path, strategy=strategy, jobs=3, segments=1).run([f"{server.url}/a"])
    assert (again.failed, again.done) == ([], 1)
    assert (tmp_path / "a").read_bytes() == BODY
    assert again.received == SIZE - before
    assert names_in(tmp_path) == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_a_killed_run_goes_on_at_each_gap(strategy: str, tmp_path: Path, scripted: MakeServer, turn: int) -> None:
    """SIGKILL in the middle of a file in several Segments, twice; then to its end."""
    size = 24_000_000
    body = content.body(3, 0, size)
    served = [0]
    lock = threading.Lock()

    def slowly(connection: Connection, request: RecordedRequest) -> None:
        start, stop = request.range_of(size) or (0, size)
        ranged = "range" in request.headers
        where = {"Content_Range": f"bytes {start}-{stop - 1}/{size}"} if ranged else {"Accept_Ranges": "bytes"}
        status = "206 Partial Content" if ranged else "200 OK"
        connection.send(reply(status, length=stop - start, ETag='"v1"', **where))
        for at in range(start, stop, 100_000):
            piece = body[at : min(at + 100_000, stop)]
            with lock:
                served[0] += len(piece)
            if not connection.send(piece):
                return
            time.sleep(0.02)

    server = scripted(slowly)
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "downloader", f"{server.url}/a", "-s", strategy, "-d", str(folder), "--segments", "4"]
    before = 0
    for kill in range(2):
        process = subprocess.Popen([*command, "-j", "4"], stderr=subprocess.PIPE, start_new_session=True)
        wanted = before + (6 + turn) * 1_000_000
        start = served[0]
        wait_until(lambda: served[0] - start > wanted - before or process.poll() is not None)  # noqa: B023 - called at once
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        found = bytes_kept(folder, f"{server.url}/a")
        assert found >= before, "what was complete is complete"
        before = found
        on_disk = (folder / "a.part").read_bytes()
        other = Folder(str(folder))
        spans = PartFile(other, "a", f"{server.url}/a").resume_info().spans
        other.close()
        assert all(on_disk[begin:end] == body[begin:end] for begin, end in spans), kill
    start = served[0]
    report = Downloader(folder, strategy=strategy, jobs=4, segments=1 if turn == 0 else 4).run([f"{server.url}/a"])
    assert (report.failed, report.done) == ([], 1)
    assert (folder / "a").read_bytes() == body
    assert names_in(folder) == ["a"]
    if turn == 0:
        assert report.received == size - before, "nothing that was complete came again"
