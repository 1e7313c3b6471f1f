"""What is compared on: each scenario isolates one cost, and says what to expect."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from downloader.errors import UsageError

KIB, MIB = 1024, 1024 * 1024
PURE = "downloader.compare.workload:in_python"
NATIVE = "downloader.compare.workload:in_c"


class Scenario(Struct, frozen=True):
    """``files`` files of ``size`` bytes, each ``delay`` seconds away, at ``rate`` bytes a second for each connection at most.

    ``fail``: what a ``share`` of the requests meets: kinds of `downloader.testserver.faults`, with commas between.
    ``spread``: sigma of a log-normal distribution, of which ``size`` and ``delay`` are the medians; 0: all are alike.
    ``process``: what is called with each finished file, as ``module:function``. The same ``seed``, the same list.
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
        """What the test server's ``/list`` and ``/sums`` are asked for."""
        names = ("files", "size", "delay", "rate", "fail", "share", "spread", "seed")
        return urlencode({name: getattr(self, name) for name in names if name in ("files", "size") or getattr(self, name)})


SCENARIOS = (
    Scenario(
        "small",
        "what each request costs: many files of 10 KiB, no waiting",
        "whoever does least for each file: C code on epoll before Python, and two cores before one",
        files=1500,
        size=10 * KIB,
    ),
    Scenario(
        "latency",
        "waiting: 10 KiB each, 50 ms before the first byte",
        "whoever has most in flight; serial pays each wait in turn",
        files=40,
        size=10 * KIB,
        delay=0.05,
    ),
    Scenario(
        "large",
        "moving bytes: four files of 32 MiB",
        "the copying is the kernel's and C's: all are close, and start-up is what differs",
        files=4,
        size=32 * MIB,
    ),
    Scenario(
        "capped",
        "a limit for each connection: a file of 16 MiB, 4 MiB a second",
        "whoever splits the file over several connections; the others wait for one",
        files=1,
        size=16 * MIB,
        rate=4 * MIB,
    ),
    Scenario(
        "flaky",
        "faults: a tenth of the requests are refused, cut off or stall",
        "retries wait without a slot, so those with others in flight lose little; serial waits for each",
        files=60,
        size=64 * KIB,
        fail="503,cut,stall",
        share=0.1,
    ),
    Scenario(
        "tls",
        "encryption: 600 files of 10 KiB over https",
        "a handshake for each connection, not for each file; over HTTP/2 all files share libcurl's one",
        files=600,
        size=10 * KIB,
        tls=True,
    ),
    Scenario(
        "mixed",
        "a real list: sizes around 64 KiB and delays around 10 ms, both log-normal",
        "a few large files decide the end: whoever starts much at once, and keeps it moving",
        files=150,
        size=64 * KIB,
        delay=0.01,
        spread=1.2,
    ),
    Scenario(
        "cpu",
        "work on each file, in pure Python",
        "the GIL lets one thread of a process compute at a time: processes win, threads are serial",
        files=32,
        size=128 * KIB,
        process=PURE,
    ),
    Scenario(
        "cpu-native",
        "work on each file, in C that releases the GIL (hashlib)",
        "threads compute side by side, and pay no start of a process",
        files=24,
        size=2 * MIB,
        process=NATIVE,
    ),
    Scenario(
        "startup",
        "one file: what each strategy costs before it starts",
        "fewest imports and no processes: libcurl's loop first, processes last",
        files=1,
        size=10 * KIB,
    ),
)
OWN = Scenario("own", "what was asked for", "see for yourself", files=100, size=10 * KIB)
"""What is not said of a scenario of the user's own."""

USUAL = ("small", "latency", "large")
"""What is compared where nothing else was asked for."""


def choose(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The scenarios of these names; the usual ones for none, all for ``all``. Raises UsageError."""
    if "all" in names:
        return SCENARIOS
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    for name in names:
        if name not in by_name:
            raise UsageError(f"unknown scenario: {name!r}", hint=f"one of {', '.join(by_name)}, all")
    return tuple(by_name[name] for name in dict.fromkeys(names or USUAL))


def changed(chosen: tuple[Scenario, ...], **wishes: Any) -> tuple[Scenario, ...]:
    """The scenarios with other numbers (None: as they are), or, where none was chosen, one of the user's own."""
    given = {name: value for name, value in wishes.items() if value is not None}
    if not given:
        return chosen
    return tuple(msgspec.structs.replace(scenario, **given) for scenario in chosen or (OWN,))
