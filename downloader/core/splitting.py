"""The files of a run that are fetched in several Segments now: the scheduler's part in it, beside `segments`."""

from downloader.core.limits import Limits
from downloader.core.model import End, Outcome, Segment
from downloader.core.naming import host_of, public_url
from downloader.core.queues import Entry
from downloader.core.retry import RetryPolicy
from downloader.core.segments import Layout, Running, SplitPolicy
from downloader.errors import WorkerError

Begun = tuple[Entry, int, str, Segment, int]
"""Whose Segment it is, the key of the Attempt at it, the URL to ask, the Segment, the key of another Attempt at the file."""


class Splits:
    """Layouts by the key of their Download."""

    def __init__(self, policy: SplitPolicy, slots: Limits, retry: RetryPolicy) -> None:
        self._policy = policy
        self._slots = slots
        self._retry = retry
        self._layouts: dict[int, Layout] = {}
        self._entries: dict[int, Entry] = {}
        self._last_key = 0  # counted down: those of whole files count up

    def __bool__(self) -> bool:
        return bool(self._layouts)

    def __contains__(self, key: int) -> bool:
        return key in self._layouts

    def is_mirror(self, entry: Entry, url: str) -> bool:
        """Whether this is another URL than the one whose validator the file is bound to."""
        return url != self._layouts[entry.key].url

    def progress(self, entry: Entry, key: int, at: int, total: int, now: float) -> None:
        """An Attempt that may be split is at this byte of ``total``."""
        layout = self._layouts.get(entry.key)
        if layout is None:
            layout = self._layouts[entry.key] = Layout(entry.url, total)
            layout.running[key] = Running(0, total, at, now, entry.url, entry.tries)
            self._entries[entry.key] = entry
        elif (running := layout.running.get(key)) is not None:
            running.reached(at, now)

    def cuts(self) -> list[tuple[int, int]]:
        """Running Attempts that end elsewhere than they were told, since the last call."""
        found: list[tuple[int, int]] = []
        for layout in self._layouts.values():
            if layout.cuts:
                found += layout.cuts
                layout.cuts.clear()
        return found

    def times(self) -> list[float]:
        """When Segments that wait may be asked for."""
        return [item.due for layout in self._layouts.values() for item in layout.open]

    def stop(self) -> None:
        """Begin no more."""
        for layout in self._layouts.values():
            layout.open.clear()

    def begin(self, now: float) -> Begun | None:
        """The next Segment that waits, with a slot for it; it is under way from here on."""
        for key, layout in self._layouts.items():
            for item in layout.open if self._slots.free > 0 else ():
                entry = self._entries[key]
                url = self._free_url(entry) if item.due <= now else ""
                if url:
                    layout.open.remove(item)
                    self._last_key -= 1
                    beside = next(iter(layout.running))
                    layout.start(self._last_key, url, item, now)
                    return entry, self._last_key, url, item.segment, beside
        return None

    def _free_url(self, entry: Entry) -> str:
        """One of the entry's URLs whose host has a slot, which is taken; mirrors take turns."""
        for step in range(len(entry.urls)):
            url = entry.urls[(entry.number + step) % len(entry.urls)]
            if self._slots.acquire(host_of(url)):
                return url
        return ""

    def split(self, now: float) -> bool:
        """Nothing else may start: if slots are free and it helps, split a file. Whether a Segment waits now."""
        return any(layout.split(now, self._slots.free, self._policy) for layout in self._layouts.values())

    def settle(self, entry: Entry, outcome: Outcome, now: float, chance: float, stopped: bool) -> Outcome | None:
        """An Attempt at one of several Segments has ended. The Outcome of the Download, once all is decided and over."""
        layout = self._layouts[entry.key]
        ended, decided = layout.settle(outcome)
        if decided is not None:
            del self._layouts[entry.key], self._entries[entry.key]
            return decided
        if outcome.end is End.SEGMENT or layout.over is not None or stopped:
            return None
        if outcome.end in (End.UNSTARTED, End.UNTOLD):
            layout.again(ended, now)
            return None
        error = outcome.error or WorkerError("the worker process died", public_url(ended.url))
        if ended.url != layout.url and not error.retryable:
            entry.urls = [url for url in entry.urls if url != ended.url]  # this mirror is of no use; the others go on
            layout.again(ended, now)
        elif self._retry.allows(error, ended.tries, 1):
            ended.tries += 1
            layout.again(ended, now + self._retry.backoff(ended.tries - 1, chance, getattr(error, "retry_after", None)))
        else:
            layout.give_up(outcome)
        return None
