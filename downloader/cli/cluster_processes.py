"""Dask's scheduler and its workers as processes of this machine: started, watched, replaced and ended together.

Workers run without a nanny of Dask: this module does what a nanny does, and tells what happened. Each process ends when this
process ends, see `downloader.cli.cluster_child`.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from downloader.errors import DownloadError, NetworkError, StorageError, UsageError

_PROGRAM = """
import sys
sys.path[:] = {path!r}
from downloader.cli.cluster_child import main
main({module!r}, {arguments!r}, {leftovers!r})
"""
_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
"""A cluster that is not up after so many seconds is ended."""
_END_SECONDS = 5.0
"""A process that was told to end, and has not ended after so many seconds, is killed."""
_POLL_SECONDS = 0.05

QUICK_DEATH_SECONDS = 5.0
"""A worker that lives for less than this has died quickly."""
QUICK_DEATHS_AT_ONCE = 3
"""So many quick deaths in a row are repaired at once. After that, each replacement waits twice as long as the one before."""
MAX_REPLACEMENT_SECONDS = 30.0


class _Process(NamedTuple):
    """A process of the cluster. ``started``: the time of the monotonic clock. ``log``: the file with what it prints."""

    name: str
    process: "subprocess.Popen[bytes]"
    started: float
    log: Path


class ClusterProcesses:
    """A scheduler and workers on the loopback address. ``with`` ends them.

    ``workers``: the number of worker processes. ``port``: that of the scheduler; 0: any free port. ``scheduler_file``: where
    Dask writes the address of the scheduler; empty: into a new folder. The file must not exist, and is removed at the end.
    Raises UsageError if the file exists, StorageError if a file cannot be created.

    ``address``: what ``--cluster`` takes; empty before `start`.
    """

    def __init__(self, workers: int, port: int = 0, scheduler_file: str = "") -> None:
        self._count = workers
        self._port = port
        try:
            given = Path(scheduler_file).absolute() if scheduler_file else None
            self._folder = Path(tempfile.mkdtemp(prefix="dl-cluster-"))
        except OSError as error:  # the current folder was removed, or there is no folder for temporary files
            raise StorageError(f"cannot create the files of the cluster: {error.strerror}") from None
        self.scheduler_file = given or self._folder / "scheduler.json"
        self.address = ""
        self._scheduler: _Process | None = None
        self._workers: list[_Process] = []
        self._numbers = 0
        self._quick_deaths = 0
        self._due: list[float] = []
        try:
            _create(self.scheduler_file)
        except DownloadError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def start(self, cancelled: Callable[[], bool]) -> None:
        """Start all processes, and wait until the workers are connected, or until ``cancelled`` returns True.

        Raises NetworkError if one of the processes ends meanwhile, or if the start takes longer than a minute.
        """
        deadline = time.monotonic() + _START_SECONDS
        leftovers = [str(self._folder), str(self.scheduler_file)]
        where = ["--host", _LOOPBACK, "--protocol", "tcp", "--port", str(self._port)]
        self._scheduler = self._run(
            "scheduler",
            "distributed.cli.dask_scheduler",
            [*where, "--scheduler-file", str(self.scheduler_file), "--no-dashboard"],
            leftovers,
        )
        while not cancelled() and not self._read_address():
            self._check_start(deadline)
        if not cancelled():
            self._workers = [self._run_worker() for _ in range(self._count)]
            self._wait_for_workers(cancelled, deadline)

    def repair(self) -> list[str]:
        """Replace workers that have ended, some of them later. Returns what happened, one text for each event.

        Raises NetworkError if the scheduler has ended.
        """
        if self._scheduler is None or self._scheduler.process.poll() is not None:
            reason = _ending(self._scheduler) if self._scheduler else "it was not started"
            raise NetworkError(f"the scheduler ended unexpectedly: {reason}")
        events = []
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            self._quick_deaths = self._quick_deaths + 1 if now - worker.started < QUICK_DEATH_SECONDS else 0
            wait = replacement_wait(self._quick_deaths)
            self._due.append(now + wait)
            events.append(f"{worker.name} {_ending(worker)}" + (f"; a new worker starts in {wait:g} s" if wait else ""))
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            self._workers.append(self._run_worker())
            events.append(f"{self._workers[-1].name} starts in its place")
        return events

    def pids(self) -> dict[str, int]:
        """The process IDs by name: ``scheduler``, ``worker-1``, …"""
        return {item.name: item.process.pid for item in self._all()}

    def kill(self) -> None:
        """Kill all processes at once."""
        for item in self._all():
            item.process.kill()

    def close(self) -> None:
        """End the workers, then the scheduler, and remove their files. May be called twice."""
        _end(self._workers)
        if self._scheduler is not None:
            _end([self._scheduler])
        self._workers, self._scheduler = [], None
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.scheduler_file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all(self) -> list[_Process]:
        return [*self._workers, *([self._scheduler] if self._scheduler else [])]

    def _run_worker(self) -> _Process:
        self._numbers += 1
        name = f"worker-{self._numbers}"  # a new name for each: Dask refuses one that it still has
        options = ["--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--host", _LOOPBACK]
        options += ["--death-timeout", f"{_START_SECONDS:g}"]
        return self._run(name, "distributed.cli.dask_worker", [self.address, "--name", name, *options], [])

    def _run(self, name: str, module: str, arguments: list[str], leftovers: list[str]) -> _Process:
        program = _PROGRAM.format(path=_import_path(), module=module, arguments=arguments, leftovers=leftovers)
        log = self._folder / f"{name}.log"
        environment = {
            **os.environ,
            "DASK_TEMPORARY_DIRECTORY": str(self._folder),
            "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "warning",
            "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "10",  # Dask keeps as many messages of each worker in memory
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",  # a sample of the worker's threads every 10 ms
        }
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,  # Ctrl-C ends this process, which ends the others in order
            )
        return _Process(name, process, time.monotonic(), log)

    def _read_address(self) -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError):  # it is written in pieces
            self.address = str(json.loads(self.scheduler_file.read_text())["address"])
        return bool(self.address)

    def _check_start(self, deadline: float) -> None:
        """Raises NetworkError if a process has ended, or if the time is over."""
        time.sleep(_POLL_SECONDS)
        for item in self._all():
            if item.process.poll() is not None:
                raise NetworkError(f"the cluster does not start: its {item.name} {_ending(item)}")
        if time.monotonic() > deadline:
            raise NetworkError(f"the cluster does not start: it is not complete after {_START_SECONDS:g} s")

    def _wait_for_workers(self, cancelled: Callable[[], bool], deadline: float) -> None:
        from distributed import Client  # here: 0.4 s, while the workers start

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a scheduler that ends is reported here
        try:
            with Client(self.address, set_as_default=False, timeout=_START_SECONDS) as client:  # type: ignore[no-untyped-call]
                while not cancelled():
                    with contextlib.suppress(TimeoutError):
                        client.wait_for_workers(self._count, timeout=_POLL_SECONDS)
                        return
                    self._check_start(deadline)
        except OSError as error:
            raise NetworkError(f"the cluster does not start: {error}") from None


def _import_path() -> list[str]:
    """Where workers look for modules: as this process, and last in the current folder, for functions of ``--process``."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return sys.path
    return sys.path if folder in sys.path else [*sys.path, folder]


