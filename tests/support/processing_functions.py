"""Functions that process finished files, for worker processes to import by name."""

import hashlib
import os
import signal
import threading
from pathlib import Path
from typing import Any


def digest(part: Path) -> str:
    """The SHA-256 of the bytes."""
    return hashlib.sha256(part.read_bytes()).hexdigest()


def state(part: Path) -> dict[str, Any]:
    """What is there while the function runs, and where it runs."""
    names = sorted(os.listdir(part.parent))
    return {"names": names, "part": str(part), "process": os.getpid(), "thread": threading.current_thread().name}


def picky(part: Path) -> int:
    """Refuses ``1.bin``."""
    if part.name.startswith("1.bin"):
        raise ValueError("not this one")
    return part.stat().st_size


def leaves_word(part: Path) -> None:
    """Leaves a file beside the folder that says it was called."""
    (part.parent.parent / f"called-{part.name}").touch()


def unpicklable(part: Path) -> Any:
    """Returns what cannot cross to another process."""
    return lambda: part


def exits(part: Path) -> None:
    """Wants to end the program."""
    raise SystemExit(3)


def kills_its_process(part: Path) -> int:
    """Ends the process that it runs in, over ``1.bin``."""
    if part.name.startswith("1.bin"):
        os.kill(os.getpid(), signal.SIGKILL)
    return part.stat().st_size


def grows(part: Path) -> None:
    """Changes the file in place."""
    with part.open("ab") as stream:
        stream.write(b"more")


class Namespace:
    """A function may also be an attribute of something."""

    @staticmethod
    def size(part: Path) -> int:
        """Bytes."""
        return part.stat().st_size


def _kills(part: Path, *names: str) -> int:
    if not names or part.name.partition(".")[0] in names:
        os.kill(os.getpid(), signal.SIGKILL)
    return part.stat().st_size


def kills_over_one_file(part: Path) -> int:
    """Ends the process that it runs in, over ``201.bin``."""
    return _kills(part, "201")


def kills_over_two_files(part: Path) -> int:
    """Ends the process that it runs in, over ``201.bin`` and over ``250.bin``."""
    return _kills(part, "201", "250")


def kills_over_every_file(part: Path) -> int:
    """Ends the process that it runs in."""
    return _kills(part)
