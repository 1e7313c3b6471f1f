"""The lower bound of a scenario: each part from the list and from a probe of a real server."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from downloader.compare import bound
from downloader.compare.bound import ProbedFile, ProbeSpeed, lower_bound
from downloader.compare.measurements import Bound
from downloader.compare.scenarios import C_WORK, Scenario
from downloader.errors import NetworkError
from downloader.testserver.launch import TestServer

MIB = 1 << 20
URL = "http://127.0.0.1:1/file"
PLAIN = Scenario("plain", "nothing", "nothing", files=4, size=1000)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, "PROBE_SECONDS", 0.01)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[ProbedFile]:
    """What was probed; large files come at 100 MiB a second, small ones at 1000 answers a second."""
    asked: list[ProbedFile] = []

    def probe(file: ProbedFile) -> ProbeSpeed:
        asked.append(file)
        return ProbeSpeed(100 * MIB, 1000)

    monkeypatch.setattr(bound, "probe", probe)
    return asked


@pytest.mark.parametrize(
    ("lines", "limit", "seconds"),
    [
        (["1000/0.bin", "1000/1.bin?delay=0.5", "1000/2.bin?delay=0.25"], "latency", 0.5),
        (["1000/0.bin", "1000/1.bin"], "answers", 0.002),
        ([f"{50 * MIB}/0.bin", f"{150 * MIB}/1.bin?rate={200 * MIB}"], "bytes", 2.0),
        (["32768/0.bin?rate=128"], "cap", 1.0),  # 256 connections at most
        (["25600/0.bin?rate=100", "25600/1.bin?rate=100"], "cap", 2.0),
    ],
)
def test_it_is_the_largest_part(probed: list[ProbedFile], lines: list[str], limit: str, seconds: float) -> None:
    found = lower_bound(PLAIN, "".join(f"{URL}/{line}\n" for line in lines), 2)
    assert (found.limit, found.seconds) == (limit, pytest.approx(seconds))


def test_smallest_and_largest_file_are_probed_without_their_wishes(probed: list[ProbedFile]) -> None:
    lines = [f"{URL}/{size}/{number}.bin?delay=3&rate=10&fail=503" for number, size in enumerate((5000, 200_000, 300))]
    found = lower_bound(PLAIN, "\n".join(lines), 2)
    assert [file.url for file in probed] == [f"{URL}/200000/1.bin", f"{URL}/300/2.bin"]
    assert found.answers == pytest.approx(3 / 1000)
    assert found.bytes == pytest.approx(205_300 / (100 * MIB))


def test_work_is_spread_over_all_cores(probed: list[ProbedFile], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def work(function: str, size: int) -> float:
        sizes.append(size)
        return 0.5

    monkeypatch.setattr(bound, "_processing_time", work)
    scenario = Scenario("cpu", "work", "nothing", files=3, size=2000, process=C_WORK)
    found = lower_bound(scenario, "".join(f"{URL}/2000/{number}.bin\n" for number in range(3)), 2)
    assert (found.work, found.limit, sizes) == (0.75, "work", [2000])


def test_work_is_that_of_the_function_itself(probed: list[ProbedFile]) -> None:
    def work(size: int) -> float:
        scenario = Scenario("cpu", "work", "nothing", files=1, size=size, process=C_WORK)
        return lower_bound(scenario, f"{URL}/{size}/0.bin\n", 1).work

    assert 0 < work(100) < work(1 << 20)


@pytest.mark.parametrize("size", [300, 100_000, 2 * MIB])
def test_server_is_probed(server: TestServer, size: int) -> None:
    found = bound.probe(ProbedFile(server.file(0, size), size, 0.0, 0.0))
    assert found.answers > 0
    assert size < found.bytes / found.answers < size + 1000  # a head, too


def test_work_is_measured_in_cpu_time(probed: list[ProbedFile], monkeypatch: pytest.MonkeyPatch) -> None:
    def find(function: str) -> Callable[[object], None]:
        return lambda part: time.sleep(0.02)  # as where others have the processor

    monkeypatch.setattr(bound, "find", find)
    scenario = Scenario("cpu", "nothing", "nothing", files=1, size=1000, process="m:f")
    assert lower_bound(scenario, f"{URL}/1000/0.bin\n", 1).work < 0.02


@pytest.mark.parametrize(
    ("best_run", "seconds", "limit"),
    [(5.0, 1.0, "work"), (0.8, 0.8, "work"), (0.0, 1.0, "work")],
    ids=["above", "below", "none"],
)
def test_best_of_two_looks_is_kept_and_is_no_more_than_the_best_run(best_run: float, seconds: float, limit: str) -> None:
    busy, calm = Bound(3.0, latency=0.5, bytes=0.1, work=3.0), Bound(1.0, latency=0.5, bytes=0.2, work=1.0)
    for pair in ((busy, calm), (calm, busy)):
        found = bound.tightened(*pair, best_run)
        assert (found.seconds, found.latency, found.bytes, found.work, found.limit) == (seconds, 0.5, 0.1, 1.0, limit)


def test_probe_speaks_tls() -> None:
    with TestServer(tls=True) as server:
        found = bound.probe(ProbedFile(server.file(0, 300), 300, 0.0, 0.0))
    assert found.answers > 0


BODY = b"x" * 100
ANSWER = b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 100\r\nDate: now\r\n\r\n" + BODY


@pytest.fixture
def serving() -> Iterator[Callable[..., tuple[str, list[int]]]]:
    """Starts a server that gives this answer to so many requests of each connection, and then ends it."""
    listeners: list[socket.socket] = []

    def start(answer: bytes, most: int) -> tuple[str, list[int]]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        listeners.append(listener)
        ended: list[int] = []

        def serve(connection: socket.socket) -> None:
            left = most
            with connection, contextlib.suppress(OSError):
                while left and (data := connection.recv(65536)):
                    count = min(left, data.count(b"\r\n\r\n"))
                    connection.sendall(answer * count)
                    left -= count
                ended.append(left)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file/100/0.bin", ended

    yield start
    for listener in listeners:
        listener.close()


def test_connections_that_end_are_made_anew(serving: Callable[..., tuple[str, list[int]]]) -> None:
    url, ended = serving(ANSWER, 5)
    found = bound.probe(ProbedFile(url, 100, 0.0, 0.0))
    assert found.bytes == pytest.approx(found.answers * len(ANSWER))
    assert ended.count(0) > bound.SMALL_FILE_SHAPE.connections


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b""])
def test_server_that_does_not_serve_it_is_told(serving: Callable[..., tuple[str, list[int]]], answer: bytes) -> None:
    url, _ = serving(answer, 1)
    with pytest.raises(NetworkError, match="cannot be probed"):
        lower_bound(PLAIN, url, 2)
