"""The command of ``--on-complete``: parsed once, before anything starts; then the arguments for each file.

The command is run without a shell, as a list of arguments, so a file name cannot become a command. Fields such as ``{path}``
are replaced within an argument. Two ways in which a name could still be more than a name are refused: as a part of a script
(``sh -c 'gzip {path}'``), and as an option (``-rf``).
"""

import os
import re
from collections.abc import Iterator

from downloader.core.model import Result
from downloader.core.names.field_syntax import BracedField, split_fields, unknown_field
from downloader.core.names.file_names import split_extension
from downloader.errors import UsageError

OPTION = "--on-complete"
FIELDS = ("path", "dir", "name", "stem", "ext", "relative", "url", "bytes", "digest")
"""All fields, as messages show them."""

_SCRIPT_FLAGS = (
    (r"(?:|ba|da|z|k|mk|a|fi|c|tc)sh|su", r"-[A-Za-z]*c[A-Za-z]*|--command"),
    (r"python[0-9.]*", r"-[A-Za-z]*c"),
    (r"perl|ruby|lua|node|sed", r"-[A-Za-z0-9]*[eE]|--eval|--expression"),
    (r"php", r"-r|--run"),
)
"""Names of interpreters, and their option that is followed by a script."""

_HAS_VALUE = r"[-+][A-Za-z]*[oOWX]"
"""Options of these interpreters whose value is the next word: ``bash -o pipefail -c …``."""

_SHELL_WORDS = frozenset({"|", "||", "|&", "&", "&&", ">", ">>", "<", "<<", "2>", "2>>", "2>&1", "&>", ">&2"})

_Pieces = tuple[str | BracedField, ...]


class CompletionCommand:
    """A parsed command. ``program``: the path of its program.

    Raises UsageError for a command that is malformed, that names an unknown field, whose program does not exist, or that would
    run the names of files as a script.
    """

    def __init__(self, text: str) -> None:
        import shlex  # here, and below: few runs need it
        import shutil

        try:
            words = shlex.split(text)
        except ValueError as error:
            raise _error(f"{str(error).lower()} in {text!r}", "quote as in a shell: 'gzip -t {path}'") from None
        if not words:
            raise _error("there is no command", "as in --on-complete 'gzip -t {path}'")
        self._arguments = [_parsed(word) for word in words]
        if not all(isinstance(piece, str) for piece in self._arguments[0]):
            raise _error(f"the program {words[0]!r} contains a field", "only arguments contain fields")
        _check_no_shell(words, self._arguments)
        name = _literal(self._arguments[0])
        found = shutil.which(name)
        if found is None:
            is_there = "/" in name and os.path.exists(name)
            hint = "it is not executable" if is_there else "no shell reads the command: ~ and $ have no meaning in it"
            raise _error(f"there is no program {name!r}", hint)
        self.program = os.path.abspath(found)
        self.name = os.path.basename(name)

    def arguments_for(self, result: Result, root: str) -> list[str]:
        """The program and its arguments for a file that is done. ``root``: the folder of the run, absolute.

        Raises ValueError if the value of a field would be read as an option.
        """
        path = os.path.join(root, result.path)
        name = os.path.basename(path)
        stem, extension = split_extension(name)
        values = {
            "path": path,
            "dir": os.path.dirname(path),
            "name": name,
            "stem": stem,
            "ext": extension,
            "relative": result.path,
            "url": result.url,
            "bytes": str(result.bytes),
            "digest": result.digests[0].digest if result.digests else "",
        }
        arguments = [self.program]
        for pieces in self._arguments[1:]:
            argument = "".join([piece if isinstance(piece, str) else values[piece.name] for piece in pieces])
            if argument.startswith("-") and not isinstance(pieces[0], str) and "--" not in arguments:
                raise ValueError(f"{argument!r} would be read as an option: write -- in front of {{{pieces[0].name}}}")
            arguments.append(argument)
        return arguments


def _parsed(word: str) -> _Pieces:
    """The pieces of one argument. Raises UsageError."""
    pieces = split_fields(word, OPTION)
    for piece in pieces:
        if isinstance(piece, str):
            continue
        if piece.name not in FIELDS:
            raise unknown_field(piece.name, FIELDS, OPTION)
        if piece.form or piece.conversion:
            raise _error(f"the field in {word!r} has a format", f"write {{{piece.name}}}")
    return tuple(pieces)


def _literal(pieces: _Pieces) -> str:
    return "".join([piece for piece in pieces if isinstance(piece, str)])


def _check_no_shell(words: list[str], arguments: list[_Pieces]) -> None:
    """Raises UsageError for what only a shell understands, and for a script that contains a field."""
    operator = next((word for word in words if word in _SHELL_WORDS), "")
    if operator:
        raise _error(f"no shell reads the command, and {operator!r} is for a shell", """sh -c 'gzip -t "$1" && …' sh {path}""")
    for number, script in _scripts(words):
        if any(not isinstance(piece, str) for piece in arguments[script]):
            what = f"{words[number]} would run the names of files as a script"
            raise _error(what, """pass them as arguments: sh -c 'gzip -t "$1"' sh {path}""")


def _scripts(words: list[str]) -> Iterator[tuple[int, int]]:
    """Where the command gives a script to an interpreter: the indices of both words."""
    for number, word in enumerate(words):
        name = os.path.basename(word)
        flag = next((flag for names, flag in _SCRIPT_FLAGS if re.fullmatch(names, name)), "")
        at = number + 1
        while flag and at < len(words) - 1 and words[at][:1] in ("-", "+"):
            if re.fullmatch(flag, words[at]):
                yield number, at + 1
                break
            at += 2 if re.fullmatch(_HAS_VALUE, words[at]) else 1


def _error(what: str, hint: str) -> UsageError:
    return UsageError(f"{OPTION}: {what}", hint=hint)
