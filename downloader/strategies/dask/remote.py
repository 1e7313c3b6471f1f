"""The functions that a client calls in a worker. Dask runs them in the thread of the worker's event loop: each returns at once.

Dask logs the arguments of a function that raises, so none of them raises.
"""

import logging
import os
import pickle
import platform
import resource
import socket
from typing import TYPE_CHECKING, Any

from downloader._version import __version__

if TYPE_CHECKING:
    from downloader.strategies.dask.engine import Engine

_engines: dict[str, "Engine"] = {}  # by run


def hello(folder: str, marker: str, token: str, process: str, dask_worker: Any) -> dict[str, Any]:
    """What the client must know before this worker is dealt to. Values of built-in types only, for clients of any version.

    Args:
        folder: of the run; empty: files go to an object store.
        marker: the path of a file that the client has written to this folder, or to a folder in it.
        token: what that file contains.
        process: the function of ``--process``, as ``module:function``; empty: none.
        dask_worker: Dask passes it.
    """
    return {
        "version": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "name": str(dask_worker.name),
        "machine": socket.gethostname(),
        "pid": os.getpid(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "folder": _folder_problem(folder, marker, token) if folder else "",
        "process": _process_problem(process),
        "engine": _engine_problem(),
    }


def _folder_problem(folder: str, marker: str, token: str) -> str:
    """Why the folder of the run is not this machine's folder of that name; empty if it is."""
    try:
        with open(marker, encoding="utf-8") as file:
            same = file.read() == token
    except OSError:
        same = False
    if not same:
        return f"{folder} is not the same folder there"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} is not writable there"


def _process_problem(process: str) -> str:
    if not process:
        return ""
    try:
        from downloader.engine.attempt.postprocess import find

        find(process)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module may raise anything
        return f"--process {process}: {error}"
    return ""


def _engine_problem() -> str:
    try:
        import downloader.strategies.dask.engine  # noqa: F401
    except ImportError as error:
        return str(error)
    return ""


def open_engine(data: bytes, dask_worker: Any) -> str:
    """Begin to work for a run. ``data``: a pickled `Engagement`. Returns why that is not possible; empty if it is."""
    try:
        from downloader.strategies.dask.engine import Engine

        _log_no_calls()
        engagement = pickle.loads(data)  # noqa: S301 - whoever reaches this port may run any code
        _engines[engagement.run] = Engine(engagement, dask_worker.log_event, lambda: _engines.pop(engagement.run, None))
    except Exception as error:  # noqa: BLE001 - see the module
        return f"{type(error).__name__}: {error}"
    return ""


def _log_no_calls() -> None:
    """Dask logs each call of a function in a worker: here, that would be twenty lines a second."""
    logger = logging.getLogger("distributed.worker")
    if _is_no_call not in logger.filters:
        logger.addFilter(_is_no_call)


def _is_no_call(record: logging.LogRecord) -> bool:
    return not (record.msg == "Run out-of-band function %r" and record.args in (("work",), ("renew",)))


def stay(run: str) -> None:
    """A task that lasts as long as the worker works for this run, and takes none of its threads."""
    engine = _engines.get(run)
    if engine is not None:
        from distributed import secede

        secede()  # type: ignore[no-untyped-call]
        engine.wait()


def work(run: str, data: bytes) -> bool:
    """Take these parcels. Returns whether this worker still works for the run."""
    engine = _engines.get(run)
    return engine is not None and engine.add(data)


def renew(run: str, state: int) -> bool:
    """The client is there: go on for another lease. ``state``: of the run. Returns whether this worker still works for it."""
    engine = _engines.get(run)
    return engine is not None and engine.renew(state)


def set_share(run: str, share: float) -> bool:
    """Keep this part of the rate limit from now on. Returns whether this worker still works for the run."""
    engine = _engines.get(run)
    return engine is not None and engine.set_share(share)


def close_engine(run: str) -> None:
    """Work for this run no longer. What still runs ends at once."""
    engine = _engines.get(run)
    if engine is not None:
        engine.close()
