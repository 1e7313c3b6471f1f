"""What `dl --trace` wrote, read back: times from the start of the command, and labels that tell workers apart."""

import json
from pathlib import Path

import pytest

from downloader.compare.trace_reader import read

Where = tuple[int, str, int]


def written(folder: Path, *lines: dict[str, object]) -> Path:
    """A trace."""
    usual = {"path": "0.bin", "attempt": 1, "segment": 0, "process": 7, "thread": "main", "task": 0, "started": 100.0}
    usual |= {"head": 100.5, "ended": 101.0, "end": "complete", "received": 10}
    file = folder / "trace.jsonl"
    file.write_text("".join(json.dumps(usual | line) + "\n" for line in lines))
    return file


def test_times_are_since_the_start_of_the_command(tmp_path: Path) -> None:
    late = {"path": "a/1.bin", "attempt": 2, "started": 102.0, "head": 0.0, "ended": 102.5, "end": "failed", "received": 0}
    second, first = read(written(tmp_path, late, {"segment": 4096}), 99.0)[::-1]
    assert (first.file, first.number, first.segment, first.started, first.head, first.ended) == (
        "0.bin",
        1,
        4096,
        1.0,
        1.5,
        2.0,
    )
    assert (first.end, first.received) == ("complete", 10)
    assert (second.file, second.number, second.started, second.head, second.ended) == ("a/1.bin", 2, 3.0, 0.0, 3.5)
    assert second.end == "failed"


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        ([(7, "a", 0), (7, "a", 0)], ["thread 1", "thread 1"]),
        ([(7, "a", 0), (7, "b", 0), (7, "a", 0)], ["thread 1", "thread 2", "thread 1"]),
        ([(9, "a", 0), (7, "b", 0)], ["process 1", "process 2"]),
        ([(7, "a", 30), (7, "a", 10), (7, "a", 30)], ["task 1", "task 2", "task 1"]),
        ([(7, "a", 1), (9, "a", 1), (9, "a", 2)], ["process 1 · task 1", "process 2 · task 1", "process 2 · task 2"]),
        ([(7, "a", 0), (7, "b", 0), (9, "x", 0)], ["process 1 · thread 1", "process 1 · thread 2", "process 2 · thread 1"]),
        ([(7, "a", 1), (7, "b", 0), (7, "a", 2)], ["thread 1 · task 1", "thread 2 · task 1", "thread 1 · task 2"]),
    ],
)
def test_labels_hold_what_differs_in_order_of_first_use(tmp_path: Path, places: list[Where], labels: list[str]) -> None:
    lines = [
        {"process": process, "thread": thread, "task": task, "started": 100.0 + at}
        for at, (process, thread, task) in enumerate(places)
    ]
    assert [item.worker for item in read(written(tmp_path, *lines[::-1]), 99.0)] == labels


def test_no_trace_is_no_stretches(tmp_path: Path) -> None:
    assert read(tmp_path / "none", 0.0) == []
    assert read(written(tmp_path), 0.0) == []
