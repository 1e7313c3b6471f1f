"""Settings from all places: flags over environment over file over default, and where each value came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from downloader.errors import UsageError
from downloader.settings.config_files import VARIABLE as CONFIG
from downloader.settings.config_files import ConfigFile, read_file
from downloader.settings.definitions import PASSWORD, PREFIX, Field, Settings, convert, fields

NO_SETTINGS = frozenset({CONFIG, PASSWORD})
"""Variables of ours that are no settings."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Settings, and for each value where it came from: ``default``, a file, ``environment`` or ``flag``.

    ``file``: the configuration that was read, empty where none was or where it says nothing. ``passed_over``: a sentence
    for each variable of the environment that looks like one of ours and is none.
    """

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)
    file: str = ""
    passed_over: tuple[str, ...] = ()


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile | None) -> Layers:
    """Put the layers together. ``flags``: by attribute name, only those given. Raises UsageError, naming where."""
    known = fields()
    by_name = {item.name: item for item in known}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    table = read_file(file.path) if file is not None else {}
    if file is not None and not file.asked:
        _check_trust(table, file)
    for key, value in table.items():
        values[key] = value
        origins[key.replace("-", "_")] = str(file)
    by_variable = {item.variable: item for item in known}
    foreign = [name for name in environment if name.startswith(PREFIX) and name not in NO_SETTINGS and name not in by_variable]
    for item in known:
        text = environment.get(item.variable)
        if text is not None:
            values[item.key] = text.splitlines() if item.many else text
            origins[item.name] = f"environment variable {item.variable}"
    for name, value in flags.items():
        values[by_name[name].key] = value
        origins[name] = "flag"
    texts = frozenset(name for name in by_name if name in flags or by_name[name].variable in environment)
    passed_over = tuple(_no_setting(name, by_variable) for name in foreign)
    return Layers(convert(values, origins, texts), origins, str(file) if table else "", passed_over)


def _check_trust(table: Mapping[str, Any], file: ConfigFile) -> None:
    """Raises UsageError for keys that a file which was merely found may not set."""
    by_key = {item.key: item for item in fields()}
    refused = [key for key, value in table.items() if key in by_key and by_key[key].needs_trust(value)]
    if refused:
        why = "which is not allowed in a file that was found in the current folder"
        raise UsageError(f"{file} sets {', '.join(refused)}, {why}", hint=f"if you trust it: --config {file.path}")


def _no_setting(variable: str, known: Mapping[str, Field]) -> str:
    """What is said of a variable of another program, or a misspelt one; its value is not told."""
    moved = next((item.variable for item in known.values() if variable == PREFIX + item.name.upper()), "")
    import difflib  # here: few runs need it

    near = difflib.get_close_matches(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in known], 1, 0.75)
    hint = f"; {moved} is one" if moved else f"; did you mean {PREFIX}{near[0]}?" if near else ""
    return f"the environment variable {variable} is not a setting of dl, and is ignored{hint}"
