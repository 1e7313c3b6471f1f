"""What the command tells of failures: reasons, counts, and no less of them under -q."""

import pytest

from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.scripted import MakeServer, reply


def test_quiet_tells_failures_in_the_same_form_and_number(dl: Shell, server: TestServer) -> None:
    dl.list(*(f"{server.url}/missing/{number}" for number in range(30)), server.file(1, 10))
    loud = dl("urls.txt", "-d", "a", "-j", "1").stderr.splitlines()
    quiet = dl("urls.txt", "-d", "a", "-j", "1", "-q").stderr.splitlines()
    assert quiet[-1] == "0 done, 1 skipped, 30 failed"
    assert quiet[:-1] == [line for line in loud if line.startswith(("  ✗", "  …"))]
    assert quiet[-2] == "  … and 25 more; --failed FILE lists them all"


def test_quiet_says_nothing_of_a_run_without_failures(dl: Shell, server: TestServer) -> None:
    assert dl(server.file(1, 10), "-q", "-d", "a").stderr == ""


@pytest.mark.parametrize("strategy", ["serial", "multiplex"])
def test_failures_of_one_kind_are_one_line(dl: Shell, scripted: MakeServer, strategy: str) -> None:
    server = scripted(*[reply("200 OK", b"x" * size, length=100) for size in range(1, 9)])
    dl.list(*(f"{server.url}/{number}" for number in range(8)))
    done = dl("urls.txt", "-d", "a", "-s", strategy, "-j", "1", "-r", "0")
    assert "  8 NetworkError: truncated\n" in done.stderr
