"""How to install a missing module: read from the metadata of the installed package, so that every named extra exists."""

import re

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?\s*([^;]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_MIXED = frozenset({"all", "test"})


def hint_for(module: str) -> str:
    """The command that installs a ``module`` that cannot be imported; empty if the package does not depend on it."""
    from importlib.metadata import PackageNotFoundError, requires  # here: 5 ms that only a missing module needs to pay

    try:
        requirements = requires("downloader") or []
    except PackageNotFoundError:
        requirements = []
    wanted = _normal(module.partition(".")[0])
    hint = ""
    for text in requirements:
        match, extra = _REQUIREMENT.match(text), _EXTRA.search(text)
        if match is None or _normal(match[1]) != wanted or (extra and extra[1] in _MIXED):
            continue
        needed = f"pip install '{match[1]}{match[2].strip()}'"
        if extra is None:
            return needed
        hint = f"{needed}, or pip install '.[{extra[1]}]' in the folder of dl's source"
    return hint


def _normal(name: str) -> str:
    """The name of a distribution, normalized as PEP 503 says."""
    return re.sub(r"[-_.]+", "-", name).lower()
