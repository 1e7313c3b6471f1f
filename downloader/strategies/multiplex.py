"""libcurl's multi interface on epoll: one thread, one loop, and C code that moves the bytes."""

from typing import ClassVar

from downloader.engine.contract import Capabilities, Run
from downloader.engine.curl_loop import CurlLoop


class MultiplexStrategy:
    """One epoll loop over Attempts."""

    name: ClassVar[str] = "multiplex"
    about: ClassVar[str] = "one thread, libcurl's multi interface on epoll"
    library: ClassVar[str] = "pycurl (libcurl)"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40, most_jobs=256, segments=True, limit_rate=True, http_versions=("1.1", "2", "3")
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`."""
        CurlLoop(run).main()
