"""Combines settings from all places: a flag overrides the environment, that overrides the file, and that the default."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from downloader.errors import UsageError
from downloader.settings.config_files import PATH_VARIABLE, ConfigFile, read_file
from downloader.settings.definitions import PASSWORD_VARIABLE, PREFIX, Settings
from downloader.settings.fields import Field, convert, fields

OTHER_VARIABLES = frozenset({PATH_VARIABLE, PASSWORD_VARIABLE})
"""Environment variables that are read, but are no settings."""


class Layers(Struct, frozen=True):
    """The combined settings.

    ``origins``: by attribute name, where each value comes from, in words; without an entry it is the default. ``file``: the
    configuration file; empty if there is none, or if it sets nothing. ``ignored_variables``: a sentence for each environment
    variable that begins with the prefix of settings (``DL_``) but is not a setting.
    """

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)
    file: str = ""
    ignored_variables: tuple[str, ...] = ()


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile | None) -> Layers:
    """Combine the settings. ``flags``: by attribute name, only those that were given. ``environment``: all its variables.

    Raises UsageError for an unknown setting or a wrong value; the message names its origin.
    """
    known = fields()
    by_name = {item.name: item for item in known}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    table = read_file(file.path) if file is not None else {}
    if file is not None and not file.is_trusted:
        _check_trust(table, file)
    for key, value in table.items():
        values[key] = value
        origins[key.replace("-", "_")] = str(file)
    by_variable = {item.variable: item for item in known}
    ours = OTHER_VARIABLES | by_variable.keys()
    unknown = [name for name in environment if name.startswith(PREFIX) and name not in ours]
    for item in known:
        text = environment.get(item.variable)
        if text is not None:
            values[item.key] = text.splitlines() if item.many else text
            origins[item.name] = f"environment variable {item.variable}"
    for name, value in flags.items():
        values[by_name[name].key] = value
        origins[name] = "flag"
    texts = frozenset(name for name in by_name if name in flags or by_name[name].variable in environment)
    ignored = tuple(_ignored_notice(name, by_variable) for name in unknown)
    return Layers(convert(values, origins, texts), origins, str(file) if table else "", ignored)


def _check_trust(table: Mapping[str, Any], file: ConfigFile) -> None:
    """Raises UsageError if an untrusted file sets what only a trusted file may set."""
    by_key = {item.key: item for item in fields()}
    refused = [key for key, value in table.items() if key in by_key and by_key[key].needs_trust(value)]
    if refused:
        why = "which is not allowed in a file that was found in the current folder"
        raise UsageError(f"{file} sets {', '.join(refused)}, {why}", hint=f"if you trust it: --config {file.path}")


def _ignored_notice(variable: str, known: Mapping[str, Field]) -> str:
    """A sentence about a variable of another program, or a misspelt one. It does not contain the value."""
    renamed = next((item.variable for item in known.values() if variable == PREFIX + item.name.upper()), "")
    import difflib  # here: few runs need it

    similar = difflib.get_close_matches(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in known], 1, 0.75)
    hint = f"; {renamed} is one" if renamed else f"; did you mean {PREFIX}{similar[0]}?" if similar else ""
    return f"the environment variable {variable} is not a setting of dl, and is ignored{hint}"
