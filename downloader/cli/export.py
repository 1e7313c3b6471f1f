"""`dl export`: writes what the journal of a folder says as a list, a report or a sums file."""

import os

import click
from click.shell_completion import CompletionItem

from downloader.cli.options import GroupedOption, read_as
from downloader.cli.status import folder_argument, journal_option
from downloader.core.names.locations import check_is_folder
from downloader.errors import UsageError
from downloader.inventory.journal_export import KINDS, STATUSES, Export, ExportCounts, plan_export, write_export
from downloader.inventory.sums_file import base_folder
from downloader.settings.values import Form
from downloader.storage.journal import default_path
from downloader.storage.journal_reader import JournalReader


def command() -> click.Command:
    """`dl export [OPTIONS] [DIR]`."""
    return click.Command(
        "export",
        callback=_export,
        params=[
            folder_argument(),
            GroupedOption(
                ["--to"],
                metavar="FILE",
                default="",
                help="write to this file; an existing file is replaced. - is standard output. The name tells what is written: "
                "a list (.txt), a report (.csv, .tsv, .jsonl, .parquet) or a sums file (SHA256SUMS, .sha256)",
            ),
            _choice("--as", "kind", KINDS, "what to write  [as the name of FILE tells]"),
            _choice(
                "--status",
                "status",
                tuple(STATUSES),
                "which URLs; a skipped file is done, too  [failed for a list, done for a sums file, all for a report]",
            ),
            click.Option(["--host"], metavar="PATTERN", default="", help="only URLs whose host matches, as '*.example.org'"),
            click.Option(
                ["--algorithm"],
                metavar="NAME",
                default="",
                help="the digests in a sums file  [as the name of FILE tells; else those that most files have]",
            ),
            journal_option(),
        ],
        help="Write what the journal of DIR (the current folder) says to a file: a list that dl reads again, a report with a "
        "row for each URL, or a sums file with the digests that runs have recorded.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _choice(flag: str, name: str, choices: tuple[str, ...], text: str) -> click.Option:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]

    form = Form("choice", choices=choices)
    return click.Option(
        [flag, name], metavar="|".join(choices), default=None, callback=read_as(form), shell_complete=complete, help=text
    )


def _export(folder: str, to: str, kind: str | None, status: str | None, host: str, algorithm: str, journal: str) -> int:
    check_is_folder(folder, "dl export")
    if not to:
        raise UsageError("--to FILE is missing", hint="as in dl export --to urls-failed.txt, or --to - with --as urls")
    export = plan_export(to, kind or "", status or "", host, algorithm)
    with JournalReader(journal or default_path(folder)) as reader:
        counts = write_export(reader, folder, export)
    _print_counts(export, counts, folder)
    return 0


def _print_counts(export: Export, counts: ExportCounts, folder: str) -> None:
    """Say on standard error what was written, as the output itself may go to standard output."""
    what = "digest" if export.kind == "sums" else "URL" if export.kind == "urls" else "row"
    if export.to != "-":
        click.echo(f"wrote {counts.rows:,} {what}{'' if counts.rows == 1 else 's'} to {export.to}", err=True)
    if counts.left_out and export.kind == "urls":
        click.echo(
            f"dl: left out: {counts.left_out:,} with a secret in the URL, which the journal does not keep "
            "(--failed FILE of the run itself writes them)",
            err=True,
        )
    elif counts.left_out:
        hint = "dl verify --write computes them"
        click.echo(f"dl: left out: {counts.left_out:,} without a recorded {counts.algorithm} digest ({hint})", err=True)
    if export.kind == "sums" and export.to != "-":
        base, prefix = base_folder(export.to, folder)
        if not prefix and os.path.realpath(os.path.dirname(export.to) or ".") != base:
            click.echo(f"the names in it are relative to {base}: dl verify {export.to} --dir {folder}", err=True)
