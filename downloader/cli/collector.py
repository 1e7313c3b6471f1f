"""Python's garbage collector, as the command uses it. The library leaves the collector as the caller's program has it."""

import gc

YOUNG_OBJECTS = 10_000
"""Objects that are created, and not freed, before the collector examines them. Python's default is 700.

A run creates tens of objects for each file, and reference counting frees them: nearly none of them is in a cycle. With the
default, the collector examines them after every few files.
"""


def pause() -> None:
    """Collect no garbage until `resume`: the imports create none, but each collection would examine all that they created."""
    gc.disable()


def resume() -> None:
    """Collect garbage again, but never examine what exists now: modules, functions and classes.

    Does nothing without `pause`: then the process is not the command's own.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        gc.enable()
