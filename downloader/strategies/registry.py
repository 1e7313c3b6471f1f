"""Strategies by name. A strategy's module, and with it its HTTP client, is imported when it is asked for.

Other packages may add their own under the entry point group ``downloader.strategies``: a class that keeps `Strategy`.
"""

import difflib
import importlib
from dataclasses import dataclass

from downloader.errors import UsageError
from downloader.strategies.base import Strategy

GROUP = "downloader.strategies"
BUILT_IN = {
    "auto": "downloader.strategies.auto:AutoStrategy",
    "serial": "downloader.strategies.serial:SerialStrategy",
    "threads": "downloader.strategies.threads:ThreadsStrategy",
    "processes": "downloader.strategies.processes:ProcessesStrategy",
    "async": "downloader.strategies.aio:AsyncStrategy",
    "multiplex": "downloader.strategies.multiplex:MultiplexStrategy",
    "hybrid": "downloader.strategies.hybrid:HybridStrategy",
    "gevent": "downloader.strategies.greenlet:GeventStrategy",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One strategy as `dl strategies` shows it. ``problem``: why it cannot run here; empty where it can."""

    name: str
    about: str = ""
    library: str = ""
    default_jobs: int = 0
    most_jobs: int | None = None
    problem: str = ""


def names() -> list[str]:
    """The names that can be asked for, ours first."""
    return [*BUILT_IN, *sorted(set(_plugins()) - set(BUILT_IN))]


def _plugins() -> dict[str, str]:
    """Those of other packages: ``module:Class`` by name."""
    from importlib.metadata import entry_points  # here: 5 ms that only an unknown name needs to pay

    return {point.name: point.value for point in entry_points(group=GROUP)}


def find(name: str) -> type[Strategy]:
    """The class of a strategy. Raises UsageError for an unknown name, or where what it needs is not installed."""
    target = BUILT_IN.get(name) or _plugins().get(name)
    if target is None:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(names())}"
        raise UsageError(f"unknown strategy: {name!r}", hint=hint)
    try:
        found = load(target)
    except ImportError as error:
        raise UsageError(f"the strategy {name} needs {error.name}", hint=f"pip install 'downloader[{name}]'") from None
    return found


def load(target: str) -> type[Strategy]:
    """The class at ``module:Class``. Raises ImportError where what it needs is not installed."""
    module, _, attribute = target.partition(":")
    found: type[Strategy] = getattr(importlib.import_module(module), attribute)
    return found


def listing() -> list[Listed]:
    """All strategies, and whether each can run here."""
    found = []
    for name in names():
        try:
            cls = find(name)
        except UsageError as error:
            found.append(Listed(name, problem=str(error)))
        else:
            found.append(Listed(name, cls.about, cls.library, cls.capabilities.default_jobs, cls.capabilities.most_jobs))
    return found
