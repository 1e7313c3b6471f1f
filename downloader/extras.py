"""How to install a missing module: read from the metadata of the installed package, so that every named extra exists."""

import re

from downloader.errors import UsageError

_REQUIREMENT = r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?\s*([^;]*)"  # compiled at its first use, as the next one
_EXTRA = r"extra\s*==\s*['\"]([^'\"]+)['\"]"
_MIXED = frozenset({"all", "test"})


def require(user: str, *modules: str, extra: str) -> None:
    """Raises UsageError if one of these modules is not installed.

    ``user``: what needs them, the subject of the message. ``extra``: the one that declares them, for a hint where the
    metadata of the package cannot be read.
    """
    from importlib.util import find_spec  # here: few commands need an extra

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        hint = hint_for(*missing) or f"pip install '.[{extra}]' in the folder of dl's source"
        raise UsageError(f"{user} needs {', '.join(missing)}", hint=hint)


def hint_for(*modules: str) -> str:
    """The command that installs ``modules`` that cannot be imported; empty if the package depends on none of them."""
    from importlib.metadata import PackageNotFoundError, requires  # here: 5 ms that only a missing module needs to pay

    try:
        requirements = requires("downloader") or []
    except PackageNotFoundError:
        requirements = []
    wanted = {_normal(module.partition(".")[0]) for module in modules}
    packages: dict[str, str] = {}
    extras: set[str] = set()
    for text in requirements:
        match, extra = re.match(_REQUIREMENT, text), re.search(_EXTRA, text)
        if match is None or _normal(match[1]) not in wanted or (extra and extra[1] in _MIXED):
            continue
        packages[_normal(match[1])] = f"'{match[1]}{match[2].strip()}'"
        if extra is not None:
            extras.add(extra[1])
    if not packages:
        return ""
    hint = f"pip install {' '.join(packages.values())}"
    return f"{hint}, or pip install '.[{','.join(sorted(extras))}]' in the folder of dl's source" if extras else hint


def _normal(name: str) -> str:
    """The name of a distribution, normalized as PEP 503 says."""
    return re.sub(r"[-_.]+", "-", name).lower()
