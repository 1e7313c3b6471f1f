"""Fetch a long list of URLs: parallel, resumable, verified, and honest about every file.

The layers, each importing only from those to its right (a test holds it)::

    cli → compare → api → strategies · progress · report → transports · storage · sources → settings → core → errors

`downloader.core` decides, `downloader.strategies` drive; `downloader.strategies.base` is the contract between them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from downloader._version import __version__

if TYPE_CHECKING:
    from downloader.api import Downloader, adownload, download
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
    "ProtocolError",
    "Report",
    "Result",
    "Status",
    "StorageError",
    "TLSError",
    "Unwanted",
    "UsageError",
    "WorkerError",
    "__version__",
    "adownload",
    "download",
]


def __getattr__(name: str) -> Any:
    """A public name, from the module that it is in (PEP 562): what is not used is not imported."""
    if name in __all__:
        for module in ("downloader.errors", "downloader.core.model", "downloader.core.report", "downloader.api"):
            found = getattr(import_module(module), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'downloader' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
