"""The functions `download`, `adownload` and `stream`: each makes a `Downloader` for a single run."""

from pathlib import Path
from typing import Unpack

from downloader.api.downloader import Downloader
from downloader.api.results import Results
from downloader.api.urls import Urls
from downloader.api.watched_run import OnProgress, OnResult
from downloader.core.report import Report
from downloader.settings.keywords import Keywords


def download(
    urls: Urls,
    dir: str | Path = ".",
    *,
    progress: bool = False,
    on_progress: OnProgress | None = None,
    on_result: OnResult | None = None,
    **settings: Unpack[Keywords],
) -> Report:
    """Fetch a list, and wait until each file has its Result. Failures are in the Report, and are not raised.

    Args:
        urls: the path of a list, a URL, a Download, or an iterable of URLs and Downloads. An iterator is read during the run.
            A list is text, a table, JSON Lines, …, also compressed; with the setting ``format``, a URL is that of a list.
        dir: the folder that files go into; it is made if it is missing. Default: the current folder.
        progress: show one bar for the run on standard error, or below the cell of a notebook.
        on_progress: called with a `Progress` about five times a second, and once at the end; by a thread of its own.
        on_result: called with the `Result` of each file, one after the other, by the thread of the run. The run does nothing
            else until the function returns.
        settings: settings as keyword arguments, such as ``jobs=8`` or ``retries=2``: the names of config.example.toml, with
            underscores. Times are in seconds or text such as ``"5m"``, sizes in bytes or text such as ``"10M"``.

    Returns:
        The Report: how many files are done, skipped and failed, and their Results.

    Raises:
        UsageError: a setting is unknown or has a wrong value, or the list is invalid. Nothing was started.
        StorageError: the folder cannot be used.
        Exception: what ``on_progress``, ``on_result`` or the iterator of URLs raised. The run was stopped as Ctrl-C stops it:
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
    """`download`, without blocking the event loop. Cancelling it stops the run as Ctrl-C does.

    Args:
        urls: the path of a file that lists URLs, a URL, a Download, or an iterable of URLs and Downloads.
        dir: the folder that files go into; it is made if it is missing. Default: the current folder.
        progress: show one bar for the run on standard error, or below the cell of a notebook.
        on_progress: called with a `Progress` about five times a second, and once at the end; by a thread of its own.
        on_result: called with the `Result` of each file, one after the other, by the thread of the run, which is not the thread
            of the event loop.
        settings: settings as keyword arguments; times in seconds, sizes in bytes. See `download`.

    Returns:
        The Report, as `download` does.

    Raises:
        UsageError, StorageError, Exception: as `download`.

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
    """Start to fetch a list, and return an iterator of its Results. For an ordinary ``for`` loop.

    Args:
        urls: the path of a file that lists URLs, a URL, a Download, or an iterable of URLs and Downloads.
        dir: the folder that files go into; it is made if it is missing. Default: the current folder.
        progress: show one bar for the run on standard error, or below the cell of a notebook.
        on_progress: called with a `Progress` about five times a second, and once at the end; by a thread of its own.
        on_result: called with the `Result` of each file, one after the other, by the thread of the run.
        settings: settings as keyword arguments; times in seconds, sizes in bytes. See `download`.

    Returns:
        `Results`: an iterator that yields each Result as its file ends. Leaving the loop early stops the run.

    Raises:
        UsageError, StorageError: as `download`, before the first Result.
        Exception: as `download`; what breaks the run is raised after its last Result.

    Example::

        for result in downloader.stream(["https://example.org/a.csv"], "data"):
            print(result.status, result.path, result.error or "")
    """
    return Downloader(dir, **settings).results(urls, progress=progress, on_progress=on_progress, on_result=on_result)
