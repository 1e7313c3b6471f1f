"""Waiting for a condition, and the processes of this machine as `/proc` shows them."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen, run

from downloader.engine.workers import process as worker


def wait_until(
    condition: Callable[[], object],
    failure: str = "the condition does not hold",
    timeout: float = 30.0,
    unless: Callable[[], object] = lambda: False,
) -> None:
    """Poll ``condition`` every 10 ms until it holds.

    Fails with the message ``failure`` after ``timeout`` seconds, or as soon as ``unless`` holds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert not unless(), failure
        assert time.monotonic() < deadline, failure
        time.sleep(0.01)


def _running() -> Iterator[tuple[int, int, int]]:
    """The process ID, group and session of each process that has not ended (zombies have)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            state, _, group, session = stat.read_text().rpartition(")")[2].split()[:4]
            if state not in "ZX":
                yield int(stat.parent.name), int(group), int(session)


def processes_of_session(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    return [process for process, _, its_session in _running() if its_session == session]


def processes_of_group(group: int) -> list[int]:
    """The processes of a process group that have not ended."""
    return [process for process, its_group, _ in _running() if its_group == group]


def is_running(process: int) -> bool:
    """Whether a process has not ended."""
    return any(number == process for number, _, _ in _running())


def peak_memory(*command: str) -> int:
    """Run a command that starts no large process itself; its peak memory in bytes, as the system tells it at the end.

    A small process starts the command: a process counts the memory of the one that started it as its own peak.
    """
    starts = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)"
    tells = "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    starter = [sys.executable, "-S", "-c", f"{starts}; {tells}", *command]
    return int(run(starter, stdout=PIPE, check=True).stdout) * (1 if sys.platform == "darwin" else 1024)


def connections_to(port: int) -> int:
    """How many connections to this port of an IPv4 address the processes of this machine have open."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = [(target.rpartition(":")[2], state) for _, _, target, state in (line.split()[:4] for line in lines)]
    return sum(1 for end, state in ends if int(end, 16) == port and state in ("01", "08"))  # established; closed there only


def kill_and_wait(*processes: int) -> None:
    """Kill these processes, none of which is a child of this one, and wait until they have ended."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not any(is_running(process) for process in processes), "killed processes do not end")


def descendants(process: int) -> list[int]:
    """The children of a process, their children, and so on."""
    tree = [process]
    for parent in tree:
        for thread in Path(f"/proc/{parent}/task").glob("*"):
            with contextlib.suppress(OSError):
                tree += [int(child) for child in (thread / "children").read_text().split()]
    return tree[1:]


def command_line(process: int) -> bytes:
    """The arguments of a process, each followed by a NUL; empty if the process has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def worker_processes(session: int, module: bytes = worker.__name__.encode()) -> list[int]:
    """The processes of a session whose command line names ``module``."""
    return [process for process in processes_of_session(session) if module in command_line(process)]


def assert_session_ended(leader: "Popen[str]") -> None:
    """No process of the session that ``leader`` began is left."""
    wait_until(lambda: not processes_of_session(leader.pid), f"stray processes: {processes_of_session(leader.pid)}")
