"""Runs the command of ``--on-complete`` for each file that is done: as many processes at a time as there are processors.

`CompletionHooks.add` takes Results in the thread of the run, and does not wait. While many files wait for their command,
`CompletionHooks.is_paused` says so, and the list is not read on.

Each command runs in a process group of its own, so that a Ctrl-C in the terminal does not reach it: it may end within the grace
time, as running files may. Its standard input is empty. What it writes to standard error is collected in a temporary file, and
shown when it ends, so that it cannot disturb the display of the progress.
"""

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from downloader.core.model import Result, Status
from downloader.core.text import printable
from downloader.engine.log import LOG
from downloader.engine.processors import cores
from downloader.runs.completion_command import CompletionCommand
from downloader.settings.definitions import PREFIX

MAX_WAITING = 256
"""Files that wait for their command, after which the list is not read on."""

MAX_SHOWN = 5
"""Failures, and files without their command, that are kept for the summary."""

KILL_AFTER = 1.0
"""Seconds from SIGTERM to SIGKILL, for commands that are still running when the grace time is over."""

ABORT_SECONDS = 0.5
"""The same after a second Ctrl-C."""

MAX_OUTPUT = 1 << 16
"""Bytes of its output that are shown of each command."""

VARIABLE = f"{PREFIX}ON_COMPLETE"
"""The environment variable of the setting. It is empty for commands: a command that runs `dl` does not run itself again."""

_MAX_REASON = 200
_NOT_STARTED = "not started: the run was stopped"


