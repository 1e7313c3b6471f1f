"""Which strategies there are for a test, and under which of them a test is of the quick part."""

import pytest

from downloader.strategies.registry import BUILT_IN, find

quick_for_each_transport = pytest.mark.quick_for("serial", "async", "multiplex")
"""Slow under every strategy but one for each transport: requests, httpx, libcurl."""

quick_but_for_processes = pytest.mark.quick_for(*(name for name in BUILT_IN if name not in ("processes", "gevent", "dask")))
"""Slow under three of the four strategies whose workers are processes, which take long to start; quick under `hybrid`."""


def supports_segments(strategy: str) -> bool:
    """Whether a strategy fetches a file in several Segments."""
    return find(strategy).capabilities.segments
