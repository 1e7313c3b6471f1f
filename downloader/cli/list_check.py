"""Checks the lists before the run: fetches those at URLs, counts the entries, and prints what was understood, or is invalid."""

import sys
from collections.abc import Iterable

from msgspec.structs import replace

from downloader.cli.stop_signals import Signals
from downloader.core.text import printable
from downloader.errors import UsageError
from downloader.runs.list_fetch import ListFetcher
from downloader.settings.definitions import Settings
from downloader.sources.lists import ListReader


def count_downloads(lists: ListReader, settings: Settings) -> int | None:
    """Check the lists, and count their Downloads; None where the number is not known, as for standard input.

    Raises UsageError for invalid lines, unless ``skip_bad_lines`` is set.
    """
    total = _check(lists, settings)
    print_notices(lists, settings)
    for error in lists.bad_lines:
        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
    if lists.bad_count and not settings.skip_bad_lines:
        word = "line" if lists.bad_count == 1 else "lines"
        raise UsageError(f"{lists.bad_count} invalid {word}, nothing was started", hint="--skip-bad-lines skips them")
    return total


def _check(lists: ListReader, settings: Settings) -> int | None:
    """`ListReader.check` for lists that may have to be fetched. A signal removes what was fetched, and ends the program."""
    fetcher = ListFetcher(settings)
    lists.options = replace(lists.options, open_url=fetcher)

    def stop() -> None:
        raise KeyboardInterrupt

    with Signals(stop, fetcher.close) as signals:
        try:
            return lists.check()
        except KeyboardInterrupt:
            fetcher.close()
            sys.exit(signals.exit_code)


def print_notices(lists: ListReader, settings: Settings) -> None:
    """Print what was understood of the lists since these sentences were printed last."""
    sentences = [lists.notices.pop(0) for _ in range(len(lists.notices))]
    print_sentences(sentences, settings)


def print_sentences(sentences: Iterable[str], settings: Settings) -> None:
    """Print sentences for the user on standard error, unless the settings ask for quiet."""
    if settings.quiet:
        return
    if settings.progress == "json":
        from downloader.progress.lines import JsonProgress

        for text in sentences:
            JsonProgress(sys.stderr).say(f"dl: {printable(text)}")
    else:
        for text in sentences:
            print(f"dl: {printable(text)}", file=sys.stderr)  # noqa: T201
