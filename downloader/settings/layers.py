"""Combines settings from all places.

A flag overrides the environment, which overrides the file. Within the file, a section for hosts overrides the chosen profiles,
and these override the top level. Sections are in `Settings.hosts`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from downloader.errors import UsageError
from downloader.settings.config_files import PATH_VARIABLE, ConfigFile, read_file
from downloader.settings.definitions import PASSWORD_VARIABLE, PREFIX, Settings
from downloader.settings.fields import Field, convert, fields

if TYPE_CHECKING:
    from downloader.settings.host_tables import HostSections

PROFILE_VARIABLE = f"{PREFIX}PROFILE"
"""The environment variable with the names of profiles, separated by commas."""

OTHER_VARIABLES = frozenset({PATH_VARIABLE, PASSWORD_VARIABLE, PROFILE_VARIABLE})
"""Environment variables that are read, but are no settings."""


class Layers(Struct, frozen=True):
    """The combined settings.

    ``origins``: by attribute name, where each value comes from, in words; without an entry it is the default.
    ``host_origins``: the same for the sections of hosts, by pattern and key. ``file``: the configuration file; empty if there
    is none, or if it sets nothing. ``profiles``: the names of those that were chosen. ``ignored_variables``: a sentence for
    each environment variable that begins with the prefix of settings (``DL_``) but is not a setting, and for HTTP_PROXY.
    """

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)
    host_origins: dict[tuple[str, str], str] = field(default_factory=dict)
    file: str = ""
    profiles: tuple[str, ...] = ()
    ignored_variables: tuple[str, ...] = ()


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile | None, profiles: Sequence[str] = ()
) -> Layers:
    """Combine the settings.

    Args:
        flags: by attribute name, only those that were given.
        environment: all its variables.
        file: the configuration file.
        profiles: the names of profiles of the file; without any, those that the environment names.

    Raises UsageError for an unknown setting or profile, or a wrong value; the message names its origin.
    """
    known = fields()
    by_name = {item.name: item for item in known}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    chosen = chosen_profiles(profiles, environment)
    sections = _read_tables(file, chosen, values, origins) if file is not None or chosen else None
    is_used = bool(values or chosen or (sections and sections.origins))
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
    notices = [_ignored_notice(name, by_variable) for name in unknown]
    if environment.get("HTTP_PROXY") and "http_proxy" not in environment:
        notices.append("the environment variable HTTP_PROXY is ignored, because a CGI request can set it: http_proxy is read")
    texts = frozenset(name for name in by_name if name in flags or by_name[name].variable in environment)
    if sections is not None:
        sections.leave_out(texts)
    return Layers(
        convert(values, origins, texts, sections.result() if sections else ()),
        origins,
        sections.origins if sections else {},
        str(file) if is_used else "",
        chosen,
        tuple(notices),
    )


def chosen_profiles(given: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the profiles to use: those of the command line, else those of the environment."""
    return tuple(given) or tuple(name for text in environment.get(PROFILE_VARIABLE, "").split(",") if (name := text.strip()))


def _read_tables(
    file: ConfigFile | None, profiles: tuple[str, ...], values: dict[str, Any], origins: dict[str, str]
) -> "HostSections | None":
    """Add the settings of the file to ``values`` and ``origins``. Returns its sections of hosts, if it has any."""
    from downloader.settings.profiles import settings_tables  # here, and below: most runs have no configuration file

    sections = None
    for table in settings_tables(read_file(file.path) if file is not None else {}, file, profiles):
        assert file is not None  # noqa: S101 - without a file, the only table is the empty top level
        origin = table.origin(file)
        if not file.is_trusted:
            _check_trust(table.values, file, table.profile)
        for key, value in table.values.items():
            if key == "host":
                from downloader.settings.host_tables import HostSections

                sections = sections or HostSections()
                sections.add(value, origin)
            else:
                values[key] = value
                origins[key.replace("-", "_")] = origin
    return sections


def _check_trust(table: Mapping[str, Any], file: ConfigFile, profile: str) -> None:
    """Raises UsageError if an untrusted file sets what only a trusted file may set."""
    refused = needing_trust(table)
    if refused:
        why = "which is not allowed in a file that was found in the current folder"
        where = f" in profile {profile}" if profile else ""
        raise UsageError(f"{file} sets {', '.join(refused)}{where}, {why}", hint=f"if you trust it: --config {file.path}")


def needing_trust(table: Mapping[str, Any]) -> list[str]:
    """The keys of a table of settings that only a trusted file may set; those of a section with the name of the section."""
    by_key = {item.key: item for item in fields()}
    refused = [key for key, value in table.items() if key in by_key and by_key[key].needs_trust(value)]
    hosts = table.get("host")
    if isinstance(hosts, Mapping):
        from downloader.settings.host_tables import OWN_KEYS

        for host, section in hosts.items():
            if isinstance(section, Mapping):
                refused += [f'{key} of [host."{host}"]' for key in section if key in OWN_KEYS]
    return refused


def _ignored_notice(variable: str, known: Mapping[str, Field]) -> str:
    """A sentence about a variable of another program, or a misspelt one. It does not contain the value."""
    renamed = next((item.variable for item in known.values() if variable == PREFIX + item.name.upper()), "")
    import difflib  # here: few runs need it

    similar = difflib.get_close_matches(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in known], 1, 0.75)
    hint = f"; {renamed} is one" if renamed else f"; did you mean {PREFIX}{similar[0]}?" if similar else ""
    return f"the environment variable {variable} is not a setting of dl, and is ignored{hint}"
