"""Other values for constants of the program, for scripts that tests run in a process of their own."""

from types import ModuleType

from downloader.strategies import auto


def replace_constants(module: ModuleType, **values: object) -> None:
    """Give constants (or functions) of a module other values. Raises AttributeError for a name that it does not have."""
    for name, value in values.items():
        getattr(module, name)
        setattr(module, name, value)


def two_processors() -> None:
    """Make `auto` believe that there are two processors."""
    replace_constants(auto, cores=lambda: 2)


def change_over_at_once() -> None:
    """Make `auto` change over to processes at its first look, whatever it sees, on two processors."""
    two_processors()
    replace_constants(auto, SHORT_LIST=0, LOOK_SECONDS=0.0, BUSY_SHARE=-1e9, WORTH_SECONDS=-1e9, LARGE_FILE=1 << 60)
