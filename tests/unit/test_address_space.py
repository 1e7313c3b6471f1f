"""Whether there is room for threads: no limit, a far limit, a near one."""

import subprocess
import sys

import pytest

from downloader.engine.address_space import KEPT_BYTES, START_BYTES, has_room_for_threads, possible_threads, spare_address_space

LIMITED = """
import resource, sys, threading
from downloader.engine.address_space import *
before = spare_address_space()
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
possible = possible_threads(32)
ended = threading.Event()
started = 0
while has_room_for_threads(1):
    threading.Thread(target=ended.wait).start()
    started += 1
print(before, possible, started)
ended.set()
"""


def test_without_a_limit_there_is_room() -> None:
    assert spare_address_space() == float("inf")
    assert has_room_for_threads(1000)
    assert possible_threads(32) == 32


def limited(limit: int) -> list[str]:
    command = [sys.executable, "-c", LIMITED, str(limit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_start_until_the_limit_is_near() -> None:
    limit = 1_000_000_000
    before, possible, started = limited(limit)
    assert before == "inf"
    assert 1 < int(possible) < limit / KEPT_BYTES
    assert 1 < int(started) <= limit / (START_BYTES - KEPT_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_thread_is_always_tried() -> None:
    assert limited(150_000_000)[1:] == ["1", "0"]
