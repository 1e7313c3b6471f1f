"""robots.txt: what it means, and that its text, whatever it is, breaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.http.robots import MAX_BYTES, parse, product
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Returned, Status
from downloader.core.scheduling.gated_scheduler import GatedScheduler
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.robots_gate import RobotsGate
from downloader.errors import AuthError, DownloadError, HTTPStatusError, NetworkError, PolicyError
from tests.support.scheduling import take_all

SITE = "https://a.example"


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("User-agent: *\r\nDisallow: /private\r\n", "/private/x", False),
        ("User-agent: *\rDisallow: /private", "/public", True),
        ("\ufeffUSER-AGENT : *\nDISALLOW : /x # all of it", "/xyz", False),
        ("Disallow: /", "/x", True),
        ("User-agent: other\nDisallow: /", "/x", True),
        ("User-agent: other\nUser-agent: Downloader/1.0\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: downloader\nAllow: /", "/x", True),
        ("User-agent: downloader\nDisallow: /a\nUser-agent: *\nDisallow: /\nUser-agent: downloader\nDisallow: /b", "/b", False),
        ("User-agent: downloader\nDisallow: /a\nUser-agent: *\nDisallow: /\nUser-agent: downloader\nDisallow: /b", "/c", True),
        ("User-agent: *\nCrawl-delay: 1\nUser-agent: x\nDisallow: /", "/c", True),
        ("User-agent: *\nSitemap: https://a.example/s\nUser-agent: x\nDisallow: /", "/c", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/c", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: *.gif$", "/a/b.gif", False),
        ("User-agent: *\nDisallow: *.gif$", "/a/b.gif?x", True),
        ("User-agent: *\nDisallow: /a*b*c", "/axxbxxcxx", False),
        ("User-agent: *\nDisallow: /a*b*c", "/axxcxxb", True),
        ("User-agent: *\nDisallow: /*ab$", "/ab", False),
        ("User-agent: *\nDisallow: /ab*ab$", "/ab", True),
        ("User-agent: *\nDisallow: /x$", "/x", False),
        ("User-agent: *\nDisallow: /x$", "/xy", True),
        ("User-agent: *\nDisallow: /a$b", "/a$b", False),
        ("User-agent: *\nDisallow: /a?q=1", "/a?q=1", False),
        ("User-agent: *\nDisallow: /%7ejoe", "/~joe", False),
        ("User-agent: *\nDisallow: /~joe", "/%7Ejoe", False),
        ("User-agent: *\nDisallow: /a%3cd", "/a%3Cd", False),
        ("User-agent: *\nDisallow: /a%2Fb", "/a/b", True),
        ("User-agent: *\nDisallow: /ü", "/%C3%BC", False),
        ("User-agent: *\nDisallow: /a%2a", "/a*", False),
        ("User-agent: *\nDisallow: /a%2a", "/ab", True),
        ("no colon\nUser-agent: *\nallow\nDisallow: /x", "/x", False),
    ],
)
def test_what_robots_txt_allows(text: str, path: str, allowed: bool) -> None:
    assert parse(text.encode(), "downloader").allows(SITE + path) is allowed


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 10", 10.0),
        ("User-agent: *\nCrawl-delay: 0.5\nUser-agent: downloader\nDisallow: /x", 0.0),
        ("User-agent: *\nCrawl-delay: 5\nUser-agent: downloader\ncrawl-delay: 2.5", 2.5),
        ("User-agent: *\nCrawl-delay: -1", 0.0),
        ("User-agent: *\nCrawl-delay: nan", 0.0),
        ("User-agent: *\nCrawl-delay: 1e9", 0.0),
    ],
)
def test_the_delay(text: str, delay: float) -> None:
    assert parse(text.encode(), "downloader").delay == delay


@pytest.mark.parametrize(
    ("agent", "token"), [("downloader/1.0", "downloader"), ("My-Bot/2 (x)", "my-bot"), ("", ""), ("/x", "")]
)
def test_the_product_token(agent: str, token: str) -> None:
    assert product(agent) == token


LINE = st.sampled_from(
    ["User-agent: *", "Disallow: ", "Allow: /", "disallow: /*", "a$*%", "%e", ":", "#", "crawl-delay: 9", "/"]
)


@given(
    st.binary(max_size=200) | st.lists(LINE, max_size=12).map(lambda lines: "\n".join(lines).encode()),
    st.text("/ab%*$?", max_size=9),
)
def test_no_text_of_a_robots_txt_raises(data: bytes, path: str) -> None:
    rules = parse(data, "downloader")
    assert isinstance(rules.allows(f"{SITE}/{path}"), bool)
    assert rules.allows(f"{SITE}/robots.txt")  # RFC 9309 section 2.2.2: always
    assert 0 <= rules.delay < 1_000_000


def test_a_pattern_of_many_stars_takes_no_longer() -> None:
    rules = parse(b"User-agent: *\nDisallow: /" + b"*a" * 2000 + b"b$", "downloader")
    assert rules.allows(f"{SITE}/{'a' * 8000}")


def test_no_more_is_read_than_needed() -> None:
    assert parse(b"User-agent: *\n" + b"#" * MAX_BYTES + b"\nDisallow: /", "downloader").allows(f"{SITE}/x")


def scheduler(*downloads: Download, gap: float = 0.0, retries: int = 0) -> GatedScheduler:
    return GatedScheduler([RobotsGate("downloader")], iter(downloads), Slots(9, 9), RetryPolicy(retries, wait=0.0), gap=gap)


def text(attempt: Attempt, data: bytes) -> Outcome:
    return Outcome(attempt.key, End.NAME_LEARNED, status=200, head_latency=0.01, returned=Returned(data))


def test_each_server_is_asked_once_and_first() -> None:
    run = scheduler(*(Download(f"{SITE}/{number}") for number in range(3)), Download("http://a.example/x"))
    asked = take_all(run)
    assert [(attempt.url, attempt.keep_body) for attempt in asked] == [
        (f"{SITE}/robots.txt", MAX_BYTES),
        ("http://a.example/robots.txt", MAX_BYTES),
    ]
    assert run.waiting == 4
    run.settle(text(asked[0], b"User-agent: *\nDisallow: /1"), 1.0, 0.0)
    assert [attempt.url for attempt in take_all(run)] == [f"{SITE}/0", f"{SITE}/2"]
    (result,) = run.results()
    assert result.status is Status.FAILED
    assert isinstance(result.error, PolicyError)
    assert "robots.txt of a.example forbids it" in str(result.error)


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (HTTPStatusError(404), True),
        (AuthError(403), True),
        (HTTPStatusError(429), False),
        (HTTPStatusError(503), False),
        (NetworkError("connection refused"), False),
    ],
)
def test_a_robots_txt_that_does_not_come(error: DownloadError, allowed: bool) -> None:
    run = scheduler(Download(f"{SITE}/0"))
    (asked,) = take_all(run)
    run.settle(Outcome(asked.key, End.FAILED, error=error, head_latency=0.1), 1.0, 0.0)
    assert bool(take_all(run)) is allowed
    assert run.finished is not allowed
    assert [type(result.error) for result in run.results()] == ([] if allowed else [PolicyError])


def test_a_robots_txt_is_tried_again_like_a_file() -> None:
    run = scheduler(Download(f"{SITE}/0"), retries=1)
    for _ in range(2):
        (asked,) = take_all(run, 2.0)
        assert asked.keep_body
        run.settle(Outcome(asked.key, End.FAILED, error=HTTPStatusError(503), head_latency=0.1), 1.0, 0.0)
    assert [result.attempts for result in run.results()] == [0]


def test_a_mirror_is_asked_where_the_first_server_forbids_it() -> None:
    run = scheduler(Download(f"{SITE}/0", mirrors=("https://b.example/0",)))
    (asked,) = take_all(run)
    run.settle(text(asked, b"User-agent: downloader\nDisallow: /"), 1.0, 0.0)
    (other,) = take_all(run)
    assert other.url == "https://b.example/robots.txt"
    run.settle(text(other, b""), 1.0, 0.0)
    assert [attempt.url for attempt in take_all(run)] == ["https://b.example/0"]


def test_the_crawl_delay_also_counts_from_the_request_for_robots_txt() -> None:
    run = scheduler(*(Download(f"{SITE}/{number}") for number in range(2)), gap=1.0)
    (asked,) = take_all(run, 10.0)
    run.settle(text(asked, b"User-agent: *\nCrawl-delay: 5"), 10.5, 0.0)
    assert take_all(run, 14.9) == []
    assert run.wake_at == 15.0
    assert len(take_all(run, 15.0)) == 1
    assert take_all(run, 19.9) == []
    assert len(take_all(run, 20.0)) == 1


def test_a_stopped_run_ends_with_downloads_that_waited_for_it() -> None:
    run = scheduler(*(Download(f"{SITE}/{number}") for number in range(5)))
    (asked,) = take_all(run)
    run.stop()
    run.settle(text(asked, b""), 1.0, 0.0)
    assert run.finished
    assert not run.complete
    assert run.results() == []


def test_the_list_is_read_lazily_while_it_waits() -> None:
    read: list[int] = []

    def listed():  # type: ignore[no-untyped-def]
        for number in range(5000):
            read.append(number)
            yield Download(f"{SITE}/{number}")

    run = GatedScheduler([RobotsGate("downloader")], listed(), Slots(2, 2), RetryPolicy(), window=50)
    assert len(take_all(run)) == 1
    assert len(read) <= 100
