"""A run as a script or a notebook watches it: a bar, functions of the caller's, an ordinary loop over the Results."""

import asyncio
import gc
import io
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import downloader
from downloader import Download, Downloader, Progress, Result, Status, UsageError
from downloader.api import downloader as apis
from downloader.testserver.launch import TestServer
from tests.support.files import names_in
from tests.support.scripted import Connection, MakeServer, RecordedRequest, answer_only, hang, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """No thread of a run outlives it."""
    before = set(threading.enumerate())
    yield
    late = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("dl-")]
    for thread in late:
        thread.join(20)
    assert [thread.name for thread in late if thread.is_alive()] == []


def ways(urls: Any, folder: Path, **watch: Any) -> dict[str, Callable[[], object]]:
    """Each way to fetch a list, by its name."""

    async def loop() -> None:
        async with Downloader(folder) as fetcher:
            async for _ in fetcher.stream(urls, **watch):
                pass

    return {
        "download": lambda: downloader.download(urls, folder, **watch),
        "run": lambda: Downloader(folder).run(urls, **watch),
        "adownload": lambda: asyncio.run(downloader.adownload(urls, folder, **watch)),
        "stream": lambda: list(downloader.stream(urls, folder, **watch)),
        "results": lambda: list(Downloader(folder).results(urls, **watch)),
        "async stream": lambda: asyncio.run(loop()),
    }


WAYS = list(ways([], Path()))


# --- what is shown


@pytest.mark.parametrize("way", WAYS)
def test_functions_are_called_with_each_result_and_with_the_progress(way: str, server: TestServer, tmp_path: Path) -> None:
    frames: list[Progress] = []
    results: list[Result] = []
    threads: set[str] = set()

    def on_progress(progress: Progress) -> None:
        frames.append(progress)
        threads.add(threading.current_thread().name)

    urls = [*(server.file(number, 1000) for number in range(5)), f"{server.url}/missing"]
    ways(urls, tmp_path, on_progress=on_progress, on_result=results.append)[way]()
    assert sorted(result.status for result in results) == [Status.DONE] * 5 + [Status.FAILED]
    assert threads == {"dl-progress"}
    last = frames[-1]
    assert (last.done, last.skipped, last.failed, last.total, last.bytes, last.bytes_total) == (5, 0, 1, 6, 5000, 5000)
    assert (last.seconds_left, last.waiting) == (0.0, "")
    assert pickle.loads(pickle.dumps(last)) == last


