"""Asks for the password of ``--user NAME`` at the terminal."""

import os

from msgspec.structs import replace

from downloader.errors import UsageError
from downloader.settings.definitions import PASSWORD_VARIABLE, Settings


def with_password(settings: Settings) -> Settings:
    """The settings with the password of the user. The terminal is asked if no password is set.

    Raises UsageError if there is no terminal, or if the user enters nothing.
    """
    if not settings.user or ":" in settings.user or PASSWORD_VARIABLE in os.environ:
        return settings
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))  # without a terminal, getpass would read from standard input
    except OSError:
        problem = f"no password for the user {settings.user}, and no terminal to ask for it"
        raise UsageError(problem, hint=f"set the environment variable {PASSWORD_VARIABLE}") from None
    from getpass import getpass  # here: few runs ask

    try:
        password = getpass(f"dl: password of {settings.user}: ")
    except EOFError:
        raise UsageError(f"no password was given for the user {settings.user}") from None
    return replace(settings, user=f"{settings.user}:{password}")
