"""What other programs call: `download`, `adownload`, `stream`, `Downloader`."""

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
from downloader.sources.lists import BackgroundSource, ListReader, from_values, pausable

if TYPE_CHECKING:
    import asyncio

Urls = str | Path | Download | Iterable[str | Download]
LOG = logging.getLogger("downloader")
COMMAND_ONLY = frozenset({"report", "failed", "trace", "progress", "quiet", "verbose", "log_file"})


def source_of(
    urls: Urls, skip_bad: bool = False, is_paused: Callable[[], bool] | None = None
) -> tuple[Iterator[Download | None], int | None]:
    """A Source for what a caller gave, and how many Downloads it holds (None: unknown until it ends). Raises UsageError.

    ``is_paused``: whether nothing is to be read at the moment.
    """
    if isinstance(urls, Download):
        urls = [urls]
    if isinstance(urls, str | Path):
        lists = ListReader([urls], skip_bad)
        total = lists.check()
        if lists.bad_lines and not skip_bad:
            raise lists.bad_lines[0]
        source = lists.source(is_paused)
    elif isinstance(urls, list | tuple | set | frozenset):
        downloads = list(from_values(urls))
        source, total = iter(downloads), len(downloads)
    else:
        source, total = BackgroundSource(from_values(urls), is_paused=is_paused), None
    return (source if is_paused is None or isinstance(source, BackgroundSource) else pausable(source, is_paused)), total


class Downloader:
    """A folder and settings, for any number of runs.

    Args:
        dir: the folder that files go into; made if missing.
        settings: the fields of `downloader.settings.definitions.Settings`, without those of the command alone: ``strategy``,
            ``jobs``, ``retries``, …; see config.example.toml. ``process`` may also be the function itself, if a worker process
            can import it by its name.

    Raises:
        UsageError: a setting is unknown or wrong.

    For scripts::

        fetcher = downloader.Downloader("data", jobs=8, retries=2)
        report = fetcher.run(["https://example.org/a.csv", "https://example.org/b.csv"])
        for result in fetcher.results(["https://example.org/c.csv"]):
            print(result.status, result.path)

    For those who have an event loop::

        async with downloader.Downloader("data") as fetcher:
            async for result in fetcher.stream(urls):
                print(result.status, result.path)
    """

    def __init__(self, dir: str | Path = ".", **settings: Unpack[Keywords]) -> None:
        given = cast(dict[str, Any], settings)
        for name in sorted(set(given) & COMMAND_ONLY):
            hint = "give it to run(), results(), arun() or stream()" if name == "progress" else ""
            hint = hint or "the Results and the Report are yours to write"
            raise UsageError(f"{name} is a setting of the command alone", hint=hint)
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
        is_paused: Callable[[], bool] | None = None,
    ) -> DownloadRun:
        """A run that has not started. Raises UsageError or StorageError for what can be known to be wrong before."""
        source, total = source_of(urls, self.settings.skip_bad_lines, is_paused)
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
        """Fetch them all, and report. Blocks until each has its Result. What fails is in the Report, not raised.

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
        """Fetch them all, beginning now; each Result as it comes, for an ordinary loop. See `Results` and `downloader.stream`.

        Args and Raises: see `download`. What breaks the run is raised after the last Result.
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
        """Fetch them all; each Result as it comes, for ``async for``. Leaving the loop early stops the run in good order.

        Args and Raises: see `download`. What breaks the run is raised after the last Result. While the consumer is slow, about
        a thousand Results wait for it, and then no more of the list is read.
        """
        import asyncio  # here, and below: 20 ms, that only those need to pay who use it

        loop = asyncio.get_running_loop()
        arrived: deque[Result] = deque()
        news = asyncio.Event()
        observed = WatchedRun(progress, on_progress, on_result)

        def tell(result: Result) -> None:
            arrived.append(result)
            if len(arrived) == 1:  # the loop takes all there is: one call wakes it for many Results
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
        """`run`, for those who have an event loop. Where it is cancelled, the run stops in good order."""
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
        """Start it; the event is set when it is over, as are the others."""
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
    """Fetch a list. Blocks until each file has its Result. What fails is in the Report, not raised.

    Args:
        urls: the name of a file that lists URLs, a URL, a Download, or any iterable of URLs and Downloads.
        dir: the folder that files go into; made if missing.
        progress: show one bar for the run on standard error, or in a notebook below the cell.
        on_progress: called with a `Progress` about five times a second, and once at the end; by a thread of its own.
        on_result: called with the `Result` of each file, one after the other, by the thread of the run: while the function
            works, nothing else begins.
        settings: ``jobs=8``, ``retries=2``, …: the names in config.example.toml, with underscores.

    Raises:
        UsageError: a setting is unknown or wrong, or the list is: nothing was started.
        StorageError: the folder cannot be used.
        Exception: what ``on_progress``, ``on_result`` or an iterator of URLs raised. The run was stopped in good order:
            complete files have their names, and the next run goes on from there.

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
    """`download`, for those who have an event loop: it does not block the loop.

    Args and Raises: see `download`. Where it is cancelled, the run stops in good order.

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
    """Fetch a list, beginning now; each Result as it comes, for an ordinary loop.

    Args and Raises: see `download`. What breaks the run is raised after the last Result. Leaving the loop early stops the run
    in good order; see `Results`.

    Example::

        for result in downloader.stream(["https://example.org/a.csv"], "data"):
            print(result.status, result.path, result.error or "")
    """
    return Downloader(dir, **settings).results(urls, progress=progress, on_progress=on_progress, on_result=on_result)
