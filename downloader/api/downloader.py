"""The class `Downloader`: a folder and settings, for any number of runs."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from downloader.api.results import MAX_WAITING_RESULTS, Results
from downloader.api.urls import Urls, has_list, source_of
from downloader.api.watched_run import OnProgress, OnResult, WatchedRun
from downloader.core.model import Result
from downloader.core.report import Report
from downloader.engine.attempt.postprocess import name_of
from downloader.errors import UsageError
from downloader.runs.download_run import DownloadRun
from downloader.runs.list_fetch import ListFetcher
from downloader.settings.fields import convert, fields
from downloader.settings.keywords import Keywords
from downloader.sources.background import BackgroundSource
from downloader.sources.formats import list_options

if TYPE_CHECKING:
    import asyncio

LOG = logging.getLogger("downloader")
COMMAND_ONLY = frozenset({"report", "manifest", "on_complete", "failed", "trace", "progress", "quiet", "verbose", "log_file"})
"""Settings that only concern what the command writes."""

END_POLL_SECONDS = 0.02
"""Seconds between two checks whether a run has ended, when an ``async with`` block is left."""


class Downloader:
    """A folder and settings, for any number of runs; several may be under way at the same time.

    Args:
        dir: the folder that files go into; it is made if it is missing. Default: the current folder.
        settings: settings as keyword arguments: ``strategy``, ``jobs``, ``retries``, and so on.
            `downloader.settings.keywords.Keywords` has their types, config.example.toml their meaning and defaults.
            Times are in seconds or text such as ``"5m"``, sizes in bytes or text such as ``"10M"``. ``process`` may also be
            the function itself, if a worker process can import it by its name.

    Raises:
        UsageError: a setting is unknown, has a wrong value, or is one of the command alone.

    Example of a script::

        fetcher = downloader.Downloader("data", jobs=8, retries=2)
        report = fetcher.run(["https://example.org/a.csv", "https://example.org/b.csv"])
        for result in fetcher.results(["https://example.org/c.csv"]):
            print(result.status, result.path)

    Example of a program with an event loop::

        async with downloader.Downloader("data") as fetcher:
            async for result in fetcher.stream(urls):
                print(result.status, result.path)
    """

    def __init__(self, dir: str | Path = ".", **settings: Unpack[Keywords]) -> None:
        given = cast(dict[str, Any], settings)
        for name in sorted(set(given) & COMMAND_ONLY):
            hint = "give it to run(), results(), arun() or stream()" if name == "progress" else ""
            hint = hint or "the Results and the Report are yours to write"
            raise UsageError(f"{name} is a setting of the command only", hint=hint)
        if given.get("process"):
            given["process"] = name_of(given["process"])
        sections = given.pop("hosts", None)
        if sections is not None:
            from downloader.settings.host_tables import read_keyword  # here: few callers have such sections

            sections = read_keyword(sections)
        keys = {item.name: item.key for item in fields()}
        values = {keys.get(name, name): value for name, value in {"dir": str(dir), **given}.items()}
        self.settings = convert(values, hosts=sections or ())
        self._running: set[WatchedRun] = set()

    def session(
        self,
        urls: Urls,
        on_result: Callable[[Result], None] | None = None,
        report: Report | None = None,
        is_paused: Callable[[], bool] | None = None,
    ) -> DownloadRun:
        """Make a run without starting it, for callers that `start` and `join` it themselves.

        Args:
            urls: see `downloader.download`.
            on_result: called with each Result, in the thread of the run. It must not raise.
            report: counts the Results; by default a new Report.
            is_paused: while this returns True, no further Download is read.

        Returns:
            The run; its ``start``, ``stop``, ``wait`` and ``join`` control it.

        Raises:
            UsageError: the list cannot be read, a line or a value is invalid, or a setting cannot be used.
            StorageError: the folder cannot be used.

        Example::

            run = downloader.Downloader("data").session(["https://example.org/a.csv"]).start()
            while not run.wait(1.0):
                print(run.stats.received, "bytes so far")
            report = run.join()
        """
        options = list_options(self.settings, ListFetcher(self.settings))
        skip_bad = self.settings.skip_bad_lines
        source, total = source_of(urls, skip_bad, is_paused, options)
        can_read_twice = total is not None and (self.settings.checksums or self.settings.name)
        again = (lambda: source_of(urls, skip_bad, options=options)[0]) if can_read_twice else None
        try:
            run = DownloadRun(
                self.settings,
                source,
                total,
                on_result,
                report,
                again=again,
                has_list=has_list(urls, options),
                is_paused=is_paused,
                detailed=True,
            )
        except BaseException:
            if isinstance(source, BackgroundSource):
                source.close()
            raise
        if run.notice:
            LOG.info("%s", run.notice)
        return run

    def run(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Report:
        """Fetch a list, and wait until each file has its Result. Failures are in the Report, and are not raised.

        Arguments, return value and exceptions are those of `downloader.download`.

        Example::

            report = downloader.Downloader("data").run(["https://example.org/a.csv"], progress=True)
        """
        watched = WatchedRun(progress, on_progress, on_result)
        return watched.begin(self.session(urls, watched.emit if on_result else None)).join()

    def results(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Results:
        """Start to fetch a list, and return an iterator of its Results.

        Arguments, return value and exceptions are those of `downloader.stream`.

        Example::

            for result in downloader.Downloader("data").results(["https://example.org/a.csv"]):
                print(result.status, result.path)
        """
        queue: SimpleQueue[Result | None] = SimpleQueue()
        watched = WatchedRun(progress, on_progress, on_result)

        def deliver(result: Result) -> None:
            queue.put(result)
            watched.emit(result)

        run = self.session(urls, deliver, Report(keep=False, keep_failed=0), lambda: queue.qsize() >= MAX_WAITING_RESULTS)
        watched.when_ended(lambda: queue.put(None))
        return Results(watched.begin(run), queue)

    async def stream(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> AsyncIterator[Result]:
        """Fetch a list, and yield each Result as its file ends. For ``async for``.

        Arguments are those of `downloader.download`. Leaving the loop early stops the run as Ctrl-C does: running files may
        end within the setting ``grace``. While the consumer is slow, about a thousand Results wait for it; then no more of the
        list is read.

        Raises:
            Exception: as `downloader.download`; what breaks the run is raised after its last Result.

        Example::

            async for result in downloader.Downloader("data").stream(["https://example.org/a.csv"]):
                print(result.status, result.path)
        """
        import asyncio  # here, and below: 20 ms that only programs with an event loop need to pay

        loop = asyncio.get_running_loop()
        waiting: deque[Result] = deque()
        changed = asyncio.Event()
        watched = WatchedRun(progress, on_progress, on_result)

        def deliver(result: Result) -> None:
            waiting.append(result)
            if len(waiting) == 1:  # the consumer takes all Results at once, so one call wakes it for many
                loop.call_soon_threadsafe(changed.set)
            watched.emit(result)

        run = self.session(urls, deliver, Report(keep=False, keep_failed=0), lambda: len(waiting) >= MAX_WAITING_RESULTS)
        ended = self._begin(watched, run, loop, changed)
        try:
            while waiting or not ended.is_set():
                await changed.wait()
                changed.clear()
                while waiting:
                    yield waiting.popleft()
            watched.join()
        finally:
            watched.stop()
            await ended.wait()
            self._running.discard(watched)

    async def arun(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Report:
        """`run`, without blocking the event loop. Cancelling it stops the run as Ctrl-C does.

        Arguments, return value and exceptions are those of `downloader.download`.

        Example::

            report = await downloader.Downloader("data").arun(["https://example.org/a.csv"])
        """
        import asyncio

        watched = WatchedRun(progress, on_progress, on_result)
        run = self.session(urls, watched.emit if on_result else None)
        ended = self._begin(watched, run, asyncio.get_running_loop())
        try:
            await ended.wait()
            return watched.join()
        finally:
            watched.stop()
            await ended.wait()
            self._running.discard(watched)

    def _begin(
        self, watched: WatchedRun, run: DownloadRun, loop: "asyncio.AbstractEventLoop", *events: "asyncio.Event"
    ) -> "asyncio.Event":
        """Start the run. Returns an event that is set when the run has ended, as are ``events``."""
        import asyncio

        ended = asyncio.Event()

        def set_events() -> None:
            for event in (ended, *events):
                event.set()

        watched.when_ended(lambda: loop.call_soon_threadsafe(set_events))
        watched.begin(run)
        self._running.add(watched)
        return ended

    async def __aenter__(self) -> Self:
        """Return the Downloader itself."""
        return self

    async def __aexit__(self, *details: object) -> None:
        """Stop the runs that `stream` and `arun` have started, and wait for their ends."""
        import asyncio

        for watched in list(self._running):
            watched.stop()
            while not watched.wait(0):
                await asyncio.sleep(END_POLL_SECONDS)
