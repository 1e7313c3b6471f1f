"""`dl`: the entry point. Chooses between fetching lists and the named commands, and turns the end of either into an exit code.

Exit codes: see `downloader.errors`; 130 (SIGINT) and 143 (SIGTERM) for a run that a signal ended, 2 for wrong usage.

This module does not import click: ordinary command lines that fetch something are read without, see
`downloader.cli.fetch_options`. All else is in `downloader.cli.commands`.
"""

import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from downloader.cli.fetch_options import fetch_with, read_plain
from downloader.engine.interpreter import resume_collector
from downloader.errors import DownloadError, UsageError

if TYPE_CHECKING:
    import click

COMMANDS = {
    "status": "show what is in a folder, as its journal says",
    "export": "write a list, a report or a sums file from the journal",
    "verify": "verify the files on the disk, or write their digests",
    "compare": "measure and compare the strategies",
    "serve": "start the test server of `dl compare`",
    "cluster": "start a Dask cluster on this machine, for `-s dask`",
    "config": "show the settings, check a file of them, or write one",
    "strategies": "list the strategies, and whether each can run here",
    "help": "explain a topic, or show the options of a command",
}
SHELLS = ("bash", "zsh", "fish")


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit. ``arguments``: the words after `dl`, or None for those of the process."""
    if sys.platform == "win32":
        print("dl: Windows is not supported: use Linux, macOS or the Windows Subsystem for Linux", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    words = sys.argv[1:] if arguments is None else arguments
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `downloader.cli.entry`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    try:
        code = _run(words)
        if sys.stdout is not None:  # None: the caller had closed it
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("dl: interrupted", file=sys.stderr)  # noqa: T201
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's flush at exit does not fail
        code = 141
    sys.exit(code)


def _open_streams() -> None:
    """Open the null device as standard input, output and error where the caller has closed them, as some daemons do.

    Otherwise the first files that the program opens would get the descriptors 0 to 2, and a message to standard error would
    be written into one of these files.
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
            stream.reconfigure(errors="backslashreplace")  # the locale may lack characters of a URL or a path


def _run(words: list[str]) -> int:
    instruction = os.environ.get("_DL_COMPLETE")
    try:
        if instruction:
            from downloader.cli.completion import complete

            return complete(instruction)
        if words and words[0] in COMMANDS:
            return _run_command(words)
        if words:
            _check_first(words[0])
        options = read_plain(words)
        return _run_command(words) if options is None else fetch_with(options)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except DownloadError as error:
        from downloader.core.text import printable

        print(f"dl: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except OSError as error:  # errors of a download are DownloadErrors: this one is from printing
        print(f"dl: cannot write the output: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 3
    except Exception as error:  # noqa: BLE001 - an internal error is printed in one line, without a traceback
        return _print_internal_error(error)


def _run_command(words: list[str]) -> int:
    from downloader.cli.commands import run  # here: click takes 15 ms to import

    if words and words[0] in COMMANDS:
        resume_collector()  # for a fetch, see `downloader.cli.fetch`
        return run(words[0], words[1:])
    return run("", words)


def _print_internal_error(error: Exception) -> int:
    """Print the error and its innermost line of code. Returns the exit code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    print(f"dl: internal error{where}: {type(error).__name__}: {error} (please report it)", file=sys.stderr)  # noqa: T201
    return 1


def _check_first(word: str) -> None:
    """Raises UsageError if the first argument is no file, but resembles the name of a command."""
    if word.startswith("-") or "/" in word or "." in word or os.path.lexists(word):
        return
    import difflib  # here: few runs need it

    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.7)
    if near:
        raise UsageError(f"there is no file {word!r}", hint=f"did you mean `dl {near[0]}`?")


def command_of(name: str) -> "click.Command":
    """The command with this name, one of COMMANDS. Only the modules of this command are imported."""
    from downloader.cli import commands

    return commands.command_of(name)


def fetch_command() -> "click.Command":
    """`dl [OPTIONS] LIST...`."""
    from downloader.cli import commands

    return commands.fetch_command()
