"""The password of ``--user NAME``, asked for at the terminal."""

import os

from msgspec.structs import replace

from downloader.errors import UsageError
from downloader.settings.definitions import PASSWORD_VARIABLE, Settings


def with_password(settings: Settings) -> Settings:
    """The settings with the user's password, which is asked for where none was given. Raises UsageError without a terminal."""
    if not settings.user or ":" in settings.user or PASSWORD_VARIABLE in os.environ:
        return settings
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))  # without one, getpass would read a list from standard input
    except OSError:
        said = f"there is no password for the user {settings.user}, and no terminal to ask at"
        raise UsageError(said, hint=f"set the environment variable {PASSWORD_VARIABLE}") from None
    from getpass import getpass  # here: few runs ask

    try:
        password = getpass(f"dl: password of {settings.user}: ")
    except EOFError:
        raise UsageError(f"no password was given for the user {settings.user}") from None
    return replace(settings, user=f"{settings.user}:{password}")
