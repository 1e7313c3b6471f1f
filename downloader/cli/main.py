"""`dl`: one program, a default command (fetch lists) and a few named ones.

Exit codes: see `downloader.errors`; 130 and 143 for a run that a signal ended, 2 for wrong usage.
"""

import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from downloader._version import __version__
from downloader.cli.options import GroupedCommand, GroupedOption, list_argument, settings_options
from downloader.cli.topics import TOPICS, overview, topic
from downloader.errors import DownloadError, UsageError

if TYPE_CHECKING:
    from downloader.strategies.registry import StrategyInfo

COMMANDS = {
    "compare": "measure the strategies side by side",
    "serve": "start the test server of `dl compare`",
    "strategies": "list the strategies, and whether each can run here",
    "help": "explain a topic, or show the options of a command",
}
SHELLS = ("bash", "zsh", "fish")
EPILOG = (
    "Further commands: `dl compare` measures the strategies side by side, `dl strategies` lists them, `dl serve` starts the "
    "test server that they are measured with, `dl help` explains " + ", ".join(TOPICS) + "."
)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of the command. Does not return."""
    if sys.platform == "win32":
        print("dl: Windows is not supported: use Linux, macOS or the Windows Subsystem for Linux", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    words = sys.argv[1:] if arguments is None else arguments
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `downloader.cli.entry`
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
    asked = os.environ.get("_DL_COMPLETE")
    try:
        if asked:
            from downloader.cli.completion import complete

            return complete(asked)
        if name:
            return _invoke(command_of(name), f"dl {name}", words[1:])
        if words:
            _check_first(words[0])
        return _invoke(fetch_command(), "dl", words)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except DownloadError as error:
        from downloader.core.text import printable

        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except OSError as error:  # what a run meets is an error of ours by then: this is about what is printed
        print(f"dl: cannot write what was asked for: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 3
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


def command_of(name: str) -> click.Command:
    """One of COMMANDS; what only that one needs is imported here."""
    if name == "compare":
        from downloader.cli.compare import command as compare_command

        return compare_command()
    if name == "serve":
        from downloader.cli.serve import command as serve_command

        return serve_command
    return help_command if name == "help" else strategies


def _check_first(word: str) -> None:
    """Raises UsageError where a LIST is no file, but close to the name of a command."""
    if word.startswith("-") or "/" in word or "." in word or os.path.lexists(word):
        return
    import difflib  # here: few runs need it

    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.7)
    if near:
        raise UsageError(f"there is no file {word!r}", hint=f"did you mean `dl {near[0]}`?")


def _invoke(command: click.Command, name: str, words: list[str]) -> int:
    try:  # not click's `main`, which takes a broken pipe for an error of its own
        with command.make_context(name, list(words)) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return result if isinstance(result, int) else 0


class FetchCommand(GroupedCommand):
    """The default command: what curl, wget and aria2 call otherwise is answered with its name here."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click's UsageError."""
        words = list(args)  # parsing takes them away
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from downloader.cli.habits import answer  # here: few runs need it

            found = answer(error.option_name, words)
            if found is None:
                raise
            raise click.UsageError(f"dl has no {found[0]}: {found[1]}.", ctx) from None


