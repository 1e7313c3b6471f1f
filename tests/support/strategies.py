"""Which strategies there are for a test, and under which of them a test is of the quick part."""

import pytest

from downloader.strategies.registry import find

QUICK = ("serial", "async", "multiplex")
"""One strategy for each transport: requests, httpx, libcurl."""

quick_for_each_transport = pytest.mark.quick_for(*QUICK)
"""The test, or each test of the file, is slow under every strategy but one for each transport."""


def supports_segments(strategy: str) -> bool:
    """Whether a strategy fetches a file in several Segments."""
    return find(strategy).capabilities.segments
