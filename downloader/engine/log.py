"""The log of a run: the logger ``downloader`` of `logging`, which is not imported before it is needed.

Nobody reads the log in a process that has not imported `logging`: a program that sets a level or adds a handler has.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

_INFO = 20
"""`logging.INFO`."""


class RunLog:
    """Writes to the logger ``downloader``. Whoever writes a record has removed the secrets from it."""

    __slots__ = ("_logger", "show_warning")

    def __init__(self) -> None:
        self.show_warning: Callable[[str], object] | None = None
        """Shows a warning to the user, where no handler of `logging` does; None: `logging` shows it."""
        self._logger: logging.Logger | None = None  # kept, because `getLogger` takes a lock: too much for each file

    @property
    def is_on(self) -> bool:
        """Whether records of the level INFO go anywhere."""
        if self._logger is None:
            if "logging" not in sys.modules:
                return False
            import logging

            self._logger = logging.getLogger("downloader")
        return self._logger.isEnabledFor(_INFO)

    def info(self, text: str, *values: object, exc_info: bool = False) -> None:
        """A record of the level INFO."""
        if self.is_on:
            import logging

            logging.getLogger("downloader").info(text, *values, exc_info=exc_info, stacklevel=2)

    def warning(self, text: str, *values: object) -> None:
        """A record of the level WARNING."""
        import logging

        logger = logging.getLogger("downloader")
        if self.show_warning is not None:
            self.show_warning(text % values)
        if self.show_warning is None or logger.hasHandlers():
            logger.warning(text, *values, stacklevel=2)


LOG = RunLog()
