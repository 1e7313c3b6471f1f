"""Post-processing: a function of the user's that is called with each finished file, before the file gets its name.

It is known by its name, ``module:function``, so that a worker process can import it. What it returns goes into the Result,
what it raises fails that file. Its part file stays, if the function left it as it was.
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
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything
        raise UsageError(f"process: cannot import {module}: {_said(error)}") from error
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
    """Call it. Raises ProcessError for whatever it raises, and for a value that could not cross to another process.

    The value is a copy, under each strategy as if it had come from another process.
    """
    import pickle  # here: 8 ms at the start, that only those need to pay who use it

    try:
        value = find(name)(part)
    except BaseException as error:  # also what is meant to end a thread or a program: it ends this file
        hint, kind = "run the same command again to process it", f"{name} raised {type(error).__name__}"
        raise ProcessError(f"processing failed: {name} raised {_said(error)}", url, hint, kind) from error
    try:
        return Returned(pickle.loads(pickle.dumps(value)))  # noqa: S301 - we have just written it
    except BaseException as error:  # whatever a class of the user's does here
        what = f"{name} returned a value that cannot be pickled, a {type(value).__name__}"
        raise ProcessError(f"processing failed: {what}", url) from error


def _said(error: BaseException) -> str:
    """An exception of a user's, in text that can be written anywhere."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is a user's
        text = ""
    name = type(error).__name__
    return f"{name}: {text}".encode("utf-8", "backslashreplace").decode() if text else name
