"""The tables of a configuration file that hold settings: its top level, and the profiles that the user has chosen.

A profile is a table ``[profile.NAME]`` with any settings, also with sections ``[profile.NAME.host."example.org"]``.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from downloader.errors import UsageError
from downloader.settings.config_files import ConfigFile, find_file, read_file

PROFILES = "profile"
"""The key of the table with the profiles."""


class SettingsTable(NamedTuple):
    """Settings of a file. ``profile``: the name of the profile; empty for the top level. ``values``: by TOML key."""

    profile: str
    values: Mapping[str, Any]

    def origin(self, file: ConfigFile) -> str:
        """Where the values come from, for messages."""
        return f"profile {self.profile} in {file}" if self.profile else str(file)


def settings_tables(table: Mapping[str, Any], file: ConfigFile | None, names: Sequence[str]) -> list[SettingsTable]:
    """The top level of a file, and then the profiles with these names; each overrides those before it.

    ``table``: the whole file. Raises UsageError for an unknown profile.
    """
    top = {key: value for key, value in table.items() if key != PROFILES}
    known = profiles_of(table, str(file)) if PROFILES in table else {}
    for name in names:
        if name not in known:
            raise _unknown(name, known, file)
    return [SettingsTable("", top), *(SettingsTable(name, known[name]) for name in names)]


def profiles_of(table: Mapping[str, Any], file: str) -> Mapping[str, Mapping[str, Any]]:
    """The profiles of a file, by name. Raises UsageError if something else stands in their place."""
    profiles = table.get(PROFILES, {})
    if not isinstance(profiles, Mapping) or not all(isinstance(values, Mapping) for values in profiles.values()):
        raise UsageError(f"{PROFILES} ({file}): expected tables", hint="as [profile.polite]")
    return profiles


def read_profiles(file: ConfigFile) -> Mapping[str, Mapping[str, Any]]:
    """`profiles_of` a file that is read now. Raises UsageError."""
    return profiles_of(read_file(file.path), str(file))


def known_names(config: str | None) -> list[str]:
    """The names of the profiles that can be chosen, for tab completion. ``config``: the argument of ``--config``."""
    try:
        file = find_file(config, os.environ)
        return [] if file is None else list(read_profiles(file))
    except UsageError:  # completion prints no messages
        return []


def _unknown(name: str, known: Mapping[str, Any], file: ConfigFile | None) -> UsageError:
    if file is None:
        return UsageError(f"there is no profile {name!r}: no configuration file was found", hint="`dl config init` writes one")
    elsewhere = "" if file.is_trusted else f"{file} takes the place of your own file: --config FILE reads that"
    if not known:
        hint = elsewhere or f"a profile is a table [{PROFILES}.NAME]"
        return UsageError(f"there is no profile {name!r}: {file} has none", hint=hint)
    import difflib  # here: few runs need it

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else elsewhere
    return UsageError(f"there is no profile {name!r} in {file}, which has {', '.join(known)}", hint=hint)