class CompletionHooks:
    """Runs a command for each file that is done.

    ``failures``: number of commands that failed; ``failed``: the first of them, in words. ``unrun``: number of files whose
    command was not started, because the run was stopped; ``missed``: the first of their paths. ``say``: called with what a
    command has written to standard error, in the thread of that command.

    Args:
        command: what to run.
        root: the folder of the run, absolute.
        shares_stdout: commands write to the standard output of this process; else it is treated as their standard error.
        processes: commands that run at a time; 0: as many as there are processors.
    """

    def __init__(self, command: CompletionCommand, root: str, shares_stdout: bool = True, processes: int = 0) -> None:
        self._command = command
        self._root = root
        self._shares_stdout = shares_stdout
        self.say: Callable[[str], None] = _ignore
        self._max_threads = processes or cores()
        self._threads = 0
        self._queue: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._lock = threading.Lock()  # never taken by `stop` and `abort`, which signal handlers call
        self._idle = threading.Event()
        self._idle.set()
        self._unfinished = 0
        self._active: set[int] = set()  # threads that start or await a process
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stop_at = self._kill_at = float("inf")
        self._aborted = False
        self.failures = self.unrun = 0
        self.failed: list[str] = []
        self.missed: list[str] = []

    @property
    def unfinished(self) -> int:
        """Number of commands that run or wait."""
        return self._unfinished

    def is_paused(self) -> bool:
        """Whether so many files wait for their command that the list is not to be read on."""
        return self._unfinished >= MAX_WAITING

    def add(self, result: Result) -> None:
        """Run the command for this file, if it is done."""
        if result.status is not Status.DONE:
            return
        with self._lock:
            self._unfinished += 1
            self._idle.clear()
            starts_thread = self._threads < min(self._max_threads, self._unfinished)
            self._threads += starts_thread
        self._queue.put(result)
        if starts_thread:
            self._start_thread()

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name="dl-on-complete", daemon=True).start()
        except RuntimeError as error:  # the system refuses another thread
            with self._lock:
                self._threads -= 1
            if not self._threads:
                self._end(self._queue.get(), f"cannot start: {error}")

    def stop(self, grace: float) -> None:
        """End all commands within so many seconds. From a signal handler, too."""
        self._stop_at = min(self._stop_at, time.monotonic() + grace)

    def abort(self) -> None:
        """End all commands now: with SIGTERM, then with SIGKILL. From a signal handler, too."""
        self._aborted = True
        end = time.monotonic() + ABORT_SECONDS
        self._signal(signal.SIGTERM)
        while self._active and time.monotonic() < end:
            time.sleep(0.01)
        self._signal(signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Wait for all commands, at most so many seconds. Returns whether all have ended. After a stop, this ends them."""
        now = time.monotonic()
        if now >= self._kill_at:
            self._signal(signal.SIGKILL)
        elif now >= self._stop_at and self._kill_at == float("inf"):
            self._kill_at = now + KILL_AFTER
            self._signal(signal.SIGTERM)
        return self._idle.wait(seconds)

    def _work(self) -> None:
        while True:
            result = self._queue.get()
            self._active.add(threading.get_ident())
            try:
                problem = self._run(result)
            except Exception as error:  # noqa: BLE001 - this thread must go on, and no file may be without its answer
                problem = f"{type(error).__name__}: {error}"
            self._active.discard(threading.get_ident())
            self._end(result, problem)

    def _end(self, result: Result, problem: str) -> None:
        """Count the command of a file as ended. ``problem``: why it failed; empty if it did not."""
        with self._lock:
            if problem:
                self._note(result, problem)
            self._unfinished -= 1
            if not self._unfinished:
                self._idle.set()

    def _run(self, result: Result) -> str:
        """Run the command for one file. Returns why it failed; empty if it did not."""
        if self._aborted or time.monotonic() >= self._stop_at:
            return _NOT_STARTED
        with tempfile.TemporaryFile() as output:
            try:
                arguments = self._command.arguments_for(result, self._root)
                stdout = None if self._shares_stdout else output
                process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=output,
                    env={**os.environ, VARIABLE: ""},
                    process_group=0,
                )
            except OSError as error:
                return f"cannot start: {(error.strerror or str(error)).lower()}"
            except ValueError as error:  # also a name that the locale cannot encode
                return str(error)
            self._running.add(process)
            if self._aborted:
                self._signal(signal.SIGTERM)
            code = process.wait()
            self._running.discard(process)
            lines = _lines(output)
        if lines:
            self.say("\n".join(lines))
        if code and LOG.is_on:
            LOG.info("%s %s: %s", self._command.name, printable(result.path), _described(code))
        last = f": {lines[-1][:_MAX_REASON]}" if lines else ""
        return f"{_described(code)}{last}" if code else ""

    def _note(self, result: Result, problem: str) -> None:
        if problem is _NOT_STARTED:
            self.unrun += 1
            self.missed += [result.path][: MAX_SHOWN - len(self.missed)]
        else:
            self.failures += 1
            self.failed += [f"{result.path}: {self._command.name}: {problem}"][: MAX_SHOWN - len(self.failed)]

    def _signal(self, number: int) -> None:
        """Send a signal to the process groups of all running commands."""
        for process in tuple(self._running):
            if process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)

    def summary(self) -> list[str]:
        """What is to be said about commands that failed, or were not started: lines for the end of a run."""
        lines = []
        if self.failures:
            word = "command" if self.failures == 1 else "commands"
            lines.append(f"  {self.failures} {word} of --on-complete failed; the files are complete")
            lines += [f"  ✗ {printable(text)}" for text in self.failed]
            lines += [f"  … and {self.failures - len(self.failed)} more"] if self.failures > len(self.failed) else []
        if self.unrun:
            paths = ", ".join(map(printable, self.missed)) + (", …" if self.unrun > len(self.missed) else "")
            one, several = "file is complete, but its command was", "files are complete, but their commands were"
            lines.append(f"  {self.unrun} {one if self.unrun == 1 else several} not run: {paths}")
        return lines


def _ignore(text: str) -> None:
    """Show nothing."""


def _lines(output: IO[bytes]) -> list[str]:
    """What a command has written, as lines that are safe for a terminal; without empty lines."""
    output.seek(0)
    text = output.read(MAX_OUTPUT).decode(errors="replace")
    return [printable(line.rstrip()) for line in text.splitlines() if line.strip()]


def _described(code: int) -> str:
    """How a process ended, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
