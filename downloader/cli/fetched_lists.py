"""Checks lists before the run, some of which are fetched first: those at URLs, and those that other lists name."""

import sys

from msgspec.structs import replace

from downloader.cli.stop_signals import Signals
from downloader.runs.list_fetch import ListFetcher
from downloader.settings.definitions import Settings
from downloader.sources.lists import ListReader


def check_lists(lists: ListReader, settings: Settings) -> int | None:
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
