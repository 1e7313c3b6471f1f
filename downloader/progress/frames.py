"""Progress for programs that use the library: a callback that receives plain values."""

from collections.abc import Callable

from msgspec import Struct

from downloader.engine.stats import RunStats
from downloader.progress.display import Display
from downloader.progress.estimate import Estimate
from downloader.progress.lines import waiting


class Progress(Struct, frozen=True):
    """The progress of a run: the argument of ``on_progress``.

    ``done``, ``skipped``, ``failed``: numbers of files. ``total``: the number of files in the list; None while it is unknown
    (an iterator). ``bytes``: the bytes of the files that are done or in progress. ``bytes_total``: the bytes of all files;
    None where unknown. ``bytes_per_second``: smoothed over some seconds. ``seconds_left``: None where unknown. ``waiting``:
    what the run waits for, in words; empty if it waits for nothing.
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
    """Calls ``on_progress`` with a `Progress` at each update."""

    def __init__(self, on_progress: Callable[[Progress], object]) -> None:
        self._on_progress = on_progress
        self._estimate = Estimate()

    def update(self, stats: RunStats, now: float) -> None:
        estimate = self._estimate.sample(stats, now)
        done, skipped, failed, total = stats.done, stats.skipped, stats.failed, stats.total
        ended = total is not None and done + skipped + failed >= total
        self._on_progress(
            Progress(
                done,
                skipped,
                failed,
                total,
                estimate.bytes_done,
                estimate.bytes_done if ended else estimate.bytes_total,
                estimate.speed,
                estimate.seconds_left,
                waiting(stats, now),
            )
        )
