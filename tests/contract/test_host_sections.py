"""Sections for single hosts, under every strategy: the server counts and records what it is sent."""

import time
from pathlib import Path
from typing import Any

import pytest

from downloader import Downloader, HTTPStatusError, PolicyError
from tests.support.fetching import Fetch, only_error
from tests.support.scripted import Connection, InFlight, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BASIC = "Basic YWRhOnBhc3M="  # ada:pass


def host_of(url: str) -> str:
    """``host:port`` of a server's URL."""
    return url.partition("//")[2]


def sent(requests: list[RecordedRequest], name: str) -> list[str | None]:
    """The values of one header field, in order."""
    return [request.headers.get(name) for request in requests]


@pytest.mark.parametrize("jobs", [0, 6])
def test_number_of_requests_at_once(strategy: str, jobs: int, tmp_path: Path, scripted: MakeServer) -> None:
    highest = []
    servers = []
    for _ in range(2):
        in_flight = InFlight()

        def count(connection: Connection, request: RecordedRequest, in_flight: InFlight = in_flight) -> None:
            with in_flight:
                time.sleep(0.01)
            connection.send(reply("200 OK", b"x"))

        highest.append(in_flight)
        servers.append(scripted(count))
    urls = [f"{server.url}/{number}-{at}" for number in range(12) for at, server in enumerate(servers)]
    hosts: Any = {host_of(servers[0].url): {"per_host": 1}, host_of(servers[1].url): {"per_host": 3}}
    assert Downloader(tmp_path, strategy=strategy, jobs=jobs, per_host=2 if jobs else 0, hosts=hosts).run(urls).done == 24
    assert highest[0].highest == 1
    assert 1 <= highest[1].highest <= 3


def test_time_between_requests(fetch: Fetch, scripted: MakeServer) -> None:
    slow, other = scripted(reply("200 OK", b"x")), scripted(reply("200 OK", b"x"))
    urls = [f"{slow.url}/{number}" for number in range(6)] + [f"{other.url}/b{number}" for number in range(5)]
    hosts = {host_of(slow.url): {"max_requests_per_second": 5}}
    started = time.monotonic()
    report = fetch(urls, hosts=hosts)
    assert time.monotonic() - started >= 5 * 0.2  # from the start of the run: a worker process sends its first request late
    assert report.done == 11
    assert [result.path[0] for result in report.results[-4:]] != ["b"] * 4
    assert len(other.requests) == 5


@pytest.mark.slow
def test_rate_of_one_host(fetch: Fetch, scripted: MakeServer) -> None:
    slow, other = scripted(reply("200 OK", b"x" * 400_000)), scripted(reply("200 OK", b"x" * 400_000))
    hosts: Any = {host_of(slow.url): {"limit_rate_per_host": "500k"}, "*.nowhere.example": {"limit_rate_per_host": 1}}
    started = time.monotonic()
    assert fetch([f"{slow.url}/a"], hosts=hosts).done == 1
    assert time.monotonic() - started >= 0.95 * 0.8
    results = fetch([f"{slow.url}/b", f"{other.url}/c"], hosts=hosts).results
    seconds = {result.path: result.elapsed for result in results}
    assert seconds["c"] < seconds["b"]


