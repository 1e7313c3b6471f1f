"""The proxies of the environment: compared with what requests and libcurl decide. Where they differ, the table says how."""

import os
import pickle
from typing import Any
from urllib.parse import urlsplit

import pycurl
import pytest
import requests.utils
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import UsageError
from downloader.runs.plan import client_options
from downloader.settings.definitions import Settings
from downloader.settings.layers import load
from downloader.transports.base import ClientOptions, environment_proxies
from downloader.transports.proxies import is_exempt, proxy_of, read_proxies

PROXY = "http://127.0.0.9:3128"


def ours(no_proxy: str, url: str) -> bool:
    """Whether we fetch this URL without the proxy."""
    return ClientOptions(proxies=(("all", PROXY), ("no", no_proxy))).proxy_for(url) == ""


def of_requests(no_proxy: str, url: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether requests does."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("no_proxy", no_proxy)
    return bool(requests.utils.should_bypass_proxies(url, None))


def of_libcurl(no_proxy: str, url: str) -> bool:
    """Whether libcurl does. It tells which address it would connect to, and is not allowed to."""
    addresses: list[Any] = []

    def refuse(purpose: int, address: Any) -> int:
        addresses.append(address[3])
        return int(pycurl.SOCKET_BAD)

    easy = pycurl.Curl()
    parts = urlsplit(url)
    easy.setopt(pycurl.URL, url)
    easy.setopt(pycurl.PROXY, PROXY)
    easy.setopt(pycurl.NOPROXY, no_proxy)
    if ":" not in (parts.hostname or ":"):
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        easy.setopt(pycurl.RESOLVE, [f"{parts.hostname}:{port}:127.0.0.1"])
    easy.setopt(pycurl.OPENSOCKETFUNCTION, refuse)
    with pytest.raises(pycurl.error):
        easy.perform()
    easy.close()
    assert addresses
    return ("127.0.0.9", 3128) not in [address[:2] for address in addresses]


ALIKE = [
    ("", "http://example.org/", False),
    ("*", "http://example.org/", True),
    ("example.org", "http://example.org/", True),
    ("example.org", "http://example.org:8080/", True),
    ("example.org", "https://www.example.org/", True),
    ("example.org", "http://a.b.example.org/", True),
    (".example.org", "http://www.example.org/", True),
    ("example.org", "http://example.com/", False),
    ("example.org", "http://example.org.com/", False),
    ("example.com,example.org", "http://example.org/", True),
    ("example.com, example.org", "http://example.org/", True),
    (",,example.org,", "http://example.org/", True),
    ("www.example.org", "http://example.org/", False),
    ("localhost", "http://localhost:8080/", True),
    ("localhost", "http://127.0.0.1/", False),
    ("127.0.0.1", "http://127.0.0.1:8080/", True),
    ("127.0.0.1", "http://127.0.0.2/", False),
    ("127.0.0.0/8", "http://127.1.2.3/", True),
    ("127.0.0.0/8", "http://128.1.2.3/", False),
    ("10.1.2.3/16", "http://10.1.200.1/", True),
    ("192.0.2.1/32", "http://192.0.2.1/", True),
    ("10.0.0.0/8", "http://example.org/", False),
    ("::1", "http://127.0.0.1/", False),
]


@pytest.mark.parametrize(("no_proxy", "url", "exempt"), ALIKE)
def test_as_requests_and_libcurl(no_proxy: str, url: str, exempt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [ours(no_proxy, url), of_requests(no_proxy, url, monkeypatch), of_libcurl(no_proxy, url)]
    assert found == [exempt] * 3


DIFFERENT = [
    # no_proxy, URL, ours, requests, libcurl; None: it depends on the version
    ("example.org", "http://notexample.org/", False, None, False),  # an old requests compares the ends of names
    ("0.0.1", "http://127.0.0.1/", False, True, False),  # urllib, which requests asks, does so with addresses, too
    (".example.org", "http://example.org/", True, True, True),
    ("EXAMPLE.org", "http://example.ORG/", True, True, True),
    ("example.com example.org", "http://example.org/", True, False, None),  # requests and a new libcurl know commas only
    ("example.org:8080", "http://example.org:8080/", True, True, False),  # libcurl knows no ports
    ("example.org:80", "http://example.org/", True, False, False),  # for us, port 80 is the port of this URL
    ("example.org:443", "https://www.example.org/", True, False, False),
    ("example.org:8080", "http://example.org/", False, False, False),
    ("127.0.0.1:81", "http://127.0.0.1/", False, False, False),
    ("*.example.org", "http://www.example.org/", True, False, False),  # neither knows patterns
    ("a, *", "http://example.org/", True, False, False),
    ("::1", "http://[::1]/", True, True, True),
    ("[::1]", "http://[::1]:8080/", True, False, False),  # neither knows brackets
    ("[::1]:8080", "http://[::1]:8080/", True, False, False),
    ("fc00::/7", "http://[fd00::1]/", True, False, True),  # requests knows no IPv6 networks
    ("fc00::/7", "http://[fe80::1]/", False, False, False),
    ("example.org.", "http://example.org/", True, False, True),
]


@pytest.mark.parametrize(("no_proxy", "url", "exempt", "in_requests", "in_libcurl"), DIFFERENT)
def test_where_they_differ(
    no_proxy: str, url: str, exempt: bool, in_requests: bool | None, in_libcurl: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ours(no_proxy, url) == exempt
    assert of_requests(no_proxy, url, monkeypatch) == in_requests or in_requests is None
    assert of_libcurl(no_proxy, url) == in_libcurl or in_libcurl is None


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/99", "x/8", "/", "/8", ":", ":80", "[", "]", "[::1", "a:b:c", ".", "*.", "..", "10.0.0.0/x"]
)
def test_malformed_entries_match_nothing(entry: str) -> None:
    for netloc in ("example.org", "10.0.0.1", "[::1]:80", "a", "x"):
        assert not is_exempt(entry, "http", netloc)


@given(st.text("abc.*:/[]0123456789, ", max_size=30), st.sampled_from(["a.bc", "10.0.0.1:80", "[::1]", "c"]))
def test_any_list_is_read(no_proxy: str, netloc: str) -> None:
    assert is_exempt(no_proxy, "http", netloc) in (True, False)
    assert is_exempt(f"{no_proxy},{netloc}", "http", netloc) is True


@pytest.mark.parametrize(
    ("environment", "http", "https"),
    [
        ({}, "", ""),
        ({"http_proxy": "http://a:1"}, "http://a:1", ""),
        ({"HTTP_PROXY": "http://a:1"}, "", ""),
        ({"HTTPS_PROXY": "http://a:1"}, "", "http://a:1"),
        ({"https_proxy": "http://b:1", "HTTPS_PROXY": "http://a:1"}, "", "http://b:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://a:1"}, "", ""),
        ({"ALL_PROXY": "socks5h://a:1"}, "socks5h://a:1", "socks5h://a:1"),
        ({"all_proxy": "socks5://a:1", "http_proxy": "http://b:1"}, "http://b:1", "socks5://a:1"),
        ({"http_proxy": " a:3128 "}, "http://a:3128", ""),
        ({"http_proxy": "HTTP://me:p%40ss@a:3128/"}, "http://me:p%40ss@a:3128/", ""),
        ({"http_proxy": "http://a:1", "NO_PROXY": "x.example"}, "", ""),
        ({"http_proxy": "http://a:1", "no_proxy": "", "NO_PROXY": "x.example"}, "http://a:1", ""),
        ({"all_proxy": "socks://a:1080"}, "socks4://a:1080", "socks4://a:1080"),
        ({"ftp_proxy": "http://a:1", "my_proxy": "b"}, "", ""),
    ],
)
def test_variables(environment: dict[str, str], http: str, https: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = read_proxies(environment)
    assert (proxy_of(proxies, "http", "x.example"), proxy_of(proxies, "https", "x.example")) == (http, https)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_proxies() == proxies
    options = pickle.loads(pickle.dumps(client_options(Settings(), 1)))
    assert options.proxy_for("http://x.example/a") == http
    assert options.proxy_for("https://me:pw@x.example/a") == https
    assert client_options(Settings(proxy="http://c:1"), 1).proxy_for("http://x.example/a") == "http://c:1"


WRONG = [
    "http://",
    "http://[",
    "://",
    "http://me:s3cret@a:99999",
    "http://a:0",
    "http://me:s3cret@",
    "x:y",
    "gopher://s3cret@a:1",
]


@pytest.mark.parametrize("value", WRONG)
def test_malformed_proxy(value: str) -> None:
    with pytest.raises(UsageError, match="the environment variable HTTPS_PROXY is not the URL of a proxy") as caught:
        read_proxies({"HTTPS_PROXY": value})
    assert "s3cret" not in str(caught.value)


def test_the_variable_that_is_not_read_is_named() -> None:
    said = "the environment variable HTTP_PROXY is ignored, because a CGI request can set it: http_proxy is read"
    assert load({}, {"HTTP_PROXY": "http://me:s3cret@a:1"}, None).ignored_variables == (said,)
    assert load({}, {"HTTP_PROXY": "http://a:1", "http_proxy": "http://a:1"}, None).ignored_variables == ()
    assert load({}, {"HTTPS_PROXY": "http://a:1"}, None).ignored_variables == ()
