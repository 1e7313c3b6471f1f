"""Names that do not resolve: the reason is learnt off the loop, once for all that wait for it."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from downloader import download
from downloader.core.http.messages import Head, Request
from downloader.errors import DownloadError, NameNotFound, NetworkError
from downloader.transports.base import ClientOptions
from downloader.transports.curl_client import CurlExchange, CurlMulti
from downloader.transports.resolving import NameLookups, resolution_error
from tests.support.scripted import ScriptedServer, reply

DEAD = "http://dead.invalid/"
REASONS = [
    (socket.EAI_NONAME, NameNotFound, False, 1),
    (socket.EAI_NODATA, NameNotFound, False, 1),
    (socket.EAI_AGAIN, NetworkError, True, 3),
    (socket.EAI_FAIL, NetworkError, True, 3),
    (0, NetworkError, True, 3),
]


def resolver(code: int) -> Callable[..., list[object]]:
    """A getaddrinfo that fails so; 0: that has an answer by now."""

    def getaddrinfo(*arguments: object, **options: object) -> list[object]:
        if code:
            raise socket.gaierror(code, "so it is")
        return []

    return getaddrinfo


@pytest.mark.parametrize(("code", "kind", "retryable", "attempts"), REASONS)
def test_reason_is_the_one_that_getaddrinfo_gives(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: type, retryable: bool, attempts: int
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(code))
    error = resolution_error("dead.invalid")
    assert (type(error), error.retryable) == (kind, retryable)


@pytest.mark.parametrize("strategy", ["serial", "threads", "async", "multiplex"])
@pytest.mark.parametrize(("code", "kind", "retryable", "attempts"), REASONS[:3])
def test_silent_name_server_is_tried_again_and_a_wrong_name_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, strategy: str, code: int, kind: type, retryable: bool, attempts: int
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(code))
    report = download([f"{DEAD}a", f"{DEAD}b"], str(tmp_path), strategy=strategy, retries=2, retry_wait=0.001)
    for result in report.results:
        assert (type(result.error), result.attempts) == (kind, attempts)
        assert result.error is not None
        assert result.error.url == f"{DEAD}{result.path}"


def test_label_that_cannot_be_encoded_is_no_such_host() -> None:
    assert type(resolution_error("x" * 64 + ".invalid")) is NameNotFound


class ErrorRecorder:
    """Keeps the error that a transfer ended with."""

    def __init__(self) -> None:
        self.errors: list[DownloadError | None] = []

    def on_head(self, head: Head) -> bool:
        return True

    def on_data(self, data: bytes) -> bool:
        return True

    def on_done(self, error: DownloadError | None, broken: Exception | None) -> None:
        self.errors.append(error)


def turn_until(multi: CurlMulti, condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds; 30 s at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        multi.run_once(0.05)


def test_others_go_on_while_a_name_server_is_silent(
    monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., ScriptedServer]
) -> None:
    """Two transfers fail for one name: one question, in a thread; meanwhile the loop fetches from elsewhere."""
    speak, asked = threading.Event(), []

    def silent(host: str, *arguments: object, **options: object) -> list[object]:
        asked.append(host)
        assert speak.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    server = scripted(reply("200 OK", b"good"))
    options = ClientOptions()
    multi = CurlMulti(options)
    first, second, given_up, good = ErrorRecorder(), ErrorRecorder(), ErrorRecorder(), ErrorRecorder()
    try:
        for ear in (first, second):
            multi.begin(CurlExchange(ear, options), Request(f"{DEAD}a", ()))
        unwanted = CurlExchange(given_up, options)
        multi.begin(unwanted, Request(f"{DEAD}b", ()))
        turn_until(multi, lambda: asked)
        for _ in range(3):
            good.errors.clear()
            multi.begin(CurlExchange(good, options), Request(f"{server.url}/a", ()))
            turn_until(multi, lambda: good.errors)
        assert (first.errors, second.errors, good.errors) == ([], [], [None])
        multi.abandon(unwanted)
        speak.set()
        turn_until(multi, lambda: first.errors and second.errors)
        third = ErrorRecorder()
        multi.begin(CurlExchange(third, options), Request(f"{DEAD}c", ()))
        turn_until(multi, lambda: third.errors)
    finally:
        speak.set()
        multi.close()
    assert [type(ear.errors[0]) for ear in (first, second, third)] == [NetworkError] * 3
    assert given_up.errors == []
    assert asked == ["dead.invalid"]


def test_answer_that_comes_after_the_end_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread outlives the loop: its word must not go to whatever has the descriptor's number by then."""
    speak = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: speak.wait(20) and [])
    lookups, errors = NameLookups(), []
    lookups.start("dead.invalid", 1, errors.append)
    (thread,) = [item for item in threading.enumerate() if item.name == "dl-resolve"]
    lookups.close()
    speak.set()
    thread.join(20)
    assert not thread.is_alive()
    assert errors == []
