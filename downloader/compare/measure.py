"""Measures one command from its start to its exit, with all its child processes. It does nothing specific to downloads.

- Elapsed time: from just before the process is created to its exit, by the monotonic clock. - CPU time and context switches:
from ``wait4``, for the process and the children that it waited for. Read and write calls: from ``/proc/PID/io``, for the
same processes, read after the process has ended and before it is reaped. - Memory, threads, processes: a thread samples
``/proc``, first after 5 ms, then at intervals that grow to 50 ms. The pause after each sample is at least fifty times the
CPU time of the sample, so sampling uses at most 2 % of one core. Memory is the high-water mark of each process, so only what
a process allocates in its last 50 ms can be missed.

``ru_maxrss`` is used only if it is much larger than the peak memory of this process: on Linux, a new process inherits the
mark of the process that started it. Systems without ``/proc`` have only ``ru_maxrss``, and no numbers of threads, processes
and calls.
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

from downloader.compare import other_programs, processes_beside
from downloader.errors import UsageError

FIRST_PAUSE, MAX_PAUSE = 0.005, 0.05
_PAUSE_FACTOR = 50
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, the unit of ru_maxrss


_Started = tuple[float, "subprocess.Popen[bytes]"]


class Usage(NamedTuple):
    """The resources that a command used. Seconds and bytes; see `downloader.compare.measurements.Measure` for the fields.

    ``started``: the time of the monotonic clock. ``code``: the exit code, or minus the number of the signal that ended the
    command. ``expired``: the command was killed because it exceeded its time limit. ``others``: see
    `downloader.compare.other_programs.share`. ``own_peak``: the peak memory of the started process without its children.
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
    beside: Sequence[int] = (),
) -> Usage:
    """Run a command and measure the resources that it uses. Its output is discarded.

    ``beside``: processes that work for the command and are not its children: what they use is added to its figures, see
    `downloader.compare.processes_beside`. ``output``: the descriptor of a file for its output. ``environment``: its
    environment variables; None: those of this process, without the settings of `dl`, and without a proxy for this machine.

    ``folder``: its working directory. ``errors``: do not discard its standard error. ``server``: returns the CPU seconds that
    the server has used so far. ``limit``: the command is killed after this many seconds. ``group``: kill its whole process
    group; otherwise only the process, whose children notice its end and clean up.

    The command runs in its own session, and is killed when this process ends for any reason. An exception in this process
    meanwhile (Ctrl-C) kills the command and is raised. Raises UsageError if the command cannot be started.
    """
    outputs = (subprocess.DEVNULL, None if errors else subprocess.DEVNULL) if output is None else (output, output)
    variables = _environment() if environment is None else environment
    beside_before = processes_beside.times(beside)
    server_before, times_before = server() if server else 0.0, other_programs.cpu_times()
    parent_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result: list[_Started | UsageError] = []
    sampler: _Sampler | None = None
    begun = False
    with _owner() as (reader, tie):
        try:
            # The process is started in a thread: an interrupt, which is raised in the main thread, can then not leave a
            # process behind whose number is unknown. A list passes the result: an interrupt could leave a lock locked.
            begun = bool(_thread.start_new_thread(_start, (result, command, folder, variables, reader, outputs)))
            started, process = _wait_for_start(result)
            victim = -process.pid if group else process.pid
            sampler = _Sampler(process.pid, victim, None if limit is None else started + limit, beside)
            tie(victim)
            sampler.start()
            _wait(process.pid)
            elapsed, times_after = time.monotonic() - started, other_programs.cpu_times()
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
                    _kill(_wait_for_start(result)[1], group)
            raise
    served = (server() if server else 0.0) - server_before
    user, system = processes_beside.used(beside_before, processes_beside.times(beside))
    user, system = usage.ru_utime + user, usage.ru_stime + system
    resident = usage.ru_maxrss * _UNIT if usage.ru_maxrss > 1.1 * parent_peak or not sampler.peak else 0
    return Usage(
        started,
        elapsed,
        user,
        system,
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
        other_programs.share(times_before, times_after, elapsed, user + system + served),
        sampler.own_peak or resident,
    )


