"""A real cluster of Dask on loopback: a scheduler and workers, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.support.processes import wait_until

_QUICK = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "10",
}


class DaskCluster:
    """A scheduler, and as many workers as are started with `add`. Use it as a context manager: nothing of it is left then."""

    def __init__(self, folder: Path, workers: int = 0, cwd: Path | None = None, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "scheduler.json"
        self._variables = variables
        self._cwd = cwd or folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self._started = 0
        words = ("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))
        self.scheduler = self._start("scheduler", *words)
        wait_until(self._address_is_written, "the scheduler does not start", unless=lambda: self.scheduler.poll() is not None)
        self.add(workers)

    def _address_is_written(self) -> bool:
        try:
            self.address: str = json.loads(self.file.read_text())["address"]
        except (OSError, ValueError):
            return False
        return True

    def _start(self, name: str, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **_QUICK, **self._variables, **variables}
        with open(self.folder / f"{name}.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self._cwd,
                start_new_session=True,
            )

    def log(self, name: str = "scheduler") -> str:
        """What a process has written: ``scheduler``, or the name of a worker."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def add(self, count: int = 1, nanny: bool = False, **variables: str) -> "list[subprocess.Popen[bytes]]":
        """Start workers, and wait until the scheduler knows them. They are named ``worker-1`` and so on."""
        names = [f"worker-{self._started + number + 1}" for number in range(count)]
        self._started += count
        common = ("--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--nanny" if nanny else "--no-nanny")
        added = [
            self._start(
                name,
                *("worker", "--scheduler-file", str(self.file), "--host", "127.0.0.1", "--name", name),
                *("--local-directory", str(self.folder / name), *common),
                **variables,
            )
            for name in names
        ]
        self.workers += added
        for name, process in zip(names, added, strict=True):
            wait_until(
                lambda name=name: f"name: {name}\n" in self.log(),  # type: ignore[misc]
                f"{name} does not start",
                unless=lambda process=process: process.poll() is not None,  # type: ignore[misc]
            )
        return added

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
