"""THE CONTRACT: what a strategy is given, and the rules it keeps. The contract suite cites them by number.

1.  Exactly one Result for each Download that was started, in order of completion. Failures are Results, never raised.
2.  The Source is read lazily: memory does not grow with the length of the list.
3.  The final path appears only when the file is complete and verified; nothing else is ever seen under that name.
4.  Stop requested: no new Attempt starts, running ones end within the grace time, part files stay resumable.
5.  A retry waits without holding a slot. No strategy sleeps with a slot in hand.
6.  What the core decides is not decided again in a strategy: no status code, header name or file name there.
7.  Counters are plain numbers that the strategy adds to and the display samples. A strategy draws nothing.
8.  No global side effects: no signal handlers, no monkey-patching of the caller's process, no changed locale or umask.
9.  Everything that crosses a process boundary is picklable, the errors included.
10. Each strategy states what it supports; the suite tests both answers.

A strategy's whole interface to the rest is its `Run`: it takes Attempts, drives each one's `exchange` (what to send, read
and write next, see `downloader.engine.attempt.attempt`), and settles the Outcomes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from downloader.core.http.messages import TransferPolicy
from downloader.transports.base import ClientOptions

if TYPE_CHECKING:
    from downloader.engine.run import Run

POLL = 0.2
"""Seconds after which a strategy looks up at the latest, to see whether it was told to stop."""

YIELD_AFTER = 0.5
"""Seconds after which a worker returns a batch, what was not begun unbegun, so that nothing waits behind a slow file."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs for any Attempt of a run, wherever it is. Picklable.

    ``root``: the folder's path. ``process``: what each finished file is given to, as ``module:function``. ``traced``: whether
    Outcomes tell when and where they came to be.
    """

    root: str
    policy: TransferPolicy
    client: ClientOptions
    on_exists: str = "skip"
    mtime: bool = True
    limit_rate: int = 0
    limit_rate_per_host: int = 0
    process: str = ""
    traced: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit to the rate."""
        return bool(self.limit_rate or self.limit_rate_per_host)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a strategy supports.

    ``default_jobs``: how many in flight, where nothing was said; with ``most_jobs`` only at first: it is found out how many
    help, up to so many. ``max_jobs``: more than that it cannot do. ``fresh_main``: its workers are new interpreters, which
    do not know the functions of the caller's script.
    """

    default_jobs: int
    most_jobs: int | None = None
    max_jobs: int | None = None
    files_per_job: int = 4
    segments: bool = False
    limit_rate: bool = False
    http_versions: tuple[str, ...] = ("1.1",)
    cluster: bool = False
    fresh_main: bool = False


class Strategy(Protocol):
    """A concurrency model. Made for one run."""

    name: ClassVar[str]
    about: ClassVar[str]
    library: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def drive(self, run: "Run") -> None:
        """Take Attempts from the run and settle them until it is finished. Blocks. Raises only where it cannot work at all."""
