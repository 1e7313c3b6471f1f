"""Fetch a long list of URLs: parallel, resumable, verified, with a report about every file.

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

- `download`: fetches a list into a folder, and returns a `Report`. `adownload`: the same, for an event loop.
- `stream`: fetches a list, and yields each `Result` when it is complete (`Results`).
- `Downloader`: a folder and settings for several runs; its method ``stream`` is for ``async for``.
- `Download`: a URL with a name, mirrors, headers, a `Checksum`, `Pieces`. `Progress`: the argument of ``on_progress``.
- `Status`: ``done``, ``skipped`` or ``failed``. `Timings`, `Try`: what a file waited for, and an Attempt that failed.
- `DownloadError`: the base class of all errors; `downloader.errors` shows the tree.

Settings are keyword arguments: ``jobs``, ``retries``, ``per_host``, …; `downloader.settings.keywords.Keywords` lists their
types, and `downloader.settings.definitions.Settings` explains them. Failures are recorded in the Report; only
`Report.raise_for_errors` raises them.

The layers of the code; each layer imports only from the layers to its right (a test checks this)::

    cli → compare → api → runs · inventory → strategies · progress · reports → engine → transports · storage · sources
        → settings → core → errors

`downloader.core` makes the decisions, the strategies execute them; `downloader.engine.contract` is the contract between a run
and its strategy. docs/architecture.md describes all parts.
"""

import os

if os.environ.get("DOWNLOADER_PURE", "0") not in ("", "0"):
    import downloader._pure  # noqa: F401 - before any other module of the package

from downloader._version import __version__

TYPE_CHECKING = False  # as `typing.TYPE_CHECKING`, which takes 3 ms to import; type checkers know the name
if TYPE_CHECKING:
    from typing import Any

    from downloader.api.calls import adownload, download, stream
    from downloader.api.downloader import Downloader
    from downloader.api.results import Results
    from downloader.core.facts import Checksum, Pieces, Timings, Try
    from downloader.core.model import Download, Result, Status
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
        JournalDamaged,
        JournalUnavailable,
        NameNotFound,
        NetworkError,
        NoAnswer,
        PolicyError,
        ProcessError,
        ProtocolError,
        StorageError,
        StoreUnavailable,
        TLSError,
        TotalReached,
        Unwanted,
        UsageError,
        WorkerError,
        WrongPieces,
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
    "JournalDamaged",
    "JournalUnavailable",
    "NameNotFound",
    "NetworkError",
    "NoAnswer",
    "Pieces",
    "PolicyError",
    "ProcessError",
    "Progress",
    "ProtocolError",
    "Report",
    "Result",
    "Results",
    "Status",
    "StorageError",
    "StoreUnavailable",
    "TLSError",
    "Timings",
    "TotalReached",
    "Try",
    "Unwanted",
    "UsageError",
    "WorkerError",
    "WrongPieces",
    "__version__",
    "adownload",
    "download",
    "stream",
]


_MODULES = (
    "downloader.errors",
    "downloader.core.facts",
    "downloader.core.model",
    "downloader.core.report",
    "downloader.progress.frames",
    "downloader.api.results",
    "downloader.api.downloader",
    "downloader.api.calls",
)


def __getattr__(name: str) -> "Any":
    """Import a public name from its module at its first use (PEP 562), so that ``import downloader`` is fast."""
    if name in __all__:
        from importlib import import_module

        for module in _MODULES:
            value = getattr(import_module(module), name, None)
            if value is not None:
                globals()[name] = value
                return value
    raise AttributeError(f"module 'downloader' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