@pytest.mark.parametrize(
    ("section", "authorization"),
    [
        ({"user": "ada", "password_env": "MY_PASSWORD"}, BASIC),
        ({"bearer_env": "MY_TOKEN"}, "Bearer t0ken"),
        ({"netrc": True}, BASIC),
    ],
    ids=["user", "token", "netrc"],
)
def test_credentials_and_headers_go_to_their_host_and_to_no_other(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch, section: Any, authorization: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_PASSWORD", "pass")
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password pass\n")
    netrc.chmod(0o600)
    other = scripted(reply("200 OK", b"there"))
    server = scripted(
        reply("302 Found", Location="/second"),
        reply("302 Found", Location=f"{other.url}/third"),
    )
    hosts = {host_of(server.url): {**section, "header": ["X-Key: k3y", "Accept: text/csv"], "user_agent": "mine"}}
    assert fetch([f"{server.url}/a"], hosts=hosts, header=["X-All: yes"]).done == 1
    assert sent(server.requests, "authorization") == [authorization] * 2
    assert sent(server.requests, "x-key") == ["k3y"] * 2
    assert sent(server.requests, "accept") == ["text/csv"] * 2
    assert sent(other.requests, "authorization") == [None]
    assert sent(other.requests, "x-key") == [None]
    assert sent(other.requests, "accept") == ["*/*"]
    for requests in (server.requests, other.requests):
        assert set(sent(requests, "user-agent")) == {"mine"}
        assert set(sent(requests, "x-all")) == {"yes"}


def test_a_redirect_into_a_host_with_a_section_sends_nothing_of_that_section(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    guarded = scripted(reply("403 Forbidden"))
    server = scripted(reply("302 Found", Location=f"{guarded.url}/secret"))
    hosts: Any = {host_of(guarded.url): {"bearer_env": "MY_TOKEN", "header": ["X-Key: k"]}}
    assert fetch([f"{server.url}/a"], hosts=hosts).failures == 1
    assert sent(guarded.requests, "authorization") == [None]
    assert sent(guarded.requests, "x-key") == [None]


def test_a_redirect_away_and_back_sends_nothing_of_the_section_again(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    targets: list[str] = []
    other = scripted(lambda connection, request: connection.send(reply("302 Found", Location=targets[0])))
    server = scripted(reply("302 Found", Location=f"{other.url}/b"), reply("200 OK", b"x"))
    targets.append(f"{server.url}/c")
    hosts: Any = {host_of(server.url): {"bearer_env": "MY_TOKEN", "header": ["X-Key: k"]}}
    assert fetch([f"{server.url}/a"], hosts=hosts, user="me:other").done == 1
    assert sent(server.requests, "authorization") == ["Bearer t0ken", None]
    assert sent(server.requests, "x-key") == ["k", None]
    assert sent(other.requests, "authorization") == [None]


def test_other_hosts_have_the_credentials_of_the_run(
    fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    own, other = scripted(reply("200 OK", b"x")), scripted(reply("200 OK", b"x"))
    urls = [f"{own.url}/a", f"{other.url}/b", own.url.replace("//", "//me:mine@") + "/c"]
    hosts: Any = {host_of(own.url): {"bearer_env": "MY_TOKEN"}}
    assert fetch(urls, hosts=hosts, user="ada:pass").done == 3
    assert sorted(map(str, sent(own.requests, "authorization"))) == ["Basic bWU6bWluZQ==", "Bearer t0ken"]
    assert sent(other.requests, "authorization") == [BASIC]


def test_a_missing_variable_fails_the_files_of_its_host_alone(fetch: Fetch, scripted: MakeServer) -> None:
    own, other = scripted(reply("200 OK", b"x")), scripted(reply("200 OK", b"x"))
    hosts: Any = {host_of(own.url): {"bearer_env": "DL_TEST_UNSET"}}
    report = fetch([f"{own.url}/a", f"{other.url}/b"], hosts=hosts)
    assert (report.done, report.failures) == (1, 1)
    error = only_error(report)
    assert isinstance(error, PolicyError)
    assert "the environment variable DL_TEST_UNSET contains no token" in error.reason
    assert own.requests == []


def test_a_mirror_has_the_section_of_its_own_host(fetch: Fetch, scripted: MakeServer) -> None:
    import downloader

    first, mirror = scripted(reply("404 Not Found")), scripted(reply("200 OK", b"x"))
    hosts: Any = {host_of(first.url): {"header": ["X-Key: a"]}, host_of(mirror.url): {"header": ["X-Key: b"]}}
    report = fetch([downloader.Download(f"{first.url}/a", mirrors=(f"{mirror.url}/a",))], hosts=hosts)
    assert report.done == 1
    assert sent(first.requests, "x-key") == ["a"]
    assert sent(mirror.requests, "x-key") == ["b"]


def test_errors_contain_nothing_of_a_section(fetch: Fetch, scripted: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    server = scripted(reply("500 Oops"))
    hosts: Any = {host_of(server.url): {"bearer_env": "MY_TOKEN", "header": ["X-Key: k3y"]}}
    report = fetch([f"{server.url}/a"], hosts=hosts, retries=0)
    assert isinstance(only_error(report), HTTPStatusError)
    for secret in ("t0ken", "k3y"):
        assert secret not in str(only_error(report)) + repr(report.results)
