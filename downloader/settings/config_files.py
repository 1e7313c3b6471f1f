"""The configuration file: where it is found, whether it was asked for, and its table.

A file that merely lies in the current folder may be another's: it came with an archive, or a repository. Which settings
are taken from such a file is decided in `downloader.settings.definitions`.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downloader.errors import UsageError

FILE_NAME = "downloader.toml"
VARIABLE = "DL_CONFIG"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file. ``asked``: it was named by the user, or is the user's own; else it was found in this folder."""

    path: Path
    asked: bool = True

    def __str__(self) -> str:
        return str(self.path) if self.asked else f"./{self.path}"


def find_file(given: str | None, environment: Mapping[str, str]) -> ConfigFile | None:
    """The file that is given, else ``./downloader.toml``, else the user's. None where there is none."""
    given = given or environment.get(VARIABLE) or None
    if given is not None:
        return None if given == os.devnull else ConfigFile(Path(given))
    here, user = Path(FILE_NAME), user_folder(environment) / FILE_NAME
    if here.is_file():
        return ConfigFile(here, asked=user.is_file() and here.samefile(user))
    return ConfigFile(user) if user.is_file() else None


def user_folder(environment: Mapping[str, str]) -> Path:
    """The folder for the configuration of this user (XDG Base Directory Specification 0.8); on macOS, the usual place there.

    ``XDG_CONFIG_HOME`` is ignored where it is not an absolute path, as the specification demands.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/Library/Application Support" if sys.platform == "darwin" else "~/.config")
    return Path(base, "downloader")


def read_file(path: Path) -> dict[str, Any]:
    """A TOML file as a flat table. Raises UsageError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    except RecursionError:
        raise UsageError(f"the configuration {path} is not valid TOML: too many nested brackets") from None
    except ValueError as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise UsageError(f"the configuration {path} is not valid TOML: {error}") from None
