"""Post-processing, and the trace: the same under each strategy."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import downloader
from downloader.engine.attempt.postprocess import name_of
from downloader.errors import ProcessError, UsageError, WorkerError
from downloader.testserver.launch import TestServer
from tests.support import processing_functions
from tests.support.fetching import Fetch
from tests.support.files import names_in
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

MODULE = processing_functions.__name__
ELSEWHERE = ("processes", "hybrid", "auto", "gevent", "dask")
"""Those whose workers are processes of their own."""

SMALL, LARGE = 5_000, 1_500_000

ENOUGH = 60.0
"""Seconds in which a run of these tests must have ended; none takes a tenth of it."""


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
def test_what_the_function_returns_is_in_the_result(fetch: Fetch, server: TestServer, size: int) -> None:
    report = fetch([server.file(number, size) for number in range(3)], process=f"{MODULE}:digest")
    assert (report.done, report.failures) == (3, 0)
    for result in report.results:
        assert result.value == processing_functions.digest(fetch.folder / result.path)


def test_function_sees_the_part_and_no_final_name(fetch: Fetch, server: TestServer, strategy: str) -> None:
    report = fetch([server.file(0, SMALL)], process=f"{MODULE}:state")
    (result,) = report.results
    seen = result.value
    assert isinstance(seen, dict)
    assert seen["part"] == str(fetch.folder / "0.bin.part")
    assert "0.bin" not in seen["names"]
    assert "0.bin.part" in seen["names"]
    assert (seen["process"] != os.getpid()) == (strategy in ELSEWHERE)
    assert names_in(fetch.folder) == ["0.bin"]


def test_file_whose_processing_failed_is_processed_by_the_next_run(fetch: Fetch, server: TestServer) -> None:
    urls = [server.file(number, LARGE) for number in range(3)]
    report = fetch(urls, process=f"{MODULE}:picky")
    assert (report.done, report.failures) == (2, 1)
    (failed,) = report.failed
    assert isinstance(failed.error, ProcessError)
    assert "ValueError: not this one" in str(failed.error)
    assert failed.attempts == 1
    assert report.exit_code == 11
    assert not (fetch.folder / "1.bin").exists()
    again = fetch(urls, process=f"{MODULE}:digest")
    assert (again.done, again.skipped, again.failures, again.received) == (1, 2, 0, 0)
    assert [result.value for result in again.results if result.value] == [processing_functions.digest(fetch.folder / "1.bin")]


@pytest.mark.parametrize(("function", "said"), [("unpicklable", "cannot be pickled"), ("exits", "SystemExit: 3")])
def test_whatever_a_function_does_fails_its_file_alone(fetch: Fetch, server: TestServer, function: str, said: str) -> None:
    report = fetch([server.file(0, SMALL), f"{server.url}/missing"], process=f"{MODULE}:{function}")
    assert report.failures == 2
    assert [type(item.error).__name__ for item in report.failed if "missing" not in item.url] == ["ProcessError"]
    assert any(said in str(item.error) for item in report.failed)


@pytest.mark.parametrize("workers", ["processes", "hybrid", "auto"])
def test_a_file_that_kills_its_worker_is_given_up(server: TestServer, workers: str, tmp_path: Path) -> None:
    urls = [server.file(number, SMALL) for number in (0, 2, 1)]
    run = downloader.Downloader(tmp_path, strategy=workers, jobs=1, retries=1, process=f"{MODULE}:kills_its_process")
    session = run.session(urls).start()
    ended = session.wait(ENOUGH)
    session.stop()
    report = session.join()
    assert ended, "it is tried again and again"
    assert (report.done, [(result.path, type(result.error)) for result in report.failed]) == (2, [("1.bin", WorkerError)])
    assert [slot.name for slot in session.stats.slots if slot.since] == []  # nothing is shown as under way


def test_wrong_bytes_are_never_processed(fetch: Fetch, server: TestServer) -> None:
    wrong = downloader.Download(server.file(0, SMALL), checksums=(downloader.Checksum("sha256", "0" * 64),))
    fetch.folder.mkdir()
    report = fetch([wrong, server.file(1, SMALL)], process=f"{MODULE}:leaves_word")
    assert (report.done, report.failures) == (1, 1)
    assert sorted(path.name for path in fetch.folder.parent.glob("called-*")) == ["called-1.bin.part"]


def test_what_is_there_already_is_not_processed(fetch: Fetch, server: TestServer) -> None:
    urls = [server.file(number, SMALL) for number in range(2)]
    fetch(urls[:1])
    report = fetch(urls, process=f"{MODULE}:digest")
    assert {result.path: result.value is None for result in report.results} == {"0.bin": True, "1.bin": False}


def test_function_may_change_the_part(fetch: Fetch, server: TestServer) -> None:
    report = fetch([server.file(0, SMALL)], process=f"{MODULE}:grows")
    assert report.done == 1
    assert (fetch.folder / "0.bin").read_bytes().endswith(b"more")


def test_trace_tells_when_and_where_each_attempt_ran(server: TestServer, strategy: str, tmp_path: Path) -> None:
    urls = [server.file(number, SMALL) for number in range(5)]
    (tmp_path / "urls.txt").write_text("\n".join([*urls, f"{server.url}/missing"]))
    command = [sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-q", "-s", strategy]
    command += ["-j", "2", "--trace", "t.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 8, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == [*(f"{number}.bin" for number in range(5)), "missing"]
    for line in lines:
        assert 0 < line["started"] <= line["head"] <= line["ended"]
        assert line["end"] == ("failed" if line["path"] == "missing" else "complete")
        assert line["received"] == (SMALL if line["end"] == "complete" else 0)
        assert line["attempt"] == 1
    places: dict[tuple[int, int, int], list[tuple[float, float]]] = {}
    for line in lines:
        places.setdefault((line["process"], line["thread"], line["task"]), []).append((line["started"], line["ended"]))
    if strategy not in ("auto", "hybrid", "dask"):  # which have places for two in each of their loops
        assert len(places) <= 2
    for stretches in places.values():  # nobody does two things at a time
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(stretches)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "expected module:function"),
        (f"{MODULE}:", "expected module:function"),
        ("no.such.module:f", "cannot import no.such.module"),
        (f"{MODULE}:nothing", "has no nothing"),
        (f"{MODULE}:__doc__", "is not a function"),
        ("__main__:something", "has no something"),
    ],
)
def test_name_that_leads_nowhere_is_told_before_anything_starts(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        downloader.download(["http://127.0.0.1:1/x"], tmp_path / "out", process=name)


def test_library_takes_the_function_itself(server: TestServer, tmp_path: Path) -> None:
    report = downloader.download([server.file(0, SMALL)], tmp_path, process=processing_functions.digest)
    assert report.results[0].value == processing_functions.digest(tmp_path / "0.bin")
    assert name_of(processing_functions.Namespace.size) == f"{MODULE}:Namespace.size"
    for function in (lambda part: None, Path("x").exists):
        with pytest.raises(UsageError, match="cannot be found by its name"):
            downloader.download([server.file(0, SMALL)], tmp_path, process=function)


SCRIPT = """
import sys, downloader
def length(part):
    return part.stat().st_size
