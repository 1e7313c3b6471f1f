"""Reads what `dl --trace FILE` wrote, one JSON line for each Attempt, into Stretches. It draws nothing."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from downloader.compare.results import Stretch


class TraceLine(Struct, frozen=True):
    """One Attempt as it was traced: monotonic seconds; ``head``: 0 where no answer came; ``task``: 0: of no event loop."""

    path: str
    attempt: int
    segment: int
    process: int
    thread: str | int
    task: int
    started: float
    head: float
    ended: float
    end: str
    received: int


_decoder = msgspec.json.Decoder(TraceLine)


def read(trace: Path, started: float) -> list[Stretch]:
    """The Attempts in order of their start, in seconds since ``started``; none where there is no such file."""
    if not trace.exists():
        return []
    whole = trace.read_bytes().rpartition(b"\n")[0]  # the last line may be cut off, where the disk was full
    lines = sorted(_decoder.decode_lines(whole), key=lambda line: line.started)
    return [
        Stretch(
            file=line.path,
            number=line.attempt,
            worker=worker,
            started=line.started - started,
            head=line.head - started if line.head else 0.0,
            ended=line.ended - started,
            end=line.end,
            received=line.received,
            segment=line.segment,
        )
        for line, worker in zip(lines, _workers(lines), strict=True)
    ]


def _workers(lines: Sequence[TraceLine]) -> list[str]:
    """A label for each: only what differs, numbered within what it is part of, in order of first use."""
    processes, threads, tasks = _Numbers(), _Numbers(), _Numbers()
    places = [
        (
            processes.of((), line.process),
            threads.of(line.process, line.thread),
            tasks.of((line.process, line.thread), line.task),
        )
        for line in lines
    ]
    differ = (processes.several, threads.several, tasks.several)
    if not any(differ):
        return ["thread 1"] * len(lines)
    names = ("process", "thread", "task")
    return [
        " · ".join(f"{name} {number}" for name, number, shown in zip(names, place, differ, strict=True) if shown)
        for place in places
    ]


class _Numbers:
    """Numbers from 1 for what comes up, counted anew within each ``whole``."""

    def __init__(self) -> None:
        self._within: defaultdict[Hashable, dict[Hashable, int]] = defaultdict(dict)

    def of(self, whole: Hashable, part: Hashable) -> int:
        seen = self._within[whole]
        return seen.setdefault(part, len(seen) + 1)

    @property
    def several(self) -> bool:
        """Whether any whole has more than one part."""
        return any(len(parts) > 1 for parts in self._within.values())
