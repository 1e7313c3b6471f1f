"""The files of a run that are fetched in Segments: all that the scheduler knows of splitting, behind one class."""

import math

from msgspec.structs import replace

from downloader.core.limits.public_hosts import is_public
from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.ready_queue import ReadyQueue
from downloader.core.scheduling.retry import NextStep, RetryPolicy, another_server_may_help, failure_of
from downloader.core.scheduling.running_segment import STEADY_SAMPLE, RunningSegment
from downloader.core.scheduling.segment_layout import SegmentLayout, SplitPolicy, split_limit
from downloader.errors import FileInUse, IntegrityError, ProtocolError, WorkerError

_NOT_A_TRY = (End.UNSTARTED, End.UNREPORTED, End.MAYBE_STARTED)
_CONCERNS_SEGMENT = (End.SEGMENT_DONE, End.WORKER_LOST, End.FAILED, *_NOT_A_TRY)
"""Ends of an Attempt at a Segment after which the other Segments may go on. Any other end is one of the whole file."""


class SegmentScheduler:
    """Splits files, starts Attempts at their Segments, and joins the Outcomes of these into one for each Download.

    ``split_files``: the Downloads that are split or may be split, with their Segments, by key. A Download is one of them
    from the first `progress` of an Attempt that may be split until all its Attempts have ended.

    Args:
        policy: how files may be split.
        ready: gives slots for the Attempts.
        retry: whether a Segment that failed is asked for again.
        running: the Downloads of all running Attempts, by the key of the Attempt; those started here are added to it.
    """

    def __init__(self, policy: SplitPolicy, ready: ReadyQueue, retry: RetryPolicy, running: dict[int, DownloadState]) -> None:
        self._policy = policy
        self._running = running
        self._ready = ready
        self._retry = retry
        self._last_key = 0  # of an Attempt at a Segment; counts down, as the keys of Downloads count up
        self._stopped = False
        self._may_split = True
        self._run_speed = math.inf  # bytes a second
        self._received, self._sampled_at = 0, -math.inf
        self.split_files: dict[int, tuple[DownloadState, SegmentLayout]] = {}

    def sample(self, now: float, received: int) -> None:
        """Measure the speed of the run. ``received``: bytes of all bodies so far. ``now``: monotonic seconds."""
        self._may_split = True
        passed = now - self._sampled_at
        if passed >= STEADY_SAMPLE:
            self._run_speed = (received - self._received) / passed if passed < math.inf else math.inf
            self._received, self._sampled_at = received, now

    def progress(
        self,
        key: int,
        position: int,
        total: int,
        now: float,
        paused: float = 0.0,
        bytes_ahead: int = 0,
        received_at: float = 0.0,
    ) -> None:
        """Record where a running Attempt is whose file may be split.

        Args:
            key: of the Attempt; ignored if it has ended.
            position: the next byte of the file that it waits for.
            total: bytes of the file.
            now: monotonic seconds.
            paused: seconds that the rate limit has paused it so far.
            bytes_ahead: bytes behind the position that an earlier run left in the part file.
            received_at: when the last byte came (monotonic seconds); 0: not known.
        """
        self._may_split = True
        entry = self._running.get(key)
        if entry is None or self._stopped:
            return
        if entry.key in self.split_files:
            running = self.split_files[entry.key][1].running.get(key)
            if running is not None:
                running.sample(position, now, paused, received_at)
                running.bytes_ahead = bytes_ahead
            return
        is_at_public_host = any(is_public(host_of(url)) for url in entry.urls)
        limit = split_limit(self._policy, unsplittable=entry.unsplittable, is_at_public_host=is_at_public_host)
        if limit is not None:
            url, tries = entry.url, entry.tries_counted
            at = received_at if 0.0 < received_at < now else now
            item = RunningSegment(0, total, position, at, url, tries, paused=paused, bytes_ahead=bytes_ahead)
            self.split_files[entry.key] = entry, SegmentLayout(url, total, limit, {key: item})

    def start_next(self, now: float, split: bool = False) -> list[Attempt]:
        """Start an Attempt at a pending Segment whose time has come, if there is one and a slot for it.

        Args:
            now: monotonic seconds.
            split: first split a file, if slots are free and that helps; if not, start nothing.

        Returns:
            The Attempt, or nothing.
        """
        slots, files = self._ready.slots, self.split_files.values()
        if self._stopped or (split and not self._split_one(now, slots.free)):
            return []
        for entry, layout in files:
            for item in layout.pending if slots.free > 0 else ():
                url = self._acquire_url(entry, layout) if item.due <= now else ""
                if url:
                    self._last_key -= 1
                    key, same_process_as = self._last_key, next(iter(layout.running))
                    layout.start(key, url, item, now)
                    self._ready.start_segment(key, host_of(url), now)
                    entry.mixed_sources |= url != layout.url
                    self._running[key] = entry
                    return [entry.start_segment(key, url, item.segment, same_process_as, url != layout.url)]
        return []

    def _split_one(self, now: float, free_slots: int) -> bool:
        """Split one file, if that helps. Where it did not help, the next try follows a sample: drivers call this very often."""
        if self._may_split:
            self._may_split = any(layout.split(now, free_slots, self._run_speed) for _, layout in self.split_files.values())
        return self._may_split

    def _acquire_url(self, entry: DownloadState, layout: SegmentLayout) -> str:
        """One of the entry's URLs whose host has a slot, which is taken; empty if there is none. Mirrors take turns."""
        urls = [layout.url] if entry.single_source else entry.urls
        for step in range(len(urls)):
            url = urls[(entry.attempts_made + step) % len(urls)]
            if self._ready.acquire(host_of(url)):
                return url
        return ""

    def ended(self, outcome: Outcome, entry: DownloadState, now: float, jitter: float) -> Outcome | None:
        """Record that an Attempt at one of the `split_files` has ended.

        Args:
            outcome: of the Attempt.
            entry: its Download.
            now: monotonic seconds.
            jitter: see `RetryPolicy.backoff`.

        Returns:
            The Outcome of the Download as a whole, if this was its last running Attempt; else None.
        """
        self._may_split = True
        layout = self.split_files[entry.key][1]
        item = layout.ended(outcome)
        if outcome.end is End.MUST_RESTART and item.url != layout.url:
            what = "this mirror has another version of the file"
            error = ProtocolError(f"{what}: {outcome.reason}", public_url(item.url), kind=what)
            outcome = replace(outcome, end=End.FAILED, error=error)
        undecided = layout.final_outcome is None and not self._stopped
        if outcome.end not in _CONCERNS_SEGMENT:
            layout.finish_with(outcome)
        elif outcome.end in _NOT_A_TRY:
            entry.attempts_made -= outcome.end is not End.UNREPORTED
            entry.may_exist_already |= outcome.end is not End.UNSTARTED
            outcome = replace(outcome, end=End.SEGMENT_DONE)
            if undecided:
                layout.requeue(item, now)
        elif outcome.end is not End.SEGMENT_DONE and undecided:
            outcome = self._try_again(entry, layout, item, outcome, now, jitter)
        if layout.running:
            return None
        del self.split_files[entry.key]
        final = layout.final_outcome or outcome
        if final.end is End.MUST_RESTART:
            entry.unsplittable = True  # servers that disagree about the version would have a split file restart for ever
        elif final.end is End.SEGMENT_DONE and layout.pending:
            entry.tries_counted = max(entry.tries_counted, *(pending.tries for pending in layout.pending))
            entry.resume_due = min(pending.due for pending in layout.pending)
        return final

    def _try_again(
        self, entry: DownloadState, layout: SegmentLayout, item: RunningSegment, outcome: Outcome, now: float, jitter: float
    ) -> Outcome:
        """Ask for a Segment that failed once more, if that may help; returns the Outcome to go on with.

        If it does not help, the other Segments go on, and one Attempt fetches the rest of the file when they have ended: a
        server may refuse a second connection for ever and yet serve the first.
        """
        error = failure_of(outcome, item.url)
        entry.may_exist_already |= isinstance(error, WorkerError)
        other_urls = [url for url in entry.urls if url != item.url]
        tries = item.tries if layout.running else max(entry.tries_counted, item.tries)
        of_whole_file = isinstance(error, IntegrityError)
        step = NextStep.FAIL if of_whole_file else self._retry.next_step(error, tries, bool(other_urls))
        if step is NextStep.RETRY:
            layout.requeue(item, now + self._retry.delay(error, item.tries, jitter), item.tries + 1)
        elif step is NextStep.OTHER_URL:
            entry.urls = other_urls
            layout.requeue(item, now, tries=1)
            return replace(outcome, end=End.SEGMENT_DONE, error=None)
        elif another_server_may_help(error) or isinstance(error, FileInUse | WorkerError):
            layout.limit, entry.unsplittable = None, True
            if outcome.key != entry.key:
                return replace(outcome, end=End.SEGMENT_DONE, error=None)
        else:
            layout.finish_with(outcome)
        return outcome

    def cuts(self) -> list[tuple[int, int]]:
        """Running Attempts whose Segments end elsewhere now, since the last call.

        Returns:
            Pairs of the key of the Attempt and the position in the file where it must end. If it is there already, or behind
            it, as always at position 0, it must end at once.
        """
        cuts: list[tuple[int, int]] = []
        for _, layout in self.split_files.values():
            if layout.cuts:
                cuts += layout.cuts
                layout.cuts.clear()
        return cuts

    def bytes_present(self) -> dict[str, int]:
        """Of each file that is split: how many bytes are there, by its path."""
        return {entry.path: layout.bytes_present for entry, layout in self.split_files.values() if layout.is_split}

    def next_due(self, now: float) -> float:
        """When the next pending Segment may start, of those that may not yet at ``now``; infinity if there is none."""
        due = (item.due for _, layout in self.split_files.values() for item in layout.pending if item.due > now)
        return min(due, default=math.inf)

    def stop(self) -> None:
        """Start no further Segment, and try none again."""
        self._stopped = True
        for _, layout in self.split_files.values():
            layout.pending.clear()