if __name__ == "__main__":
    try:
        report = downloader.download([sys.argv[1]], "out", strategy=sys.argv[2], process=length)
        print(report.results[0].value)
    except downloader.UsageError as error:
        print("refused:", error)
"""


def test_function_of_a_script(server: TestServer, strategy: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", server.file(0, SMALL), strategy]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    refused = strategy in ("hybrid", "gevent", "dask")
    assert done.stdout.startswith("refused: " if refused else f"{SMALL}\n"), done.stdout


LOGGING = """
import logging, sys, downloader
def length(part):
    return part.stat().st_size
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    report = downloader.download(sys.argv[2:], "out", strategy="auto", process=sys.argv[1])
    print({result.value for result in report.results})
"""


@pytest.mark.parametrize(("module", "elsewhere"), [("__main__", False), ("script", True)])
def test_auto_processes_in_other_processes_where_they_find_the_function(
    server: TestServer, tmp_path: Path, module: str, elsewhere: bool
) -> None:
    (tmp_path / "script.py").write_text(LOGGING)
    urls = [server.file(number, SMALL) for number in range(5)]
    command = [sys.executable, "script.py", f"{module}:length", *urls]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("auto: hybrid, because the files are processed" in done.stdout) is elsewhere
    assert done.stdout.endswith(f"{{{SMALL}}}\n")


@pytest.mark.usefixtures("workers_find_modules")
def test_command_finds_a_module_in_the_folder_it_is_started_in(server: TestServer, strategy: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def length(part):\n    return {'bytes': part.stat().st_size, 1j: 2}\n")
    url = server.file(0, SMALL)
    command = [sys.executable, "-P", "-m", "downloader", url, "-d", "out", "-q", "-s", strategy]
    command += ["--process", "mine:length", "--report", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)["value"]
    assert json.loads(value) == "{'bytes': 5000, 1j: 2}"  # no JSON: as Python shows it
