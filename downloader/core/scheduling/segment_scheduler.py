"""The files of a run that are fetched in several Segments now: the scheduler's part in it, beside `segments`."""

from msgspec.structs import replace

from downloader.core.limits.public_hosts import is_public
from downloader.core.model import End, Outcome, Segment
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.host_turns import HostTurns
from downloader.core.scheduling.retry import RetryPolicy, another_server_may_help
from downloader.core.scheduling.segment_layout import Running, SegmentLayout, SplitPolicy
from downloader.errors import FileInUse, ProtocolError, WorkerError

_GO_ON = (End.SEGMENT, End.UNSTARTED, End.UNREPORTED, End.LOST, End.FAILED)
"""Whatever else an Attempt at one of several Segments comes to is true of the whole file."""

Begun = tuple[DownloadState, int, str, Segment, int]
"""Whose Segment it is, the key of the Attempt at it, the URL to ask, the Segment, the key of another Attempt at the file."""


class SegmentScheduler:
    """Layouts by the key of their Download."""

    def __init__(self, policy: SplitPolicy, turns: HostTurns, retry: RetryPolicy) -> None:
        self._policy = policy
        self._turns = turns
        self._retry = retry
        self._layouts: dict[int, SegmentLayout] = {}
        self._entries: dict[int, DownloadState] = {}
        self._last_key = 0  # counted down: those of whole files count up

    def __bool__(self) -> bool:
        return bool(self._layouts)

    def __contains__(self, key: int) -> bool:
        return key in self._layouts

    def is_mirror(self, entry: DownloadState, url: str) -> bool:
        """Whether this is another URL than the one whose validator the file is bound to."""
        return url != self._layouts[entry.key].url

    def progress(self, entry: DownloadState, key: int, at: int, total: int, now: float, paused: float, beyond: int) -> None:
        """See `Scheduler.progress`."""
        layout = self._layouts.get(entry.key)
        if layout is None:
            if entry.one_piece:
                return
            public = any(is_public(host_of(url)) for url in entry.urls)
            layout = self._layouts[entry.key] = SegmentLayout(entry.url, total, most=self._policy.public if public else 0)
            layout.running[key] = Running(0, total, at, now, entry.url, entry.tries, paused=paused, beyond=beyond)
            self._entries[entry.key] = entry
        elif (running := layout.running.get(key)) is not None:
            running.reached(at, now, paused)
            running.beyond = beyond

    def cuts(self) -> list[tuple[int, int]]:
        """Running Attempts that end elsewhere than they were told, since the last call."""
        found: list[tuple[int, int]] = []
        for layout in self._layouts.values():
            if layout.cuts:
                found += layout.cuts
                layout.cuts.clear()
        return found

    def done(self) -> dict[str, int]:
        """Of each file that is fetched in Segments now: how many bytes are there, by its path."""
        return {self._entries[key].path: layout.done for key, layout in self._layouts.items() if layout.is_split}

    def times(self, now: float) -> list[float]:
        """When Segments that wait may be asked for; not of those that may be since ``now``, and wait for a slot."""
        return [item.due for layout in self._layouts.values() for item in layout.open if item.due > now]

    def stop(self) -> None:
        """Begin no more."""
        for layout in self._layouts.values():
            layout.open.clear()

    def begin(self, now: float) -> Begun | None:
        """The next Segment that waits, with a slot for it; it is under way from here on."""
        for key, layout in self._layouts.items():
            for item in layout.open if self._turns.slots.free > 0 else ():
                entry = self._entries[key]
                url = self._free_url(entry) if item.due <= now else ""
                if url:
                    layout.open.remove(item)
                    self._last_key -= 1
                    beside = next(iter(layout.running))
                    layout.start(self._last_key, url, item, now)
                    entry.mixed |= url != layout.url
                    return entry, self._last_key, url, item.segment, beside
        return None

    def _free_url(self, entry: DownloadState) -> str:
        """One of the entry's URLs whose host has a slot, which is taken; mirrors take turns."""
        urls = [self._layouts[entry.key].url] if entry.alone else entry.urls
        for step in range(len(urls)):
            url = urls[(entry.number + step) % len(urls)]
            if self._turns.acquire(host_of(url)):
                return url
        return ""

    def split(self, now: float) -> bool:
        """Nothing else may start: if slots are free and it helps, split a file. Whether a Segment waits now."""
        return any(layout.split(now, self._turns.slots.free, self._policy) for layout in self._layouts.values())

    def settle(self, entry: DownloadState, outcome: Outcome, now: float, chance: float, stopped: bool) -> Outcome | None:
        """An Attempt at one of several Segments has ended. The Outcome of the Download, once all is decided and over."""
        layout = self._layouts[entry.key]
        ended = layout.ended(outcome)
        if outcome.end is End.RESTART and ended.url != layout.url:
            what = "this mirror has another version of the file"
            error = ProtocolError(f"{what}: {outcome.reason}", public_url(ended.url), kind=what)
            outcome = replace(outcome, end=End.FAILED, error=error)
        if outcome.end not in _GO_ON:
            layout.give_up(outcome)
        elif outcome.end is not End.SEGMENT and layout.over is None and not stopped:
            outcome = self._retried(layout, entry, ended, outcome, now, chance)
        if layout.running:
            return None
        del self._layouts[entry.key], self._entries[entry.key]
        decided = layout.over or outcome
        if decided.end is End.RESTART:
            entry.one_piece = True  # servers that disagree about its version would have it begin again for ever
        elif decided.end is End.SEGMENT and layout.open:
            entry.tries = max(entry.tries, *(item.tries for item in layout.open))
            entry.due = min(item.due for item in layout.open)
        return decided

    def _retried(
        self, layout: SegmentLayout, entry: DownloadState, ended: Running, outcome: Outcome, now: float, chance: float
    ) -> Outcome:
        """Have a Segment that did not come asked for once more: what is left of the Outcome then.

        Where no other try of it is of use, the other Segments go on; what is left is asked for when they are done, in
        one piece. A server may refuse a second connection for ever, and serve the first.
        """
        if outcome.end in (End.UNSTARTED, End.UNREPORTED):
            entry.number -= outcome.end is End.UNSTARTED
            entry.repeated |= outcome.end is End.UNREPORTED
            layout.again(ended, now)
            return replace(outcome, end=End.SEGMENT)
        error = outcome.error or WorkerError("the worker process died", public_url(ended.url))
        entry.repeated |= isinstance(error, WorkerError)
        tries = ended.tries if layout.running else max(entry.tries, ended.tries)
        if self._retry.allows(error, tries, 2):
            ended.tries += 1
            layout.again(ended, now + self._retry.backoff(ended.tries - 1, chance, getattr(error, "retry_after", None)))
        elif not (another_server_may_help(error) or isinstance(error, FileInUse | WorkerError)):
            layout.give_up(outcome)
        elif another_server_may_help(error) and [url for url in entry.urls if url != ended.url]:
            entry.urls = [url for url in entry.urls if url != ended.url]  # it is of no use; the others go on
            ended.tries = 1
            layout.again(ended, now)
            return replace(outcome, end=End.SEGMENT, error=None)
        else:
            layout.closed = entry.one_piece = True
            if outcome.key != entry.key:
                return replace(outcome, end=End.SEGMENT, error=None)
        return outcome
