"""THE CONTRACT between a run and the strategy that drives it. The contract suite cites the rules by number.

1.  Exactly one Result for each Download that was started, in order of completion. Failures are Results, never raised.
2.  The Source is read lazily: memory does not grow with the length of the list.
3.  The final path appears only when the file is complete and verified; nothing else is ever seen under that name.
4.  Stop requested: no new Attempt starts, running ones end within the grace time, part files stay resumable.
5.  A retry waits without holding a slot. No strategy sleeps with a slot in hand.
6.  What the core decides is not decided again in a strategy: no status code, header name or file name there.
7.  Statistics are plain numbers that a slot adds to and the display samples. A strategy draws nothing.
8.  No global side effects: no signal handlers, no monkey-patching of the caller's process, no changed locale or umask.
9.  Everything that crosses a process boundary is picklable, the errors included.
10. Each strategy states what it supports; the suite tests both answers.

A strategy sees the rest of the program through its `Run` only. Its loop is always the same::

    while not run.finished:
        run.tick()
        while slots are free and (attempts := run.take()):
            start each Attempt: drive `attempt_steps(attempt, run.context, slot)` to its Outcome
        wait for Outcomes, `run.wait()` seconds at most
        run.settle(outcomes)

`downloader.engine.attempt.attempt.attempt_steps` yields what is to be done next (send, read, write, wait), and
`downloader.engine.attempt.commands` says what a driver does for each of these commands. While an Attempt runs, the driver asks
`downloader.engine.deadlines.verdict` whether it must end. docs/plugins.md shows a whole strategy of another package.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from msgspec import Struct

from downloader.core.http.messages import TransferPolicy
from downloader.core.model import Attempt, Outcome
from downloader.core.names.urls import host_of
from downloader.core.scheduling.scheduler import READ_AHEAD_WINDOW
from downloader.engine.control import Cut
from downloader.engine.stats import SlotStats
from downloader.transports.base import ClientOptions

if TYPE_CHECKING:
    from downloader.core.limits.host_table import HostTable
    from downloader.engine.byte_budget import ByteBudget
    from downloader.engine.rate_limiter import RateLimiter
    from downloader.storage.base import Storage, StoreOptions

POLL_SECONDS = 0.2
"""A strategy calls `Run.tick` at least this often, so that it notices a stop."""

DEATHS_TO_GIVE_UP = 3
"""So many worker processes that die in a row before they have done anything: the machine is at fault, not a file."""

BATCH_SECONDS = 0.5
"""After so many seconds on one batch, a worker returns the Attempts that it has not started: they can run elsewhere."""


class WorkerConfig(Struct, frozen=True):
    """The settings that a worker needs for any Attempt of a run, in any process. Picklable.

    Attributes:
        root: the path of the folder that files are written to.
        store: the object store that complete files are uploaded to; None: the folder is their place.
        policy: the rules of HTTP for this run: headers, credentials, redirects, time-outs.
        client: how to connect.
        on_exists: the setting of that name.
        mtime: whether a file gets the time that the server gives for it.
        limit_rate: bytes a second for the whole run; 0: no limit.
        limit_rate_per_host: bytes a second for each host; 0: no limit.
        own_rates: replace ``limit_rate_per_host`` at some hosts; None: at none.
        own_policies: replace ``policy`` for the URLs of some hosts; None: of none.
        cluster: where the cluster is, for a strategy whose workers may be on other machines; empty: not given.
        max_total: bytes of bodies after which the run ends; 0: no limit.
        process: the function that each finished file is given to, as ``module:function``; empty: none.
        digest: the algorithm whose digest of each file is recorded; empty: none.
        traced: whether each Outcome carries a `downloader.core.trace.Trace`.
        timed: whether each Outcome carries `downloader.core.facts.Timings`, as far as the driver measures them.
    """

    root: str
    policy: TransferPolicy
    client: ClientOptions
    on_exists: str = "skip"
    mtime: bool = True
    limit_rate: int = 0
    limit_rate_per_host: int = 0
    process: str = ""
    digest: str = ""
    traced: bool = False
    timed: bool = False
    own_rates: "HostTable[int] | None" = None
    own_policies: "HostTable[TransferPolicy] | None" = None
    cluster: str = ""
    max_total: int = 0
    store: "StoreOptions | None" = None

    @property
    def is_rate_limited(self) -> bool:
        """Whether there is a limit to the rate."""
        return bool(self.limit_rate or self.limit_rate_per_host or self.own_rates is not None)

    def new_byte_budget(self) -> "ByteBudget | None":
        """What one process may receive in the run, to be made once in each process; None: any number of bytes."""
        if not self.max_total:
            return None
        from downloader.engine.byte_budget import ByteBudget  # here: few runs need it

        return ByteBudget(self.max_total)

    def policy_for(self, url: str) -> TransferPolicy:
        """The rules for an Attempt at this URL, where ``own_policies`` is not None."""
        own = None if self.own_policies is None else self.own_policies.get(host_of(url))
        return self.policy if own is None else own


class Capabilities(Struct, frozen=True):
    """What a strategy supports.

    Attributes:
        default_jobs: Attempts in flight where the user gave no number; with ``most_jobs``, the number at the start.
        most_jobs: where the user gave no number, the run finds out how many Attempts in flight help, up to this number;
            None: ``default_jobs`` stays.
        max_jobs: the strategy cannot have more Attempts in flight than this; None: no such limit.
        files_per_job: open files that one Attempt in flight needs at most; the limit of open files (``ulimit -n``) lowers
            the number of jobs accordingly. 0: the files are open in other processes, which have limits of their own.
        segments: whether a file can be fetched in several Segments at a time.
        limit_rate: whether ``--limit-rate`` is kept.
        http_versions: the versions of HTTP that ``--http-version`` may ask for.
        cluster: whether its workers may be on other machines.
        read_ahead: Downloads of the list that are read ahead; more where handing out many at a time costs less.
        fresh_main: whether its workers are new interpreters, which do not know the functions of the caller's script.
    """

    default_jobs: int
    most_jobs: int | None = None
    max_jobs: int | None = None
    files_per_job: int = 4
    segments: bool = False
    limit_rate: bool = False
    http_versions: tuple[str, ...] = ("1.1",)
    cluster: bool = False
    read_ahead: int = READ_AHEAD_WINDOW
    fresh_main: bool = False


class AttemptContext(Struct, frozen=True):
    """What every Attempt of a run has in common, within one process.

    Attributes:
        config: the settings.
        folder: the place where files go.
        rate_limiter: None where the rate has no limit.
        clock: gives monotonic seconds.
        epoch_now: gives seconds since the epoch.
        writes_in_threads: whether the driver writes each block in a thread, so that larger blocks cost less.
        byte_budget: how much this process may still receive; None: any number of bytes.
    """

    config: WorkerConfig
    folder: "Storage"
    rate_limiter: "RateLimiter | None" = None
    clock: Callable[[], float] = time.monotonic
    epoch_now: Callable[[], float] = time.time
    writes_in_threads: bool = False
    byte_budget: "ByteBudget | None" = None


class Slot(NamedTuple):
    """A place for one Attempt at a time: the numbers that the Attempt adds to, and the order that may end the Attempt."""

    stats: SlotStats
    cut: Cut

    @property
    def has_reached_cut(self) -> bool:
        """Whether the Attempt that runs here has come to the offset where the run ordered it to end."""
        stop = self.cut.stop_of(self.stats.key)
        return stop is not None and self.stats.done >= stop


class RunProgress(NamedTuple):
    """How far a run is: files ``done`` and ``ended`` (with or without success) of ``total`` (None: unknown), bytes received."""

    total: int | None
    done: int
    ended: int
    received: int


class Run(Protocol):
    """One run, as its strategy sees it. All methods are called from one thread, unless they say otherwise.

    Properties, `wait` and `progress` only tell; `tick`, `take`, `settle`, `wake` and `fail` change the run.
    """

    __slots__ = ()

    @property
    def context(self) -> AttemptContext:
        """What every Attempt needs: settings, folder, rate limiter, clocks."""

    @property
    def jobs(self) -> int:
        """Attempts in flight at most."""

    @property
    def stopping(self) -> bool:
        """Whether the run was told to stop: running Attempts may go on for the grace time. From any thread. Rule 4."""

    @property
    def grace_over(self) -> bool:
        """Whether the grace time after a stop has passed: running Attempts must end now. From any thread."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do and nothing runs, or the run has failed: `Strategy.drive` ends."""

    @property
    def ready(self) -> int:
        """Downloads that were read from the list and may start as soon as a slot is free."""

    @property
    def limit(self) -> int:
        """Attempts that may be in flight at present; at most ``jobs``, and less while the run finds out how many help."""

    @property
    def waker(self) -> int | None:
        """A file descriptor that becomes readable when `wake` has something to do; None: there is nothing to watch."""

    def progress(self) -> RunProgress:
        """How far the run is. From any thread."""

    def explain(self) -> str:
        """One line for the log: how many Attempts may be in flight, and why."""

    def wait(self) -> float:
        """Seconds that the strategy may wait before its next `tick`; at most `POLL_SECONDS`."""

    def tick(self) -> None:
        """Let the run do what the passing of time requires: heed a stop, sample the statistics, order Segments to end."""

    def new_slot(self) -> Slot:
        """A new slot, whose numbers are shown from now on."""

    def add_slot(self, slot: Slot) -> None:
        """Show the numbers of a slot that the strategy has made itself, in shared memory for example."""

    def take(self, max_attempts: int = 1) -> list[Attempt]:
        """Attempts that are to start now, one after the other in one slot.

        Args:
            max_attempts: how many at most.

        Returns:
            The Attempts; an empty list where none may start now.
        """

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Report how Attempts ended: exactly one Outcome for each Attempt that was taken."""

    def wake(self) -> None:
        """Read what has arrived at ``waker``."""

    def fail(self, error: BaseException) -> None:
        """End the run with this error: the strategy cannot go on, and does not know how its Attempts ended. From any thread."""


class Strategy(Protocol):
    """A concurrency model. One object drives one run.

    Attributes:
        name: the word after ``--strategy``.
        about: what the strategy is, in a few words, for ``dl strategies``.
        library: the packages that it stands on.
        capabilities: what it supports.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    library: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def drive(self, run: Run) -> None:
        """Take Attempts from the run and settle them, until the run is finished. Blocks.

        Raises:
            UsageError: the strategy cannot work here at all. Failures of downloads are Outcomes, and are not raised. Any other
                error is a defect: a strategy gives it to `Run.fail`, so that running Attempts end, and then raises it.
        """
