"""What a Result says beside how its file ended: tries, redirects, times, origin and metadata, alike for every strategy."""

import ssl
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer

from downloader import Download, NetworkError, Result, Status, Timings
from tests.support.fetching import Fetch
from tests.support.scripted import MakeServer, reply
from tests.support.strategies import quick_for_each_transport, supports_segments

pytestmark = quick_for_each_transport

MODIFIED = "Sat, 01 Jan 2022 00:00:00 GMT"


def only(fetch: Fetch, what: object, **settings: object) -> Result:
    """The Result of a run with one file."""
    (result,) = fetch(what, **settings).results
    return result


def test_attempts_that_failed_are_kept(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("503 Service Unavailable"), reply("200 OK", b"abc", length=9), reply("200 OK", b"abc"))
    result = only(fetch, [f"{server.url}/a?token=secret"])
    assert result.status is Status.DONE
    assert [(item.status, item.error.partition(":")[0]) for item in result.tries] == [
        (503, "HTTP 503 Service Unavailable"),
        (200, "truncated"),
    ]
    assert all(item.elapsed > 0 for item in result.tries)
    assert {item.url for item in result.tries} == {result.url}
    assert "secret" not in repr(result)


def test_the_last_attempt_of_a_file_that_failed_is_one_of_them(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(*[reply("503 Service Unavailable")] * 3, reply("404 Not Found"))
    result = only(fetch, [Download(f"{server.url}/a", mirrors=(f"{server.url}/b",))], retries=9)
    assert [(item.url.rpartition("/")[2], item.status) for item in result.tries][:4] == [
        ("a", 503),
        ("b", 503),
        ("a", 503),
        ("b", 404),
    ]


def test_number_of_kept_attempts_is_bounded(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(*[reply("503 Service Unavailable")] * 25)
    result = only(fetch, [f"{server.url}/a"], retries=24, retry_wait=0.0)
    assert (result.attempts, len(result.tries)) == (25, 20)


def test_redirects_are_the_urls_that_led_elsewhere(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("302 Found", Location="/b?sig=secret"), reply("301 Moved", Location="/c"), reply("200 OK", b"abc"))
    result = only(fetch, [f"{server.url}/a"])
    assert [url.partition("?")[0] for url in result.redirects] == [f"{server.url}/a", f"{server.url}/b"]
    assert result.final_url == f"{server.url}/c"
    assert "secret" not in repr(result)


def test_what_the_list_says_is_in_the_result(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"abc", **{"Last-Modified": MODIFIED}))
    wanted = Download(f"{server.url}/a", origin="list.csv:2", metadata={"id": "7"})
    (result, duplicate) = fetch([wanted, wanted]).results
    if result.status is Status.SKIPPED:
        result, duplicate = duplicate, result
    assert (result.origin, result.metadata, result.last_modified) == ("list.csv:2", (("id", "7"),), MODIFIED)
    assert (duplicate.reason, duplicate.origin, duplicate.metadata) == ("duplicate", "list.csv:2", (("id", "7"),))


def test_entry_that_is_refused_has_what_the_list_says(fetch: Fetch) -> None:
    (result,) = fetch([Download("http://127.0.0.1:1/", out="..", origin="list.csv:2", metadata={"id": "7"})]).results
    assert (result.status, result.origin, result.metadata) == (Status.FAILED, "list.csv:2", (("id", "7"),))


def test_times_are_in_the_order_of_the_steps(fetch: Fetch, strategy: str, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"abc"))
    result = only(fetch, [f"{server.url}/a"])
    times = result.timings
    assert isinstance(times, Timings)
    assert 0 < times.first_byte <= times.total == pytest.approx(result.elapsed)
    assert times.tls == 0
    if strategy == "async":
        assert (times.dns, times.connect) == (0, 0)
    else:
        assert 0 < times.dns <= times.connect <= times.first_byte
    assert result.queued >= 0


def test_file_that_waits_for_another_one_is_queued(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"abc"))
    first, second = fetch([f"{server.url}/a", f"{server.url}/b"], jobs=1).results
    assert second.queued >= first.elapsed > 0


def test_connection_that_serves_again_took_no_time(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("302 Found", Location="/b"), reply("200 OK", b"abc"))
    times = only(fetch, [f"{server.url}/a"]).timings
    assert times is not None
    assert (times.dns, times.connect, times.tls) == (0, 0, 0)
    assert 0 < times.first_byte <= times.total


def test_encryption_takes_time(fetch: Fetch, strategy: str, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HTTPServer("127.0.0.1", 0, ssl_context=context) as server:
        server.expect_request("/a").respond_with_data(b"abc")
        times = only(fetch, [server.url_for("/a")], insecure=True).timings
    assert times is not None
    assert 0 < times.first_byte <= times.total
    assert times.tls == 0 if strategy == "async" else times.connect < times.tls <= times.first_byte


def test_no_connection_no_answer(fetch: Fetch) -> None:
    result = only(fetch, ["http://127.0.0.1:1/a"], retries=1)
    assert isinstance(result.error, NetworkError)
    assert result.timings is not None
    assert (result.timings.connect, result.timings.first_byte) == (0, 0)
    assert [item.error for item in result.tries] == ["connection refused"] * 2


def test_file_that_exists_needs_no_request(fetch: Fetch) -> None:
    fetch.folder.mkdir()
    (fetch.folder / "a").write_bytes(b"abc")
    result = only(fetch, ["http://127.0.0.1:1/a"])
    assert (result.status, result.timings, result.tries) == (Status.SKIPPED, None, ())


def test_tries_of_segments_are_kept(fetch: Fetch, strategy: str, scripted: MakeServer) -> None:
    if not supports_segments(strategy):
        pytest.skip("it fetches a file in one piece")
    from tests.support.scripted import serve

    body = bytes(range(256)) * 4096
    server = scripted(serve(body, ETag='"e"'), *[reply("503 Service Unavailable")] * 2, *[serve(body, ETag='"e"')] * 40)
    result = only(fetch, [f"{server.url}/a"], segments=3, min_segment_size=1000, jobs=3)
    assert result.status is Status.DONE
    assert {item.status for item in result.tries} <= {503}