def fetch_command() -> click.Command:
    """`dl [OPTIONS] LIST...`."""
    return FetchCommand(
        "dl",
        callback=_fetch,
        params=[
            list_argument("LIST..."),
            *settings_options(),
            GroupedOption(
                ["--config"], metavar="FILE", help="settings; else the harmless ones of ./downloader.toml, else your own"
            ),
            click.Option(["-o", "--output"], metavar="NAME", help="name the file of a single URL; a path below --dir"),
            click.Option(["--dry-run"], is_flag=True, help="print what would be fetched and where to"),
            _shell_option("--install-completion", "make the shell complete what is typed; SHELL: bash, zsh or fish  [$SHELL]"),
            _shell_option("--show-completion", "print the script for that"),
            click.Option(
                ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="print the version"
            ),
        ],
        help="Fetch every URL of the LISTs: files with one URL a line (or aria2's input format), - for standard input, "
        "or URLs themselves. What is there already is skipped, what was begun is resumed. "
        "A SIZE is a number of bytes, or as 500k, 10MB, 64Ki; a TIME is a number of seconds, or as 200ms, 5m, 1m30s, 1.5h.",
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _shell_option(name: str, about: str) -> click.Option:
    return click.Option(
        [name],
        metavar="[SHELL]",
        is_flag=False,
        flag_value="auto",
        is_eager=True,
        expose_value=False,
        callback=_completion,
        shell_complete=lambda context, parameter, text: [name for name in SHELLS if name.startswith(text)],
        help=about,
    )


def _completion(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None or context.resilient_parsing:
        return
    from downloader.cli import completion

    shell = completion.shell_of("" if value == "auto" else value)
    shown = parameter.name == "show_completion"
    click.echo(completion.script(shell) if shown else completion.install(shell), nl=not shown)
    context.exit()


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"dl {__version__}")
        context.exit()


@click.pass_context
def _fetch(context: click.Context, lists: tuple[str, ...], config: str | None, output: str | None, dry_run: bool) -> int:
    # A run that is ended at once leaves semaphores, which multiprocessing's tracker removes, and needs no word about.
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))
    if not lists:
        raise click.UsageError("give a LIST: a file, - for standard input, or a URL", context)
    from msgspec.structs import replace

    from downloader.cli.fetch import Request, fetch
    from downloader.settings.config_files import find_file
    from downloader.settings.layers import load

    given: dict[str, Any] = context.ensure_object(dict)
    layers = load(given, os.environ, find_file(config, os.environ))
    settings = layers.settings
    if settings.user and not dry_run:
        from downloader.cli.password import with_password

        settings = with_password(settings)
    elif dry_run:  # which sends nothing
        settings = replace(settings, user="", bearer_env="")
    return fetch(Request(lists, settings, dry_run, output, layers.file, layers.ignored_variables))


@click.command("strategies", context_settings={"help_option_names": ["-h", "--help"]})
def strategies() -> int:
    """List the strategies: what each is, its library, and whether it can run here."""
    from downloader.strategies.registry import listing

    for item in listing():
        click.echo(_strategy(item))
    return 0


def _strategy(item: "StrategyInfo") -> str:
    """A paragraph about one strategy, 79 columns wide at most."""
    import textwrap

    indent = " " * 12
    most = f", up to {item.most_jobs} where that helps" if item.most_jobs else ""
    elsewhere = "; its workers may be on other machines" if item.cluster else ""
    usual = f"runs here, {item.default_jobs} at once by default{most}{elsewhere}"
    state = f"cannot run here: {item.problem}" if item.problem else usual
    told = [f"{item.name:<11} {item.about}", *([f"{indent}library: {item.library}"] if item.library else []), indent + state]
    wrapped = (
        textwrap.wrap(text, 79, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True)
        for text in told
    )
    return "\n".join(line for lines in wrapped for line in lines)


@click.command("help", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="[TOPIC|COMMAND]", default="", shell_complete=lambda context, parameter, text: _helped(text))
def help_command(name: str) -> int:
    """Explain a topic, or show the options of a command."""
    if name in TOPICS:
        click.echo(topic(name), nl=False)
    elif name in COMMANDS:
        return _invoke(command_of(name), f"dl {name}", ["--help"])
    elif name in ("dl", "options"):
        return _invoke(fetch_command(), "dl", ["--help"])
    elif name:
        import difflib  # as above

        near = difflib.get_close_matches(name, (*TOPICS, *COMMANDS), n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join((*TOPICS, *COMMANDS))}"
        raise UsageError(f"no topic is called {name!r}", hint=hint)
    else:
        click.echo(overview({key: about for key, about in COMMANDS.items() if key != "help"}), nl=False)
    return 0


def _helped(text: str) -> list[str]:
    return [name for name in (*TOPICS, *COMMANDS) if name.startswith(text)]
