"""`dl`: one program, a default command (fetch lists) and a few named ones.

Exit codes: see `downloader.errors`; 130 and 143 for a run that a signal ended, 2 for wrong usage.
"""

import io
import os
import sys
from typing import Any

import click

from downloader._version import __version__
from downloader.cli.options import GroupedCommand, settings_options
from downloader.errors import DownloadError

COMMANDS = ("compare", "serve", "strategies")
EPILOG = (
    "Further commands: `dl compare` measures the strategies side by side, `dl strategies` lists them, `dl serve` starts the "
    "test server that they are measured with."
)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of the command. Does not return."""
    words = sys.argv[1:] if arguments is None else arguments
    _open_streams()
    try:
        code = _run(words)
        if sys.stdout is not None:  # as it is where it was closed
            sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo("dl: interrupted", err=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's own flush does not complain
        code = 141
    sys.exit(code)


def _open_streams() -> None:
    """Have something open as standard input, output and error, where a daemon's caller has closed them.

    Else the first files that are opened get their numbers, and what is said to standard error is written into one of them.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the program runs
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale need not have every character that a URL has


def _run(words: list[str]) -> int:
    name = words[0] if words and words[0] in COMMANDS else ""
    try:
        if name == "compare":
            from downloader.cli.compare import command as compare_command

            return _invoke(compare_command(), "dl compare", words[1:])
        if name == "serve":
            from downloader.cli.serve import command as serve_command

            return _invoke(serve_command, "dl serve", words[1:])
        if name == "strategies":
            return _invoke(strategies, "dl strategies", words[1:])
        return _invoke(fetch_command(), "dl", words)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except DownloadError as error:
        from downloader.core.naming import printable

        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a mistake of ours: told in one line, without a traceback
        return _internal(error)


def _internal(error: Exception) -> int:
    """A mistake in the program: what, where, and not a screen full of it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    print(f"dl: internal error{where}: {type(error).__name__}: {error} (please report it)", file=sys.stderr)  # noqa: T201
    return 1


def _invoke(command: click.Command, name: str, words: list[str]) -> int:
    result = command.main(words, prog_name=name, standalone_mode=False)
    return result if isinstance(result, int) else 0


def fetch_command() -> click.Command:
    """`dl [OPTIONS] LIST...`."""
    return GroupedCommand(
        "dl",
        callback=_fetch,
        params=[
            click.Argument(["lists"], metavar="LIST...", nargs=-1),
            *settings_options(),
            click.Option(["--config"], metavar="FILE", help="settings; else ./downloader.toml, else the user's own"),
            click.Option(["--dry-run"], is_flag=True, help="print what would be fetched and where to"),
            click.Option(
                ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="print the version"
            ),
        ],
        help="Fetch every URL of the LISTs: files with one URL a line (or aria2's input format), - for standard input, "
        "or URLs themselves. What is there already is skipped, what was begun is resumed.",
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"dl {__version__}")
        context.exit()


@click.pass_context
def _fetch(context: click.Context, lists: tuple[str, ...], config: str | None, dry_run: bool) -> int:
    # A run that is ended at once leaves semaphores, which multiprocessing's tracker removes, and needs no word about.
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))
    if not lists:
        raise click.UsageError("give a LIST: a file, - for standard input, or a URL", context)
    from downloader.cli.fetch import Request, fetch
    from downloader.settings import find_file, load

    given: dict[str, Any] = context.ensure_object(dict)
    layers = load(given, os.environ, find_file(config, os.environ))
    return fetch(Request(lists, layers.settings, dry_run))


@click.command("strategies", context_settings={"help_option_names": ["-h", "--help"]})
def strategies() -> int:
    """List the strategies: what each is, its library, and whether it can run here."""
    from downloader.strategies.registry import listing

    for item in listing():
        most = f", up to {item.most_jobs} where that helps" if item.most_jobs else ""
        usual = f"runs here, {item.default_jobs} at once by default{most}"
        state = f"cannot run here: {item.problem}" if item.problem else usual
        click.echo(f"{item.name:<10} {item.about} ({state})\n{'':<10} {item.library}")
    return 0
