"""What other programs call: `download`, `adownload`, `Downloader`."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from downloader.core.model import Download, Result
from downloader.core.report import Report
from downloader.errors import UsageError
from downloader.session import Session
from downloader.settings import convert, fields
from downloader.sources.lists import Feed, Lists, from_values
from downloader.strategies.processing import name_of

if TYPE_CHECKING:
    import asyncio

Urls = str | Path | Download | Iterable[str | Download]
LOG = logging.getLogger("downloader")
COMMAND_ONLY = frozenset({"report", "failed", "trace", "progress", "quiet", "verbose", "log_file"})


def source_of(urls: Urls, skip_bad: bool = False) -> tuple[Iterator[Download | None], int | None]:
    """A Source for what a caller gave, and how many Downloads it holds (None: unknown until it ends). Raises UsageError."""
    if isinstance(urls, Download):
        urls = [urls]
    if isinstance(urls, str | Path):
        lists = Lists([urls], skip_bad)
        total = lists.check()
        if lists.bad_lines and not skip_bad:
            raise lists.bad_lines[0]
        return lists.source(), total
    if isinstance(urls, list | tuple | set | frozenset):
        downloads = list(from_values(urls))
        return iter(downloads), len(downloads)
    return Feed(from_values(urls)), None


class Downloader:
    """A folder and settings, for any number of runs.

    Keyword arguments are the fields of `downloader.settings.Settings`: ``strategy``, ``jobs``, ``retries``, ….
    ``process`` may also be the function itself, if it can be found by its name. Raises UsageError for one that is unknown or
    wrong.
    """

    def __init__(self, dir: str | Path = ".", **settings: Any) -> None:
        for name in sorted(set(settings) & COMMAND_ONLY):
            raise UsageError(f"{name} is a setting of the command alone", hint="the Results and the Report are yours to write")
        if settings.get("process"):
            settings["process"] = name_of(settings["process"])
        known = {item.name: item.key for item in fields()}
        self.settings = convert({known.get(name, name): value for name, value in {"dir": str(dir), **settings}.items()})
        self._sessions: set[Session] = set()

    def session(self, urls: Urls, on_result: Callable[[Result], None] | None = None, report: Report | None = None) -> Session:
        """A run that has not started. Raises UsageError or StorageError for what can be known to be wrong before."""
        source, total = source_of(urls, self.settings.skip_bad_lines)
        twice = total is not None and self.settings.checksums
        again = (lambda: source_of(urls, self.settings.skip_bad_lines)[0]) if twice else None
        session = Session(self.settings, source, total, on_result, report, again=again)
        if session.notice:
            LOG.info("%s", session.notice)
        return session

    def run(self, urls: Urls) -> Report:
        """Fetch them all, and report. What fails is in the report, not raised."""
        return self.session(urls).start().join()

    async def stream(self, urls: Urls) -> AsyncIterator[Result]:
        """Fetch them all; each Result as it comes. Leaving the loop early stops the run in good order."""
        import asyncio  # here, and below: 20 ms, that only those need to pay who use it

        loop = asyncio.get_running_loop()
        arrived: deque[Result] = deque()
        news = asyncio.Event()

        def on_result(result: Result) -> None:
            arrived.append(result)
            if len(arrived) == 1:  # the loop takes all there is: one call wakes it for many Results
                loop.call_soon_threadsafe(news.set)

        session = self.session(urls, on_result, Report(keep=False, keep_failed=0))
        ended = self._begin(session, loop, news)
        try:
            while arrived or not ended.is_set():
                await news.wait()
                news.clear()
                while arrived:
                    yield arrived.popleft()
            session.join()
        finally:
            session.stop()
            await ended.wait()
            self._sessions.discard(session)

    async def arun(self, urls: Urls) -> Report:
        """`run`, for those who have an event loop."""
        import asyncio

        session = self.session(urls)
        ended = self._begin(session, asyncio.get_running_loop())
        try:
            await ended.wait()
            return session.join()
        finally:
            session.stop()
            await ended.wait()
            self._sessions.discard(session)

    def _begin(self, session: Session, loop: "asyncio.AbstractEventLoop", *also: "asyncio.Event") -> "asyncio.Event":
        """Start it; the event is set when it is over, as are the others."""
        import asyncio

        ended = asyncio.Event()

        def tell() -> None:
            for event in (ended, *also):
                event.set()

        session.when_ended(lambda: loop.call_soon_threadsafe(tell))
        self._sessions.add(session)
        session.start()
        return ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        import asyncio

        for session in list(self._sessions):
            session.stop()
            while not session.wait(0):
                await asyncio.sleep(0.02)


def download(urls: Urls, dir: str | Path = ".", **settings: Any) -> Report:
    """Fetch a list: a file's name, a URL, or URLs and Downloads. Blocks until each has its Result.

    ``settings``: see `Downloader`. What fails is in the Report (`Report.raise_for_errors`), not raised.
    Raises UsageError for a list or a setting that is wrong, StorageError for a folder that cannot be used.
    """
    return Downloader(dir, **settings).run(urls)


async def adownload(urls: Urls, dir: str | Path = ".", **settings: Any) -> Report:
    """`download`, for those who have an event loop."""
    return await Downloader(dir, **settings).arun(urls)
