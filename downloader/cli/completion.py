"""Tab completion: the completions of a partial command line, and the shell scripts that request them.

The scripts are click's. Each runs ``dl`` with the partial command line in environment variables, so this module must be
fast: it imports no HTTP client.
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
    """Print the completions (``bash_complete``) or the script (``bash_source``). Returns the exit code."""
    shell, _, action = instruction.partition("_")
    if shell not in SHELLS:
        return 1
    if action == "source":
        click.echo(script(shell), nl=False)
        return 0
    completer = _completer(shell, fetch_command())
    words, text = completer.get_completion_args()
    if words and words[-1] == "=":  # bash splits `--strategy=mul` into three words
        words.pop()
    for item in _completions(shell, words, text):
        click.echo(completer.format_completion(item))
    return 0


def _completions(shell: str, words: list[str], text: str) -> Iterator[CompletionItem[str]]:
    if words and words[0] in COMMANDS:
        yield from _completer(shell, command_of(words[0])).get_completions(words[1:], text)
        return
    commands = [CompletionItem(name, help=meaning) for name, meaning in COMMANDS.items() if not words and name.startswith(text)]
    yield from commands
    if commands and shell == "bash":  # its script drops all other completions if one says "complete files"
        yield from (CompletionItem(name) for name in sorted(_files(text)))
    else:
        yield from _completer(shell, fetch_command()).get_completions(words, text)


def _files(text: str) -> Iterator[str]:
    """The files and folders of the current folder that begin with ``text``; names that a shell would interpret are left out."""
    with os.scandir() as entries:
        for entry in entries:
            if entry.name.startswith(text) and _PLAIN.fullmatch(entry.name) and entry.name[0] != ".":
                yield f"{entry.name}/" if entry.is_dir() else entry.name


def _completer(shell: str, command: click.Command) -> ShellComplete:
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click supports all of SHELLS
    return kind(command, {}, "dl", VARIABLE)


def script(shell: str) -> str:
    """The completion script for this shell."""
    return _completer(shell, fetch_command()).source()


def shell_of(name_or_empty: str) -> str:
    """The name of the shell: as given, else from ``$SHELL``. Raises UsageError for an unsupported shell."""
    name = name_or_empty or Path(os.environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    problem = f"no completion for the shell {name!r}" if name else "the shell is unknown: $SHELL is not set"
    raise UsageError(problem, hint=f"give one of {', '.join(SHELLS)}")


def install(shell: str) -> str:
    """Write the script to the folder where the shell looks for it. Raises StorageError.

    Returns a text with the path and with the steps that are left to the user.
    """
    path, next_step = _script_path(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(shell), encoding="utf-8")
    except OSError as error:
        hint = f"dl --show-completion {shell} prints it"
        raise StorageError(f"cannot write the completion for {shell} to {path}: {error.strerror}", hint=hint) from None
    return f"wrote {path}\n{next_step}"


def _script_path(shell: str) -> tuple[Path, str]:
    """The path of the script, and what the user must do next. The user's own files, as ~/.bashrc, are never changed."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell == "bash":
        path = data / "bash-completion" / "completions" / "dl"
        return path, f"New shells load it if bash-completion is installed. Otherwise add to ~/.bashrc:\n  source {path}"
    if shell == "zsh":
        path = data / "zsh" / "site-functions" / "_dl"
        return path, f"Add to ~/.zshrc, above compinit, unless it is there already:\n  fpath=({path.parent} $fpath)"
    path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions" / "dl.fish"
    return path, "New shells load it."
