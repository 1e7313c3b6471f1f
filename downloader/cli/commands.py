"""The command `dl` and the named commands, as click commands: their options, and all that is not simply to fetch something."""

from typing import TYPE_CHECKING

import click

from downloader._version import __version__
from downloader.cli.fetch_options import FetchOptions, fetch_with
from downloader.cli.main import COMMANDS, SHELLS
from downloader.cli.options import GroupedCommand, config_options, list_argument, settings_options
from downloader.cli.topics import TOPICS, overview, topic
from downloader.errors import UsageError

if TYPE_CHECKING:
    from downloader.strategies.registry import StrategyInfo

_WORDS = "downloader.cli.words"
"""The key of a context's ``meta`` for the words of the command line."""

EPILOG = (
    "Other commands: `dl status` shows what a folder has, `dl verify` verifies its files, `dl export` writes lists and reports "
    "from its journal, `dl config` shows the settings and where each comes from, checks a configuration file, or writes one, "
    "`dl compare` measures and compares the strategies, `dl strategies` lists them, `dl serve` starts the "
    "test server of `dl compare`, `dl cluster` starts a Dask cluster on this machine, `dl help` explains "
    + ", ".join(TOPICS)
    + "."
)


def run(name: str, words: list[str]) -> int:
    """Run the command with this name; empty: fetch lists. Returns the exit code. ``words``: the words after the name."""
    try:
        if name:
            return _invoke(command_of(name), f"dl {name}", words)
        return _invoke(fetch_command(), "dl", words)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def command_of(name: str) -> click.Command:
    """The command with this name, one of COMMANDS. Only the modules of this command are imported."""
    if name == "compare":
        from downloader.cli.compare import command as compare_command

        return compare_command()
    if name == "status":
        from downloader.cli.status import command as status_command

        return status_command()
    if name == "export":
        from downloader.cli.export import command as export_command

        return export_command()
    if name == "verify":
        from downloader.cli.verify import command as verify_command

        return verify_command()
    if name == "config":
        from downloader.cli.config import command as config_command

        return config_command
    if name == "serve":
        from downloader.cli.serve import command as serve_command

        return serve_command
    if name == "cluster":
        from downloader.cli.cluster import command as cluster_command

        return cluster_command
    return help_command if name == "help" else strategies


def _invoke(command: click.Command, name: str, words: list[str]) -> int:
    try:  # not click's `main`, which handles a broken pipe by itself
        with command.make_context(name, list(words)) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return result if isinstance(result, int) else 0


class FetchCommand(GroupedCommand):
    """The default command. An unknown option that curl, wget or aria2 have is answered with the option of `dl`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line. Raises click.UsageError."""
        words = ctx.meta[_WORDS] = list(args)  # parsing removes them from the list
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from downloader.cli.foreign_options import answer  # here: few runs need it

            known = answer(error.option_name, words)
            if known is None:
                raise
            raise click.UsageError(f"dl has no {known[0]}: {known[1]}.", ctx) from None


def fetch_command() -> click.Command:
    """`dl [OPTIONS] LIST...`."""
    return FetchCommand(
        "dl",
        callback=_fetch,
        params=[
            list_argument("LIST..."),
            *settings_options(),
            *config_options(),
            click.Option(["-o", "--output"], metavar="NAME", help="name of the file of a single URL, relative to --dir"),
            click.Option(["--dry-run"], is_flag=True, help="print what would be fetched, and the path of each file"),
            _shell_option("--install-completion", "install tab completion for SHELL: bash, zsh or fish  [$SHELL]"),
            _shell_option("--show-completion", "print the script for tab completion"),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help="print the version; with -v, also which build runs",
            ),
        ],
        help="Fetch every URL of the LISTs: files with one URL a line (or aria2's input format), - for standard input, "
        "or URLs. Existing files are skipped, incomplete files are resumed. "
        "A SIZE is a number of bytes, or a text such as 500k, 10MB, 64Ki; a TIME is a number of seconds, or a text such as "
        "200ms, 5m, 1m30s, 1.5h.",
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _shell_option(name: str, help_text: str) -> click.Option:
    return click.Option(
        [name],
        metavar="[SHELL]",
        is_flag=False,
        flag_value="auto",
        is_eager=True,
        expose_value=False,
        callback=_completion,
        shell_complete=lambda context, parameter, text: [name for name in SHELLS if name.startswith(text)],
        help=help_text,
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
        words = context.meta.get(_WORDS, [])
        if context.command.make_parser(context).parse_args(list(words))[0].get("given_verbose"):
            from downloader.cli.build_info import description

            click.echo(description())
        context.exit()


@click.pass_context
def _fetch(
    context: click.Context,
    lists: tuple[str, ...],
    config: str | None,
    profiles: tuple[str, ...],
    output: str | None,
    dry_run: bool,
) -> int:
    if not lists and not context.ensure_object(dict).get("retry_failed"):
        raise click.UsageError("give a LIST: a file, - for standard input, or a URL", context)
    return fetch_with(FetchOptions(lists, context.ensure_object(dict), config, output, dry_run, profiles))


@click.command("strategies", context_settings={"help_option_names": ["-h", "--help"]})
def strategies() -> int:
    """List the strategies: what each is, its library, and whether it can run here."""
    from downloader.strategies.registry import listing

    for item in listing():
        click.echo(_strategy(item))
    return 0


def _strategy(item: "StrategyInfo") -> str:
    """The description of one strategy, at most 79 columns wide."""
    import textwrap

    indent = " " * 12
    limit = f", up to {item.most_jobs} if that is faster" if item.most_jobs else ""
    cluster = "; its workers may be on other machines" if item.cluster else ""
    available = f"runs here, {item.default_jobs} at once by default{limit}{cluster}"
    state = f"cannot run here: {item.problem}" if item.problem else available
    texts = [f"{item.name:<11} {item.about}", *([f"{indent}library: {item.library}"] if item.library else []), indent + state]
    wrapped = (
        textwrap.wrap(text, 79, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True)
        for text in texts
    )
    return "\n".join(line for lines in wrapped for line in lines)


@click.command("help", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "name", metavar="[TOPIC|COMMAND]", default="", shell_complete=lambda context, parameter, text: _help_names(text)
)
def help_command(name: str) -> int:
    """Explain a topic, or show the options of a command."""
    if name in TOPICS:
        click.echo(topic(name), nl=False)
    elif name in COMMANDS:
        return _invoke(command_of(name), f"dl {name}", ["--help"])
    elif name in ("dl", "options"):
        return _invoke(fetch_command(), "dl", ["--help"])
    elif name:
        import difflib  # here: few runs need it

        near = difflib.get_close_matches(name, (*TOPICS, *COMMANDS), n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join((*TOPICS, *COMMANDS))}"
        raise UsageError(f"no help topic is called {name!r}", hint=hint)
    else:
        click.echo(overview({key: text for key, text in COMMANDS.items() if key != "help"}), nl=False)
    return 0


def _help_names(text: str) -> list[str]:
    return [name for name in (*TOPICS, *COMMANDS) if name.startswith(text)]
