"""Files that go to an object store: a real S3 server on loopback, and one that answers with faults."""

import contextlib
import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import downloader
from downloader import FolderError, Report, StoreUnavailable, UsageError
from downloader.storage.object_store import open_store
from downloader.storage.object_upload import SINGLE_PUT_BYTES
from downloader.strategies.registry import BUILT_IN
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.dask_cluster import DaskCluster
from tests.support.fetching import Fetch, only_error
from tests.support.object_stores import S3Server, s3_server
from tests.support.processes import wait_until
from tests.support.scripted import MakeServer, hang
from tests.support.strategies import quick_but_for_processes

LARGE = SINGLE_PUT_BYTES + 3_000_000
"""Bytes of a file that is uploaded in several parts."""

MIDDLE = 3_000_000
"""Bytes of a file that is written to the temporary folder, and uploaded with one request."""

COMMAND = [sys.executable, "-m", "downloader"]
SIZES = (0, 1, *[2000] * 10, MIDDLE)

EMPTY_LISTING = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bucket</Name><Prefix></Prefix><KeyCount>0</KeyCount>'
    "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
)


def of_this_machine(test: Callable[..., None]) -> Callable[..., None]:
    """Run the test for each strategy but `dask`, whose workers have an environment of their own."""
    names = [name for name in BUILT_IN if name != "dask"]
    return quick_but_for_processes(pytest.mark.parametrize("strategy", names)(test))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the user; a folder of temporary files that tests can look into."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))


@pytest.fixture
def credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has the right credentials."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3: S3Server, credentials: None) -> str:
    """A new bucket, and the credentials for it."""
    return s3.new_bucket()


def urls_of(server: TestServer, sizes: tuple[int, ...] = SIZES) -> list[str]:
    """A file of the test server for each of these sizes."""
    return [server.file(number, size) for number, size in enumerate(sizes)]


def bodies(sizes: tuple[int, ...] = SIZES, prefix: str = "") -> dict[str, bytes]:
    """What the objects contain then."""
    return {f"{prefix}{number}.bin": content.body(number, 0, size) for number, size in enumerate(sizes)}


def put(urls: list[str], place: str, s3: S3Server | None = None, **settings: object) -> Report:
    """Download into an object store."""
    quick = {"jobs": 4, "retry_wait": 0.001, "retries": 2, "endpoint_url": s3.url if s3 else ""}
    return downloader.download(urls, place, **{**quick, **settings})


def assert_nothing_left(tmp_path: Path) -> None:
    """The temporary folder of the run was removed."""
    assert os.listdir(tmp_path / "temporary") == []


# --- what every strategy does


