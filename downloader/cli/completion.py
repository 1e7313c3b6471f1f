"""Completion in the shell: what a half-typed command line can go on with, and the script that makes a shell ask.

The scripts are click's. Each asks by running ``dl`` with the words so far in the environment, so this must be quick: no
HTTP client is imported.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from downloader.cli.main import COMMANDS, SHELLS, command_of, fetch_command
from downloader.errors import StorageError, UsageError

VARIABLE = "_DL_COMPLETE"
_PLAIN = re.compile(r"[\w.,+@%-]+")


def complete(instruction: str) -> int:
    """Answer a shell's question, or print the script: ``bash_complete``, ``bash_source``. The exit code."""
    shell, _, what = instruction.partition("_")
    if shell not in SHELLS:
        return 1
    if what == "source":
        click.echo(script(shell), nl=False)
        return 0
    asking = _asking(shell, fetch_command())
    words, text = asking.get_completion_args()
    if words and words[-1] == "=":  # bash takes `--strategy=mul` for three words
        words.pop()
    for item in _answers(shell, words, text):
        click.echo(asking.format_completion(item))
    return 0


def _answers(shell: str, words: list[str], text: str) -> Iterator[CompletionItem[str]]:
    if words and words[0] in COMMANDS:
        yield from _asking(shell, command_of(words[0])).get_completions(words[1:], text)
        return
    commands = [CompletionItem(name, help=about) for name, about in COMMANDS.items() if not words and name.startswith(text)]
    yield from commands
    if commands and shell == "bash":  # whose script forgets all else where it is told that files are wanted
        yield from (CompletionItem(name) for name in sorted(_files(text)))
    else:
        yield from _asking(shell, fetch_command()).get_completions(words, text)


def _files(text: str) -> Iterator[str]:
    """The files and folders here that begin so, without those whose names a shell would take for something else."""
    with os.scandir() as entries:
        for entry in entries:
            if entry.name.startswith(text) and _PLAIN.fullmatch(entry.name) and entry.name[0] != ".":
                yield f"{entry.name}/" if entry.is_dir() else entry.name


def _asking(shell: str, command: click.Command) -> ShellComplete:
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has these three
    return found(command, {}, "dl", VARIABLE)


def script(shell: str) -> str:
    """The script that makes this shell ask."""
    return _asking(shell, fetch_command()).source()


def shell_of(given: str) -> str:
    """The shell's name: as given, else from ``$SHELL``. Raises UsageError for one that is not known."""
    name = given or Path(os.environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    known = f"one of {', '.join(SHELLS)}"
    raise UsageError(f"no completion for the shell {name!r}" if name else "which shell is not known", hint=known)


def install(shell: str) -> str:
    """Write the script to where the shell looks for it. What was done and what is left to do. Raises StorageError."""
    path, left = _place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(shell), encoding="utf-8")
    except OSError as error:
        hint = f"dl --show-completion {shell} prints it"
        raise StorageError(f"cannot write the completion for {shell} to {path}: {error.strerror}", hint=hint) from None
    return f"wrote {path}\n{left}"


def _place(shell: str) -> tuple[Path, str]:
    """The file, and what to do when it is there. No file of the user's own is changed."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell == "bash":
        path = data / "bash-completion" / "completions" / "dl"
        return path, f"A new shell has it where bash-completion is installed. Without that, add to ~/.bashrc:\n  source {path}"
    if shell == "zsh":
        path = data / "zsh" / "site-functions" / "_dl"
        return path, f"Add to ~/.zshrc, above compinit, where it is not there yet:\n  fpath=({path.parent} $fpath)"
    path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions" / "dl.fish"
    return path, "A new shell has it."
