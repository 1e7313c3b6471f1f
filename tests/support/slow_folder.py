"""Delays the naming of files, in every process that calls `install` or `delay_each_name`, by a ``sitecustomize`` module.

``os.link`` and ``os.rename`` are replaced; the package looks them up when it calls them. With `install`, the first
`LEARNED_AFTER` names of a process take 5 ms each, so that the folder is known to be slow. The further ones wait for each other:
none gets its name before `TOGETHER` wait at the same time. Where a name stands in the way of an event loop, that never happens:
one waits for each loop.

What happens is recorded as files in the folder ``SLOW_FOLDER``. Names that begin with a word of `FAULTS` meet that fault.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LEARNED_AFTER = 32
TOGETHER = min((os.cpu_count() or 1) + 7, 24)  # more than the processes that a strategy starts, and less than its threads
FAULTS = {"broken": errno.EIO, "full": errno.ENOSPC, "readonly": errno.EROFS}
PATIENCE = 60
"""Seconds until a wait is given up; the test fails then."""

_sleep = time.sleep  # gevent replaces them
_lock = threading.Lock()


class SlowNames:
    """The names of one process. ``folder``: for the records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun = 0

    def delay(self, name: str, parent: int) -> None:
        """Wait, and raise what the name is to meet."""
        with _lock:
            self.begun += 1
            is_learning = self.begun <= LEARNED_AFTER
        if is_learning:
            _sleep(0.005)
        else:
            self._wait_for_others(name)
        fault = name.partition("-")[0]
        if fault in (*FAULTS, "taken", "held"):
            (self.folder / f"{'early' if is_learning else 'late'}-{name}").touch()
        if fault == "held":
            self._wait_for("go")
        elif fault == "taken":
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=parent))
        if fault in FAULTS:
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]))

    def _wait_for_others(self, name: str) -> None:
        waiting = self.folder / f"waiting-{name}"
        waiting.touch()  # a file, so that those of other processes count as well
        if sum(record.startswith("waiting-") for record in os.listdir(self.folder)) >= TOGETHER:
            (self.folder / "together").touch()
        _sleep(0.005)
        self._wait_for("together")
        waiting.unlink()

    def _wait_for(self, record: str) -> None:
        until = time.monotonic() + PATIENCE
        while not (self.folder / record).exists() and not (self.folder / "impatient").exists():
            if time.monotonic() > until:
                (self.folder / "impatient").touch()
                return
            _sleep(0.005)


def install() -> None:
    """Delay the names of this process, if it is one of a test that wants this."""
    folder = os.environ.get("SLOW_FOLDER")
    if folder:
        _call_before_each_name(SlowNames(Path(folder)).delay)


def delay_each_name(seconds: float) -> None:
    """Delay each name of this process for so long."""
    _call_before_each_name(lambda _name, _parent: _sleep(seconds))


def _call_before_each_name(delay: Callable[[str, int], None]) -> None:
    def replaced(call: Callable[..., Any]) -> Callable[..., Any]:
        def delayed(source: Any, target: Any, **folders: Any) -> Any:
            if folders.get("dst_dir_fd") is not None:  # else the name is not one of a downloaded file
                delay(str(target), folders["dst_dir_fd"])
            return call(source, target, **folders)

        return delayed

    os.link, os.rename = replaced(os.link), replaced(os.rename)
