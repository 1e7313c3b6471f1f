"""The interpreter of a process that is the program's own: its garbage collector, and its end.

The command and the worker processes use this. The library leaves the caller's process as it is.
"""

import gc
import os
import sys

YOUNG_OBJECTS = 10_000
"""Objects that are created, and not freed, before the collector examines them. Python's default is 700.

A run creates tens of objects for each file, and reference counting frees them: nearly none of them is in a cycle. With the
default, the collector examines them after every few files.
"""


def pause_collector() -> None:
    """Collect no garbage until `resume_collector`: imports create none, but each collection examines all that they created."""
    gc.disable()


def resume_collector() -> None:
    """Collect garbage again, but never examine what exists now: modules, functions and classes.

    Does nothing without `pause_collector`: then the process is not the program's own.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()


def exit_at_once(code: int) -> None:
    """End the process without freeing each object first, which takes 7 ms.

    Returns where the interpreter must end in its own way: other threads still run, daemons included (those of a process pool
    inherit that from the thread that made them), or a debugger or a profiler waits for the end.
    """
    import atexit
    import threading

    if threading.active_count() > 1 or sys.gettrace() is not None or sys.getprofile() is not None:
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # the interpreter reports it
        return
    atexit._run_exitfuncs()
    os._exit(code)
