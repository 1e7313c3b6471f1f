"""Download a long list of URLs: in parallel, resumable, verified, with a Result for every file.

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

- `download`: fetch a list into a folder, and return a `Report`. `adownload`: the same for programs with an event loop.
- `stream`: the same, as an iterator (`Results`) that yields each `Result` as its file ends.
- `Downloader`: a folder and settings for several runs; its method ``stream`` is for ``async for``.
- `Download`: a URL with a path, mirrors, headers, a `Checksum`. `Progress`: what ``on_progress`` is called with.
- `Status`: ``done``, ``skipped`` or ``failed``.
- `DownloadError`: the base of all errors; `downloader.errors` shows the tree.

Settings are keyword arguments: ``jobs``, ``retries``, ``per_host``, and so on. `downloader.settings.keywords.Keywords` has
their types, `downloader.settings.definitions.Settings` their meaning. Failures are part of the Report; only
`Report.raise_for_errors` raises them.

The layers of the code, each importing only from those to its right (checked by a test)::

    cli → compare → api → runs → strategies · progress · reports → engine → transports · storage · sources
        → settings → core → errors

`downloader.core` decides, the strategies do the waiting; `downloader.engine.contract` is the contract between a run and its
strategy. docs/architecture.md describes the whole.
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


_MODULES = (
    "downloader.errors",
    "downloader.core.model",
    "downloader.core.report",
    "downloader.progress.frames",
    "downloader.api.results",
    "downloader.api.downloader",
    "downloader.api.calls",
)


def __getattr__(name: str) -> Any:
    """Import a public name from its module at its first use (PEP 562), so that ``import downloader`` is fast."""
    if name in __all__:
        for module in _MODULES:
            value = getattr(import_module(module), name, None)
            if value is not None:
                globals()[name] = value
                return value
    raise AttributeError(f"module 'downloader' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
