"""Fetches lists at URLs before the run that reads them, with the connection settings of that run."""

from collections.abc import Callable
from pathlib import Path

from downloader.core.model import Download, Result
from downloader.core.names.urls import public_url
from downloader.errors import StorageError, UsageError
from downloader.runs.download_run import DownloadRun
from downloader.settings.definitions import Settings
from downloader.sources.formats import FetchedList

CONNECTION_SETTINGS = (
    *("header", "user_agent", "user", "bearer_env", "netrc", "netrc_file", "cookies", "http_version", "proxy", "cacert"),
    *("cert", "key", "insecure", "allow_downgrade", "max_redirects", "retries", "retry_on", "retry_wait", "max_retry_after"),
    *("connect_timeout", "timeout", "low_speed_limit", "low_speed_time", "host_failures", "limit_rate", "limit_rate_per_host"),
    *("wait", "max_requests_per_second", "obey_robots", "aggressive", "hosts"),
)
"""The settings that hold for fetching a list. The others are about the files of the list, and about what is reported."""

STRATEGY = "multiplex"


class ListFetcher:
    """Fetches lists into a temporary folder, each once. The folder is removed when the fetcher is no longer used.

    ``settings``: of the run. An instance is a `downloader.sources.formats.OpenUrl`.
    """

    def __init__(self, settings: Settings) -> None:
        values = {name: getattr(settings, name) for name in CONNECTION_SETTINGS}
        self._values = {**values, "strategy": STRATEGY, "journal": "none", "on_exists": "overwrite"}
        self._folder = ""
        self._remove: Callable[[], object] | None = None
        self._fetched: dict[str, tuple[str, str]] = {}

    def __call__(self, url: str) -> FetchedList:
        """The list at this URL, fetched when it is asked for first. Raises UsageError, StorageError."""
        if url not in self._fetched:
            self._fetched[url] = self._fetch(url)
        path, final_url = self._fetched[url]
        return FetchedList(Path(path).open("rb", buffering=0), final_url)

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._remove is not None:
            self._remove()

    def _fetch(self, url: str) -> tuple[str, str]:
        """The path of the fetched list, and its URL after redirects."""
        if not self._folder:
            self._make_folder()
        results: list[Result] = []
        settings = Settings(dir=self._folder, **self._values)
        report = DownloadRun(settings, iter([Download(url, str(len(self._fetched)))]), 1, results.append).start().join()
        if not results:
            reason = f"cannot fetch the list: {report.ended_by}" if report.ended_by else "cannot fetch the list"
            raise UsageError(reason, public_url(url))
        (result,) = results
        if result.error is not None:
            hint = "TMPDIR names the folder for it" if isinstance(result.error, StorageError) else result.error.hint
            raise UsageError(f"cannot fetch the list: {result.error.reason}", result.error.url, hint)
        return str(Path(self._folder) / result.path), result.final_url or url

    def _make_folder(self) -> None:
        """Make the temporary folder, which is removed at the end of the process at the latest."""
        import shutil  # here, and the others: few runs need them
        import tempfile
        import weakref

        try:
            self._folder = tempfile.mkdtemp(prefix="dl-list-")
        except OSError as error:
            raise StorageError(f"cannot make a temporary folder for the list: {error.strerror}", hint="see TMPDIR") from None
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