@of_this_machine
def test_objects_have_the_bytes_of_the_files(
    fetch: Fetch, server: TestServer, s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    fetch.folder = f"s3://{bucket}/a/b"  # type: ignore[assignment]
    sizes = (*SIZES, LARGE)
    report = fetch(urls_of(server, sizes), endpoint_url=s3.url)
    assert (report.done, report.exit_code) == (len(sizes), 0)
    assert s3.objects(bucket) == bodies(sizes, "a/b/")
    again = fetch(urls_of(server, sizes), endpoint_url=s3.url)
    assert (again.skipped, again.received) == (len(sizes), 0)
    assert_nothing_left(tmp_path)


@of_this_machine
def test_store_that_is_overloaded_gets_each_file_at_last(
    fetch: Fetch, server: TestServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    stored: dict[str, bytes] = {}
    refusals = itertools.count()

    def answer(request: Request) -> Response:
        if request.method == "GET":
            return Response(EMPTY_LISTING, content_type="application/xml")
        if next(refusals) < 6:  # more than obstore tries by itself: one Attempt fails, and is made again
            return Response("<Error><Code>SlowDown</Code></Error>", 503)
        stored[request.path] = request.get_data()
        return Response("", headers={"ETag": '"1"'})

    httpserver.expect_request("/bucket1").respond_with_handler(answer)
    httpserver.expect_request("/bucket1/0.bin").respond_with_handler(answer)
    fetch.folder = "s3://bucket1"  # type: ignore[assignment]
    report = fetch([server.file(0, 2000)], endpoint_url=httpserver.url_for("").rstrip("/"))
    assert (report.done, report.exit_code) == (1, 0)
    assert stored == {"/bucket1/0.bin": content.body(0, 0, 2000)}


@pytest.mark.slow
def test_workers_of_a_cluster_upload(server: TestServer, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    sizes = (*SIZES, LARGE)
    with DaskCluster(tmp_path / "cluster", workers=2, **s3.environment) as cluster:
        settings = {"strategy": "dask", "cluster": str(cluster.file)}
        assert put(urls_of(server, sizes), f"s3://{bucket}", s3, **settings).done == len(sizes)
        assert s3.objects(bucket) == bodies(sizes)
        assert put(urls_of(server, sizes), f"s3://{bucket}", s3, **settings).skipped == len(sizes)
        wait_until(lambda: not list((tmp_path / "temporary").glob("dl-store-*")), "temporary folders are left")


# --- objects that exist


def test_each_object_is_written_by_one_of_two_runs(server: TestServer, s3: S3Server, bucket: str) -> None:
    urls, reports = urls_of(server, (2000,) * 60), []

    def run() -> None:
        reports.append(put(urls, f"s3://{bucket}", s3))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.exit_code for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 60
    assert sum(report.skipped for report in reports) == 60
    assert s3.objects(bucket) == bodies((2000,) * 60)


@pytest.mark.parametrize("size", [2000, MIDDLE, LARGE])
def test_object_that_appears_meanwhile_is_not_replaced(
    s3: S3Server, bucket: str, httpserver: HTTPServer, size: int, tmp_path: Path
) -> None:
    store = s3.store(bucket)

    def answer(request: Request) -> Response:
        store.put("0.bin", b"first")
        return Response(content.body(0, 0, size))

    httpserver.expect_request("/0.bin").respond_with_handler(answer)
    url = httpserver.url_for("/0.bin")
    report = put([url], f"s3://{bucket}", s3)
    assert (report.done, report.skipped, report.exit_code) == (0, 1, 0)
    store.delete("0.bin")
    assert put([url], f"s3://{bucket}", s3, on_exists="fail").failures == 1
    assert s3.objects(bucket) == {"0.bin": b"first"}
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("size", [2000, LARGE])
def test_on_exists(server: TestServer, s3: S3Server, bucket: str, size: int) -> None:
    place, urls = f"s3://{bucket}/deep", urls_of(server, (size,))
    s3.store(bucket).put("deep/0.bin", b"older")
    assert put(urls, place, s3).skipped == 1
    assert put(urls, place, s3, on_exists="fail").failures == 1
    assert s3.objects(bucket) == {"deep/0.bin": b"older"}
    assert put(urls, place, s3, on_exists="rename").done == 1
    assert put(urls, place, s3, on_exists="rename").done == 1
    body = content.body(0, 0, size)
    assert s3.objects(bucket) == {"deep/0.bin": b"older", "deep/0.1.bin": body, "deep/0.2.bin": body}
    assert put(urls, place, s3, on_exists="overwrite").done == 1
    assert s3.objects(bucket)["deep/0.bin"] == body


def test_refresh_asks_with_the_time_of_the_object(s3: S3Server, bucket: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a.txt").respond_with_data(b"text")
    assert put([httpserver.url_for("/a.txt")], f"s3://{bucket}", s3).done == 1
    ((found,),) = [list(page) for page in s3.store(bucket).list()]

    def answer(request: Request) -> Response:
        return Response(status=304 if request.if_modified_since == found["last_modified"].replace(microsecond=0) else 200)

    httpserver.clear()
    httpserver.expect_request("/a.txt").respond_with_handler(answer)
    again = put([httpserver.url_for("/a.txt")], f"s3://{bucket}", s3, on_exists="refresh")
    assert (again.done, again.skipped) == (0, 1)


def test_object_is_verified_against_a_checksum(server: TestServer, s3: S3Server, bucket: str) -> None:
    urls = [
        downloader.Download(server.file(number, size), checksums=(downloader.Checksum("sha256", content.sha256(number, size)),))
        for number, size in ((0, MIDDLE), (1, 2000))
    ]
    s3.store(bucket).put("0.bin", content.body(0, 0, MIDDLE))
    s3.store(bucket).put("1.bin", b"wrong")
    report = put(urls, f"s3://{bucket}", s3)  # type: ignore[arg-type]
    assert (report.done, report.skipped, report.failures) == (1, 1, 0)
    assert s3.objects(bucket) == bodies((MIDDLE, 2000))


def test_object_says_where_it_came_from(s3: S3Server, bucket: str, httpserver: HTTPServer) -> None:
    fields = {"ETag": '"v1"', "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}
    httpserver.expect_request("/a b.png").respond_with_data(b"x", headers=fields, content_type="image/png")
    url = httpserver.url_for("/a%20b.png?q=1").replace("http://", "http://user:secret@")
    assert put([url], f"s3://{bucket}", s3).done == 1
    attributes = s3.store(bucket).get("a b.png").attributes
    assert attributes["Content-Type"] == "image/png"
    assert attributes["sourceetag"] == '"v1"'
    assert attributes["sourcemodified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert attributes["sourceurl"].endswith("/a%20b.png?q=1")
    assert "secret" not in str(attributes)


@pytest.mark.parametrize("on_exists", ["skip", "fail", "rename"])
@pytest.mark.parametrize("size", [2000, MIDDLE])
def test_object_whose_answer_was_lost_is_the_runs_own(
    server: TestServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, on_exists: str, size: int
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    stored: dict[str, Request] = {}

    def answer(request: Request) -> Response:
        if request.method == "HEAD":
            words = stored[request.path].headers.get("x-amz-meta-sourcerun", "")
            return Response(headers={"x-amz-meta-sourcerun": words, "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"})
        assert request.headers["If-None-Match"] == "*"
        if request.path in stored:
            return Response("<Error><Code>PreconditionFailed</Code></Error>", 412)
        request.get_data()
        stored[request.path] = request
        return Response("<Error><Code>InternalError</Code></Error>", 500)

    httpserver.expect_request("/bucket1").respond_with_data(EMPTY_LISTING, content_type="application/xml")
    httpserver.expect_request(re.compile("/bucket1/.*")).respond_with_handler(answer)
    endpoint = httpserver.url_for("").rstrip("/")
    report = put([server.file(0, size)], "s3://bucket1", endpoint_url=endpoint, on_exists=on_exists)
    assert (report.done, report.exit_code) == (1, 0)
    assert list(stored) == ["/bucket1/0.bin"]


# --- what goes wrong


def test_missing_bucket_ends_the_run_before_it_begins(server: TestServer, s3: S3Server, credentials: None) -> None:
    server.reset()
    report = put(urls_of(server), "s3://no-such-bucket/x", s3)
    error = only_error(report)
    assert isinstance(error, FolderError)
    assert error.reason == "the bucket does not exist: cannot use s3://no-such-bucket/x"
    assert report.exit_code == 3


def test_refused_credentials_end_the_run_before_it_begins(
    server: TestServer, s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    error = only_error(put(urls_of(server), f"s3://{bucket}", s3))
    assert isinstance(error, FolderError)
    assert "refuses the credentials (HTTP 403 SignatureDoesNotMatch)" in error.reason
    assert "not-the-secret" not in str(error)


def test_missing_credentials_end_the_run_before_it_begins(
    server: TestServer, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # else a server of the cloud would be asked
    error = only_error(put(urls_of(server), "s3://bucket1", s3))
    assert isinstance(error, FolderError)
    assert error.reason.startswith("no credentials were found")


def test_nobody_at_the_endpoint(server: TestServer, credentials: None) -> None:
    error = only_error(put(urls_of(server), "s3://bucket1", endpoint_url="http://127.0.0.1:1"))
    assert isinstance(error, FolderError)
    assert error.reason == "the object store cannot be reached: connection refused: cannot use s3://bucket1"


def test_run_can_be_stopped_while_the_store_does_not_answer(server: TestServer, scripted: MakeServer) -> None:
    silent = scripted(hang)
    command = ["-d", "s3://bucket1", "--endpoint-url", silent.url, server.file(0, 10)]
    process = Popen([*COMMAND, *command], start_new_session=True, env={**os.environ, "AWS_SKIP_SIGNATURE": "true"})
    wait_until(lambda: silent.requests, "the store is not asked")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130


def test_forbidden_in_the_middle_ends_the_run(
    server: TestServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    httpserver.expect_request("/bucket1").respond_with_data(EMPTY_LISTING, content_type="application/xml")
    httpserver.expect_request("/bucket1/0.bin").respond_with_data(headers={"ETag": '"1"'})
    httpserver.expect_request("/bucket1/1.bin").respond_with_data("<Error><Code>AccessDenied</Code></Error>", 403)
    report = put(
        urls_of(server, (10,) * 50), "s3://bucket1", endpoint_url=httpserver.url_for("").rstrip("/"), strategy="serial"
    )
    error = only_error(report)
    assert isinstance(error, FolderError)
    assert "HTTP 403 AccessDenied" in error.reason
    assert (report.done, report.exit_code) == (1, 3)


@pytest.mark.parametrize(("on_exists", "done"), [("overwrite", 1), ("skip", 0)])
def test_who_may_write_and_not_list_can_overwrite(
    server: TestServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, on_exists: str, done: int
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    httpserver.expect_request("/bucket1").respond_with_data("<Error><Code>AccessDenied</Code></Error>", 403)
    httpserver.expect_request("/bucket1/0.bin").respond_with_data(headers={"ETag": '"1"'})
    endpoint = httpserver.url_for("").rstrip("/")
    report = put([server.file(0, 10)], "s3://bucket1", endpoint_url=endpoint, on_exists=on_exists)
    assert (report.done, report.failures) == (done, 1 - done)


def test_store_on_this_machine_is_reached_without_a_proxy(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    store = open_store(f"s3://{bucket}", s3.url).store
    store.put("a", b"x")
    assert bytes(store.get("a").bytes()) == b"x"


def test_store_that_stays_overloaded_fails_the_file(
    server: TestServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    httpserver.expect_request("/bucket1").respond_with_data(EMPTY_LISTING, content_type="application/xml")
    httpserver.expect_request("/bucket1/0.bin").respond_with_data("<Error><Code>SlowDown</Code></Error>", 503)
    report = put([server.file(0, 10)], "s3://bucket1", endpoint_url=httpserver.url_for("").rstrip("/"), retries=1)
    error = only_error(report)
    assert isinstance(error, StoreUnavailable)
    assert error.reason == "the object store failed (HTTP 503 SlowDown): cannot write '0.bin'"
    assert error.url == server.file(0, 10)


@pytest.mark.slow
def test_killed_upload_leaves_nothing_under_the_name(dl: Shell, server: TestServer, s3: S3Server, bucket: str) -> None:
    size = 200_000_000
    words = ["-d", f"s3://{bucket}", "--endpoint-url", s3.url, server.file(0, size)]
    process = Popen([*COMMAND, *words], start_new_session=True)
    wait_until(lambda: s3.has_uploads(bucket), "no upload begins", unless=lambda: process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert s3.objects(bucket) == {}
    assert dl(*words).returncode == 0
    assert s3.objects(bucket) == {"0.bin": content.body(0, 0, size)}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["threads", "multiplex"])
def test_large_files_need_no_memory(server: TestServer, s3: S3Server, bucket: str, strategy: str) -> None:
    size = 200_000_000
    words = ["-s", strategy, "-d", f"s3://{bucket}", "--endpoint-url", s3.url, server.file(0, size), server.file(1, size)]
    process = Popen([*COMMAND, *words], start_new_session=True)
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, TypeError):  # the process has ended, or has no memory any more
            found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, 1024 * int(found[1])) if found else most
        time.sleep(0.01)
    assert process.returncode == 0
    assert 0 < most < size / 2
    assert s3.store(bucket).head("1.bin")["size"] == size


# --- what cannot be


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"endpoint_url": "ftp://127.0.0.1"}, "not the URL of a server"),
        ({"endpoint_url": "http://user:secret@127.0.0.1"}, "credentials do not belong into the URL"),
    ],
)
def test_what_a_store_cannot_do_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        put(["http://127.0.0.1:1/x"], "s3://bucket1", **settings)
    assert "secret" not in str(caught.value)


def test_hook_needs_a_folder(dl: Shell) -> None:
    done = dl("http://127.0.0.1:1/x", "-d", "s3://bucket1", "--on-complete", "echo {path}")
    assert done.returncode == 2
    assert "--on-complete needs a folder" in done.stderr


@pytest.mark.parametrize("command", [["status"], ["verify"], ["export", "--to", "list.txt"]])
def test_commands_for_folders_say_so(dl: Shell, command: list[str]) -> None:
    done = dl(command[0], "s3://bucket1/x", *command[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dl: s3://bucket1/x is an object store")
