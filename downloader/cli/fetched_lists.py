"""Lists at URLs: fetched before the run, while Ctrl-C works as in the run."""

import sys

from msgspec.structs import replace

from downloader.cli.stop_signals import Signals
from downloader.errors import Interrupted
from downloader.runs.list_fetch import ListFetcher
from downloader.settings.definitions import Settings
from downloader.sources.lists import ListReader


def check_lists(lists: ListReader, settings: Settings) -> int | None:
    """`ListReader.check` for lists that may be at URLs. A signal ends the fetch, removes its files, and ends the program."""
    fetcher = ListFetcher(settings)
    lists.options = replace(lists.options, open_url=fetcher)
    with Signals(fetcher.stop, fetcher.close) as signals:
        try:
            return lists.check()
        except Interrupted:
            fetcher.close()
            sys.exit(signals.exit_code)
