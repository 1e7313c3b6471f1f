"""Loading a class by name: how a strategy's module is imported only when the strategy runs, here or in a worker process."""

import importlib
from typing import Any


def load(target: str) -> Any:
    """The class at ``module:Class``. Raises ImportError where a package that the module needs is not installed."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
