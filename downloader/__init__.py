"""Fetch a long list of URLs: parallel, resumable, verified, and honest about every file.

Example::

    import downloader

    urls = ["https://example.org/1.bin", "https://example.org/2.bin"]
    report = downloader.download(urls, "data", jobs=8, progress=True)
    print(report)
    for result in report.failed:
        print(result.url, result.error)

    for result in downloader.stream(urls, "data", on_exists="refresh"):
        print(result.status, result.path)

What there is:

- `download`: a list into a folder; the `Report` of it. `adownload`: the same in an event loop.
- `stream`: the same, each `Result` as it comes (`Results`).
- `Downloader`: a folder and settings for several runs; its method ``stream`` is for ``async for``.
- `Download`: a URL with a name, mirrors, headers, a `Checksum`. `Progress`: what ``on_progress`` is called with.
- `Status`: ``done``, ``skipped`` or ``failed``.
- `DownloadError`, and below it what can go wrong: `downloader.errors` shows the tree.

Settings are keyword arguments: ``jobs``, ``retries``, ``per_host``, …; `downloader.settings.keywords.Keywords` has their types,
and `downloader.settings.definitions.Settings` their meaning. Failures are part of the Report; only `Report.raise_for_errors`
raises them.

The layers of the code, each importing only from those to its right (a test holds it)::

    cli → compare → api → runs → strategies · progress · reports → engine → transports · storage · sources
        → settings → core → errors

`downloader.core` decides, the strategies drive; `downloader.engine.contract` is the contract between a run and its strategy.
docs/architecture.md shows the whole house.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from downloader._version import __version__

if TYPE_CHECKING:
    from downloader.api.calls import adownload, download, stream
    from downloader.api.downloader import Downloader
    from downloader.api.results import Results
    from downloader.core.model import Checksum, Download, Result, Status
    from downloader.core.report import Report
    from downloader.errors import (
        AuthError,
        DownloadError,
        FileInUse,
        FolderError,
        FolderFull,
        HTTPStatusError,
        IntegrityError,
        Interrupted,
        NameNotFound,
        NetworkError,
        NoAnswer,
        PolicyError,
        ProcessError,
        ProtocolError,
        StorageError,
        TLSError,
        Unwanted,
        UsageError,
        WorkerError,
    )
    from downloader.progress.frames import Progress

__all__ = [
    "AuthError",
    "Checksum",
    "Download",
    "DownloadError",
    "Downloader",
    "FileInUse",
    "FolderError",
    "FolderFull",
    "HTTPStatusError",
    "IntegrityError",
    "Interrupted",
    "NameNotFound",
    "NetworkError",
    "NoAnswer",
    "PolicyError",
    "ProcessError",
    "Progress",
    "ProtocolError",
    "Report",
    "Result",
    "Results",
    "Status",
    "StorageError",
    "TLSError",
    "Unwanted",
    "UsageError",
    "WorkerError",
    "__version__",
    "adownload",
    "download",
    "stream",
]


_HOMES = (
    "downloader.errors",
    "downloader.core.model",
    "downloader.core.report",
    "downloader.progress.frames",
    "downloader.api.results",
    "downloader.api.downloader",
    "downloader.api.calls",
)


def __getattr__(name: str) -> Any:
    """A public name, from the module that it is in (PEP 562): what is not used is not imported."""
    if name in __all__:
        for module in _HOMES:
            found = getattr(import_module(module), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'downloader' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
