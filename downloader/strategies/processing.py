"""Post-processing: a function of the user's that is called with each finished file, before the file gets its name.

It is known by its name, ``module:function``, so that a worker process can import it. What it returns goes into the Result,
what it raises fails that file, whose part file stays: the next run processes it without fetching it again.
"""

import importlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from downloader.core.model import Returned
from downloader.errors import ProcessError, UsageError

Function = Callable[[Path], object]


def name_of(function: "str | Function") -> str:
    """The name by which a worker finds this function. Raises UsageError for one that has none."""
    if isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    try:
        if module and find(f"{module}:{name}") is function:
            return f"{module}:{name}"
    except UsageError:
        pass
    raise UsageError(f"process: {function!r} cannot be found by its name", hint="give a function of a module, by its own name")


@lru_cache(maxsize=8)
def find(name: str) -> Function:
    """The function of this name, imported. Raises UsageError."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise UsageError(f"process: expected module:function, got {name!r}")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # a module of the user's may raise anything
        raise UsageError(f"process: cannot import {module}: {error}") from error
    try:
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise UsageError(f"process: {module} has no {path}") from None
    if not callable(found):
        raise UsageError(f"process: {name} is not a function")
    function: Function = found
    return function


def process(name: str, part: Path, url: str) -> Returned:
    """Call it. Raises ProcessError for whatever it raises, and for a value that could not cross to another process."""
    import pickle  # here: 8 ms at the start, that only those need to pay who use it

    try:
        value = find(name)(part)
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        hint = "the file was fetched; run again to process it"
        raise ProcessError(f"processing failed: {name} raised {what}", url, hint) from error
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - we have just written it
    except Exception as error:  # whatever a class of the user's does here: the same under each strategy
        what = f"{name} returned what cannot be pickled, a {type(value).__name__}"
        raise ProcessError(f"processing failed: {what}", url) from error
    return Returned(value)
