"""The proxies of the environment, under every strategy: which one gets the request, and what it is sent."""

import pytest

from downloader import NetworkError, UsageError
from tests.support.fetching import Fetch, only_error
from tests.support.scripted import MakeServer, SocksServer, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BASIC = "Basic bWU6cEBzcw=="  # me:p@ss


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("http_proxy", "http://me:p%40ss@127.0.0.1:{port}"),
        ("all_proxy", "http://me:p%40ss@127.0.0.1:{port}/"),
        ("ALL_PROXY", "HTTP://me:p%40ss@127.0.0.1:{port}"),
        ("http_proxy", "me:p%40ss@127.0.0.1:{port}"),
    ],
)
def test_proxy_for_http(fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch, name: str, form: str) -> None:
    proxy = scripted(reply("200 OK", b"x"))
    monkeypatch.setenv(name, form.format(port=proxy.port))
    assert fetch(["http://files.example/a"], retries=0).done == 1
    assert [request.line for request in proxy.requests] == ["GET http://files.example/a HTTP/1.1"]
    assert proxy.requests[0].headers["proxy-authorization"] == BASIC


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_proxy_for_https(fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    proxy = scripted(reply("403 Forbidden"))
    monkeypatch.setenv(name, f"http://me:p%40ss@127.0.0.1:{proxy.port}")
    report = fetch(["https://files.example/a"], retries=0)
    assert report.failures == 1
    assert [request.line.rpartition(" ")[0] for request in proxy.requests] == ["CONNECT files.example:443"]
    assert proxy.requests[0].headers["proxy-authorization"] == BASIC
    for secret in ("p%40ss", "p@ss", BASIC):
        assert secret not in str(report.failed[0].error)


def test_proxy_in_capitals_is_not_for_http(fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server, proxy = scripted(reply("200 OK", b"x")), scripted(reply("502 Bad"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert fetch([f"{server.url}/a"], retries=0).done == 1
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("127.0.0.1", True),
        ("10.0.0.0/8 127.0.0.0/8", True),
        ("example.org, 127.0.0.1:{port}", True),
        ("*", True),
        ("127.0.0.1:1", False),
        ("0.0.1", False),
        ("localhost", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_without_a_proxy(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch, name: str, no_proxy: str, exempt: bool
) -> None:
    server, proxy = scripted(reply("200 OK", b"direct")), scripted(reply("200 OK", b"through"))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv(name, no_proxy.format(port=server.port))
    assert fetch([f"{server.url}/a"], retries=0).done == 1
    assert (len(server.requests), len(proxy.requests)) == (exempt, not exempt)


def test_no_proxy_does_not_concern_the_proxy_of_the_command_line(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = scripted(reply("200 OK", b"direct")), scripted(reply("200 OK", b"through"))
    monkeypatch.setenv("no_proxy", "*")
    assert fetch([f"{server.url}/a"], proxy=proxy.url).done == 1
    assert (len(server.requests), len(proxy.requests)) == (0, 1)


@pytest.mark.parametrize(("scheme", "target"), [("socks5h", "files.example:80"), ("socks5", "127.0.0.1:81")])
def test_socks(fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch, scheme: str, target: str) -> None:
    server = scripted(reply("200 OK", b"by way of SOCKS"))
    proxy = SocksServer(server.port)
    monkeypatch.setenv("all_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
    report = fetch([f"http://{target.removesuffix(':80')}/a"], retries=0)
    proxy.close()
    assert report.failed == []
    assert proxy.targets == [target]


@pytest.mark.parametrize("value", ["socks5://me:s3cret@127.0.0.1:9", "http://me:s3cret@127.0.0.1:9"])
def test_proxy_that_cannot_be_used_is_an_error_of_the_file(fetch: Fetch, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    report = fetch(["http://127.0.0.1:9/a"], retries=0)
    assert isinstance(only_error(report), NetworkError)
    assert "s3cret" not in str(only_error(report))


def test_proxy_that_the_library_does_not_support_is_named(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks://me:s3cret@127.0.0.1:9")
    error = only_error(fetch(["http://127.0.0.1:9/a"], retries=0))
    assert "proxy" in error.reason
    assert "s3cret" not in str(error)


def test_malformed_proxy_is_an_error_before_anything_starts(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:s3cret@[")
    with pytest.raises(UsageError, match="https_proxy is not the URL of a proxy") as caught:
        fetch(["http://127.0.0.1:9/a"])
    assert "s3cret" not in str(caught.value)