def _create(file: Path) -> None:
    """Create an empty file that only its owner can read. Raises UsageError if it exists, StorageError if that fails."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        hint = "give another --scheduler-file, or remove this one if its cluster has ended"
        raise UsageError(f"{file} exists already", hint=hint) from None
    except OSError as error:
        raise StorageError(f"cannot create {file}: {error.strerror}") from None


def replacement_wait(quick_deaths: int) -> float:
    """Seconds until a worker is replaced, after so many quick deaths in a row."""
    excess = quick_deaths - QUICK_DEATHS_AT_ONCE
    return 0.0 if excess <= 0 else min(MAX_REPLACEMENT_SECONDS, 2.0 ** min(excess - 1, 10))


def _ending(item: _Process) -> str:
    """How a process ended: by which signal, or with which exit code and message."""
    code = item.process.returncode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"was killed by {-code}"
    with contextlib.suppress(OSError):
        printed = [line for line in item.log.read_text(errors="replace").splitlines() if line.strip()]
        causes = [line for line in printed if "Error: " in line and not line.startswith((" ", "\t"))]
        if printed:  # of exceptions with causes, the first cause is printed first
            return f"ended with exit code {code}: {(causes[0] if causes else printed[-1]).strip()[:300]}"
    return f"ended with exit code {code}"


def _end(items: list[_Process]) -> None:
    """End processes: ask them, wait, and kill those that are left."""
    for item in items:
        item.process.terminate()
    deadline = time.monotonic() + _END_SECONDS
    for item in items:
        try:
            item.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            item.process.kill()
            item.process.wait()
        if item.process.stdin is not None:
            item.process.stdin.close()
