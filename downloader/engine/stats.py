"""The numbers of a run: whoever moves bytes adds to them, and displays and the scheduler sample them.

No lock is needed, because each number has one writer. Nothing here tells an Attempt what to do: see
`downloader.engine.control`.
"""

from typing import NamedTuple, Protocol

from downloader.core.scheduling.retry_queue import Waiting


class SlotStats(Protocol):
    """What one slot of a strategy does now. A slot runs one Attempt at a time.

    | field | unit | meaning |
    | --- | --- | --- |
    | ``received`` | bytes | of all bodies that the slot has read in this run |
    | ``done`` | bytes | the offset in the present file that the Attempt has reached |
    | ``size`` | bytes | the size of the present file; 0: unknown |
    | ``key`` | | the key of the present Attempt |
    | ``splittable`` | | whether other Attempts may fetch a part of the present file |
    | ``since`` | monotonic seconds | when the present Attempt began; 0: the slot is idle |
    | ``heard`` | monotonic seconds | when the last byte of the present body came; 0: the Attempt reads no body now |
    | ``paused`` | seconds | how long the present Attempt has waited because of ``--limit-rate`` |
    | ``beyond`` | bytes | of the present file that were complete before, behind ``done`` |
    | ``name`` | | the path of the present file |
    | ``place`` | | the number of the slot within its event loop; 0: the slot belongs to no event loop |
    """

    received: int
    done: int
    size: int
    key: int
    splittable: bool
    since: float
    heard: float
    paused: float
    beyond: int
    name: str
    place: int


class LocalStats:
    """The `SlotStats` of a slot in this process."""

    __slots__ = ("beyond", "done", "heard", "key", "name", "paused", "place", "received", "since", "size", "splittable")

    def __init__(
        self,
        received: int = 0,
        done: int = 0,
        size: int = 0,
        key: int = -1,
        splittable: bool = False,
        since: float = 0.0,
        heard: float = 0.0,
        paused: float = 0.0,
        beyond: int = 0,
        name: str = "",
        place: int = 0,
    ) -> None:
        self.received = received
        self.done = done
        self.size = size
        self.key = key
        self.splittable = splittable
        self.since = since
        self.heard = heard
        self.paused = paused
        self.beyond = beyond
        self.name = name
        self.place = place


class FileProgress(NamedTuple):
    """How far one file is: ``done`` of ``size`` bytes (0: unknown), ``since`` when (monotonic seconds)."""

    name: str
    done: int
    size: int
    since: float


class RunStats:
    """The numbers of one run.

    Attributes:
        total: the length of the list; None while it is unknown.
        done: files that were fetched. ``skipped`` and ``failed`` count the other Results.
        done_bytes: the size of all files that were fetched.
        slots: the numbers of each slot.
        in_segments: for each path that is fetched in Segments, the bytes of the file that are complete.
        waiting: the files that wait for another try; None where no file waits.
        full: whether the run waits for space in the folder.
    """

    __slots__ = ("done", "done_bytes", "failed", "full", "in_segments", "skipped", "slots", "total", "waiting")

    def __init__(
        self,
        total: int | None = None,
        done: int = 0,
        skipped: int = 0,
        failed: int = 0,
        done_bytes: int = 0,
        slots: list[SlotStats] | None = None,
        in_segments: dict[str, int] | None = None,
        waiting: Waiting | None = None,
        full: bool = False,
    ) -> None:
        self.total = total
        self.done = done
        self.skipped = skipped
        self.failed = failed
        self.done_bytes = done_bytes
        self.slots = [] if slots is None else slots
        self.in_segments = {} if in_segments is None else in_segments
        self.waiting = waiting
        self.full = full

    @property
    def ended(self) -> int:
        """Downloads that have their Result."""
        return self.done + self.skipped + self.failed

    @property
    def received(self) -> int:
        """Bytes of body that were read so far."""
        return sum(slot.received for slot in self.slots)

    def files(self) -> list[FileProgress]:
        """The files that are being fetched, each once, however many Attempts fetch it; the oldest first."""
        by_name: dict[str, FileProgress] = {}
        in_segments = self.in_segments
        for slot in self.slots:
            since, name = slot.since, slot.name
            if not since:
                continue
            complete = in_segments.get(name)
            item = FileProgress(name, int(slot.done + slot.beyond) if complete is None else complete, int(slot.size), since)
            other = by_name.get(name)
            if other is not None:
                item = FileProgress(name, max(item.done, other.done), max(item.size, other.size), min(since, other.since))
            by_name[name] = item
        return sorted(by_name.values(), key=lambda item: item.since)

    def long_running(self, now: float, longer_than: float = 1.0) -> list[FileProgress]:
        """Of `files`, those that were begun more than ``longer_than`` seconds ago."""
        return [item for item in self.files() if now - item.since > longer_than]
