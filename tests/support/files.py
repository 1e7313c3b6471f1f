"""What is in a folder after a run."""

import contextlib
import hashlib
import os
from pathlib import Path

from downloader.core.names.file_names import RESERVED_FOLDER
from downloader.testserver import content


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted, without the folder of the journal."""
    return sorted(set(os.listdir(folder)) - {RESERVED_FOLDER})


def files_below(folder: Path) -> list[str]:
    """The relative paths of all files below a folder, sorted, without those of the journal."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parts[0] != RESERVED_FOLDER)


def assert_only_file(folder: Path, name: str, body: bytes) -> None:
    """The folder contains this file, byte for byte, and nothing else."""
    assert names_in(folder) == [name]
    assert (folder / name).read_bytes() == body


def assert_served_files(folder: Path, count: int, size: int) -> None:
    """The folder contains the first ``count`` files of the test server, byte for byte, and nothing else."""
    assert names_in(folder) == sorted(f"{number}.bin" for number in range(count))
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
