"""Lists of every kind as a user gives them: files, standard input, URLs; compressed, wrong, truncated."""

import base64
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import downloader
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.files import files_below


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def table(server: TestServer, count: int = 3) -> str:
    """A table with this many files of the test server: a URL, a name, a digest, and a caption."""
    rows = [
        f'{number},{server.file(number, 1000)},d/{number}.bin,{content.sha256(number, 1000)},"a, ""b"""\n'
        for number in range(count)
    ]
    return "id,link,file,sha256,caption\n" + "".join(rows)


UNDERSTOOD = (
    "a table with a header; url: column link, name: column file, sha256: column sha256; 2 other columns go into the report"
)
NAMES = ["d/0.bin", "d/1.bin", "d/2.bin"]


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz", "list.txt", "list"])
def test_a_table_is_fetched_and_verified_under_its_names(server: TestServer, shell: Shell, tmp_path: Path, name: str) -> None:
    data = table(server).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    done = shell(name, "-d", "out")
    assert done.returncode == 0, done.stderr
    assert f"dl: {name}: {UNDERSTOOD}\n" in done.stderr
    assert "3 done" in done.stderr
    assert "3 verified" in done.stderr
    assert [found for found in files_below(tmp_path / "out") if found.startswith("d/")] == NAMES
    assert UNDERSTOOD not in shell(name, "-d", "out", "-q").stderr