@pytest.mark.parametrize("way", WAYS)
def test_bar_is_drawn_and_left_complete(
    way: str, server: TestServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ways([server.file(number, 1000) for number in range(5)], tmp_path, progress=True)[way]()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    last = err.rpartition("\r")[2]
    assert last.startswith("100%|")
    assert "5/5 files [" in last
    assert err.count("\n") == 1


def test_nothing_is_drawn_unless_asked_for(server: TestServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    downloader.download([server.file(1, 10)], tmp_path)
    assert capsys.readouterr() == ("", "")


def test_bar_is_closed_when_the_run_fails(server: TestServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def urls() -> Iterator[str]:
        yield server.file(1, 10)
        raise LookupError("the database has gone")

    with pytest.raises(LookupError):
        downloader.download(urls(), tmp_path, progress=True)
    err = capsys.readouterr().err
    assert err.endswith("\n")
    assert "1 files [" in err.rpartition("\r")[2]


class Full(io.StringIO):
    """A stream on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", ["closed", "none", "full"])
def test_bar_that_nobody_can_see_does_not_end_the_run(
    stream: str, server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = {"closed": io.StringIO(), "none": None, "full": Full()}
    streams["closed"].close()  # type: ignore[union-attr]
    monkeypatch.setattr("sys.stderr", streams[stream])
    assert downloader.download([server.file(1, 10)], tmp_path, progress=True).done == 1
    seen = io.StringIO()
    monkeypatch.setattr("sys.stderr", seen)
    downloader.download([server.file(2, 10)], tmp_path, progress=True)  # the next bar is drawn
    assert "1/1 files" in seen.getvalue()


def test_run_without_a_known_length_says_so(server: TestServer, tmp_path: Path) -> None:
    frames: list[Progress] = []
    downloader.download(iter([server.file(1, 10)]), tmp_path, on_progress=frames.append)
    assert (frames[-1].done, frames[-1].total, frames[-1].bytes_total) == (1, None, None)


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        ({"progress": "bar"}, "progress: expected True or False, got 'bar'"),
        ({"on_progress": 3}, "on_progress: expected a function, got int"),
        ({"on_result": "print"}, "on_result: expected a function, got str"),
    ],
)
def test_what_cannot_watch_is_told_before_anything_starts(tmp_path: Path, watch: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        downloader.download([], tmp_path, **watch)
    with pytest.raises(UsageError, match="progress is a setting of the command only"):
        Downloader(tmp_path, progress=True)  # type: ignore[call-arg]


# --- what a caller's function raises


@pytest.mark.parametrize("name", ["on_progress", "on_result"])
@pytest.mark.parametrize("way", WAYS)
def test_an_exception_of_a_callback_stops_the_run_and_is_raised(
    way: str, name: str, server: TestServer, tmp_path: Path
) -> None:
    calls: list[object] = []

    def broken(told: object) -> None:
        calls.append(told)
        raise LookupError("a mistake of the caller's")

    urls = [server.file(number, 1000, delay=0.02) for number in range(200)]
    with pytest.raises(LookupError, match="of the caller's"):
        ways(urls, tmp_path, **{name: broken})[way]()
    assert len(calls) == 1
    report = downloader.download(urls, tmp_path)
    assert (report.done + report.skipped, report.failures) == (200, 0)
    assert len(names_in(tmp_path)) == 200


def test_function_that_raises_stops_every_strategy(strategy: str, scripted: MakeServer, tmp_path: Path) -> None:
    def broken(_: object) -> None:
        raise LookupError("a mistake of the caller's")

    urls = [f"{scripted(answer_only('/0', reply('200 OK', b'x'))).url}/{number}" for number in range(20)]
    with pytest.raises(LookupError, match="of the caller's"):
        downloader.download(urls, tmp_path, strategy=strategy, jobs=1, grace=0.1, on_result=broken)
    assert (tmp_path / "0").read_bytes() == b"x"


def test_file_under_way_is_finished_when_a_function_raises(scripted: MakeServer, tmp_path: Path) -> None:
    raised = threading.Event()

    def second_waits(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/1":
            raised.wait(20)
        connection.send(reply("200 OK", b"x"))

    def broken(_: object) -> None:
        threading.Timer(0.2, raised.set).start()
        raise LookupError

    server = scripted(second_waits)
    with pytest.raises(LookupError):
        downloader.download([f"{server.url}/1", f"{server.url}/0"], tmp_path, grace=60.0, on_result=broken)
    assert (tmp_path / "1").read_bytes() == b"x"


# --- the loop


def test_loop_gets_each_result(strategy: str, server: TestServer, tmp_path: Path) -> None:
    urls = [*(server.file(number, 10) for number in range(50)), f"{server.url}/missing"]
    results = downloader.stream(urls, tmp_path, strategy=strategy, jobs=2)
    assert sorted(result.path for result in results) == sorted([*(f"{number}.bin" for number in range(50)), "missing"])
    assert (results.report.done, results.report.failures, results.report.failed) == (50, 1, [])
    assert next(results, None) is None


def test_wrong_use_is_told_by_the_call_itself(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a URL"):
        downloader.stream(["nonsense"], tmp_path)


@pytest.mark.parametrize("left_by", ["break", "close", "with", "garbage"])
def test_loop_that_is_left_stops_the_run(left_by: str, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(answer_only("/0", reply("200 OK", b"x")))
    urls = [f"{server.url}/{number}" for number in range(20)]

    def begin() -> downloader.Results:
        return downloader.stream(urls, tmp_path, jobs=1, grace=0.1)

    if left_by == "break":
        for result in begin():
            assert result.path == "0"
            break
    elif left_by == "with":
        with begin() as entered:
            assert next(entered).path == "0"
    else:
        results = begin()
        assert next(results).path == "0"
        if left_by == "close":
            results.close()
            results.close()
            assert list(results) == []
        else:
            circle: list[object] = [results]
            circle.append(circle)
            del results, circle
            gc.collect()
    running = [thread for thread in threading.enumerate() if thread.name == "dl-run"]
    for thread in running if left_by == "garbage" else ():  # which another thread may have collected
        thread.join(20)
    assert not any(thread.is_alive() for thread in running)
    assert len(server.requests) <= 2


def test_loop_that_never_begins_stops_the_run_as_well(scripted: MakeServer, tmp_path: Path) -> None:
    urls = [f"{scripted(hang).url}/{number}" for number in range(20)]
    results = downloader.stream(urls, tmp_path, jobs=1, grace=0.1)
    del results
    assert not [thread for thread in threading.enumerate() if thread.name == "dl-run"]


def test_program_that_ends_in_the_midst_of_a_loop_ends(scripted: MakeServer, tmp_path: Path) -> None:
    code = f"""
import downloader
results = downloader.stream(["{scripted(hang).url}/1"], {str(tmp_path)!r}, grace=60.0)
circle = [results]
circle.append(circle)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_interrupt_stops_the_run_and_is_raised(scripted: MakeServer, tmp_path: Path) -> None:
    requested = threading.Event()

    def hang(connection: Connection, _: RecordedRequest) -> None:
        requested.set()
        connection.hang()

    code = f"""
import downloader, threading
try:
    for result in downloader.stream(["{scripted(hang).url}/1"], {str(tmp_path)!r}, grace=0.1, on_progress=lambda _: None):
        pass
except KeyboardInterrupt:
    print("interrupted", [thread.name for thread in threading.enumerate() if thread.name.startswith("dl-")])
"""

    def heed() -> None:  # whoever started these tests may ignore it, as a shell's background does
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, preexec_fn=heed) as script:
        assert requested.wait(30)
        script.send_signal(signal.SIGINT)
        assert script.communicate(timeout=30)[0] == "interrupted []\n"


def test_run_may_be_left_from_one_of_its_own_functions(server: TestServer, tmp_path: Path) -> None:
    def leave(_: Result) -> None:
        results.close()

    ready = threading.Event()
    urls = (url for url in [server.file(1, 10), server.file(2, 10)] if ready.wait(20))
    results = downloader.stream(urls, tmp_path, on_result=leave)
    ready.set()
    list(results)
    assert (tmp_path / "1.bin").exists()


def test_what_breaks_the_run_is_raised_after_the_last_result(server: TestServer, tmp_path: Path) -> None:
    def urls() -> Iterator[str]:
        yield server.file(1, 10)
        raise LookupError("the database has gone")

    results = downloader.stream(urls(), tmp_path)
    assert next(results).path == "1.bin"
    with pytest.raises(LookupError, match="the database has gone"):
        next(results)
    assert list(results) == []


def test_several_loops_at_once_from_several_threads(server: TestServer, tmp_path: Path) -> None:
    counts: list[int] = []

    def work(number: int) -> None:
        urls = [server.file(item, 100) for item in range(20)]
        counts.append(sum(1 for _ in downloader.stream(urls, tmp_path / str(number), jobs=2)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [20] * 4


def test_several_threads_share_one_loop(server: TestServer, tmp_path: Path) -> None:
    results = downloader.stream([server.file(number, 100) for number in range(60)], tmp_path, jobs=2)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(result.path for result in results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"{number}.bin" for number in range(60))


@pytest.mark.parametrize("kind", ["iterator", "list", "async"])
def test_slow_reader_holds_the_list_back(
    kind: str, server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apis, "MAX_WAITING_RESULTS", 10)
    count, read_ahead = 4000, 1024 + 1024  # of the iterator by its thread, and of the list by the run
    read = told = 0

    def urls() -> Iterator[str]:
        nonlocal read
        for _ in range(count):  # the first is fetched; each other is a duplicate, and ends at once
            read += 1
            yield server.file(1, 10)

    def on_result(_: Result) -> None:
        nonlocal told
        told += 1

    async def loop() -> int:
        taken = 0
        async for _ in Downloader(tmp_path).stream(urls(), on_result=on_result):
            taken += 1
            if taken == 1:
                time.sleep(0.4)
                assert told <= 10 + 1024
                assert read <= 10 + read_ahead
        return taken

    if kind == "async":
        assert asyncio.run(loop()) == count
        return
    results = Downloader(tmp_path).results(urls() if kind == "iterator" else list(urls()), on_result=on_result)
    next(results)
    time.sleep(0.4)
    assert told <= 10 + 1024
    if kind == "iterator":
        assert read <= 10 + read_ahead
    assert sum(1 for _ in results) == count - 1


def test_headers_of_a_download_may_be_a_dict(scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    downloader.download(Download(f"{server.url}/a", headers={"X-Key": "b"}), tmp_path)
    assert server.requests[0].headers["x-key"] == "b"
