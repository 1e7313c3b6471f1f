"""In which order the Downloads of a list start: ``--order``.

A list is read lazily, so it is only ordered within a window: that many Downloads are read ahead, the first one in the wanted
order leaves the window, and the next one of the list enters. A list that fits into the window is ordered as a whole. The
window is all the memory that is needed: 100,000 Downloads of usual URLs take about 35 MB; mirrors, checksums and metadata add
to it.

=============  =============================================================================================================
``reversed``   the Download that was read last comes first
``priority``   the highest priority comes first; equal ones as listed
``smallest``   the smallest size in the list comes first; equal ones as listed, those without a size last
``random``     each Download of the window is as likely as the others to come next
=============  =============================================================================================================

The order is that of the first Attempts. Hosts take turns, so it holds at each host; retries come when they are due.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec.structs import replace

from downloader.core.model import Download

ORDER_WINDOW = 100_000
"""Downloads that are read ahead, to be ordered."""

PATIENCE = 20
"""How often a source that has nothing now is asked again before Downloads leave a window that is not full."""


class _Window(Protocol):
    """Downloads in an order."""

    def __len__(self) -> int: ...

    def push(self, download: Download) -> None: ...

    def pop(self) -> Download: ...


class _Sorted:
    """The Download with the smallest key comes first; equal ones in the order in which they came."""

    def __init__(self, key: Callable[[Download], float]) -> None:
        self._key = key
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Download]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, download: Download) -> None:
        heapq.heappush(self._heap, (self._key(download), next(self._numbers), download))

    def pop(self) -> Download:
        return heapq.heappop(self._heap)[2]


class _Last:
    """The Download that came last comes first."""

    def __init__(self) -> None:
        self._downloads: list[Download] = []

    def __len__(self) -> int:
        return len(self._downloads)

    def push(self, download: Download) -> None:
        self._downloads.append(download)

    def pop(self) -> Download:
        return self._downloads.pop()


class _Random(_Last):
    """Any Download comes first, each with the same probability."""

    def __init__(self, random: Callable[[], float]) -> None:
        super().__init__()
        self._random = random

    def pop(self) -> Download:
        downloads = self._downloads
        at = int(self._random() * len(downloads))
        downloads[at], downloads[-1] = downloads[-1], downloads[at]
        return downloads.pop()


def _window(order: str, random: Callable[[], float]) -> _Window:
    match order:
        case "priority":
            return _Sorted(lambda download: -download.priority)
        case "smallest":
            return _Sorted(lambda download: float("inf") if download.size is None else download.size)
        case "reversed":
            return _Last()
        case "random":
            return _Random(random)
    raise ValueError(order)


def in_order(
    source: Iterator[Download | None],
    order: str,
    random: Callable[[], float],
    is_paused: Callable[[], bool] | None = None,
    window_size: int = ORDER_WINDOW,
) -> Iterator[Download | None]:
    """The Downloads of a source in another order; None where none is available at the moment.

    A Download that is in the window comes even if the source never ends, and has nothing now. While the window is not full,
    a source that had nothing is asked once more, as long as something comes in between, and `PATIENCE` times in all: so a list
    that is just being written is ordered as far as it has come within the first second.

    Args:
        source: yields the Downloads; None where none is available at the moment.
        order: ``priority``, ``smallest``, ``reversed`` or ``random``. In the last three, the Downloads lose their priority,
            because the scheduler would order them by it again.
        random: returns random numbers, uniform in [0, 1).
        is_paused: while this returns True, None is yielded, and nothing is read.
        window_size: number of Downloads that are read ahead.
    """
    window = _window(order, random)
    keeps_priority = order == "priority"
    exhausted = False
    patience = PATIENCE
    came = False  # whether the source had something since it had nothing
    while window or not exhausted:
        if is_paused is not None and is_paused():
            yield None
            continue
        if not exhausted and len(window) < window_size:
            try:
                download = next(source)
            except StopIteration:
                exhausted = True
                continue
            if download is not None:
                window.push(download)
                came = True
                continue
            if not window:
                yield None
                continue
            if came and patience:
                came = False
                patience -= 1
                yield None
                continue
        first = window.pop()
        yield first if keeps_priority or not first.priority else replace(first, priority=0)