def test_a_dry_run_shows_the_entries_of_a_table(server: TestServer, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(table(server, 1))
    done = shell("list.csv", "--dry-run")
    assert done.stdout == f"fetch\t{server.file(0, 1000)}\td/0.bin\n"
    assert UNDERSTOOD in done.stderr
    piped = shell("-", "--dry-run", stdin=table(server, 1))
    assert piped.stdout == done.stdout
    assert UNDERSTOOD in piped.stderr


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until this is true. Fails after a minute."""
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("format_name", ["text", "csv", "jsonl", "gz"])
def test_standard_input_is_fetched_while_it_is_written(server: TestServer, tmp_path: Path, format_name: str) -> None:
    urls = [server.file(number, 1000) for number in range(3)]
    lines = {"csv": ["id,url\n", *(f"x,{url}\n" for url in urls)], "jsonl": [f'{{"link": "{url}"}}\n' for url in urls]}
    rows = [line.encode() for line in lines.get(format_name, [f"{url}\n" for url in urls])]
    if format_name == "gz":
        rows = [gzip.compress(row) for row in rows]
    command = [sys.executable, "-m", "downloader", "-", "-d", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(rows[:-1]))
        wait_until(lambda: (tmp_path / "out" / "0.bin").exists())
        assert process.poll() is None
        process.stdin.write(rows[-1])
        process.stdin.close()
        assert process.wait(60) == 0
    assert sorted(name for name in os.listdir(tmp_path / "out") if name.endswith(".bin")) == ["0.bin", "1.bin", "2.bin"]


def test_a_truncated_file_starts_nothing(server: TestServer, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "list.csv.gz").write_bytes(gzip.compress(table(server).encode())[:-9])
    done = shell("list.csv.gz", "-d", "out")
    assert done.returncode == 2
    assert "dl: list.csv.gz: the gzip data are truncated: they end at byte" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_comes_before_the_end_of_truncated_standard_input_is_fetched(server: TestServer, tmp_path: Path) -> None:
    data = gzip.compress(table(server, 2).encode()) + gzip.compress(b"x")[:-4]
    command = [sys.executable, "-m", "downloader", "-", "-d", "out"]
    done = subprocess.run(command, cwd=tmp_path, input=data, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"2 done" in done.stderr
    assert b"-: the gzip data are truncated" in done.stderr
    assert (tmp_path / "out" / "d" / "1.bin").exists()


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"id,note\n1,x\n", ["--format", "csv"], "no column has URLs (the columns are id, note; --url-column"),
        (b"id,url\n1,http://127.0.0.1:1/\n", ["--url-column", "link"], "there is no column 'link' (the columns are id, url)"),
        (b"PK\x03\x04 workbook", [], "a ZIP archive, or a workbook of Excel"),
        (bytes(range(256)) * 20, [], "binary data"),
        (b"lines\n" * 100, [], "there is no URL in it"),
        (b'id,url\n1,http://127.0.0.1:1/\n2,"http://127.0.0.1:1/' + b"x,\n" * 90_000, [], "that begins in line 3 has no end"),
        (b'{\n "url": "http://127.0.0.1:1/"\n}\n', [], "JSON on several lines"),
        (b"http://127.0.0.1:1/\n", ["--format", "xlsx"], "xlsx"),
    ],
)
def test_what_cannot_be_read_is_one_line_of_error(
    shell: Shell, tmp_path: Path, data: bytes, options: list[str], message: str
) -> None:
    (tmp_path / "list").write_bytes(data)
    done = shell("list", "-d", "out", *options)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if ": a table " not in line]
    assert message in line
    assert "--url-column: " in line or "list" in line or "format" in line
    assert not (tmp_path / "out").exists()


def test_wrong_rows_are_reported_before_anything_starts_or_skipped(server: TestServer, shell: Shell, tmp_path: Path) -> None:
    rows = f"{server.file(0, 10)},ok.bin\nnonsense,x\n{server.file(1, 10)}\n{server.file(1, 10)},../x\n"
    (tmp_path / "list.csv").write_text(f"url,name\n{rows}")
    done = shell("list.csv", "-d", "out")
    assert done.returncode == 2
    assert [line.partition(": ")[2].split(": ")[0] for line in done.stderr.splitlines()[1:4]] == [
        "list.csv:3",
        "list.csv:4",
        "list.csv:5",
    ]
    assert "3 invalid lines, nothing was started" in done.stderr
    done = shell("list.csv", "-d", "out", "--skip-bad-lines")
    assert done.returncode == 0
    assert "1 done" in done.stderr


@pytest.mark.parametrize("content_of_list", ["", "url,name\n", "\n# nothing\n"])
def test_an_empty_list_is_nothing_to_do(shell: Shell, tmp_path: Path, content_of_list: str) -> None:
    (tmp_path / "list").write_text(content_of_list)
    done = shell("list", "-d", "out")
    assert (done.returncode, "the list is empty" in done.stderr) == (0, True)


def test_the_entry_of_a_table_that_failed_is_one_for_another_run(server: TestServer, shell: Shell, tmp_path: Path) -> None:
    digest = content.sha256(0, 1000)
    dead = "http://127.0.0.1:9/x"
    (tmp_path / "list.csv").write_text(f"url,mirror,name,sha256,caption\n{dead},{dead}2,a/b c.bin,{digest},x\n")
    assert shell("list.csv", "-d", "out", "--failed", "failed.txt", "-r", "0").returncode == 4
    again = (tmp_path / "failed.txt").read_text().replace(dead + "2", server.file(0, 1000))
    (tmp_path / "again.txt").write_text(again)
    done = shell("again.txt", "-d", "out", "-r", "0")
    assert done.returncode == 0, done.stderr
    assert "1 verified" in done.stderr
    assert (tmp_path / "out" / "a" / "b c.bin").stat().st_size == 1000


def test_closed_standard_input_is_an_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m downloader - -d out <&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "dl: standard input is closed: there is no list\n")


# --- lists at URLs


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder for temporary files of the command."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_a_list_at_a_url_is_fetched_with_the_headers_and_the_user_of_the_run(
    server: TestServer, httpserver: HTTPServer, shell: Shell, tmp_path: Path, temporary: Path
) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(gzip.compress(table(server).encode()))

    httpserver.expect_request("/moved").respond_with_response(Response(status=302, headers={"Location": "/lists/a.csv.gz"}))
    httpserver.expect_request("/lists/a.csv.gz").respond_with_handler(answer)
    options = ["--format", "csv", "--user", "me:secret", "-H", "X-Key: 5", "--user-agent", "tester"]
    done = shell(httpserver.url_for("/moved?token=secret"), "-d", "out", *options, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert f"/moved?token=***: {UNDERSTOOD}" in done.stderr
    assert "secret" not in done.stderr
    assert [found for found in files_below(tmp_path / "out") if found.startswith("d/")] == NAMES
    (request,) = seen
    assert request.headers["X-Key"] == "5"
    assert request.headers["User-Agent"] == "tester"
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert os.listdir(temporary) == []


def test_lists_at_urls_and_in_files_are_read_together(
    server: TestServer, httpserver: HTTPServer, shell: Shell, tmp_path: Path
) -> None:
    httpserver.expect_request("/a.csv").respond_with_data(table(server, 1))
    (tmp_path / "b.csv").write_text(f"url,name\n{server.file(1, 10)},b\n")
    lists = [httpserver.url_for("/a.csv"), "b.csv", "-"]
    done = shell(*lists, "-d", "out", "--format", "csv", stdin=f"name;url\nc;{server.file(2, 10)}\n")
    assert done.returncode == 0, done.stderr
    found = files_below(tmp_path / "out")
    assert [name for name in found if not name.startswith(".")] == ["b", "c", "d/0.bin"]


def test_a_url_without_a_format_is_a_file(httpserver: HTTPServer, shell: Shell, tmp_path: Path) -> None:
    httpserver.expect_request("/a.csv").respond_with_data("url\nhttp://127.0.0.1:1/\n")
    assert shell(httpserver.url_for("/a.csv"), "-d", "out").returncode == 0
    assert (tmp_path / "out" / "a.csv").read_text().startswith("url\n")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing.csv", "cannot fetch the list: HTTP 404 Not Found"),
        ("/page.csv", "this seems to be XML or a web page, not csv"),
        ("/damaged.csv", "the gzip data are damaged"),
    ],
)
def test_a_list_at_a_url_that_cannot_be_read_starts_nothing(
    httpserver: HTTPServer, shell: Shell, tmp_path: Path, temporary: Path, path: str, message: str
) -> None:
    httpserver.expect_request("/missing.csv").respond_with_data("", status=404)
    httpserver.expect_request("/page.csv").respond_with_data("<html><body>Log in</body></html>")
    httpserver.expect_request("/damaged.csv").respond_with_data(gzip.compress(b"x")[:4] + b"\xff" * 40)
    done = shell(httpserver.url_for(path), "-d", "out", "--format", "csv", TMPDIR=str(temporary))
    assert done.returncode == 2
    assert f"{httpserver.url_for(path)}: {message}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert os.listdir(temporary) == []


def test_a_list_at_a_url_is_fetched_with_the_certificates_of_the_run(shell: Shell, tmp_path: Path) -> None:
    with TestServer(tls=True, lists={"a": "files=2&size=100"}) as secure:
        url = f"{secure.url}/list/a"
        done = shell(url, "-d", "out", "--format", "text")
        assert done.returncode == 2
        assert "cannot fetch the list: the certificate does not verify" in done.stderr
        done = shell(url, "-d", "out", "--format", "text", "--cacert", secure.cacert)
        assert done.returncode == 0, done.stderr
        assert "2 done" in done.stderr


def test_a_list_at_a_url_is_fetched_by_way_of_the_proxy_of_the_run_and_tried_again(
    httpserver: HTTPServer, shell: Shell
) -> None:
    answers = [Response(status=503), Response("url\nhttp://files.invalid/x\n")]
    httpserver.expect_request("/a.csv").respond_with_handler(lambda request: answers.pop(0))
    options = ["--format", "csv", "--proxy", httpserver.url_for("/"), "--retry-wait", "0", "--dry-run"]
    done = shell("http://lists.invalid/a.csv", *options)
    assert (done.returncode, done.stdout) == (0, "fetch\thttp://files.invalid/x\tx\n"), done.stderr
    assert answers == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fetch_of_a_list_and_leaves_no_file(
    httpserver: HTTPServer, tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> Response:
        asked.set()
        go_on.wait(60)
        return Response(b"")

    httpserver.expect_request("/a.csv").respond_with_handler(slow)
    command = [sys.executable, "-m", "downloader", httpserver.url_for("/a.csv"), "-d", "out", "--format", "csv"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert asked.wait(60)
            process.send_signal(number)
            assert process.wait(60) == 128 + number
        finally:
            go_on.set()
            process.kill()
    assert os.listdir(temporary) == []


# --- the library


def test_the_library_reads_the_same_lists(server: TestServer, httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/a.csv").respond_with_data(table(server))
    report = downloader.download(httpserver.url_for("/a.csv"), tmp_path / "out", format="csv")
    assert (report.done, report.failures) == (3, 0)
    (tmp_path / "list.jsonl").write_text(f'{{"picture": "{server.file(7, 10)}", "file": "seven"}}\n')
    report = downloader.download(tmp_path / "list.jsonl", tmp_path / "out", url_column="picture", name_column="file")
    assert (report.done, report.failures) == (1, 0)
    assert (tmp_path / "out" / "seven").stat().st_size == 10
    with pytest.raises(downloader.UsageError, match="there is no column 'x'"):
        downloader.download(tmp_path / "list.jsonl", tmp_path / "out", url_column="x")
