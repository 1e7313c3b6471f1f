"""The library as its users call it: from a script, from a running event loop, from threads."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

import downloader
from downloader import Download, Downloader, HTTPStatusError, Status, UsageError
from downloader.testserver.launch import TestServer
from tests.support.files import names_in
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport


def test_list_file_urls_and_downloads(server: TestServer, tmp_path: Path) -> None:
    listing = tmp_path / "urls.txt"
    listing.write_text(f"{server.file(1, 10)}\n")
    assert downloader.download(str(listing), tmp_path / "a", strategy="threads", jobs=4).done == 1
    assert downloader.download(listing, tmp_path / "b").done == 1
    assert downloader.download(server.file(1, 10), tmp_path / "c").done == 1
    mixed = [server.file(1, 10), Download(server.file(2, 10), out="two")]
    report = downloader.download(mixed, tmp_path / "d")
    assert sorted(result.path for result in report.results) == ["1.bin", "two"]
    assert report.elapsed > 0


def test_report_raises_what_failed(server: TestServer, tmp_path: Path) -> None:
    good = downloader.download([server.file(1, 10)], tmp_path)
    good.raise_for_errors()
    one = downloader.download([f"{server.url}/missing"], tmp_path)
    with pytest.raises(HTTPStatusError) as caught:
        one.raise_for_errors()
    assert caught.value.status == 404
    two = downloader.download([f"{server.url}/missing", f"{server.url}/missing2"], tmp_path)
    assert [result.status for result in two.failed] == [Status.FAILED] * 2
    with pytest.raises(ExceptionGroup, match="2 downloads failed"):
        two.raise_for_errors()


@pytest.mark.parametrize(
    ("urls", "settings", "said"),
    [
        (["nonsense"], {}, "not a URL"),
        ([3], {}, "neither a URL nor a Download"),
        ("no-such-file.txt", {}, "cannot read the list"),
        ([], {"stratgy": "async"}, "did you mean strategy"),
        ([], {"jobs": "many"}, "jobs"),
        ([], {"strategy": "magic"}, "unknown strategy"),
    ],
)
def test_wrong_use_is_told_before_anything_starts(tmp_path: Path, urls: object, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        downloader.download(urls, tmp_path, **settings)  # type: ignore[arg-type]


def test_error_of_a_callers_iterator_is_the_callers(server: TestServer, tmp_path: Path, strategy: str) -> None:
    def urls() -> object:
        yield server.file(1, 10)
        raise LookupError("the database has gone")

    with pytest.raises(LookupError, match="the database has gone"):
        downloader.download(urls(), tmp_path, strategy=strategy, jobs=2)  # type: ignore[arg-type]
    assert (tmp_path / "1.bin").exists()


def test_within_a_running_loop(server: TestServer, tmp_path: Path, strategy: str) -> None:
    async def notebook() -> None:
        assert downloader.download([server.file(1, 10)], tmp_path, strategy=strategy, jobs=2).done == 1
        report = await downloader.adownload([server.file(2, 10), f"{server.url}/missing"], tmp_path, strategy=strategy, jobs=2)
        assert (report.done, report.failures) == (1, 1)

    asyncio.run(notebook())


def test_stream_gives_each_result_as_it_comes(server: TestServer, tmp_path: Path, strategy: str) -> None:
    async def main() -> list[str]:
        async with Downloader(tmp_path, strategy=strategy, jobs=2) as downloads:
            return [result.path async for result in downloads.stream([server.file(number, 10) for number in range(50)])]

    assert sorted(asyncio.run(main())) == sorted(f"{number}.bin" for number in range(50))


def test_interrupt_while_waiting_for_a_run_stops_it(
    scripted: MakeServer, tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> bool:
        raise KeyboardInterrupt

    def answers_after_the_stop(connection: Connection, request: RecordedRequest) -> None:
        until = time.monotonic() + 5
        while not session.run.stopping and time.monotonic() < until:
            time.sleep(0.01)
        connection.send(reply("200 OK", b"x"))

    server = scripted(answers_after_the_stop)
    session = Downloader(tmp_path, strategy=strategy, jobs=1).session([f"{server.url}/{number}" for number in range(3)])
    monkeypatch.setattr(session, "wait", interrupted)
    session.start()
    with pytest.raises(KeyboardInterrupt):
        session.join()
    assert session.report.interrupted
    assert session.report.done <= 1


def test_stream_that_is_left_stops_the_run(scripted: MakeServer, tmp_path: Path, strategy: str) -> None:
    asked_twice = threading.Event()

    def first_only(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/0":
            connection.send(reply("200 OK", b"x"))
        else:
            asked_twice.set()
            connection.hang()

    server = scripted(first_only)

    async def main() -> None:
        async with Downloader(tmp_path, strategy=strategy, jobs=1, grace=0.1) as downloads:
            results = downloads.stream([f"{server.url}/{number}" for number in range(20)])
            async for result in results:
                assert result.path == "0"
                break
            await results.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert len(server.requests) <= 2


def test_many_runs_at_once_share_one_loop(server: TestServer, tmp_path: Path, strategy: str) -> None:
    async def main() -> list[downloader.Report]:
        runs = [
            downloader.adownload([server.file(n, 1000) for n in range(5)], tmp_path / str(k), strategy=strategy, jobs=2)
            for k in range(6)
        ]
        return await asyncio.gather(*runs)

    assert [report.done for report in asyncio.run(main())] == [5] * 6


def test_from_several_threads_at_once(server: TestServer, tmp_path: Path, strategy: str) -> None:
    reports: list[downloader.Report] = []

    def run(number: int) -> None:
        urls = [server.file(n, 1000) for n in range(5)]
        reports.append(downloader.download(urls, tmp_path / str(number), strategy=strategy, jobs=2))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.done for report in reports] == [5] * 3


def test_two_runs_into_one_folder_do_not_spoil_each_other(server: TestServer, tmp_path: Path, strategy: str) -> None:
    urls = [server.file(number, 200_000, rate=2_000_000) for number in range(6)]

    async def main() -> list[downloader.Report]:
        settings = {"strategy": strategy, "jobs": 2, "retries": 10, "retry_wait": 0.05}
        runs = [downloader.adownload(urls, tmp_path, **settings) for _ in range(2)]
        return await asyncio.gather(*runs)

    reports = asyncio.run(main())
    assert [report.failures for report in reports] == [0, 0]
    assert sum(report.done for report in reports) >= 6
    for number in range(6):
        from downloader.testserver import content

        assert (tmp_path / f"{number}.bin").read_bytes() == content.body(number, 0, 200_000)
    assert names_in(tmp_path) == [f"{number}.bin" for number in range(6)]
