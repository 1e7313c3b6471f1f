"""The output of `dl config show`: as TOML with comments, or as JSON. Secrets are replaced with ``***``."""

from typing import Any, NamedTuple

import msgspec

from downloader.core.names.urls import public_url
from downloader.core.text import printable
from downloader.errors import UsageError
from downloader.settings.config_files import ConfigFile, read_text
from downloader.settings.config_lines import Path, line_numbers
from downloader.settings.definitions import HostSettings
from downloader.settings.fields import fields, toml_value
from downloader.settings.layers import Layers
from downloader.settings.profiles import read_profiles

HIDDEN = "***"


class ShownValue(NamedTuple):
    """One setting. ``value``: as a configuration file has it. ``line``: in the file; 0: the value is not from the file."""

    key: str
    value: Any
    origin: str
    line: int

    @property
    def place(self) -> str:
        """The origin, with the line."""
        return f"{self.origin}:{self.line}" if self.line else self.origin

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        line = {"line": self.line} if self.line else {}
        return {"value": self.value, "origin": self.origin, **line}


def as_toml(layers: Layers, file: ConfigFile | None, everything: bool) -> str:
    """The settings as TOML, each with its origin as a comment. ``everything``: also those that have their default."""
    lines = [f"# {text}" for text in _remarks(layers, file)]
    lines += _aligned(_settings(layers, file, everything))
    for pattern, values in _hosts(layers, file).items():
        lines += ["", f'[host."{pattern}"]', *_aligned(values)]
    return "\n".join(map(printable, lines or ["# every setting has its default"]))


def as_json(layers: Layers, file: ConfigFile | None, everything: bool) -> str:
    """The same as one JSON object."""

    def table(values: list[ShownValue]) -> dict[str, Any]:
        return {item.key: item.as_object() for item in values}

    content = {
        "file": str(file) if file is not None else None,
        "trusted": file.is_trusted if file is not None else None,
        "profiles": list(layers.profiles),
        "settings": table(_settings(layers, file, everything)),
        "hosts": {pattern: table(values) for pattern, values in _hosts(layers, file).items()},
    }
    return msgspec.json.format(msgspec.json.encode(content)).decode()


def _remarks(layers: Layers, file: ConfigFile | None) -> list[str]:
    if file is None:
        return ["there is no configuration file", *layers.ignored_variables]
    harmless = "" if file.is_trusted else ": found in the current folder, so only harmless settings are accepted from it"
    remarks = [f"{file}{harmless}"]
    known = list(read_profiles(file))
    if known:
        used = ", ".join(layers.profiles) or "none"
        remarks.append(f"profiles: {', '.join(known)}; used: {used}")
    return [*remarks, *layers.ignored_variables]


def _settings(layers: Layers, file: ConfigFile | None, everything: bool) -> list[ShownValue]:
    numbers = _line_numbers(file)
    shown = []
    for item in fields():
        origin = layers.origins.get(item.name, "")
        if origin or everything:
            value = toml_value(item, _public(item.name, getattr(layers.settings, item.name)))
            line = _line(layers, file, origin, (item.key,), numbers)
            shown.append(ShownValue(item.key, value, origin or "default", line))
    return shown


def _hosts(layers: Layers, file: ConfigFile | None) -> dict[str, list[ShownValue]]:
    numbers = _line_numbers(file)
    result: dict[str, list[ShownValue]] = {}
    for host in layers.settings.hosts:
        values = []
        for info in msgspec.structs.fields(HostSettings):
            origin = layers.host_origins.get((host.pattern, info.encode_name), "")
            if origin:
                value = _public(info.name, getattr(host, info.name))
                line = _line(layers, file, origin, ("host", host.pattern, info.encode_name), numbers)
                values.append(ShownValue(info.encode_name, list(value) if isinstance(value, tuple) else value, origin, line))
        result[host.pattern] = values
    return result


def _line_numbers(file: ConfigFile | None) -> dict[Path, int]:
    """The lines of the file; those of the sections of hosts by their pattern, which may be written in another form."""
    if file is None:
        return {}
    from downloader.settings.host_tables import host_pattern

    result: dict[Path, int] = {}
    for path, line in line_numbers(read_text(file.path)).items():
        at = path.index("host") + 1 if "host" in path[:3] else 0
        if 0 < at < len(path):
            try:
                path = (*path[:at], host_pattern(path[at]), *path[at + 1 :])
            except UsageError:  # of a profile that was not chosen
                continue
        result[path] = line
    return result


def _line(layers: Layers, file: ConfigFile | None, origin: str, path: Path, numbers: dict[Path, int]) -> int:
    if origin == str(file):
        return numbers.get(path, 0)
    for name in layers.profiles:
        if origin == f"profile {name} in {file}":
            return numbers.get(("profile", name, *path), 0)
    return 0


def _public(name: str, value: Any) -> Any:
    """A value without its secrets: the values of headers, passwords, and the user of a proxy. ``name``: of the attribute."""
    if name == "header":
        return tuple(f"{text.partition(':')[0].strip()}: {HIDDEN}" if ":" in text else HIDDEN for text in value)
    if name == "user" and ":" in value:
        return f"{value.partition(':')[0]}:{HIDDEN}"
    if name == "proxy" and "@" in value:
        scheme, _, rest = public_url(value).rpartition("://")
        return f"{scheme}://{HIDDEN}@{rest}" if scheme else f"{HIDDEN}@{rest}"
    return value


def _aligned(values: list[ShownValue]) -> list[str]:
    texts = [f"{item.key} = {msgspec.json.encode(item.value).decode()}" for item in values]
    width = min(max(map(len, texts), default=0), 48)
    return [f"{text:<{width}}  # {item.place}" for text, item in zip(texts, values, strict=True)]
