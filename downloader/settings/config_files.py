"""Finds and reads the configuration file.

A file in the current folder may not be the user's own: it may have come with an archive or a repository. Which settings are
taken from such a file is defined in `downloader.settings.definitions`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from downloader.errors import UsageError

FILE_NAME = "downloader.toml"
PATH_VARIABLE = "DL_CONFIG"
"""The environment variable with the path of the file."""


class ConfigFile(Struct, frozen=True):
    """A configuration file. ``is_trusted``: the user named it, or it is the user's own; else it is in the current folder."""

    path: Path
    is_trusted: bool = True

    def __str__(self) -> str:
        return str(self.path) if self.is_trusted else f"./{self.path}"


def find_file(given: str | None, environment: Mapping[str, str]) -> ConfigFile | None:
    """The configuration file: ``given``, else the one that ``DL_CONFIG`` names, else ``./downloader.toml``, else the user's.

    ``environment``: the environment variables. None if there is no file, or if the null device is named.
    """
    given = given or environment.get(PATH_VARIABLE) or None
    if given is not None:
        return None if given == os.devnull else ConfigFile(Path(given))
    current, user = Path(FILE_NAME), user_folder(environment) / FILE_NAME
    if current.is_file():
        return ConfigFile(current, is_trusted=user.is_file() and current.samefile(user))
    return ConfigFile(user) if user.is_file() else None


def user_folder(environment: Mapping[str, str]) -> Path:
    """The folder for the configuration of this user (XDG Base Directory Specification 0.8).

    On macOS it is in ``~/Library/Application Support``. ``XDG_CONFIG_HOME`` is ignored if it is not an absolute path, as the
    specification requires.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/Library/Application Support" if sys.platform == "darwin" else "~/.config")
    return Path(base, "downloader")


def read_file(path: Path) -> dict[str, Any]:
    """The table of a TOML file. Raises UsageError if it cannot be read or parsed."""
    return parse_text(read_text(path), path)


def read_text(path: Path) -> str:
    """The text of a file, with the line ends of TOML. Raises UsageError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    except ValueError as error:  # of UTF-8
        raise UsageError(f"the configuration {path} is not valid TOML: {error}") from None


def parse_text(text: str, path: Path) -> dict[str, Any]:
    """The table of a TOML text. ``path``: for messages. Raises UsageError if it cannot be parsed."""
    import tomllib  # here: 3 ms that only a configuration file needs to pay

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"the configuration {path} is not valid TOML: too many nested brackets") from None
    except ValueError as error:  # of TOML, and of numbers with thousands of digits
        raise UsageError(f"the configuration {path} is not valid TOML: {error}") from None
