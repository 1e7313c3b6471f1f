"""The scenarios of `dl compare`: each isolates one cost, and says which result to expect."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from downloader.errors import UsageError

KIB, MIB = 1024, 1024 * 1024
PYTHON_WORK = "downloader.compare.workload:in_python"
C_WORK = "downloader.compare.workload:in_c"


class Scenario(Struct, frozen=True):
    """A list of ``files`` files of ``size`` bytes on the test server.

    ``isolates``: the cost that the scenario isolates; ``expect``: the expected result. ``delay``: seconds before the first byte
    of each file. ``rate``: the maximum number of bytes per second of each connection; 0: no limit. ``fail``: the faults that a
    ``share`` of the requests meets: kinds of `downloader.testserver.faults`, separated by commas. ``spread``: the sigma of a
    log-normal distribution whose medians are ``size`` and ``delay``; 0: all files are alike. ``seed``: determines the random
    numbers, so the same seed makes the same list. ``process``: the function to call with each finished file, as
    ``module:function``.
    """

    name: str
    isolates: str
    expect: str
    files: int
    size: int
    delay: float = 0.0
    rate: int = 0
    fail: str = ""
    share: float = 0.0
    spread: float = 0.0
    seed: int = 1
    tls: bool = False
    process: str = ""

    @property
    def query(self) -> str:
        """The query for ``/list`` and ``/sums`` of the test server."""
        names = ("files", "size", "delay", "rate", "fail", "share", "spread", "seed")
        return urlencode({name: getattr(self, name) for name in names if name in ("files", "size") or getattr(self, name)})


SCENARIOS = (
    Scenario(
        "small",
        "what each request costs: many files of 10 KiB, no waiting",
        "strategies with the least work per file are the fastest: C code on epoll before Python, two cores before one",
        files=1500,
        size=10 * KIB,
    ),
    Scenario(
        "latency",
        "waiting: 10 KiB each, 50 ms before the first byte",
        "strategies with the most requests in flight are the fastest; serial waits for each file in turn",
        files=40,
        size=10 * KIB,
        delay=0.05,
    ),
    Scenario(
        "large",
        "moving bytes: four files of 32 MiB",
        "the kernel and C code copy the bytes: all strategies are close, and their start-up differs",
        files=4,
        size=32 * MIB,
    ),
    Scenario(
        "capped",
        "a limit for each connection: a file of 16 MiB, 4 MiB a second",
        "strategies that split the file over several connections are the fastest; the others wait for one connection",
        files=1,
        size=16 * MIB,
        rate=4 * MIB,
    ),
    Scenario(
        "flaky",
        "faults: a tenth of the requests are refused, cut off or stall",
        "a waiting retry occupies no slot, so strategies with many requests in flight lose little; serial waits for each retry",
        files=60,
        size=64 * KIB,
        fail="503,cut,stall",
        share=0.1,
    ),
    Scenario(
        "tls",
        "encryption: 600 files of 10 KiB over https",
        "a handshake for each connection, not for each file; over HTTP/2 all files share one connection of libcurl",
        files=600,
        size=10 * KIB,
        tls=True,
    ),
    Scenario(
        "mixed",
        "a real list: sizes around 64 KiB and delays around 10 ms, both log-normal",
        "a few large files decide the end: strategies that start many files at once are the fastest",
        files=150,
        size=64 * KIB,
        delay=0.01,
        spread=1.2,
    ),
    Scenario(
        "cpu",
        "work on each file, in pure Python",
        "the GIL lets only one thread of a process compute at a time: processes are the fastest, threads are like serial",
        files=32,
        size=128 * KIB,
        process=PYTHON_WORK,
    ),
    Scenario(
        "cpu-native",
        "work on each file, in C that releases the GIL (hashlib)",
        "threads compute in parallel, and need no start of a process",
        files=24,
        size=2 * MIB,
        process=C_WORK,
    ),
    Scenario(
        "startup",
        "one file: what each strategy costs before it starts",
        "strategies with few imports and no processes are the fastest: libcurl's loop first, processes last",
        files=1,
        size=10 * KIB,
    ),
)
CUSTOM = Scenario("own", "the scenario of the command line", "unknown", files=100, size=10 * KIB)
"""The defaults of a scenario that the user defines with options."""

DEFAULT_SCENARIOS = ("small", "latency", "large")
"""The names of the scenarios that are compared by default."""


def choose(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The scenarios with these names; the default ones for no name, all for ``all``. Raises UsageError for an unknown name."""
    if "all" in names:
        return SCENARIOS
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    for name in names:
        if name not in by_name:
            raise UsageError(f"unknown scenario: {name!r}", hint=f"one of {', '.join(by_name)}, all")
    return tuple(by_name[name] for name in dict.fromkeys(names or DEFAULT_SCENARIOS))


def changed(chosen: tuple[Scenario, ...], **changes: Any) -> tuple[Scenario, ...]:
    """The scenarios with other values of some fields (None: unchanged). If no scenario was chosen: one of the user's own."""
    replaced = {name: value for name, value in changes.items() if value is not None}
    if not replaced:
        return chosen
    return tuple(msgspec.structs.replace(scenario, **replaced) for scenario in chosen or (CUSTOM,))
