"""In which order the Downloads of a run start: the setting ``order``, applied to its Source."""

import random
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from downloader.core.model import Download
from downloader.core.scheduling.list_order import in_order
from downloader.settings.definitions import Order


def ordered(
    source: Iterator[Download | None],
    order: Order,
    is_paused: Callable[[], bool] | None = None,
    numbers: bool = False,
) -> Iterator[Download | None]:
    """The Downloads of a Source in this order, which is not ``listed``; see `downloader.core.scheduling.list_order`.

    ``is_paused``: while it returns True, nothing is read. ``numbers``: the names of files contain their positions in the list,
    so each Download gets its own before the order changes.
    """
    if numbers:
        source = _numbered(source)
    return in_order(source, order, random.Random().random, is_paused)  # noqa: S311 - nothing secret depends on it


def _numbered(source: Iterator[Download | None]) -> Iterator[Download | None]:
    """The Downloads, each with its position, from 1."""
    index = 0
    for download in source:
        if download is not None:
            index += 1
            download = replace(download, index=index)
        yield download
