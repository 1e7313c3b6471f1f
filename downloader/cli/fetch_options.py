"""The command line that fetches lists, parsed: which lists, which settings, and what else was asked for."""

import os
from typing import Any

from msgspec import Struct

from downloader.settings.fields import Field, fields


class FetchOptions(Struct, frozen=True):
    """What the user gave.

    ``given``: the settings, by attribute name, as they were written. ``config``, ``output``, ``profiles``: the arguments of
    ``--config``, ``-o`` and ``--profile``.
    """

    lists: tuple[str, ...]
    given: dict[str, Any]
    config: str | None = None
    output: str | None = None
    dry_run: bool = False
    profiles: tuple[str, ...] = ()


def read_plain(words: list[str]) -> FetchOptions | None:
    """Parse an ordinary command line, which is faster than to import click. None: click must parse it.

    Ordinary are: lists, ``--name value``, ``--name=value``, ``-n value``, switches, each at most once if it is not a list. What
    is accepted here means the same to click. All else is left to click: help, errors and their messages, joined short options,
    ``--``, values that begin with a dash, and whatever overrides another option of the line.
    """
    known = _options()
    lists: list[str] = []
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word == "-" or not word.startswith("-"):
            lists.append(word)
            continue
        flag, equals, text = word.partition("=") if word.startswith("--") else (word, "", "")
        option = known.get(flag)
        if option is None:
            return None
        name, constant, many = option
        if constant is None:
            value: Any = text if equals else next(rest, "--")
            if not equals and value.startswith("-") and value != "-":
                return None
        elif equals:
            return None
        else:
            value = constant
        if many:
            values[name] = (*values.get(name, ()), value)
        elif name in values:
            return None
        else:
            values[name] = value
    if not lists and not values.get("retry_failed"):
        return None
    config, output, dry_run = values.pop("--config", None), values.pop("--output", None), values.pop("--dry-run", False)
    profiles = values.pop("--profile", ())
    return FetchOptions(tuple(lists), values, config, output, dry_run, profiles)


def _options() -> dict[str, tuple[str, bool | None, bool]]:
    """By flag: the attribute of its setting, the value of a switch (None: the next word), and whether it may be repeated."""
    result: dict[str, tuple[str, bool | None, bool]] = {
        "--config": ("--config", None, False),
        "--profile": ("--profile", None, True),
        "--output": ("--output", None, False),
        "-o": ("--output", None, False),
        "--dry-run": ("--dry-run", True, False),
    }
    for item in fields():
        for flag, constant in _flags(item):
            result[flag] = (item.name, constant, item.many)
    return result


def _flags(item: Field) -> list[tuple[str, bool | None]]:
    """The flags of a setting, and the value of each; None: the next word."""
    if item.kind is not bool:
        return [(f"--{item.key}", None), *([(item.short, None)] if item.short else [])]
    usual = not item.default
    return [(f"--{item.key}", True), (f"--no-{item.key}", False), *([(item.short, usual)] if item.short else [])]


def fetch_with(options: FetchOptions) -> int:
    """Fetch what the command line asks for. Returns the exit code. Raises DownloadError where nothing was started."""
    # After a second Ctrl-C, semaphores are left. multiprocessing's tracker removes them: its warning would only confuse.
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))
    from msgspec.structs import replace

    from downloader.cli.fetch import FetchRequest, fetch
    from downloader.settings.config_files import find_file
    from downloader.settings.layers import load

    layers = load(options.given, os.environ, find_file(options.config, os.environ), options.profiles)
    settings = layers.settings
    if settings.user and not options.dry_run:
        from downloader.cli.password import with_password

        settings = with_password(settings)
    elif options.dry_run:  # sends no request: asks for no password
        settings = replace(settings, user="", bearer_env="")
    source = layers.file + "".join(f", profile {name}" for name in layers.profiles)
    return fetch(FetchRequest(options.lists, settings, options.dry_run, options.output, source, layers.ignored_variables))
