"""Where files go, what they are called, and what stands there already: alike for every strategy."""

import os
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from downloader import Checksum, Download, IntegrityError, NetworkError, PolicyError, Status, StorageError
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.fetching import Fetch, only_error
from tests.support.files import files_below, names_in
from tests.support.scripted import Connection, MakeServer, RecordedRequest, SocksServer, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport


def test_names_come_from_the_url(fetch: Fetch, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data(b"root")
    for path in ("/a/b.txt", "/caf\u00e9.txt", "/con.txt", "/x.part", "/..%2f..%2fetc%2fpasswd"):
        httpserver.expect_request(path.replace("%2f", "/")).respond_with_data(b"x")
    base = httpserver.url_for("").rstrip("/")
    urls = [f"{base}/", *(base + path for path in ("/a/b.txt?q=1#f", "/caf\u00e9.txt", "/con.txt", "/x.part"))]
    report = fetch(urls)
    assert report.failed == []
    assert names_in(fetch.folder) == sorted(["localhost-index.html", "b.txt", "caf\u00e9.txt", "_con.txt", "x.part_"])


def test_same_name_gets_a_digest_the_same_on_every_run(fetch: Fetch, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    urls = [f"{server.url}/{folder}/same.tar.gz" for folder in "abc"]
    first = sorted(result.path for result in fetch(urls).results)
    assert "same.tar.gz" in first
    assert all(name.startswith("same") and name.endswith(".tar.gz") for name in first)
    again = fetch(urls)
    assert (again.skipped, sorted(result.path for result in again.results)) == (3, first)


def test_same_url_a_thousand_times_is_fetched_once(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    report = fetch([f"{server.url}/a"] * 1000)
    assert (report.done, report.skipped, len(server.requests)) == (1, 999, 1)
    assert report.reasons == {"skipped: duplicate": 999}


def test_out_and_dir_may_hold_folders(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    downloads = [
        Download(f"{server.url}/1", out="a/b/c.txt"),
        Download(f"{server.url}/2", dir="a/d"),
        Download(f"{server.url}/3", dir="a/d", out="e.txt"),
    ]
    assert fetch(downloads).done == 3
    found = files_below(fetch.folder)
    assert found == ["a/b/c.txt", "a/d/2", "a/d/e.txt"]


@pytest.mark.parametrize("out", ["../x", "a/../../x", "/etc/x", "~/x", "C:\\x", "..\\x", "a/.. /x"])
def test_path_outside_the_folder_is_refused(fetch: Fetch, scripted: MakeServer, out: str) -> None:
    server = scripted(reply("200 OK", b"x"))
    report = fetch([Download(f"{server.url}/1", out=out)])
    assert isinstance(report.failed[0].error, PolicyError)
    assert server.requests == []


def test_link_that_leads_out_is_never_followed(fetch: Fetch, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    outside = tmp_path / "outside"
    outside.mkdir()
    fetch.folder.mkdir()
    (fetch.folder / "link").symlink_to(outside)
    (fetch.folder / "inner").mkdir()
    (fetch.folder / "good").symlink_to("inner")
    report = fetch([Download(f"{server.url}/1", out="link/x"), Download(f"{server.url}/2", out="good/y")])
    assert [type(result.error) for result in report.failed] == [PolicyError]
    assert list(outside.iterdir()) == []
    assert (fetch.folder / "inner" / "y").read_bytes() == b"x"


def test_part_file_that_is_a_link_is_never_written_through(fetch: Fetch, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    fetch.folder.mkdir()
    (fetch.folder / "a.part").symlink_to(victim)
    report = fetch([f"{server.url}/a"])
    assert isinstance(report.failed[0].error, StorageError)
    assert victim.read_bytes() == b"precious"


def test_final_name_that_is_a_dangling_link_is_replaced(fetch: Fetch, scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"x"))
    fetch.folder.mkdir()
    (fetch.folder / "a").symlink_to(tmp_path / "nowhere")
    assert fetch([f"{server.url}/a"]).done == 1
    assert not (tmp_path / "nowhere").exists()
    assert not (fetch.folder / "a").is_symlink()


def test_folder_where_the_file_should_go_is_an_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (fetch.folder / "a").mkdir(parents=True)
    for on_exists in ("skip", "overwrite", "rename"):
        report = fetch([f"{server.url}/a"], on_exists=on_exists)
        assert isinstance(report.failed[0].error, StorageError)


def test_pipe_where_the_file_should_go_is_no_file(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    fetch.folder.mkdir()
    os.mkfifo(fetch.folder / "a")
    error = only_error(report := fetch([f"{server.url}/a"]))
    assert isinstance(error, StorageError)
    assert "a named pipe, a socket or a device has the name of the file" in str(error)
    assert (report.exit_code, server.requests) == (3, [])
    assert fetch([f"{server.url}/a"], on_exists="overwrite").done == 1
    assert (fetch.folder / "a").read_bytes() == b"x"


def test_file_where_a_folder_should_be_is_an_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    fetch.folder.mkdir()
    (fetch.folder / "a").write_bytes(b"file")
    report = fetch([Download(f"{server.url}/1", out="a/b")])
    assert isinstance(report.failed[0].error, StorageError)


def test_name_of_255_bytes_works(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    report = fetch([f"{server.url}/{'n' * 300}.tar.gz"])
    (name,) = names_in(fetch.folder)
    assert report.done == 1
    assert (len(name.encode()), name[-7:]) == (255, ".tar.gz")


@pytest.mark.parametrize(
    ("on_exists", "status", "there", "others"),
    [
        ("skip", Status.SKIPPED, b"old", []),
        ("overwrite", Status.DONE, b"new", []),
        ("fail", Status.FAILED, b"old", []),
        ("rename", Status.DONE, b"old", ["a.1.txt"]),
        ("refresh", Status.DONE, b"new", []),
    ],
)
def test_on_exists(fetch: Fetch, scripted: MakeServer, on_exists: str, status: Status, there: bytes, others: list[str]) -> None:
    server = scripted(reply("200 OK", b"new"))
    fetch.folder.mkdir()
    (fetch.folder / "a.txt").write_bytes(b"old")
    (result,) = fetch([f"{server.url}/a.txt"], on_exists=on_exists).results
    assert result.status is status
    assert (fetch.folder / "a.txt").read_bytes() == there
    assert sorted(set(names_in(fetch.folder)) - {"a.txt"}) == others
    assert len(server.requests) == (0 if on_exists in ("skip", "fail") else 1)
    if others:
        assert result.path == others[0]


def test_file_that_has_appeared_before_another_try_is_not_fetched(fetch: Fetch, scripted: MakeServer) -> None:
    def meanwhile(connection: Connection, request: RecordedRequest) -> None:
        (fetch.folder / "a.txt").write_bytes(b"of somebody else")
        connection.send(reply("503 Service Unavailable"))

    server = scripted(meanwhile, reply("200 OK", b"new"))
    report = fetch([f"{server.url}/a.txt"])
    assert (report.done, report.skipped, len(server.requests)) == (0, 1, 1)
    assert (fetch.folder / "a.txt").read_bytes() == b"of somebody else"


def test_refresh_keeps_what_has_not_changed(fetch: Fetch, server: TestServer) -> None:
    assert fetch([server.file(1, 100)]).done == 1
    (result,) = fetch([server.file(1, 100)], on_exists="refresh").results
    assert (result.status, result.reason, result.http_status) == (Status.SKIPPED, "not modified", 304)
    (fetch.folder / "1.bin").write_bytes(b"changed by hand, long ago")
    os.utime(fetch.folder / "1.bin", (1e9, 1e9))
    assert fetch([server.file(1, 100)], on_exists="refresh").done == 1
    assert (fetch.folder / "1.bin").read_bytes() == content.body(1, 0, 100)


def test_server_names_the_file_where_it_is_asked_to(fetch: Fetch, httpserver: HTTPServer) -> None:
    for number, value in enumerate(
        [
            'attachment; filename="re port.pdf"',
            "attachment; filename*=UTF-8''%e2%82%ac.txt",
            'attachment; filename="../../x"',
            "",
        ]
    ):
        headers = {"Content-Disposition": value} if value else {}
        httpserver.expect_request(f"/{number}").respond_with_data(f"body {number}", headers=headers)
    urls = [httpserver.url_for(f"/{number}") for number in range(4)]
    report = fetch(urls, content_disposition=True)
    assert report.failed == []
    assert names_in(fetch.folder) == sorted(["re port.pdf", "\u20ac.txt", "x", "3"])
    assert (fetch.folder / "re port.pdf").read_text() == "body 0"
    assert fetch(urls, content_disposition=True).skipped == 4


def test_two_files_that_the_server_names_alike(fetch: Fetch, httpserver: HTTPServer) -> None:
    for number in range(3):
        headers = {"Content-Disposition": "attachment; filename=same.txt"}
        httpserver.expect_request(f"/{number}").respond_with_data(f"body {number}", headers=headers)
    report = fetch([httpserver.url_for(f"/{number}") for number in range(3)], content_disposition=True)
    assert report.done == 3
    texts = sorted((fetch.folder / name).read_text() for name in names_in(fetch.folder))
    assert texts == ["body 0", "body 1", "body 2"]


def test_checksum_that_is_known_is_verified(fetch: Fetch, server: TestServer) -> None:
    right = Checksum("sha256", content.sha256(1, 1000))
    wrong = Checksum("sha256", content.sha256(2, 1000))
    report = fetch([Download(server.file(1, 1000), checksums=(right,)), Download(server.file(3, 1000), checksums=(wrong,))])
    assert (report.done, report.failures) == (1, 1)
    assert isinstance(report.failed[0].error, IntegrityError)
    assert names_in(fetch.folder) == ["1.bin"]


def test_size_that_is_known_is_verified(fetch: Fetch, server: TestServer) -> None:
    report = fetch([Download(server.file(1, 1000), size=1000), Download(server.file(2, 1000), size=999)])
    assert (report.done, report.failures) == (1, 1)
    assert isinstance(report.failed[0].error, IntegrityError)


def test_sums_file(fetch: Fetch, server: TestServer, tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{content.sha256(1, 50)}  1.bin\n{'0' * 64} *2.bin\n")
    report = fetch([server.file(1, 50), server.file(2, 50), server.file(3, 50)], checksums=str(sums))
    assert sorted(result.path for result in report.results if result.status is Status.DONE) == ["1.bin", "3.bin"]
    assert isinstance(report.failed[0].error, IntegrityError)


def test_netrc_and_cookies_go_where_they_belong(fetch: Fetch, httpserver: HTTPServer, tmp_path: Path) -> None:
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response(b"x")

    httpserver.expect_request("/a").respond_with_handler(note)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password pw\nmachine elsewhere login x password y\n")
    netrc.chmod(0o600)
    cookies = tmp_path / "cookies.txt"
    lines = ["# Netscape HTTP Cookie File", "localhost\tFALSE\t/\tFALSE\t0\ta\tb", "elsewhere\tFALSE\t/\tFALSE\t0\tc\td"]
    lines += ["localhost\tFALSE\t/\tTRUE\t0\tsecure\tx", "#HttpOnly_localhost\tFALSE\t/\tFALSE\t0\te\tf"]
    cookies.write_text("\n".join(lines) + "\n")
    assert fetch([httpserver.url_for("/a")], netrc_file=str(netrc), cookies=str(cookies)).done == 1
    assert seen[0].authorization is not None
    assert (seen[0].authorization.username, seen[0].authorization.password) == ("me", "pw")
    assert dict(seen[0].cookies) == {"a": "b", "e": "f"}


@pytest.mark.parametrize("proxy", ["http://user:pw@127.0.0.1:{port}", "environment"])
def test_proxy_is_used(fetch: Fetch, scripted: MakeServer, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    through = scripted(reply("200 OK", b"through the proxy"))
    settings = {"proxy": proxy.format(port=through.port)}
    if proxy == "environment":
        monkeypatch.setenv("http_proxy", f"http://user:pw@127.0.0.1:{through.port}")
        monkeypatch.setenv("no_proxy", "localhost")
        settings = {}
    assert fetch(["http://far-away.invalid/a"], **settings).done == 1
    assert through.requests[0].line == "GET http://far-away.invalid/a HTTP/1.1"
    assert through.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwdw=="


def test_proxy_that_is_not_there_is_a_network_error(fetch: Fetch) -> None:
    report = fetch(["http://far-away.invalid/a"], proxy="http://user:pw@127.0.0.1:9", retries=0)
    assert isinstance(report.failed[0].error, NetworkError)
    assert "pw" not in str(report.failed[0].error)


def test_socks_proxy_is_used(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"by way of SOCKS"))
    proxy = SocksServer(server.port)
    report = fetch(["http://127.0.0.1:81/a"], proxy=f"socks5://127.0.0.1:{proxy.port}", retries=0)
    proxy.close()
    assert report.failed == []
    assert (fetch.folder / "a").read_bytes() == b"by way of SOCKS"
    assert proxy.targets == ["127.0.0.1:81"]
