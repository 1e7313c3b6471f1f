"""One command, measured from its start to its exit, with all its child processes. It knows nothing of downloads.

- Elapsed: from just before the process is made to its exit, by the monotonic clock.
- CPU and context switches: ``wait4``, of the process and of the children that it waited for. Read and write calls: the
  same sums in ``/proc/PID/io``, read when the process has ended and before it is reaped.
- Memory, threads, processes: a thread here looks at ``/proc``, at first after 5 ms, then less and less often, every 50 ms in
  the end; it takes a pause of fifty times the CPU that a look cost, so 2 % of one core at most. Memory is the high-water mark
  of each process, so that only what the last 50 ms add is missed.

``ru_maxrss`` is believed only where it is well more than this process has ever held: Linux passes the mark of whoever starts a
command on to it. Systems without ``/proc`` have nothing but that, and no threads, processes and calls.
"""

import _thread
import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from downloader.compare import neighbours
from downloader.errors import UsageError

FIRST_LOOK, LAST_PAUSE = 0.005, 0.05
_DUTY = 50
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


_Started = tuple[float, "subprocess.Popen[bytes]"]


class Usage(NamedTuple):
    """What a command took. Seconds and bytes; see `downloader.compare.results.Measure` for the fields.

    ``started``: of the monotonic clock. ``code``: its exit code, negative for the signal that ended it. ``expired``: it
    was ended because it took too long. ``others``: see `downloader.compare.neighbours.share`. ``own_peak``: the peak memory of
    the process that was started, without its children.
    """

    started: float
    elapsed: float
    user: float
    system: float
    peak: int
    voluntary: int
    involuntary: int
    threads: int
    processes: int
    reads: int
    writes: int
    server: float
    code: int
    expired: bool = False
    others: float | None = None
    own_peak: int = 0


def run_measured(
    command: Sequence[str],
    *,
    folder: str | None = None,
    errors: bool = False,
    server: Callable[[], float] | None = None,
    limit: float | None = None,
    group: bool = False,
    environment: Mapping[str, str] | None = None,
    output: int | None = None,
) -> Usage:
    """Run a command and say what it took. What it prints is dropped; ``errors``: except for its standard error.

    ``output``: the descriptor of a file that takes all that it prints. ``environment``: its variables, instead of this
    process's without settings for `dl` and with a direct way to this machine.

    ``folder``: its working directory. ``server``: tells the CPU seconds that the server has taken so far. After ``limit``
    seconds it is killed. It has a session of its own, and ends when this process does, however that ends. Whatever is
    raised here meanwhile (Ctrl-C) kills it and is passed on. ``group``: what is killed is its whole process group; else it
    is left to its children to see that it is gone, and to tidy up. Raises UsageError for what cannot be started.
    """
    outputs = (subprocess.DEVNULL, None if errors else subprocess.DEVNULL) if output is None else (output, output)
    variables = _environment() if environment is None else environment
    before, seen = server() if server else 0.0, neighbours.look()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    born: list[_Started | UsageError] = []
    sampler: _Sampler | None = None
    begun = False
    with _owner() as (reader, tie):
        try:
            # From a thread: an interrupt, which is raised in the main one, then cannot leave a process that nobody knows.
            # And with nothing that has a lock inside: an interrupt there may leave it locked.
            begun = bool(_thread.start_new_thread(_start, (born, command, folder, variables, reader, outputs)))
            started, process = _told(born)
            victim = -process.pid if group else process.pid
            sampler = _Sampler(process.pid, victim, None if limit is None else started + limit)
            tie(victim)
            sampler.start()
            _wait(process.pid)
            elapsed, seen_last = time.monotonic() - started, neighbours.look()
            reads, writes = _calls(process.pid)
            sampler.stop()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if sampler.expired and group:
                _wait_for_group(process.pid)
        except BaseException:
            if sampler is not None:
                sampler.stop()
            if begun:
                with contextlib.suppress(UsageError):
                    _kill(_told(born)[1], group)
            raise
    served = (server() if server else 0.0) - before
    resident = usage.ru_maxrss * _UNIT if usage.ru_maxrss > 1.1 * held or not sampler.peak else 0
    return Usage(
        started,
        elapsed,
        usage.ru_utime,
        usage.ru_stime,
        max(sampler.peak, resident),
        usage.ru_nvcsw,
        usage.ru_nivcsw,
        sampler.threads,
        sampler.processes,
        reads,
        writes,
        served,
        process.returncode,
        sampler.expired,
        neighbours.share(seen, seen_last, elapsed, usage.ru_utime + usage.ru_stime + served),
        sampler.own_peak or resident,
    )


