"""`dl config check`: finds every error of a configuration file, not only the first one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from downloader.errors import UsageError
from downloader.settings.config_files import ConfigFile, parse_text, read_text
from downloader.settings.config_lines import line_numbers
from downloader.settings.definitions import parse_header
from downloader.settings.fields import convert, fields
from downloader.settings.host_tables import checked_table, host_pattern, read_value
from downloader.settings.layers import load, needing_trust
from downloader.settings.profiles import PROFILES

Keys = tuple[str, ...]


class Finding(NamedTuple):
    """An error, or a remark about trust. ``line``: from 1; 0: of no single line."""

    line: int
    message: str
    is_error: bool = True

    def text(self, path: Path) -> str:
        """As it is printed."""
        return f"{path}:{self.line}: {self.message}" if self.line else f"{path}: {self.message}"


def check_file(path: Path, is_own: bool) -> list[Finding]:
    """The findings about this file, in order of their lines. ``is_own``: it is the user's own file, so nothing needs trust.

    Raises UsageError if the file cannot be read, or is not valid TOML.
    """
    text = read_text(path)
    table = parse_text(text, path)
    lines = line_numbers(text)
    found = [Finding(_line(lines, keys), message) for keys, message in _errors(table)]
    if not found:
        found = [Finding(0, message) for message in _contradictions(path, table)]
    if not is_own:
        found += [
            Finding(_line(lines, keys), f"{name}: accepted only with --config, or from your own file", is_error=False)
            for keys, name in _trusted_only(table)
        ]
    return sorted(found, key=lambda finding: finding.line)


def _line(lines: Mapping[Keys, int], keys: Keys) -> int:
    """The line of a value; else of the table that it is in."""
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, 0)


def _tables(table: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """The top level and each profile, with their paths."""
    yield (), {key: value for key, value in table.items() if key != PROFILES}
    profiles = table.get(PROFILES)
    if isinstance(profiles, Mapping):
        for name, values in profiles.items():
            if isinstance(values, Mapping):
                yield (PROFILES, name), values


def _errors(table: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """The paths and messages of all errors of single values."""
    profiles = table.get(PROFILES, {})
    if not isinstance(profiles, Mapping):
        yield (PROFILES,), "profile: expected tables (as [profile.polite])"
    else:
        for name, values in profiles.items():
            if not isinstance(values, Mapping):
                yield (PROFILES, name), f"profile: {name} is no table (as [profile.{name}])"
    for path, settings in _tables(table):
        for key, value in settings.items():
            if key == "host":
                yield from _host_errors((*path, key), value)
            elif message := _message(lambda key=key, value=value: _check_value(key, value)):  # type: ignore[misc]
                yield (*path, key), message


def _host_errors(path: Keys, hosts: Any) -> Iterator[tuple[Keys, str]]:
    if message := _message(lambda: checked_table(hosts, _HERE)):
        yield path, message
        return
    for text, section in hosts.items():
        if message := _message(lambda text=text: host_pattern(text)):  # type: ignore[misc]
            yield (*path, text), message
        for key, value in section.items():
            if message := _message(lambda text=text, key=key, value=value: read_value(text, key, value, _HERE)):  # type: ignore[misc]
                yield (*path, text, key), message


_HERE = "here"
"""Stands for the origin in messages, which is left out: each finding has its line."""


def _check_value(key: str, value: Any) -> None:
    """Raises UsageError for a wrong value, also for one that is otherwise reported when the run is planned."""
    settings = convert({key: value}, {key.replace("-", "_"): _HERE})
    if key == "header":
        for text in settings.header:
            parse_header(text)
    elif key == "proxy":
        from downloader.transports.base import check_proxy

        check_proxy(settings.proxy)
    elif key == "retry-on":
        from downloader.core.scheduling.retry import parse_statuses

        parse_statuses(settings.retry_on)
    elif key == "expect-type":
        from downloader.core.http.guards import parse_types

        parse_types(settings.expect_type)
    elif key == "on-complete" and settings.on_complete:
        from downloader.runs.completion_command import CompletionCommand

        CompletionCommand(settings.on_complete)


def _message(check: Callable[[], object]) -> str:
    """The text of the error that the check raises; empty if it raises none."""
    try:
        check()
    except UsageError as error:
        return str(error).replace(f" ({_HERE})", "").replace(f" in {_HERE}", "")
    return ""


def _contradictions(path: Path, table: Mapping[str, Any]) -> Iterator[str]:
    """The errors that several values make together, at the top level and with each profile."""
    from downloader.core import digests
    from downloader.runs import naming, plan
    from downloader.strategies import registry

    seen = set()
    for keys, _ in _tables(table):
        try:
            settings = load({}, {}, ConfigFile(path), keys[1:]).settings
            naming.namer_for(settings, naming.template_for(settings))
            plan.guards_for(settings)
            registry.find(settings.strategy)
            if settings.digest:
                digests.algorithm(settings.digest)
        except UsageError as error:
            if str(error) not in seen:
                seen.add(str(error))
                yield f"{error}"


def _trusted_only(table: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """The paths and names of the values that only a trusted file may set."""
    known = {item.key for item in fields()}
    for path, settings in _tables(table):
        for name in needing_trust(settings):
            if name in known:
                yield (*path, name), name
            else:
                key, _, section = name.partition(' of [host."')
                yield (*path, "host", section.removesuffix('"]'), key), name
