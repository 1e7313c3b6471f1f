"""`dl --dry-run`: prints what a run would do with each Download, without a request."""

import itertools
import time

from downloader.core.model import End, Outcome, Result, Status
from downloader.core.names.exists_policy import ON_EXISTS
from downloader.core.names.file_names import numbered
from downloader.core.names.urls import public_url
from downloader.core.text import printable
from downloader.runs.download_run import DownloadRun
from downloader.storage.part import PartFile


def dry_run(session: DownloadRun) -> int:
    """Print one line for each Download that the run would fetch: the action, the URL and the path, separated by TAB.

    Returns the exit code. Raises the error that ended the list early, if one did.
    """
    run = session.run
    run.context.folder.begin(lambda: False)
    while not run.finished:
        batch = run.take()
        for attempt in batch:
            partial = PartFile(run.context.folder.local, attempt.path, attempt.primary_url).resume_info()
            action = f"resume at {partial.size}" if partial.size else "ask, then fetch" if attempt.is_probe else "fetch"
            path = attempt.path
            for number in itertools.count(1) if ON_EXISTS[run.context.config.on_exists].numbers else ():
                if run.context.folder.existing(path) is None:
                    break
                path = numbered(attempt.path, number)
            if not attempt.keep_body:
                _print_action(action, public_url(attempt.url), path)
            run.settle((Outcome(attempt.key, End.NOT_MODIFIED),))  # the scheduler goes on as if the file were settled
        if not batch:
            time.sleep(run.wait())
    if session.source_error is not None:
        raise session.source_error
    return 0


def print_unfetched(result: Result) -> None:
    """Print the line of a Download that the run would skip or refuse. It is the ``on_result`` of the session."""
    if result.status is Status.SKIPPED and result.reason != End.NOT_MODIFIED.value:
        _print_action(f"skip ({result.reason})", result.url, result.path)
    elif result.status is Status.FAILED:
        _print_action(f"refuse ({result.error.reason if result.error else ''})", result.url, result.path)


def _print_action(action: str, url: str, path: str) -> None:
    print(f"{action}\t{printable(url)}\t{printable(path)}")  # noqa: T201
