"""Reads the file of `dl --trace FILE`: one JSON line for each Attempt."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from downloader.compare.measurements import AttemptSpan


class TraceLine(Struct, frozen=True):
    """One line of a trace. Times in seconds of the monotonic clock; ``head``: 0 without an answer; ``task``: 0 without an event
    loop."""

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


def read(trace: Path, started: float) -> list[AttemptSpan]:
    """The Attempts of a trace in order of their start; their times are seconds since ``started``. Empty without a file."""
    if not trace.exists():
        return []
    complete = trace.read_bytes().rpartition(b"\n")[0]  # the last line may be incomplete, if the disk was full
    lines = sorted(_decoder.decode_lines(complete), key=lambda line: line.started)
    return [
        AttemptSpan(
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
    """The label of the worker of each line, such as ``process 2 · thread 1``.

    Processes, threads and tasks are numbered in order of first use, threads within their process and tasks within their
    thread. A level that has only one number in the whole trace is left out.
    """
    processes, threads, tasks = _Numbering(), _Numbering(), _Numbering()
    positions = [
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
        " · ".join(f"{name} {number}" for name, number, shown in zip(names, position, differ, strict=True) if shown)
        for position in positions
    ]


class _Numbering:
    """Assigns numbers from 1 to values in order of first use, separately within each ``group``."""

    def __init__(self) -> None:
        self._within: defaultdict[Hashable, dict[Hashable, int]] = defaultdict(dict)

    def of(self, group: Hashable, value: Hashable) -> int:
        seen = self._within[group]
        return seen.setdefault(value, len(seen) + 1)

    @property
    def several(self) -> bool:
        """Whether any group has more than one value."""
        return any(len(values) > 1 for values in self._within.values())
