"""The public functions and classes of the library: `download`, `adownload`, `stream`, `Downloader`."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from downloader.api.results import AHEAD, Results
from downloader.api.watched_run import OnProgress, OnResult, WatchedRun
from downloader.core.model import Download, Result
from downloader.core.report import Report
from downloader.engine.attempt.postprocess import name_of
from downloader.errors import UsageError
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import convert, fields
from downloader.settings.keywords import Keywords
from downloader.sources.lists import BackgroundSource, Lists, from_values, held

if TYPE_CHECKING:
    import asyncio

Urls = str | Path | Download | Iterable[str | Download]
LOG = logging.getLogger("downloader")
COMMAND_ONLY = frozenset({"report", "failed", "trace", "progress", "quiet", "verbose", "log_file"})


def source_of(
    urls: Urls, skip_bad: bool = False, hold: Callable[[], bool] | None = None
) -> tuple[Iterator[Download | None], int | None]:
    """Convert the argument ``urls`` to a Source, with its number of Downloads (None: unknown). Raises UsageError.

    ``hold``: returns whether the Source must pause.
    """
    if isinstance(urls, Download):
        urls = [urls]
    if isinstance(urls, str | Path):
        lists = Lists([urls], skip_bad)
        total = lists.check()
        if lists.bad_lines and not skip_bad:
            raise lists.bad_lines[0]
        source = lists.source(hold)
    elif isinstance(urls, list | tuple | set | frozenset):
        downloads = list(from_values(urls))
        source, total = iter(downloads), len(downloads)
    else:
        source, total = BackgroundSource(from_values(urls), hold=hold), None
    return (source if hold is None or isinstance(source, BackgroundSource) else held(source, hold)), total


class Downloader:
    """A folder and settings, for any number of runs.

    Args:
        dir: the folder for the downloaded files; created if missing.
        settings: the fields of `downloader.settings.definitions.Settings`, except those that only the command has:
            ``strategy``, ``jobs``, ``retries``, …; see config.example.toml. ``process`` may also be a function, if a worker
            process can import it by its name.

    Raises:
        UsageError: a setting is unknown or invalid.

    For scripts::

        fetcher = downloader.Downloader("data", jobs=8, retries=2)
        report = fetcher.run(["https://example.org/a.csv", "https://example.org/b.csv"])
        for result in fetcher.results(["https://example.org/c.csv"]):
            print(result.status, result.path)

    With an event loop::

        async with downloader.Downloader("data") as fetcher:
            async for result in fetcher.stream(urls):
                print(result.status, result.path)
    """

    def __init__(self, dir: str | Path = ".", **settings: Unpack[Keywords]) -> None:
        given = cast(dict[str, Any], settings)
        for name in sorted(set(given) & COMMAND_ONLY):
            hint = "give it to run(), results(), arun() or stream()" if name == "progress" else ""
            hint = hint or "write the Results or the Report yourself"
            raise UsageError(f"{name} is a setting of the command only", hint=hint)
        if given.get("process"):
            given["process"] = name_of(given["process"])
        known = {item.name: item.key for item in fields()}
        self.settings = convert({known.get(name, name): value for name, value in {"dir": str(dir), **given}.items()})
        self._running: set[WatchedRun] = set()

    def session(
        self,
        urls: Urls,
        on_result: Callable[[Result], None] | None = None,
        report: Report | None = None,
        hold: Callable[[], bool] | None = None,
    ) -> DownloadRun:
        """A run that has not started. Raises UsageError or StorageError if an error is detected before the start."""
        source, total = source_of(urls, self.settings.skip_bad_lines, hold)
        twice = total is not None and self.settings.checksums
        again = (lambda: source_of(urls, self.settings.skip_bad_lines)[0]) if twice else None
        try:
            session = DownloadRun(self.settings, source, total, on_result, report, again=again)
        except BaseException:
            if isinstance(source, BackgroundSource):
                source.close()
            raise
        if session.notice:
            LOG.info("%s", session.notice)
        return session

    def run(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Report:
        """Fetch all URLs, and return a Report. Blocks until each URL has its Result. Failures are recorded, not raised.

        Args and Raises: see `download`.
        """
        observed = WatchedRun(progress, on_progress, on_result)
        return observed.begin(self.session(urls, observed.emit if on_result else None)).join()

    def results(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Results:
        """Start to fetch all URLs, and return an iterator of the Results. See `Results` and `downloader.stream`.

        Args and Raises: see `download`. An error that ends the run is raised after the last Result.
        """
        arrived: SimpleQueue[Result | None] = SimpleQueue()
        observed = WatchedRun(progress, on_progress, on_result)

        def tell(result: Result) -> None:
            arrived.put(result)
            observed.emit(result)

        session = self.session(urls, tell, Report(keep=False, keep_failed=0), lambda: arrived.qsize() >= AHEAD)
        observed.when_ended(lambda: arrived.put(None))
        return Results(observed.begin(session), arrived)

    async def stream(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> AsyncIterator[Result]:
        """Fetch all URLs; yields each Result when it is complete. Leaving the loop early stops the run gracefully.

        Args and Raises: see `download`. An error that ends the run is raised after the last Result. If the consumer is slow,
        about a thousand Results are buffered; then the list is not read any further until the consumer catches up.
        """
        import asyncio  # here, and below: the import takes 20 ms, and only these methods need it

        loop = asyncio.get_running_loop()
        arrived: deque[Result] = deque()
        news = asyncio.Event()
        observed = WatchedRun(progress, on_progress, on_result)

        def tell(result: Result) -> None:
            arrived.append(result)
            if len(arrived) == 1:  # the loop takes all arrived Results: one call wakes it for many of them
                loop.call_soon_threadsafe(news.set)
            observed.emit(result)

        session = self.session(urls, tell, Report(keep=False, keep_failed=0), lambda: len(arrived) >= AHEAD)
        ended = self._begin(observed, session, loop, news)
        try:
            while arrived or not ended.is_set():
                await news.wait()
                news.clear()
                while arrived:
                    yield arrived.popleft()
            observed.join()
        finally:
            observed.stop()
            await ended.wait()
            self._running.discard(observed)

    async def arun(
        self,
        urls: Urls,
        *,
        progress: bool = False,
        on_progress: OnProgress | None = None,
        on_result: OnResult | None = None,
    ) -> Report:
        """`run` for an event loop. If the call is cancelled, the run stops gracefully."""
        import asyncio

        observed = WatchedRun(progress, on_progress, on_result)
        session = self.session(urls, observed.emit if on_result else None)
        ended = self._begin(observed, session, asyncio.get_running_loop())
        try:
            await ended.wait()
            return observed.join()
        finally:
            observed.stop()
            await ended.wait()
            self._running.discard(observed)

    def _begin(
        self, observed: WatchedRun, session: DownloadRun, loop: "asyncio.AbstractEventLoop", *also: "asyncio.Event"
    ) -> "asyncio.Event":
        """Start the run. Returns an event that is set when the run has ended, as are the events ``also``."""
        import asyncio

        ended = asyncio.Event()

        def tell() -> None:
            for event in (ended, *also):
                event.set()

        observed.when_ended(lambda: loop.call_soon_threadsafe(tell))
        observed.begin(session)
        self._running.add(observed)
        return ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        import asyncio

        for observed in list(self._running):
            observed.stop()
            while not observed.wait(0):
                await asyncio.sleep(0.02)


def download(
    urls: Urls,
    dir: str | Path = ".",
    *,
    progress: bool = False,
    on_progress: OnProgress | None = None,
    on_result: OnResult | None = None,
    **settings: Unpack[Keywords],
) -> Report:
    """Fetch a list. Blocks until each file has its Result. Failures are recorded in the Report, not raised.

    Args:
        urls: the name of a file that lists URLs, a URL, a Download, or any iterable of URLs and Downloads.
        dir: the folder for the downloaded files; created if missing.
        progress: show one bar for the run on standard error, or in a notebook below the cell.
        on_progress: called with a `Progress` about five times per second, and once at the end, by a separate thread.
        on_result: called with the `Result` of each file, one after the other, by the thread of the run: no other file starts
            until the function returns.
        settings: ``jobs=8``, ``retries=2``, …: the names in config.example.toml, with underscores.

    Raises:
        UsageError: a setting is unknown or invalid, or the list is invalid; nothing was started.
        StorageError: the folder cannot be used.
        Exception: an exception of ``on_progress``, ``on_result`` or an iterator of URLs. The run was stopped gracefully:
            complete files have their names, and the next run resumes the others.

    Example::

        report = downloader.download(["https://example.org/a.csv"], "data", jobs=8, progress=True)
        report.raise_for_errors()
    """
    return Downloader(dir, **settings).run(urls, progress=progress, on_progress=on_progress, on_result=on_result)


async def adownload(
    urls: Urls,
    dir: str | Path = ".",
    *,
    progress: bool = False,
    on_progress: OnProgress | None = None,
    on_result: OnResult | None = None,
    **settings: Unpack[Keywords],
) -> Report:
    """`download` for an event loop: the call does not block the loop.

    Args and Raises: see `download`. If the call is cancelled, the run stops gracefully.

    Example::

        report = await downloader.adownload(["https://example.org/a.csv"], "data")
    """
    fetcher = Downloader(dir, **settings)
    return await fetcher.arun(urls, progress=progress, on_progress=on_progress, on_result=on_result)


def stream(
    urls: Urls,
    dir: str | Path = ".",
    *,
    progress: bool = False,
    on_progress: OnProgress | None = None,
    on_result: OnResult | None = None,
    **settings: Unpack[Keywords],
) -> Results:
    """Start to fetch a list, and return an iterator that yields each Result when it is complete.

    Args and Raises: see `download`. An error that ends the run is raised after the last Result. Leaving the loop early stops
    the run gracefully; see `Results`.

    Example::

        for result in downloader.stream(["https://example.org/a.csv"], "data"):
            print(result.status, result.path, result.error or "")
    """
    return Downloader(dir, **settings).results(urls, progress=progress, on_progress=on_progress, on_result=on_result)
