"""Post-processing: a function of the user is called with each complete file, before the file gets its name.

The function is given by its name, ``module:function``, so that a worker process can import it. The value that it returns goes
into the Result. If the function raises an exception, that file fails; the part file is kept if the function has not changed it.
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
    """The name by which a worker can import this function. Raises UsageError for a function that has no such name."""
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
        target: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a module of the user may raise anything
        raise UsageError(f"process: cannot import {module}: {_text_of(error)}") from error
    try:
        for part in path.split("."):
            target = getattr(target, part)
    except AttributeError:
        raise UsageError(f"process: {module} has no {path}") from None
    if not callable(target):
        raise UsageError(f"process: {name} is not a function")
    function: Function = target
    return function


def process(name: str, part: Path, url: str) -> Returned:
    """Call the function of this name with the path of the part file. ``url`` is for messages.

    Raises ProcessError for any exception of the function, and for a value that cannot be pickled. The value is a pickled copy
    under every strategy, as if it came from another process.
    """
    import pickle  # imported here because it costs 8 ms, and few runs need it

    try:
        value = find(name)(part)
    except BaseException as error:  # SystemExit and the like, too: they end this file, not the program
        hint, kind = "run the same command again to process it", f"{name} raised {type(error).__name__}"
        raise ProcessError(f"processing failed: {name} raised {_text_of(error)}", url, hint, kind) from error
    try:
        return Returned(pickle.loads(pickle.dumps(value)))  # noqa: S301 - we have just written it
    except BaseException as error:  # a class of the user may raise anything
        what = f"{name} returned a value that cannot be pickled, a {type(value).__name__}"
        raise ProcessError(f"processing failed: {what}", url) from error


def _text_of(error: BaseException) -> str:
    """An exception of the user's code, as text that can be written anywhere."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a class of the user may raise anything
        text = ""
    name = type(error).__name__
    return f"{name}: {text}".encode("utf-8", "backslashreplace").decode() if text else name
