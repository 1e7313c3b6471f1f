"""The contract suite that plug-ins import, run for each strategy that is built in."""

from typing import Any

import pytest

from downloader.strategies.registry import BUILT_IN
from downloader.testing.contract import StrategyContract
from tests.support.strategies import quick_for_each_transport


def suite_for(name: str) -> Any:
    """The suite for one strategy."""
    suite = type(f"Test{name.title()}", (StrategyContract,), {"strategy": name})
    return suite if name in quick_for_each_transport.args else pytest.mark.slow(suite)


globals().update({f"Test{name.title()}": suite_for(name) for name in BUILT_IN})
