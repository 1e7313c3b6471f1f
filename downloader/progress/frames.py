"""Progress for other programs: a plain value some times a second, for a function of theirs or for one bar."""

from collections.abc import Callable

from msgspec import Struct

from downloader.engine.stats import RunStats
from downloader.progress.estimate import Estimate
from downloader.progress.lines import Display, waiting


class Progress(Struct, frozen=True):
    """How a run stands: what ``on_progress`` is called with.

    ``done``, ``skipped``, ``failed``: files; ``total``: files in the list, None while that is unknown (an iterator).
    ``bytes``: there of the files that are done or on their way; ``bytes_total``: of all files, None where that is unknown.
    ``bytes_per_second``: smoothed over some seconds. ``seconds_left``: None where that cannot be said.
    ``waiting``: what the run waits for, in words; empty where it waits for nothing.
    """

    done: int
    skipped: int
    failed: int
    total: int | None
    bytes: int
    bytes_total: int | None
    bytes_per_second: float
    seconds_left: float | None
    waiting: str = ""


class Frames(Display):
    """Calls ``on_progress`` with a Progress, at each update."""

    def __init__(self, on_progress: Callable[[Progress], object]) -> None:
        self._on_progress = on_progress
        self._estimate = Estimate()

    def update(self, counters: RunStats, now: float) -> None:
        found = self._estimate.sample(counters, now)
        done, skipped, failed, total = counters.done, counters.skipped, counters.failed, counters.total
        ended = total is not None and done + skipped + failed >= total
        self._on_progress(
            Progress(
                done,
                skipped,
                failed,
                total,
                found.bytes_done,
                found.bytes_done if ended else found.bytes_total,
                found.speed,
                found.seconds_left,
                waiting(counters, now),
            )
        )
