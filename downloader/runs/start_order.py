"""In which order the Downloads of a run start: the setting ``order``, applied to its Source."""

from collections.abc import Callable, Iterator

from downloader.core.model import Download
from downloader.settings.definitions import Order


def ordered(
    source: Iterator[Download | None], order: Order, is_paused: Callable[[], bool] | None = None
) -> Iterator[Download | None]:
    """The Downloads of a Source in this order; see `downloader.core.scheduling.list_order`.

    ``is_paused``: while it returns True, nothing is read.
    """
    if order == "listed":
        return source
    import random  # here, and below: few runs need them

    from downloader.core.scheduling.list_order import in_order

    return in_order(source, order, random.Random().random, is_paused)  # noqa: S311 - nothing secret depends on it
