"""Processes, each with an event loop over libcurl: as many loops as there are processors.

Threads, each with a multi handle of its own, share the interpreter, which libcurl releases only while it moves bytes:
docs/strategies.md compares the two.
"""

from importlib.util import find_spec
from typing import ClassVar

from downloader.engine.contract import Capabilities, Run
from downloader.engine.processors import cores
from downloader.engine.workers.pool import WorkerPool

if find_spec("pycurl") is None:  # told in the caller's process, before a worker dies of it
    raise ModuleNotFoundError("No module named 'pycurl'", name="pycurl")


class HybridStrategy:
    """Processes times event loops."""

    name: ClassVar[str] = "hybrid"
    about: ClassVar[str] = "a process for each processor, each with an event loop over libcurl"
    library: ClassVar[str] = "pycurl (libcurl), subprocess"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40, most_jobs=256, segments=True, limit_rate=True, http_versions=("1.1", "2", "3"), fresh_main=True
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where no worker can be started."""
        with worker_pool(run, max(2, cores())) as workers:
            workers.drive()


def worker_pool(run: Run, workers: int) -> WorkerPool:
    """Worker processes that each run `multiplex`: at most as many as there are jobs. They are not started yet."""
    return WorkerPool(run, "downloader.strategies.multiplex:MultiplexStrategy", min(workers, run.jobs))
