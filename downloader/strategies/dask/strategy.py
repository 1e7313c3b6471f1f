"""A cluster of Dask: this process decides, and the workers of the cluster download.

Dask starts, watches and replaces the workers, and carries the messages. It decides nothing about files: names, limits, retries
and the order are decided here, once for the whole cluster.
"""

from importlib.util import find_spec
from typing import ClassVar

from downloader.engine.contract import Capabilities, Run

for _module in ("distributed", "pycurl"):  # told in the caller's process; both are imported when a run begins, in 0.3 s
    if find_spec(_module) is None:
        raise ModuleNotFoundError(f"No module named '{_module}'", name=_module)


class DaskStrategy:
    """Workers of a cluster times event loops."""

    name: ClassVar[str] = "dask"
    about: ClassVar[str] = "the workers of a Dask cluster (--cluster), each with an event loop over libcurl"
    library: ClassVar[str] = "distributed, pycurl (libcurl)"
    capabilities: ClassVar[Capabilities] = Capabilities(
        default_jobs=40,
        most_jobs=4096,
        files_per_job=0,
        limit_rate=True,
        read_ahead=8192,
        http_versions=("1.1", "2", "3"),
        cluster=True,
        fresh_main=True,
    )

    def drive(self, run: Run) -> None:
        """See `Strategy`. Raises UsageError where there is no cluster, or none of its workers can be used."""
        from downloader.strategies.dask.client import drive  # here: it imports distributed

        drive(run)
