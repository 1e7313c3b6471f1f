"""Runs under the strategy at hand, and the error that a run ends with."""

from pathlib import Path
from typing import Any

import downloader
from downloader import DownloadError, Report


class Fetch:
    """Downloads into `folder` under one strategy, with short waits before retries. See the fixture `fetch`."""

    def __init__(self, strategy: str, folder: Path) -> None:
        self.strategy = strategy
        self.folder = folder

    def __call__(self, urls: Any, **settings: Any) -> Report:
        quick = {"jobs": 2, "retry_wait": 0.001, "low_speed_time": 10.0, "retries": 2}
        return downloader.download(urls, self.folder, **{"strategy": self.strategy, **quick, **settings})


def only_error(report: Report) -> DownloadError:
    """The error of a run in which exactly one file failed."""
    (failed,) = report.failed
    assert failed.error is not None
    return failed.error
