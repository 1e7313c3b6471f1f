"""`dl status`: what the journal of a folder says as a whole."""

import os
import shutil
import sys
import time
from typing import Any

import click
from click.shell_completion import CompletionItem

from downloader.cli.options import GroupedOption
from downloader.core.names.locations import check_is_folder
from downloader.inventory.folder_status import read_status
from downloader.inventory.status_text import status_text
from downloader.storage.journal import default_path
from downloader.storage.journal_reader import JournalReader
from downloader.storage.running_runs import running_runs

MAX_WIDTH = 110


def journal_option() -> click.Option:
    """``--journal FILE``, which shells complete with file names."""
    return GroupedOption(
        ["--journal"], metavar="FILE", default="", help="the journal, if the run kept it in another file (its own --journal)"
    )


def folder_argument(metavar: str = "[DIR]") -> click.Argument:
    """The folder of the runs; the current folder if none is given."""

    def folders(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem[str]]:
        return [CompletionItem(text, type="dir")]

    return click.Argument(["folder"], metavar=metavar, default=".", shell_complete=folders)


def command() -> click.Command:
    """`dl status [OPTIONS] [DIR]`."""
    return click.Command(
        "status",
        callback=_status,
        params=[
            folder_argument(),
            journal_option(),
            click.Option(
                ["--check/--no-check"],
                default=None,
                help="compare the sizes of the files on the disk with the journal  [if there are at most 100,000]",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="print everything as one JSON object"),
        ],
        help="Show what is in DIR (the current folder), as its journal says: how many URLs are done, skipped and failed, why "
        "they failed, from which hosts they came, when the runs were, how fast the last one was, and what to do next. A run "
        "may be going on meanwhile.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _status(folder: str, journal: str, check: bool | None, as_json: bool) -> int:
    check_is_folder(folder, "dl status")
    with JournalReader(journal or default_path(folder)) as reader:
        status = read_status(reader, folder, check, running_runs(reader.path), time.time())
    if as_json:
        import msgspec

        encoded = msgspec.json.format(msgspec.json.encode(status), indent=2)
        click.echo(encoded)
    else:
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        click.echo(status_text(status, width, can_show(sys.stdout)))
    return 0


def can_show(stream: Any) -> bool:
    """Whether the encoding of a stream has block characters."""
    try:
        "█▏…".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return os.environ.get("TERM") != "dumb" or not stream.isatty()
