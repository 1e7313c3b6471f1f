"""Progress on a terminal, with tqdm: one bar for all, and up to six, used again and again, for what takes longer."""

from typing import IO, Any

from tqdm import tqdm

from downloader.core.naming import printable
from downloader.progress.counters import Counters, Moving, Speed, seconds_left, time_left
from downloader.progress.lines import Display

MOST = 6
NAME_WIDTH = 28


class _Bar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # no thread that wakes bars by itself: they are drawn when we sample


class Bars(Display):
    """Draws on ``stream``, a terminal. Names are escaped: they come from the network."""

    period = 0.1

    def __init__(self, stream: IO[str], total: int | None) -> None:
        self._stream = stream
        self._speed = Speed()
        self._started = 0.0
        shape = "{l_bar}{bar}| {n_fmt}/{total_fmt} files [{elapsed}{postfix}]"
        unknown = "{n_fmt} files [{elapsed}{postfix}]"
        self._all = self._bar(total=total, position=0, bar_format=shape if total else unknown, miniters=1)
        self._slots: list[tuple[int, Any] | None] = [None] * MOST

    def _bar(self, **options: Any) -> Any:
        return _Bar(file=self._stream, dynamic_ncols=True, mininterval=0, leave=False, **options)

    def update(self, counters: Counters, now: float) -> None:
        speed = self._speed.sample(counters.received, now)
        self._started = self._started or now
        left = seconds_left(counters, counters.ended / max(now - self._started, 1e-3))
        rest = "" if left is None else f", {time_left(left)} left"
        failed = f", {counters.failed} failed" if counters.failed else ""
        self._all.n = counters.ended
        self._all.set_postfix_str(f"{counters.received / 1e6:.1f} MB, {speed / 1e6:.1f} MB/s{rest}{failed}", refresh=False)
        self._all.refresh()
        self._show(counters.moving(now))

    def _show(self, moving: list[Moving]) -> None:
        by_lane = {item.lane: item for item in moving}
        for at, slot in enumerate(self._slots):
            if slot is not None and slot[0] not in by_lane:
                slot[1].close()
                self._slots[at] = None
        shown = {slot[0] for slot in self._slots if slot is not None}
        for item in moving:
            if item.lane not in shown and None in self._slots:
                at = self._slots.index(None)
                self._slots[at] = (item.lane, self._bar(position=at + 1, unit="B", unit_scale=True))
        for slot in self._slots:
            if slot is not None:
                self._draw(slot[1], by_lane[slot[0]])

    @staticmethod
    def _draw(bar: Any, item: Moving) -> None:
        name = printable(item.name)
        short = name if len(name) <= NAME_WIDTH else f"…{name[1 - NAME_WIDTH :]}"
        if bar.total != (item.size or None):
            bar.total = item.size or None
        bar.set_description_str(f"  {short:<{NAME_WIDTH}}", refresh=False)
        bar.n = item.done
        bar.refresh()

    def say(self, text: str) -> None:
        _Bar.write(text, file=self._stream)

    def close(self) -> None:
        for slot in self._slots:
            if slot is not None:
                slot[1].close()
        self._all.close()
