"""A process of Dask as `dl cluster up` starts it: it ends when the process that started it ends, however that ends.

Its standard input is a pipe from that process. On Linux the kernel kills a worker when the pipe closes, so a worker ends even
while a function of the user does not release the GIL, or while the worker is stopped. The scheduler runs no code of users: one
of its threads reads the pipe, removes the files of the cluster at its end, and ends the process. On other systems, all
processes have such a thread.
"""

import contextlib
import fcntl
import os
import runpy
import select
import shutil
import signal
import sys
import threading
from collections.abc import Sequence


def main(module: str, arguments: Sequence[str], leftovers: Sequence[str]) -> None:
    """Run a module of Dask as ``python -m`` does.

    ``leftovers``: files and folders that this process removes when the process that started it has ended.
    """
    pipe = os.dup(0)  # not inherited by programs that a --process function starts
    with open(os.devnull, "rb") as null:
        os.dup2(null.fileno(), 0)
    if sys.platform == "linux" and not leftovers:
        _die_with(pipe)
    else:
        threading.Thread(target=_exit_after, args=(pipe, leftovers), name="owner", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _die_with(pipe: int) -> None:
    """Let the kernel kill this process when the other end of the pipe closes."""
    if sys.platform == "linux":  # for mypy on other systems
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(pipe, 0)
    if poll.poll(0):  # it had closed before the kernel was asked
        os._exit(1)


def _exit_after(pipe: int, leftovers: Sequence[str]) -> None:
    """Wait for the end of the pipe, remove ``leftovers``, and end the process."""
    while os.read(pipe, 4096):
        pass
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(path)
    os._exit(1)
