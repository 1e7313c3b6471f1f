"""Texts with fields in braces, such as ``{host}/{name:.8}``: their syntax, for templates of names and of commands."""

from collections.abc import Sequence
from typing import NamedTuple

from downloader.errors import UsageError


class BracedField(NamedTuple):
    """A field of a text. ``form``: what follows its colon; ``conversion``: what follows its exclamation mark."""

    name: str
    form: str
    conversion: str


def split_fields(text: str, option: str) -> list[str | BracedField]:
    """The literal texts and the fields of a text, in order; ``{{`` and ``}}`` are braces.

    ``option``: what error messages begin with. Raises UsageError for a brace without its partner.
    """
    import string  # here: few runs need it

    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError:
        raise UsageError(f"{option}: unbalanced braces in {text!r}", hint="write {{ and }} for braces") from None
    pieces: list[str | BracedField] = []
    for literal, name, form, conversion in parsed:
        if literal:
            pieces.append(literal)
        if name is not None:
            pieces.append(BracedField(name, form or "", conversion or ""))
    return pieces


def unknown_field(name: str, known: Sequence[str], option: str) -> UsageError:
    """The error for a field that does not exist; it suggests the most similar one of ``known``."""
    import difflib  # here: few runs need it

    similar = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {{{similar[0]}}}?" if similar else f"the fields are {', '.join(known)}"
    return UsageError(f"{option}: unknown field {{{name}}}", hint=hint)