def _environment() -> dict[str, str]:
    """The environment of this process, without the settings of `dl`, and without a proxy for servers on this machine."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DL_")}
    hosts = (environment.get("no_proxy") or environment.get("NO_PROXY"), "127.0.0.1", "localhost")
    direct = ",".join(filter(None, hosts))
    return environment | {"no_proxy": direct, "NO_PROXY": direct}


def _start(
    result: "list[_Started | UsageError]",
    command: Sequence[str],
    folder: str | None,
    environment: Mapping[str, str],
    stdin: int,
    outputs: tuple[int, int | None],
) -> None:
    """Start the command, and append the process, or the error, to ``result``."""
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - `dl`, and the peers that the user asked for
            command,
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
        )
    except OSError as error:
        result.append(UsageError(f"cannot run {command[0]}: {error.strerror}", hint="is it installed?"))
    else:
        result.append((started, process))


def _wait_for_start(result: "list[_Started | UsageError]") -> _Started:
    """Wait for the result of `_start`. Raises UsageError."""
    while not result:
        time.sleep(0.0005)
    if isinstance(result[0], UsageError):
        raise result[0]
    return result[0]


def _kill(process: "subprocess.Popen[bytes]", group: bool) -> None:
    if process.returncode is None:
        os.kill(-process.pid if group else process.pid, signal.SIGKILL)
        process.wait()
    _wait_for_group(process.pid)


@contextlib.contextmanager
def _owner() -> Iterator[tuple[int, Callable[[int], None]]]:
    """A pipe as standard input of a command, and a function that makes the kernel kill the command when the pipe closes.

    The pipe closes when this process ends. So a comparison that is killed leaves nothing running, and the figures of the
    command contain no thread that watches the pipe. On systems without ``F_SETSIG`` the command only reads the end of its
    input, and must end by itself then.
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
    """Wait until the process has ended. It is not reaped, so that its files in ``/proc`` can still be read."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def _calls(process: int) -> tuple[int, int]:
    """Read and write calls of an ended process and of the children it waited for; 0 where the system does not report them."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = _text(f"/proc/{process}/io")
        return _number(text, b"syscr:"), _number(text, b"syscw:")
    return 0, 0


def _wait_for_group(group: int, seconds: float = 5.0) -> None:
    """Wait until all processes of a killed run have ended: its workers, and the tracker that removes their semaphores."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.01)


class _Sampler(threading.Thread):
    """Samples a process and its children, and kills the ``victim`` (a process, or minus a process group) at the ``deadline``.

    ``peak``: bytes; ``threads`` and ``processes``: the largest numbers at one time; ``expired``: the deadline has passed.
    """

    def __init__(self, process: int, victim: int, deadline: float | None, beside: Sequence[int]) -> None:
        super().__init__(name="sampler", daemon=True)
        self._process = process
        self._victim = victim
        self._beside = beside
        self._deadline = deadline
        self._stopped = threading.Event()
        self.peak = self.own_peak = self.threads = self.processes = 0
        self.expired = False

    def run(self) -> None:
        """Take samples until `stop` is called."""
        pause = FIRST_PAUSE
        while not self._stopped.wait(pause):
            begun = time.thread_time()  # CPU time: on a busy machine, a sample may take long and cost little
            self._sample()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.expired = True
                os.kill(self._victim, signal.SIGKILL)  # it is reaped after `stop`: its number cannot have been reused
            pause = max(min(2 * pause, MAX_PAUSE), (time.thread_time() - begun) * _PAUSE_FACTOR)

    def _sample(self) -> None:
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
        peak += sum(map(processes_beside.resident, self._beside))
        self.peak = max(self.peak, peak)
        self.threads = max(self.threads, threads)
        self.processes = max(self.processes, count)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        with contextlib.suppress(RuntimeError):  # the thread was not started, or its start was interrupted
            self.join()


def _tree(process: int) -> list[int]:
    processes = [process]
    for parent in processes:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                with contextlib.suppress(OSError):
                    processes += map(int, _text(f"/proc/{parent}/task/{thread}/children").split())
    return processes


def _text(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)


def _number(text: bytes, name: bytes) -> int:
    """The number after a name. Raises IndexError if the text does not contain the name."""
    return int(text.partition(name)[2].split(None, 1)[0])
