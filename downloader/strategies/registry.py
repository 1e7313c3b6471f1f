"""Strategies by name. The module of a strategy, and with it its HTTP client, is imported only when the strategy is chosen.

Other packages may add their own under the entry point group ``downloader.strategies``: a class that keeps `Strategy`.
"""

from pathlib import Path

from msgspec import Struct

from downloader.engine.contract import Capabilities, Strategy
from downloader.engine.loading import load
from downloader.errors import UsageError

GROUP = "downloader.strategies"
BUILT_IN = {
    "auto": "downloader.strategies.auto:AutoStrategy",
    "serial": "downloader.strategies.serial:SerialStrategy",
    "threads": "downloader.strategies.threads:ThreadsStrategy",
    "processes": "downloader.strategies.processes:ProcessesStrategy",
    "async": "downloader.strategies.async_:AsyncStrategy",
    "multiplex": "downloader.strategies.multiplex:MultiplexStrategy",
    "hybrid": "downloader.strategies.hybrid:HybridStrategy",
    "gevent": "downloader.strategies.gevent.strategy:GeventStrategy",
    "dask": "downloader.strategies.dask.strategy:DaskStrategy",
}


class StrategyInfo(Struct, frozen=True):
    """One strategy as `dl strategies` shows it.

    ``cluster``: whether its workers may be on other machines. ``problem``: why it cannot run here; empty where it can.
    """

    name: str
    about: str = ""
    library: str = ""
    default_jobs: int = 0
    most_jobs: int | None = None
    cluster: bool = False
    problem: str = ""


def names() -> list[str]:
    """All names that ``--strategy`` accepts, the built-in ones first."""
    return [*BUILT_IN, *sorted(set(_plugins()) - set(BUILT_IN))]


def _plugins() -> dict[str, str]:
    """The strategies of other packages: ``module:Class`` by name."""
    from importlib.metadata import entry_points  # here: 5 ms that only an unknown name needs to pay

    return {point.name: point.value for point in entry_points(group=GROUP)}


def find(name: str) -> type[Strategy]:
    """The class of a strategy. Raises UsageError for an unknown name, and for a strategy that cannot be used here."""
    if name in BUILT_IN:
        try:
            builtin: type[Strategy] = load(BUILT_IN[name])
            return builtin
        except ImportError as error:
            if error.name is None:
                raise UsageError(f"the strategy {name} cannot be loaded: {error}") from None
            from downloader.extras import hint_for  # here: few runs need it

            raise UsageError(f"the strategy {name} needs {error.name}", hint=hint_for(error.name)) from None
    target = _plugins().get(name)
    if target is None:
        import difflib  # here: few runs need it

        similar = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"one of {', '.join(names())}"
        hint = "--segments N splits a file" if name.isdecimal() else hint  # aria2's -s
        raise UsageError(f"unknown strategy: {name!r}", hint=hint)
    try:
        plugin: type[Strategy] = load(target)
        problem = _problem_of(plugin)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - another package may raise anything when it is imported
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise UsageError(f"the plug-in strategy {name} cannot be used: {problem}", hint=f"it is {target}")
    return plugin


def _problem_of(plugin: object) -> str:
    """Why this object is not a strategy; empty if it is one."""
    if not isinstance(plugin, type):
        return "it is not a class"
    if not isinstance(getattr(plugin, "capabilities", None), Capabilities):
        return "it has no capabilities"
    if not callable(getattr(plugin, "drive", None)):
        return "it has no method drive"
    lacking = [name for name in ("name", "about", "library") if not isinstance(getattr(plugin, name, None), str)]
    return f"it has no {lacking[0]}" if lacking else ""


def listing() -> list[StrategyInfo]:
    """All strategies, and whether each can run here."""
    strategies = []
    for name in names():
        try:
            cls = find(name)
        except UsageError as error:
            strategies.append(StrategyInfo(name, *_described(BUILT_IN.get(name, "")), problem=str(error)))
        else:
            stated = cls.capabilities
            info = StrategyInfo(name, cls.about, cls.library, stated.default_jobs, stated.most_jobs, stated.cluster)
            strategies.append(info)
    return strategies


def _described(target: str) -> tuple[str, str]:
    """``about`` and ``library`` of a built-in strategy that cannot be imported: read from its source."""
    if not target:
        return "of another package", ""
    import ast

    module = target.partition(":")[0].removeprefix("downloader.strategies.")
    file = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = {
        node.target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Constant)
    }
    return str(texts.get("about", "")), str(texts.get("library", ""))