def _environment() -> dict[str, str]:
    """Ours, without settings for `dl`, and without a proxy on the way to a server on this machine."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("DL_")}
    direct = ",".join(filter(None, (found.get("no_proxy") or found.get("NO_PROXY"), "127.0.0.1", "localhost")))
    return found | {"no_proxy": direct, "NO_PROXY": direct}


def _start(
    born: "list[_Started | UsageError]",
    command: Sequence[str],
    folder: str | None,
    environment: Mapping[str, str],
    stdin: int,
    outputs: tuple[int, int | None],
) -> None:
    """Start it, and say so, or why not."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own commands, and those of peers that were asked for
            command,
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
        )
    except OSError as error:
        born.append(UsageError(f"cannot run {command[0]}: {error.strerror}", hint="is it installed?"))
    else:
        born.append((started, process))


def _told(born: "list[_Started | UsageError]") -> _Started:
    """What `_start` says, once it does. Raises UsageError."""
    while not born:
        time.sleep(0.0005)
    if isinstance(born[0], UsageError):
        raise born[0]
    return born[0]


def _kill(process: "subprocess.Popen[bytes]", group: bool) -> None:
    if process.returncode is None:
        os.kill(-process.pid if group else process.pid, signal.SIGKILL)
        process.wait()
    _wait_for_group(process.pid)


@contextlib.contextmanager
def _owner() -> Iterator[tuple[int, Callable[[int], None]]]:
    """A standard input that ends when this process does, and what ties a command to it: the kernel kills it then.

    So a comparison that is killed leaves nothing running, and no thread that watches for it is in the figures. Systems
    without ``F_SETSIG`` only see the end of the input; `downloader.cli.child` looks for it there.
    """
    reader, writer = os.pipe()
    inherited = reader

    def tie(victim: int) -> None:
        nonlocal reader
        if sys.platform == "linux":
            fcntl.fcntl(reader, fcntl.F_SETOWN, victim)
            fcntl.fcntl(reader, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
        os.close(reader)
        reader = -1

    try:
        yield inherited, tie
    finally:
        if reader >= 0:
            os.close(reader)
        os.close(writer)


def _wait(process: int) -> None:
    """Until it has ended; it is left as a zombie, which still tells what it did."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def _calls(process: int) -> tuple[int, int]:
    """Read and write calls of an ended process and of the children it waited for; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = _text(f"/proc/{process}/io")
        return _number(text, b"syscr:"), _number(text, b"syscw:")
    return 0, 0


def _wait_for_group(group: int, seconds: float = 5.0) -> None:
    """Wait for the last of a killed run's processes: workers that notice it, and who removes their semaphores."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.01)


class _Sampler(threading.Thread):
    """Looks at a process and its children, and kills the ``victim`` (a process, or minus a group) at the ``deadline``."""

    def __init__(self, process: int, victim: int, deadline: float | None) -> None:
        super().__init__(name="sampler", daemon=True)
        self._process = process
        self._victim = victim
        self._deadline = deadline
        self._over = threading.Event()
        self.peak = self.own_peak = self.threads = self.processes = 0
        self.expired = False

    def run(self) -> None:
        """Until `stop`."""
        pause = FIRST_LOOK
        while not self._over.wait(pause):
            begun = time.thread_time()  # of this thread's own: on a busy machine, a look may last, and cost nothing
            self._look()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.expired = True
                os.kill(self._victim, signal.SIGKILL)  # it is not reaped before `stop`: the number is still its own
            pause = max(min(2 * pause, LAST_PAUSE), (time.thread_time() - begun) * _DUTY)

    def _look(self) -> None:
        peak = threads = count = 0
        for process in _tree(self._process):
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = _text(f"/proc/{process}/status")
                threads += _number(text, b"\nThreads:")
                count += 1
                mark = _number(text, b"\nVmHWM:") * 1024
                peak += mark
                if process == self._process:
                    self.own_peak = max(self.own_peak, mark)
        self.peak = max(self.peak, peak)
        self.threads = max(self.threads, threads)
        self.processes = max(self.processes, count)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        with contextlib.suppress(RuntimeError):  # it was not started, or that was interrupted
            self.join()


def _tree(process: int) -> list[int]:
    found = [process]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                with contextlib.suppress(OSError):
                    found += map(int, _text(f"/proc/{parent}/task/{thread}/children").split())
    return found


def _text(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)


def _number(text: bytes, name: bytes) -> int:
    """The number after a name. Raises IndexError where the name is not there."""
    return int(text.partition(name)[2].split(None, 1)[0])
