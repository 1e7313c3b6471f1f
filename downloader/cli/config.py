"""`dl config`: shows the settings and where each comes from, checks a configuration file, and writes a new one."""

import os
from pathlib import Path

import click

from downloader.cli.config_check import check_file
from downloader.cli.config_show import as_json, as_toml
from downloader.cli.options import GroupedCommand, config_options, settings_options
from downloader.core.text import printable
from downloader.errors import StorageError, UsageError
from downloader.settings.config_files import FILE_NAME, PATH_VARIABLE, ConfigFile, find_file, user_folder
from downloader.settings.layers import load

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group("config", context_settings=_HELP)
def command() -> None:
    """Show the settings, check a configuration file, or write a new one."""


@click.pass_context
def _show(context: click.Context, config: str | None, profiles: tuple[str, ...], everything: bool, json: bool) -> int:
    file = find_file(config, os.environ)
    layers = load(context.ensure_object(dict), os.environ, file, profiles)
    click.echo(as_json(layers, file, everything) if json else as_toml(layers, file, everything))
    return 0


command.add_command(
    GroupedCommand(
        "show",
        callback=_show,
        params=[
            *settings_options(),
            *config_options(),
            click.Option(["everything", "--all"], is_flag=True, help="show the settings that have their default, too"),
            click.Option(["--json"], is_flag=True, help="print one JSON object"),
        ],
        help="Print each setting that a flag, an environment variable or the configuration file sets, and which of them. The "
        "options are those of `dl`. Secrets are not printed.",
        short_help="print the settings, and where each comes from",
        context_settings=_HELP,
    )
)


@command.command("check", short_help="print every error of a configuration file", context_settings=_HELP)
@click.argument("file", default="", metavar="[FILE]", type=click.Path())
def _check(file: str) -> int:
    """Print every error of a configuration file, each with its line. Exit code 2 if there are any.

    Without FILE, the file is checked that `dl` would read.
    """
    found: ConfigFile | None = ConfigFile(Path(file)) if file else find_file(None, os.environ)
    if found is None:
        raise UsageError("there is no configuration file", hint="`dl config init` writes one")
    own = user_folder(os.environ) / FILE_NAME
    findings = check_file(found.path, is_own=own.is_file() and found.path.exists() and own.samefile(found.path))
    for finding in findings:
        click.echo(printable(finding.text(found.path)))
    if any(finding.is_error for finding in findings):
        return 2
    click.echo(printable(f"{found.path}: no errors"))
    return 0


@command.command("init", short_help="write a new configuration file", context_settings=_HELP)
@click.option("--here", is_flag=True, help=f"write ./{FILE_NAME}, which counts for this folder only")
def _init(here: bool) -> int:
    """Write a configuration file in which every setting is explained and commented out.

    The file is downloader/downloader.toml in your configuration folder. An existing file is never changed.
    """
    path = Path(FILE_NAME) if here else user_folder(os.environ) / FILE_NAME
    _write_new(path)
    click.echo(f"wrote {path.absolute()}: remove the # before the settings that you change")
    if here:
        click.echo(f"settings that could do harm are accepted from it only with --config {FILE_NAME}")
    if os.environ.get(PATH_VARIABLE):
        click.echo(f"it is not read while {PATH_VARIABLE} names another file")
    return 0


def _write_new(path: Path) -> None:
    """Write the file. Raises UsageError if it exists, StorageError if it cannot be written."""
    from downloader.settings.fields import commented_example

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(commented_example())
    except FileExistsError:
        problem = f"{path} exists already, and was not changed"
        raise UsageError(problem, hint=f"`dl config check {path}` checks it") from None
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
