"""Greenlets: code that is written as if it blocked, on an event loop that takes its place.

gevent replaces what an interpreter has for waiting (sockets, locks, `time.sleep`), so it gets an interpreter of its own
(rule 8): a `WorkerPool` of one worker. The caller's process imports nothing of gevent. The worker imports
`downloader.strategies.gevent.worker` before anything else.
"""

from importlib.util import find_spec
from typing import ClassVar

from downloader.engine.contract import Capabilities, Run
from downloader.engine.workers.pool import WorkerPool

if find_spec("gevent") is None:  # told in the caller's process, before a worker dies of it
    raise ModuleNotFoundError("No module named 'gevent'", name="gevent")


class GeventStrategy:
    """A process with greenlets in it."""

    name: ClassVar[str] = "gevent"
    about: ClassVar[str] = "a greenlet for each file in flight, in a separate process"
    library: ClassVar[str] = "requests, gevent"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40, most_jobs=256, segments=True, limit_rate=True, fresh_main=True
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where the worker cannot be started."""
        with WorkerPool(run, "downloader.strategies.gevent.worker:GeventWorker", 1) as workers:
            workers.drive()
