"""What the worker process of `gevent` imports before anything else. To import this patches the interpreter, for good.

requests, urllib3 and ssl derive from the classes that gevent replaces, or keep them by name: so the patch comes first.
"""

from gevent import monkey

monkey.patch_all(os=False, subprocess=False, signal=False)  # a --process function has a thread, and these as they are there

from downloader.engine.contract import Run  # noqa: E402
from downloader.strategies.gevent.loop import GreenletLoop  # noqa: E402 - see above


class GeventWorker:
    """What the worker process runs."""

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        GreenletLoop(run).main()
