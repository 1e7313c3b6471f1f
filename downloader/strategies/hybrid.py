"""Processes, each with an event loop over libcurl: as many loops as there are processors.

Threads, each with a multi handle of its own, were tried: they share the interpreter, which libcurl lets go of only while it
moves bytes. See docs/strategies.md for the figures.
"""

from importlib.util import find_spec
from typing import ClassVar

from downloader.engine.contract import Capabilities
from downloader.engine.processors import cores
from downloader.engine.run import Run
from downloader.engine.workers.pool import WorkerPool

if find_spec("pycurl") is None:  # told in the caller's process, before a worker dies of it
    raise ModuleNotFoundError("No module named 'pycurl'", name="pycurl")


class HybridStrategy:
    """Processes times event loops."""

    name: ClassVar[str] = "hybrid"
    about: ClassVar[str] = "a process for each processor, each an event loop over libcurl"
    library: ClassVar[str] = "pycurl (libcurl), multiprocessing"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40, most_jobs=256, segments=True, limit_rate=True, http_versions=("1.1", "2", "3"), fresh_main=True
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        workers = sharded(run, max(2, cores()))
        workers.start()
        try:
            workers.drive()
        finally:
            workers.close()


def sharded(run: Run, workers: int) -> WorkerPool:
    """The worker processes for a run, not yet started."""
    return WorkerPool(run, "downloader.strategies.multiplex:MultiplexStrategy", min(workers, run.jobs))
