"""The contract suite that plug-ins import, run for each strategy that is built in."""

from typing import Any

import pytest

from downloader.strategies.registry import BUILT_IN
from downloader.testing.contract import StrategyContract

QUICK = "multiplex"
"""Slow under the others: the tables beside this file have the same rules for each transport in the quick part."""


def suite_for(name: str) -> Any:
    """The suite for one strategy."""
    suite = type(f"Test{name.title()}", (StrategyContract,), {"strategy": name})
    if name == "dask":
        suite = pytest.mark.usefixtures("dask_cluster")(suite)
    return suite if name == QUICK else pytest.mark.slow(suite)


globals().update({f"Test{name.title()}": suite_for(name) for name in BUILT_IN})
