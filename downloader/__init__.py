"""Fetch a long list of URLs: parallel, resumable, verified, and honest about every file.

The layers, each importing only from those to its right (a test holds it)::

    cli → compare → api → strategies · progress · report → transports · storage · sources → settings → core → errors

`downloader.core` decides, `downloader.strategies` drive; `downloader.strategies.base` is the contract between them.
"""

from downloader._version import __version__
from downloader.api import Downloader, adownload, download
from downloader.core.model import Checksum, Download, Report, Result, Status
from downloader.errors import (
    AuthError,
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NameNotFound,
    NetworkError,
    PolicyError,
    ProtocolError,
    StorageError,
    TLSError,
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
    "HTTPStatusError",
    "IntegrityError",
    "Interrupted",
    "NameNotFound",
    "NetworkError",
    "PolicyError",
    "ProtocolError",
    "Report",
    "Result",
    "Status",
    "StorageError",
    "TLSError",
    "UsageError",
    "WorkerError",
    "__version__",
    "adownload",
    "download",
]
