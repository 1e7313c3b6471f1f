"""One command, measured from its start to its exit: wall time, CPU, memory. Shared by the benchmarks; not to be run.

- Wall time is that of the whole process, the start of an interpreter included.
- CPU is user + system of the process and of the children that it waited for, from ``wait4``.
- Memory: ``ru_maxrss`` would never be less than what *this* process held when it started the command (Linux counts the
  memory from before the exec too), so the high-water marks in ``/proc`` are sampled, every 50 ms and for the whole tree of
  processes. What the last 50 ms add is missed, and pages that parent and child share are counted for both. Where there
  is no ``/proc``, it is ``ru_maxrss``.

Whatever is started here has a session of its own and is ended by its number.
"""

import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY = 0.05
END_WITHIN = 5.0
"""Seconds between asking a command to end and ending it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took. `problem` is empty where it did all that it should."""

    elapsed: float
    cpu: float
    peak: int
    """Bytes: high-water marks of all its processes, added."""
    leader_peak: int
    """Bytes: that of the process that was started."""
    problem: str = ""


class Watcher(threading.Thread):
    """Samples the memory of a process tree, and ends it when its time is over."""

    def __init__(self, pid: int, timeout: float) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.deadline = time.monotonic() + timeout
        self.timed_out = False
        self.peak = 0
        self.leader_peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Until `ended` is set; the process is not reaped before, so its number is still its own."""
        killed_at = 0.0
        while not self.ended.wait(SAMPLE_EVERY):
            marks = [_high_water(pid) for pid in _tree(self.pid)]
            self.leader_peak = max(self.leader_peak, marks[0])
            self.peak = max(self.peak, sum(marks))
            now = time.monotonic()
            if killed_at and now > killed_at + END_WITHIN:
                _end_group(self.pid)
            elif not killed_at and now > self.deadline:
                self.timed_out, killed_at = True, now
                os.kill(self.pid, signal.SIGTERM)


def measure(command: Sequence[str], folder: Path, *, timeout: float, home: Path) -> Run:
    """Run a command in `folder` and say what it took, in seconds and bytes.

    `home` stands in for the user's, so that no settings of this user count. After `timeout` seconds the command is ended.
    """
    with tempfile.TemporaryFile() as told:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
        watcher = Watcher(process.pid, timeout)
        watcher.start()
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except BaseException:
            watcher.deadline = 0.0
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            raise
        finally:
            elapsed = time.perf_counter() - started
            watcher.ended.set()
            watcher.join()
            _end_group(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(max(0, told.seek(0, os.SEEK_END) - 4000))
        words = told.read().decode(errors="replace").strip().splitlines()
    problem = ""
    if watcher.timed_out:
        problem = f"not done after {timeout:.0f} s"
    elif process.returncode:
        problem = " ".join([f"exit code {process.returncode}", *words[-1:]])
    maxrss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(elapsed, usage.ru_utime + usage.ru_stime, watcher.peak or maxrss, watcher.leader_peak or maxrss, problem)


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """A new folder, in memory where `parent` is None and there is such a place; removed at the end, after SIGTERM too."""

    def ended(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    memory = Path("/dev/shm")  # where Linux has it
    if parent is None and memory.is_dir() and os.access(memory, os.W_OK):
        parent = memory
    before = signal.signal(signal.SIGTERM, ended)
    folder = Path(tempfile.mkdtemp(prefix="dl-benchmark-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def dl_command(path: str | None = None) -> str:
    """Our own command: the one that was asked for, else the one beside this Python, else the one on PATH."""
    beside = Path(sys.executable).with_name("dl")
    found = path or (str(beside) if beside.exists() else shutil.which("dl"))
    if not found:
        raise SystemExit("`dl` is not installed here: pip install . (or name it by --dl)")
    return str(Path(found).absolute())


def in_memory(folder: Path) -> bool:
    """Whether what is written below `folder` stays in memory."""
    with suppress(OSError):
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        inside = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
        return max(inside)[1] in ("tmpfs", "ramfs")
    return False


def _environment(home: Path) -> dict[str, str]:
    """This one, without proxies and settings; packages that the user installed for themselves are still found."""
    left_out = ("_proxy", "_PROXY")
    kept = {
        key: value for key, value in os.environ.items() if not key.endswith(left_out) and not key.startswith(("DL_", "XDG_"))
    }
    return kept | {"HOME": str(home), "PYTHONUSERBASE": site.getuserbase()}


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _tree(int(child))


def _high_water(pid: int) -> int:
    """Bytes; 0 where it cannot be told."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return 0


def _end_group(leader: int) -> None:
    """End what a command may have left behind. Only before the leader is reaped: until then the number is taken."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
