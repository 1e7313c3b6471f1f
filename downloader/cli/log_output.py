"""Where ``-v`` and ``--log-file`` write the log."""

import logging

from downloader.errors import UsageError
from downloader.progress.display import Display
from downloader.settings.definitions import Settings

LOGGER = logging.getLogger("downloader")


class _DisplayHandler(logging.Handler):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.say(self.format(record))


class LogOutput:
    """A context manager: while it is entered, log records go to the display and to ``--log-file``, as the settings say.

    ``first``: texts that are written at once. Raises UsageError if the file cannot be written.
    """

    def __init__(self, settings: Settings, first: tuple[str, ...], display: Display) -> None:
        self._first = first
        self._handlers: list[logging.Handler] = []
        if settings.verbose:
            self._handlers.append(_DisplayHandler(display))
        if settings.log_file:
            try:
                self._handlers.append(logging.FileHandler(settings.log_file, encoding="utf-8", errors="backslashreplace"))
            except OSError as error:
                raise UsageError(f"cannot write --log-file {settings.log_file}: {error.strerror}") from None

    def __enter__(self) -> None:
        for handler in self._handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
        for text in self._first:
            LOGGER.info("%s", text)

    def __exit__(self, *details: object) -> None:
        for handler in self._handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(logging.NOTSET)
