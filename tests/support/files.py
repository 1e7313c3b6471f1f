"""What is in a folder after a run."""

import contextlib
import hashlib
import os
from pathlib import Path

from downloader.testserver import content


def files_below(folder: Path) -> list[str]:
    """The relative paths of all files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_only_file(folder: Path, name: str, body: bytes) -> None:
    """The folder contains this file, byte for byte, and nothing else."""
    assert os.listdir(folder) == [name]
    assert (folder / name).read_bytes() == body


def assert_served_files(folder: Path, count: int, size: int) -> None:
    """The folder contains the first ``count`` files of the test server, byte for byte, and nothing else."""
    assert sorted(os.listdir(folder)) == sorted(f"{number}.bin" for number in range(count))
    for number in range(count):
        digest = hashlib.sha256((folder / f"{number}.bin").read_bytes()).hexdigest()
        assert digest == content.sha256(number, size), number


def part_files_with_bytes(folder: Path) -> int:
    """How many part files in the folder are not empty. The folder need not exist."""
    count = 0
    for path in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # the file has just received its final name
            count += path.stat().st_size > 0
    return count
