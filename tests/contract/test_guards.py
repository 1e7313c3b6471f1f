"""What is refused by size, by type, or for want of a checksum; what is taken with a warning; which statuses are tried again."""

import hashlib

import pytest

import downloader
from downloader import Download, HTTPStatusError, PolicyError, Unwanted, UsageError
from tests.support.fetching import Fetch, only_error
from tests.support.files import files_below
from tests.support.scripted import MakeServer, answer, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

REST = reply("206 Partial Content", b"x" * 3_000_000, ETag='"v"', Content_Range="bytes 3000000-5999999/6000000")
PAGE = b"<!DOCTYPE html><title>Please log in</title>"
HTML = {"Content_Type": "text/html; charset=utf-8"}


def test_file_of_a_size_that_is_refused_is_not_fetched(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * 5000))
    for limits in ({"max_size": 4999}, {"min_size": 5001}):
        error = only_error(report := fetch([f"{server.url}/a"], **limits))
        assert isinstance(error, Unwanted)
        assert isinstance(error, PolicyError)
        assert "5000 bytes" in str(error)
        assert report.exit_code == 10
        assert files_below(fetch.folder) == []
    assert len(server.requests) == 2  # not tried again
    assert fetch([f"{server.url}/a"], max_size=5000, min_size=5000).done == 1


def test_file_of_untold_length_ends_when_it_is_too_large(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x" * 3_000_000, length=None, Connection="close"))
    error = only_error(fetch([f"{server.url}/a"], max_size=100_000))
    assert "larger than --max-size" in str(error)
    assert files_below(fetch.folder) == []
    small = only_error(fetch([f"{server.url}/a"], min_size=4_000_000))
    assert "smaller than --min-size: 3000000 bytes" in str(small)
    assert files_below(fetch.folder) == []


def test_part_of_a_file_that_is_refused_is_not_kept(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(answer(reply("200 OK", b"x" * 3_000_000, length=6_000_000, ETag='"v"')), REST)
    fetch([f"{server.url}/a"], retries=0)
    assert files_below(fetch.folder) != []
    assert isinstance(only_error(fetch([f"{server.url}/a"], max_size=5_000_000)), Unwanted)
    assert files_below(fetch.folder) == []


def test_login_page_is_no_image(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", PAGE, **HTML))
    error = only_error(fetch([f"{server.url}/a.jpg"], expect_type=("image/*,video/mp4",)))
    assert isinstance(error, Unwanted)
    assert "the server sent text/html, not image/* or video/mp4" in str(error)
    assert files_below(fetch.folder) == []


@pytest.mark.parametrize("media", ["image/png", "IMAGE/PNG; q=1", "video/mp4"])
def test_file_of_the_expected_type_is_taken(fetch: Fetch, scripted: MakeServer, media: str) -> None:
    server = scripted(reply("200 OK", b"x", Content_Type=media))
    assert fetch([f"{server.url}/a"], expect_type=("image/*", "video/mp4")).done == 1


def test_answer_without_a_type_is_not_of_the_expected_one(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    assert "no Content-Type" in str(only_error(fetch([f"{server.url}/a"], expect_type=("image/*",))))


def test_mirror_may_have_what_is_expected(fetch: Fetch, scripted: MakeServer) -> None:
    login, good = scripted(reply("200 OK", PAGE, **HTML)), scripted(reply("200 OK", b"x", Content_Type="image/png"))
    listed = Download(f"{login.url}/a.png", mirrors=(f"{good.url}/a.png",))
    assert fetch([listed], expect_type=("image/*",)).done == 1
    assert (fetch.folder / "a.png").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "warned"), [("a.JPG", True), ("b.zip", True), ("c.html", False), ("d", False), ("e.1", False)]
)
def test_web_page_under_another_name_is_kept_with_a_warning(
    fetch: Fetch, scripted: MakeServer, name: str, warned: bool
) -> None:
    server = scripted(reply("200 OK", PAGE, **HTML))
    report = fetch([f"{server.url}/{name}"])
    assert report.done == 1
    assert report.results[0].warning == ("the server sent text/html" if warned else "")
    assert report.warnings == warned
    assert (fetch.folder / name).read_bytes() == PAGE


def test_statuses_that_are_named_are_tried_again(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("404 Not Found"), reply("403 Forbidden"), reply("200 OK", b"x"))
    assert fetch([f"{server.url}/a"], retry_on=("404,403",)).done == 1
    other = scripted(reply("404 Not Found"))
    assert isinstance(only_error(fetch([f"{other.url}/b"], retry_on=("403",))), HTTPStatusError)
    assert len(other.requests) == 1


def test_file_without_a_checksum_can_be_refused(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    sums = fetch.folder.parent / "SUMS"
    sums.write_text(f"{hashlib.sha256(b'x').hexdigest()}  a\n")
    report = fetch([f"{server.url}/a", f"{server.url}/b"], checksums=str(sums), require_checksums=True)
    assert (report.done, report.failures, report.without_checksum) == (1, 1, 1)
    assert isinstance(report.failed[0].error, PolicyError)
    assert [request.path for request in server.requests] == ["/a"]


@pytest.mark.parametrize(
    "settings",
    [
        {"retry_on": ("200",)},
        {"retry_on": ("4o4",)},
        {"expect_type": ("image",)},
        {"cut_dirs": 1},
        {"max_size": 1, "min_size": 2},
    ],
)
def test_wrong_rules_are_told_before_the_start(settings: dict[str, object], tmp_path: object) -> None:
    with pytest.raises(UsageError):
        downloader.download(["http://127.0.0.1:1/a"], str(tmp_path), **settings)


def test_wrong_file_that_is_there_is_said_where_the_new_one_is_no_better(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"wrong"))
    fetch.folder.mkdir()
    (fetch.folder / "a").write_bytes(b"wrong, too")
    listed = Download(f"{server.url}/a", checksums=(downloader.Checksum("sha256", hashlib.sha256(b"x").hexdigest()),))
    error = only_error(fetch([listed]))
    assert isinstance(error, downloader.IntegrityError)
    assert "the existing file has a wrong checksum, too; it was not changed" in str(error)
    assert (fetch.folder / "a").read_bytes() == b"wrong, too"
